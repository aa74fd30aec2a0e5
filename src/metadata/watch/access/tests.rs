use super::kubeconfig::File;
use super::*;
use rcgen::{CertificateParams, KeyPair};
use std::fs;

const TWO: &str = "
apiVersion: v1
kind: Config
current-context: here
contexts:
- name: there
  context: {cluster: far, user: other}
- context:
    cluster: near
    user: us
    namespace: logs
  name: here
clusters:
- cluster:
    server: https://near.example:6443/k8s/clusters/c-1
  name: near
- {name: far, cluster: {server: \"https://far.example\"}}
users:
- name: us
  user:
    token: the-token
";

fn file(text: &str) -> File {
    File::of(Path::new("/somewhere/config"), text).unwrap()
}

/// A kubeconfig with this cluster and this user, found in `directory`.
fn with(directory: &Path, cluster: &str, user: &str) -> Result<Access, String> {
    let text = format!(
        "{{current-context: it, contexts: [{{name: it, context: {{cluster: it, user: it}}}}],
          clusters: [{{name: it, cluster: {{server: 'https://it', {cluster}}}}}], users: [{{name: it, user: {{{user}}}}}]}}"
    );
    kubeconfig::access(&[File::of(&directory.join("config"), &text)?])
}

/// `Authorization` as it is sent now.
fn sent(login: &Login) -> Option<String> {
    match login {
        Login::Nobody => None,
        Login::Header(value) => Some(value.to_str().unwrap().to_owned()),
        Login::File(path) => Some(format!("file {}", fs::read_to_string(path).unwrap())),
    }
}

/// A certificate and its key, PEM.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (CertificateParams::new(vec!["us".to_owned()]).unwrap().self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn the_current_context_says_server_and_user() {
    let access = kubeconfig::access(&[file(TWO)]).unwrap();
    assert_eq!(access.url, "https://near.example:6443/k8s/clusters/c-1");
    assert!(matches!(access.trust, Trust::System));
    assert_eq!((sent(&access.login).unwrap(), access.server_name), ("Bearer the-token".into(), None));
}

#[test]
fn of_several_files_the_first_to_name_a_thing_counts() {
    let first = file("{current-context: there, users: [{name: other, user: {token: first}}]}");
    let last = file("{current-context: here, users: [{name: other, user: {token: last}}]}");
    let access = kubeconfig::access(&[first, file(TWO), last]).unwrap();
    assert_eq!((access.url.host().unwrap(), sent(&access.login).unwrap()), ("far.example", "Bearer first".into()));
}

#[test]
fn every_way_to_log_in_is_taken_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "of-the-file").unwrap();
    for (user, want) in [
        ("", None),
        ("token: ''", None),
        ("token: t", Some("Bearer t")),
        ("tokenFile: token", Some("file of-the-file")),
        ("tokenFile: token, token: t", Some("Bearer t")),
        ("username: us, password: pass, token: t", Some("Basic dXM6cGFzcw==")),
        ("username: us", None),
    ] {
        assert_eq!(sent(&with(dir.path(), "", user).unwrap().login).as_deref(), want, "{user}");
    }
    // Without a user, or with one that nobody describes, it is asked by nobody.
    for user in ["", ", user: nobody-we-know"] {
        let text = format!(
            "{{current-context: c, contexts: [{{name: c, context: {{cluster: c{user}}}}}],
              clusters: [{{name: c, cluster: {{server: 'http://c'}}}}]}}"
        );
        assert_eq!(sent(&kubeconfig::access(&[file(&text)]).unwrap().login), None);
    }
}

#[test]
fn certificates_come_from_files_beside_it_or_from_within() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = pair();
    fs::write(dir.path().join("ca.crt"), &chain).unwrap();
    fs::write(dir.path().join("key"), &key).unwrap();
    let data = |pem: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem);
    let inside = format!("certificate-authority-data: {}, certificate-authority: /no/such", data(&chain));
    for cluster in ["certificate-authority: ca.crt", &inside] {
        assert!(matches!(with(dir.path(), cluster, "").unwrap().trust, Trust::These(found) if found.len() == 1));
    }
    let beside = "client-certificate: ca.crt, client-key: key".to_owned();
    let within = format!("client-certificate-data: {}, client-key-data: {}", data(&chain), data(&key));
    for user in [beside, within] {
        assert_eq!(with(dir.path(), "", &user).unwrap().certificate.unwrap().chain_and_key().0.len(), 1, "{user}");
    }
    let access = with(dir.path(), "certificate-authority: ca.crt, insecure-skip-tls-verify: true", "").unwrap();
    assert!(matches!(access.trust, Trust::Anybody));
    assert_eq!(with(dir.path(), "tls-server-name: other", "").unwrap().server_name.as_deref(), Some("other"));
}

