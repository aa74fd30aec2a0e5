use super::*;
use std::fs;

/// A directory in which a test lays out files; `ROOT` in texts stands for it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }
    fn root(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }
    fn with(self, files: &[(&str, &str)]) -> Home {
        for (name, text) in files {
            let path = self.root().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.replace("ROOT", self.root().to_str().unwrap())).unwrap();
        }
        self
    }
    /// The configuration with this input and output, each the inside of `{}`.
    fn config(&self, input: &str, output: &str) -> Config {
        let text =
            format!("data_dir: ROOT/state/data\ninputs:\n  i: {{{input}}}\noutputs:\n  o: {{inputs: [i], {output}}}\n");
        let text = text.replace("ROOT", self.root().to_str().unwrap());
        let pod = |name: &str| name.starts_with("POD_").then(|| "p".to_owned());
        crate::config::load(&text, "t", &pod).unwrap_or_else(|e| panic!("{text}: {e:?}"))
    }
    /// What is granted below the root: `r etc` or `w data`, sorted, and nothing for what is granted above it.
    fn granted(&self, config: &Config, env: &[(&str, &str)]) -> Vec<String> {
        let root = self.root();
        let env = |name: &str| {
            let found = env.iter().find(|(n, _)| *n == name)?;
            Some(OsString::from(found.1.replace("ROOT", root.to_str().unwrap())))
        };
        let all = granted(config, &root.join("conf/d/tailrace.yaml"), &env);
        let letter = |right| match right {
            Right::Read => "r",
            Right::Write => "w",
        };
        let own = all.iter().filter_map(|g| Some((letter(g.right), g.path.strip_prefix(&root).ok()?)));
        let mut own: Vec<String> = own.map(|(letter, path)| format!("{letter} {}", path.display())).collect();
        own.sort();
        own.dedup();
        assert!(!all.iter().any(|g| root.starts_with(&g.path) && g.path != root), "above all of it: {all:?}");
        own
    }
}

const FILES: &str = "type: file, include: ['ROOT/logs/app/*.log']";
const SEARCH: &str = "type: opensearch, url: 'http://h', index: i, auth: {type: none}";
const S3: &str = "type: s3, bucket: my-logs, region: us-east-1, key: 'logs/'";

#[test]
fn each_thing_that_the_configuration_names_is_granted_and_nothing_beside_it() {
    let layout = [
        ("logs/app/a.log", ""),
        ("other/b.log", ""),
        ("conf/d/tailrace.yaml", ""),
        ("docker/lib/containers/x", ""),
        ("kube/log/pods/x", ""),
        ("pod/info/labels", ""),
        ("tls/own/ca.pem", "-----BEGIN CERTIFICATE-----\n"),
    ];
    // Always: state, dead letters below it, the configuration's own directory.
    for (input, output, more) in [
        // The directory above a log directory, as that one may be made anew.
        (FILES, SEARCH, vec!["r logs"]),
        ("type: file, include: ['ROOT/logs/app/a.log', 'ROOT/other/*/deep/**/*.log']", SEARCH, vec!["r logs", "r "]),
        ("type: file, include: ['ROOT/logs/*/[ab]?.log']", SEARCH, vec!["r "]),
        // Not there yet: the nearest directory that is.
        ("type: file, include: ['ROOT/logs/app/late/er/*.log']", SEARCH, vec!["r logs"]),
        (
            "type: kubernetes, path: ROOT/kube/log/pods, docker_roots: [ROOT/docker/lib/containers], metadata: {source: path}",
            SEARCH,
            vec!["r docker/lib/containers", "r kube/log"],
        ),
        (
            "type: file, include: ['ROOT/logs/app/*.log'], metadata: {source: downward, dir: ROOT/pod/info}",
            SEARCH,
            vec!["r logs", "r pod/info"],
        ),
        (
            FILES,
            "type: opensearch, url: 'http://h', index: i, auth: {type: none}, dead_letter: {dir: ROOT/letters/o}",
            vec!["r logs", "w letters/o"],
        ),
    ] {
        let home = Home::new().with(&layout);
        let got = home.granted(&home.config(input, output), &[]);
        let mut want: Vec<String> = vec!["r conf/d".into(), "w state/data".into()];
        if !output.contains("letters") {
            want.push("w state/data/dead-letter".into());
        }
        want.extend(more.into_iter().map(str::to_owned));
        want.sort();
        assert_eq!(got, want, "{input} {output}");
    }
}

