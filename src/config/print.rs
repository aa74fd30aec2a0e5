//! A checked configuration as YAML, with every default filled in and every secret hidden.
//!
//! What comes out, with secrets put back, checks again to the same configuration (a test holds it to that), so it can
//! be kept as a configuration. Values that a user chose stand in double quotes, escaped; the rest needs none.

use super::checked::{
    Auth, Aws, CatchUp, CatchUpOrder, CloudWatch, Compression, Config, ExitWhen, Input, InputKind, Kubelet, LogClass,
    Metadata, MetadataSource, OpenSearch, Output, OutputKind, OwnPod, Retain, S3, Sandbox, SpotNotice, Start,
};
use super::expand;
use super::units::{show_duration, show_size};
use crate::metadata::rules::Rules;
use crate::metadata::rules::selector::Glob;
use std::fmt::{Display, Write};

/// What stands in place of a secret.
pub const HIDDEN: &str = "(hidden)";

/// The whole configuration. Here and below fields are named one by one: a key that is not printed does not compile.
pub fn yaml(config: &Config) -> String {
    let Config {
        data_dir,
        memory_limit,
        shutdown_timeout,
        admin,
        node,
        retain,
        spot_notice,
        exit_when,
        sandbox,
        inputs,
        outputs,
    } = config;
    let mut page = Page::default();
    page.line(0, "data_dir", quoted(&data_dir.to_string_lossy()));
    page.line(0, "memory_limit", show_size(memory_limit));
    page.line(0, "shutdown_timeout", show_duration(shutdown_timeout));
    page.line(0, "node", quoted(node));
    let listen = admin.map_or("none".to_string(), |address| address.to_string());
    page.line(0, "admin", format!("{{listen: {}}}", quoted(&listen)));
    let Retain { max_bytes, min_free_percent: free } = retain;
    let max_bytes = show_size(max_bytes);
    page.line(0, "retain", format!("{{max_bytes: {max_bytes}, min_free: {free}%}}"));
    let spot_notice = match spot_notice {
        SpotNotice::Auto => "auto",
        SpotNotice::On => "on",
        SpotNotice::Off => "off",
    };
    page.line(0, "spot_notice", spot_notice);
    match exit_when {
        None => {}
        Some(ExitWhen { file: None, idle: None }) => page.line(0, "exit_when", "stopped"),
        Some(ExitWhen { file, idle }) => {
            page.line(0, "exit_when", "");
            page.text(1, "file", file.as_ref().map(|path| path.to_string_lossy()).as_deref());
            if let Some(idle) = idle {
                page.line(1, "idle", show_duration(idle));
            }
        }
    }
    let Sandbox { landlock, seccomp, read } = sandbox;
    let read: Vec<_> = read.iter().map(|path| path.to_string_lossy()).collect();
    page.line(0, "sandbox", format!("{{landlock: {landlock}, seccomp: {seccomp}, read: {}}}", list(&read)));
    page.line(0, "inputs", "");
    for input in inputs {
        page.input(input);
    }
    page.line(0, "outputs", "");
    for output in outputs {
        page.output(output);
    }
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, depth: usize, key: &str, value: impl Display) {
        let value = value.to_string();
        let space = if value.is_empty() { "" } else { " " };
        self.raw(format_args!("{:indent$}{key}:{space}{value}", "", indent = depth * 2));
    }

    fn raw(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        if self.0.write_fmt(line).is_ok() {
            self.0.push('\n');
        }
    }

    fn text(&mut self, depth: usize, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.line(depth, key, quoted(value));
        }
    }

    fn input(&mut self, input: &Input) {
        let Input { name, start, exclude, max_record, kind: of } = input;
        self.line(1, &quoted(name), "");
        let kind = match of {
            InputKind::Kubernetes { .. } => "kubernetes",
            InputKind::File { .. } => "file",
        };
        self.line(2, "type", kind);
        let start = match start {
            Start::Beginning => "beginning",
            Start::End => "end",
        };
        self.line(2, "start", start);
        self.line(2, "exclude", list(exclude));
        self.line(2, "max_record", show_size(&(*max_record as u64)));
        match of {
            InputKind::File { include, pod } => {
                self.line(2, "include", list(include));
                if let Some(pod) = pod {
                    self.own_pod(pod);
                }
            }
            InputKind::Kubernetes { path, docker_roots, metadata, include_self, rules } => {
                self.line(2, "path", quoted(&path.to_string_lossy()));
                let roots: Vec<_> = docker_roots.iter().map(|root| root.to_string_lossy()).collect();
                self.line(2, "docker_roots", list(&roots));
                self.line(2, "include_self", include_self);
                self.metadata(metadata);
                self.rules(rules);
            }
        }
    }

    fn metadata(&mut self, metadata: &Metadata) {
        let Metadata { source: from, wait, labels, annotations, fields, namespace_labels, node_labels, kubelet } =
            metadata;
        self.line(2, "metadata", "");
        let source = match from {
            MetadataSource::Api => "api",
            MetadataSource::Kubelet => "kubelet",
            MetadataSource::Path => "path",
        };
        self.line(3, "source", source);
        self.line(3, "wait", show_duration(wait));
        self.line(3, "labels", labels);
        self.line(3, "annotations", list(annotations));
        let short: Vec<_> = fields.iter().map(|name| name.trim_start_matches("kubernetes.")).collect();
        self.line(3, "fields", list(&short));
        self.line(3, "namespace_labels", namespace_labels);
        self.line(3, "node_labels", node_labels);
        if *from == MetadataSource::Kubelet {
            let Kubelet { url, ca_file, verify } = kubelet;
            self.line(3, "kubelet", "");
            self.line(4, "url", quoted(url));
            let ca = ca_file.as_ref().map(|file| file.path.to_string_lossy());
            self.text(4, "ca_file", ca.as_deref());
            self.line(4, "verify", verify);
        }
    }

    fn own_pod(&mut self, pod: &OwnPod) {
        let OwnPod { name, namespace, uid, container, dir, labels, annotations } = pod;
        self.line(2, "metadata", "");
        self.line(3, "source", "downward");
        self.line(3, "pod_name", quoted(name));
        self.line(3, "namespace_name", quoted(namespace));
        self.line(3, "pod_id", quoted(uid));
        self.text(3, "container_name", container.as_deref());
        self.line(3, "dir", quoted(&dir.to_string_lossy()));
        self.line(3, "labels", labels);
        self.line(3, "annotations", list(annotations));
    }

    /// Only what is there: an empty list of namespaces would mean none.
    fn rules(&mut self, rules: &Rules) {
        let Rules { include, exclude, labels, may_exclude, may_parse } = rules;
        let texts = |globs: &[Glob]| list(&globs.iter().map(Glob::text).collect::<Vec<_>>());
        if !(include.is_empty() && exclude.is_empty()) {
            self.line(2, "namespaces", "");
            for (key, globs) in [("include", include), ("exclude", exclude)] {
                if !globs.is_empty() {
                    self.line(3, key, texts(globs));
                }
            }
        }
        if let Some(labels) = labels {
            self.line(2, "pods", format!("{{labels: {}}}", quoted(labels.text())));
        }
        let may = [("exclude", *may_exclude), ("parser", *may_parse)];
        self.line(
            2,
            "pods_may",
            format!("[{}]", may.iter().filter(|m| m.1).map(|m| m.0).collect::<Vec<_>>().join(", ")),
        );
    }

    fn output(&mut self, output: &Output) {
        let Output {
            name,
            id,
            inputs,
            max_age,
            select,
            merge_json,
            dead_letter_dir,
            dead_letter_max,
            forget_after,
            stall_after,
            catch_up: CatchUp { order, share_percent },
            concurrency,
            ca_file,
            kind,
        } = output;
        self.line(1, &quoted(name), "");
        self.line(2, "type", kind.name());
        self.line(2, "id", quoted(id));
        self.line(2, "inputs", list(inputs));
        match kind {
            OutputKind::CloudWatch(own) => self.cloudwatch(own),
            OutputKind::S3(own) => self.s3(own),
            OutputKind::OpenSearch(own) => self.opensearch(own),
        }
        self.line(2, "max_age", show_duration(max_age));
        self.line(2, "concurrency", concurrency);
        self.text(2, "ca_file", ca_file.as_ref().map(|file| file.path.to_string_lossy()).as_deref());
        let (dir, max) = (quoted(&dead_letter_dir.to_string_lossy()), show_size(dead_letter_max));
        self.line(2, "dead_letter", format!("{{dir: {dir}, max_bytes: {max}}}"));
        self.line(2, "forget_after", show_duration(forget_after));
        self.line(2, "stall_after", show_duration(stall_after));
        let order = match order {
            CatchUpOrder::Fair => "fair",
            CatchUpOrder::Oldest => "oldest",
            CatchUpOrder::Newest => "newest",
        };
        self.line(2, "catch_up", format!("{{order: {order}, share: {share_percent}%}}"));
        if !select.is_empty() || *merge_json {
            self.line(2, "transforms", "");
        }
        for predicate in select {
            self.raw(format_args!("      - select: {{keep: {}}}", quoted(predicate.text())));
        }
        if *merge_json {
            self.raw(format_args!("      - merge_json: {{}}"));
        }
    }

    fn cloudwatch(&mut self, own: &CloudWatch) {
        let CloudWatch {
            aws,
            log_group,
            log_stream,
            create,
            retention_days,
            kms_key_id,
            log_class,
            text,
            dead_letter_out_of_window,
        } = own;
        self.aws(aws);
        self.line(2, "log_group", quoted(&log_group.to_string()));
        self.text(2, "log_stream", log_stream.as_ref().map(ToString::to_string).as_deref());
        self.line(2, "create", create);
        if let Some(days) = retention_days {
            self.line(2, "retention_days", days);
        }
        self.text(2, "kms_key_id", kms_key_id.as_deref());
        match log_class {
            Some(LogClass::Standard) => self.line(2, "log_class", "STANDARD"),
            Some(LogClass::InfrequentAccess) => self.line(2, "log_class", "INFREQUENT_ACCESS"),
            None => {}
        }
        self.line(2, "format", if *text { "text" } else { "json" });
        self.line(2, "out_of_window", if *dead_letter_out_of_window { "dead_letter" } else { "drop" });
    }

    fn s3(&mut self, own: &S3) {
        let S3 { aws, bucket, key, compression, object_size, storage_class, sse, kms_key_id, sign_payload } = own;
        self.aws(aws);
        self.line(2, "bucket", quoted(bucket));
        self.line(2, "key", quoted(&key.to_string()));
        let compression = match compression {
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
        };
        self.line(2, "compression", compression);
        self.line(2, "object_size", show_size(object_size));
        self.text(2, "storage_class", storage_class.as_deref());
        self.text(2, "sse", sse.as_deref());
        self.text(2, "kms_key_id", kms_key_id.as_deref());
        self.line(2, "sign_payload", sign_payload);
    }

    fn opensearch(&mut self, own: &OpenSearch) {
        let OpenSearch { url, index, auth, derived_id } = own;
        self.line(2, "url", quoted(url));
        self.line(2, "index", quoted(&index.to_string()));
        self.line(2, "document_id", if *derived_id { "derived" } else { "none" });
        match auth {
            Auth::None => self.line(2, "auth", "{type: none}"),
            Auth::Basic { username, password: _ } => {
                let (user, password) = (quoted(username), quoted(HIDDEN));
                self.line(2, "auth", format!("{{type: basic, username: {user}, password: {password}}}"));
            }
            Auth::Aws { service, aws } => {
                self.line(2, "auth", format!("{{type: aws, service: {service}}}"));
                self.aws(aws);
            }
        }
    }

    fn aws(&mut self, aws: &Aws) {
        let Aws { region, endpoint, role_arn, external_id, session_name, profile } = aws;
        self.text(2, "region", region.as_deref());
        self.text(2, "endpoint", endpoint.as_deref());
        self.text(2, "role_arn", role_arn.as_deref());
        self.text(2, "external_id", external_id.as_deref());
        self.text(2, "session_name", session_name.as_deref());
        self.text(2, "profile", profile.as_deref());
    }
}

fn list<T: AsRef<str>>(items: &[T]) -> String {
    format!("[{}]", items.iter().map(|item| quoted(item.as_ref())).collect::<Vec<_>>().join(", "))
}

/// A double-quoted scalar; whatever a YAML reader might take for a line break or refuse is escaped.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in expand::escape(text).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