#[test]
fn what_cannot_be_used_is_said() {
    let dir = tempfile::tempdir().unwrap();
    for (cluster, user, says) in [
        ("proxy-url: 'http://p'", "", "`proxy-url`"),
        ("", "auth-provider: {name: gcp}", "`auth-provider`"),
        ("", "as: somebody", "`as`"),
        ("certificate-authority: no.crt", "", "no.crt: No such file"),
        ("certificate-authority-data: '%'", "", "`certificate-authority-data`"),
        ("certificate-authority-data: aGVsbG8=", "", "no certificate"),
        ("", "tokenFile: no-token", "no-token: No such file"),
        ("", "exec: {}", "without `command`"),
    ] {
        let said = with(dir.path(), cluster, user).unwrap_err();
        assert!(said.contains(says), "{says}: {said}");
    }
    for (text, says) in [
        ("{}", "current-context"),
        ("{current-context: c}", "no context \"c\""),
        ("{current-context: c, contexts: [{name: c, context: {cluster: d}}]}", "no cluster \"d\""),
    ] {
        let said = kubeconfig::access(&[file(text)]).unwrap_err();
        assert!(said.contains(says), "{says}: {said}");
    }
    assert!(File::of(Path::new("/k/config"), "a: [").err().unwrap().starts_with("/k/config: line 1: "));
    // A secret is in no sentence and no dump.
    assert!(!format!("{:?}", with(dir.path(), "", "token: hidden").unwrap()).contains("hidden"));
}

#[test]
fn a_program_is_told_of_the_cluster_and_gives_token_certificate_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = pair();
    let printed = serde_json::json!({"kind": "ExecCredential", "status": {"token": "fresh", "clientKeyData": key,
        "clientCertificateData": chain, "expirationTimestamp": "2030-01-01T00:00:00Z"}});
    fs::write(dir.path().join("printed"), printed.to_string()).unwrap();
    let out = dir.path().join("told");
    let user = format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1beta1, provideClusterInfo: true, command: /bin/sh,
          args: [-c, 'printf %s \"$KUBERNETES_EXEC_INFO\" >\"$OUT\"; cat \"$0\"', {:?}],
          env: [{{name: OUT, value: {out:?}}}]}}",
        dir.path().join("printed")
    );
    let access = with(dir.path(), "tls-server-name: other", &user).unwrap();
    assert_eq!((sent(&access.login).unwrap(), access.until), ("Bearer fresh".into(), Some(1_893_456_000)));
    assert!(access.certificate.is_some());
    let told: serde_json::Value = serde_json::from_slice(&fs::read(out).unwrap()).unwrap();
    assert_eq!(told["apiVersion"], "client.authentication.k8s.io/v1beta1");
    assert_eq!(
        (&told["spec"]["cluster"]["server"], &told["spec"]["interactive"]),
        (&"https://it".into(), &false.into())
    );

    let failed = with(dir.path(), "", "exec: {command: /bin/sh, args: [-c, 'echo why >&2; exit 3']}").unwrap_err();
    assert!(failed.contains("exit status: 3") && failed.contains("why"), "{failed}");
    let empty = with(dir.path(), "", "exec: {command: /bin/sh, args: [-c, 'echo hello: there']}").unwrap_err();
    assert!(empty.contains("no `status`"), "{empty}");
}

#[test]
fn in_a_cluster_it_is_the_service_account() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ca.crt"), pair().0).unwrap();
    assert!(in_cluster("10.0.0.1", None, dir.path()).unwrap_err().contains("token: No such file"));
    fs::write(dir.path().join("token"), "of-the-account\n").unwrap();
    for (host, port, want) in [
        ("10.0.0.1", None, "https://10.0.0.1:443/"),
        ("fd00::1", Some("6443"), "https://[fd00::1]:6443/"),
        ("kubernetes.default.svc", Some("443"), "https://kubernetes.default.svc:443/"),
    ] {
        let access = in_cluster(host, port, dir.path()).unwrap();
        assert_eq!(access.url.to_string(), want);
        assert!(matches!(&access.trust, Trust::These(found) if found.len() == 1));
        assert!(matches!(&access.login, Login::File(path) if *path == dir.path().join("token")));
    }
    assert!(in_cluster("10.0.0.1", Some("x"), dir.path()).unwrap_err().contains("KUBERNETES_SERVICE_PORT"));
}