#[test]
fn tokens_and_profiles_are_granted_with_their_directories_where_an_output_signs() {
    let home = Home::new().with(&[
        ("irsa/v/token", "t"),
        ("eks/v/token", "t"),
        ("home/.aws/config", "[default]\n[profile a]\nweb_identity_token_file = ROOT/web/v/token\nrole_arn = r\n"),
        ("home/.aws/credentials", "[default]\n"),
        ("web/v/token", "t"),
        ("own/aws/config", "[default]\nweb_identity_token_file=ROOT/web/v/token"),
        ("logs/app/a.log", ""),
        ("certs/d/c.pem", ""),
    ]);
    let env = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "ROOT/irsa/v/token"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "ROOT/eks/v/token"),
        ("HOME", "ROOT/home"),
        ("SSL_CERT_FILE", "ROOT/certs/d/c.pem"),
    ];
    let always = ["r certs/d", "r logs", "w state/data", "w state/data/dead-letter"];
    let with = |more: &[&str]| {
        let mut all: Vec<String> = always.iter().chain(more).map(|s| (*s).to_owned()).collect();
        all.sort();
        all
    };
    let (signs, not) = (home.config(FILES, S3), home.config(FILES, SEARCH));
    assert_eq!(home.granted(&signs, &env), with(&["r irsa/v", "r eks/v", "r home/.aws", "r web/v"]));
    assert_eq!(home.granted(&not, &env), with(&[]), "who signs nothing reads no token");
    // The variables of the files win over the home directory.
    let own =
        [env.as_slice(), &[("AWS_CONFIG_FILE", "ROOT/own/aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "/no/such")]];
    assert_eq!(home.granted(&signs, &own.concat()), with(&["r irsa/v", "r eks/v", "r own/aws", "r web/v"]));
    // What is not there is not granted, and neither is what is above it.
    let none = [("AWS_WEB_IDENTITY_TOKEN_FILE", "ROOT/irsa/none"), ("HOME", "ROOT/nobody"), env[3]];
    assert_eq!(home.granted(&signs, &none), with(&[]));
}

#[test]
fn a_kubeconfig_is_granted_with_what_it_names_where_the_api_server_is_asked() {
    let home = Home::new().with(&[
        ("k/one/config", "clusters:\n- cluster: {server: 'https://h', certificate-authority: ROOT/k/ca/ca.crt}\n"),
        (
            "k/two/config",
            r#"{"users":[{"user":{"client-certificate":"ROOT/k/pair/c.crt","client-key":"ROOT/k/key/c.key"}}]}"#,
        ),
        ("k/three/config", "users:\n- user:\n    tokenFile: \"ROOT/k/tok/token\"\n"),
        ("home/.kube/config", ""),
        ("k/ca/ca.crt", ""),
        ("k/pair/c.crt", ""),
        ("k/key/c.key", ""),
        ("k/tok/token", ""),
        ("kube/log/pods/x", ""),
    ]);
    let kubernetes = |source: &str| {
        home.config(&format!("type: kubernetes, path: ROOT/kube/log/pods, metadata: {{source: {source}}}"), SEARCH)
    };
    let always = ["r kube/log", "w state/data", "w state/data/dead-letter"];
    let with = |more: &[&str]| {
        let mut all: Vec<String> = always.iter().chain(more).map(|s| (*s).to_owned()).collect();
        all.sort();
        all
    };
    let list =
        [("KUBECONFIG", "ROOT/k/one/config:ROOT/k/two/config:/no/such:ROOT/k/three/config"), ("HOME", "ROOT/home")];
    let all = with(&["r k/one", "r k/two", "r k/three", "r k/ca", "r k/pair", "r k/key", "r k/tok"]);
    assert_eq!(home.granted(&kubernetes("api"), &list), all);
    assert_eq!(home.granted(&kubernetes("api"), &list[1..]), with(&["r home/.kube"]));
    assert_eq!(home.granted(&kubernetes("api"), &[]), with(&[]));
    assert_eq!(home.granted(&kubernetes("path"), &list), with(&[]));
}

#[test]
fn a_directory_is_granted_only_where_it_is_not_all_of_etc_or_var() {
    for (path, small) in [("/", false), ("/etc", false), ("/var", false), ("/var/log", true), ("/etc/tailrace", true)] {
        assert_eq!(is_small(Path::new(path)), small, "{path}");
    }
    for (glob, want) in [
        ("/var/log/*.log", "/var/log"),
        ("/var/log/a.log", "/var/log"),
        ("/**/x.log", "/"),
        ("/srv/{a,b}/x", "/srv/{a,b}"),
        ("/srv/a[0-9]/x", "/srv"),
    ] {
        let got = fixed(glob);
        assert!(got == Path::new(want), "{glob}: {}", got.display());
    }
    // A link is followed to what it stands for, and a directory is no file.
    let home = Home::new().with(&[("real/d/token", "t")]);
    fs::create_dir(home.root().join("link")).unwrap();
    std::os::unix::fs::symlink(home.root().join("real/d/token"), home.root().join("link/token")).unwrap();
    assert_eq!(around(&home.root().join("link/token")), Some(home.root().join("real/d")));
    assert_eq!(around(&home.root().join("real/d")), None);
}

#[test]
fn what_was_granted_for_writing_is_enough_for_reading_and_not_the_other_way() {
    let home = Home::new().with(&[("a/b/c", "")]);
    let root = home.root();
    let given = |right| vec![Granted { path: root.join("a"), right, configured: true }];
    let place = |right, path: &str| Place { path: root.join(path), right, comes_and_goes: false };
    for (has, needs, path, enough) in [
        (Right::Read, Right::Read, "a/b", true),
        (Right::Read, Right::Write, "a/b", false),
        (Right::Write, Right::Read, "a/b/none/yet", true),
        (Right::Write, Right::Write, "a/b", true),
        (Right::Write, Right::Read, "a/../x", false),
        (Right::Write, Right::Read, "ab", false),
    ] {
        assert_eq!(place(needs, path).is_in(&given(has)), enough, "{has:?} {needs:?} {path}");
    }
}

#[test]
fn a_kubeconfig_that_runs_a_program_is_found() {
    for (text, runs) in [
        ("users:\n- user:\n    exec:\n      command: aws\n", true),
        (r#"{"users":[{"user":{"exec":{"command":"aws"}}}]}"#, true),
        ("users:\n- user: {token: exec}\n", false),
    ] {
        let home = Home::new().with(&[("k/one/config", text)]);
        let config = home.config("type: kubernetes, metadata: {source: api}", SEARCH);
        let file = OsString::from(home.root().join("k/one/config"));
        let found = program(&config, &|name| (name == "KUBECONFIG").then(|| file.clone()));
        assert_eq!(found.is_some(), runs, "{text}");
    }
}

mod kubeconfigs {
    use super::super::*;
    use std::ffi::OsString;

    fn config(metadata: &str) -> Config {
        let text = format!(
            "data_dir: /d\nnode: n\ninputs:\n  pods: {{type: kubernetes, metadata: {metadata}}}\noutputs:\n  o: {{type: \
             opensearch, inputs: [pods], url: 'http://h', index: i, auth: {{type: none}}}}\n"
        );
        crate::config::load(&text, "f", &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn what_asking_kubelet_needs_stays_readable() {
        let dir = tempfile::tempdir().unwrap();
        let (ca, kubeconfig) = (dir.path().join("pki/ca.crt"), dir.path().join("home/kubeconfig"));
        for file in [&ca, &kubeconfig] {
            std::fs::create_dir(file.parent().unwrap()).unwrap();
            std::fs::write(file, "-----BEGIN CERTIFICATE-----").unwrap();
        }
        let config = config(&format!("{{source: kubelet, kubelet: {{ca_file: '{}'}}}}", ca.display()));
        assert!(configured(&config).iter().any(|place| ca.starts_with(&place.path)), "{:?}", configured(&config));
        let env = |name: &str| (name == "KUBECONFIG").then(|| kubeconfig.clone().into_os_string());
        assert!(of_environment(&config, &env).iter().any(|path| kubeconfig.starts_with(path)));
    }

    #[test]
    fn paths_are_found_however_a_kubeconfig_is_laid_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in [
            "clusters:\n- name: c\n  cluster:\n    certificate-authority: /k/ca.crt # ours\n    server: https://h\n",
            "clusters: [{name: c, cluster: {server: \"https://h\", certificate-authority: '/k/ca.crt'}}]\n",
            r#"{"clusters":[{"name":"c","cluster":{"certificate-authority":"/k/ca.crt"}}]}"#,
        ] {
            std::fs::write(file.path(), text).unwrap();
            assert_eq!(paths_in(file.path(), &["certificate-authority"]), [PathBuf::from("/k/ca.crt")], "{text}");
        }
    }

    #[test]
    fn a_kubeconfig_is_nobodys_business_where_only_paths_count() {
        let env = |name: &str| (name == "KUBECONFIG").then(|| OsString::from("/k"));
        assert_eq!(kubeconfigs(&config("{source: path}"), &env), Vec::<PathBuf>::new());
        assert_eq!(kubeconfigs(&config("{source: api}"), &env), [PathBuf::from("/k")]);
    }
}

#[test]
fn a_path_ends_before_a_comment() {
    let home = Home::new().with(&[("config", "cluster:\n  certificate-authority: /a/ca.crt # ours\n")]);
    assert_eq!(paths_in(&home.root().join("config"), &["certificate-authority"]), [Path::new("/a/ca.crt")]);
}
