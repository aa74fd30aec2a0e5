//! A checked configuration as YAML, with every default filled in and every secret hidden.
//!
//! What comes out, with secrets put back, checks again to the same configuration (a test holds it to that), so it can
//! be kept as a configuration. Values that a user chose stand in double quotes, escaped; the rest needs none.

use super::checked::{
    Auth, Aws, CatchUpOrder, CloudWatch, Compression, Config, ExitWhen, Input, InputKind, LogClass, Metadata,
    MetadataSource, OpenSearch, Output, OutputKind, OwnPod, S3, SpotNotice, Start,
};
use super::expand;
use super::units::{show_duration, show_size};
use crate::metadata::rules::Rules;
use crate::metadata::rules::selector::Glob;
use std::fmt::{Display, Write};

/// What stands in place of a secret.
pub const HIDDEN: &str = "(hidden)";

/// The whole configuration.
pub fn yaml(config: &Config) -> String {
    let mut page = Page::default();
    page.line(0, "data_dir", quoted(&config.data_dir.to_string_lossy()));
    page.line(0, "memory_limit", show_size(&config.memory_limit));
    page.line(0, "shutdown_timeout", show_duration(&config.shutdown_timeout));
    page.line(0, "node", quoted(&config.node));
    let listen = config.admin.map_or("none".to_string(), |address| address.to_string());
    page.line(0, "admin", format!("{{listen: {}}}", quoted(&listen)));
    let (max_bytes, free) = (show_size(&config.retain.max_bytes), config.retain.min_free_percent);
    page.line(0, "retain", format!("{{max_bytes: {max_bytes}, min_free: {free}%}}"));
    let spot_notice = match config.spot_notice {
        SpotNotice::Auto => "auto",
        SpotNotice::On => "on",
        SpotNotice::Off => "off",
    };
    page.line(0, "spot_notice", spot_notice);
    match &config.exit_when {
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
    let (landlock, seccomp) = (config.sandbox.landlock, config.sandbox.seccomp);
    let read: Vec<_> = config.sandbox.read.iter().map(|path| path.to_string_lossy()).collect();
    page.line(0, "sandbox", format!("{{landlock: {landlock}, seccomp: {seccomp}, read: {}}}", list(&read)));
    page.line(0, "inputs", "");
    for input in &config.inputs {
        page.input(input);
    }
    page.line(0, "outputs", "");
    for output in &config.outputs {
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
        self.line(1, &quoted(&input.name), "");
        let kind = match &input.kind {
            InputKind::Kubernetes { .. } => "kubernetes",
            InputKind::File { .. } => "file",
        };
        self.line(2, "type", kind);
        let start = match input.start {
            Start::Beginning => "beginning",
            Start::End => "end",
        };
        self.line(2, "start", start);
        self.line(2, "exclude", list(&input.exclude));
        self.line(2, "max_record", show_size(&(input.max_record as u64)));
        match &input.kind {
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
        self.line(2, "metadata", "");
        let source = match metadata.source {
            MetadataSource::Api => "api",
            MetadataSource::Kubelet => "kubelet",
            MetadataSource::Path => "path",
        };
        self.line(3, "source", source);
        self.line(3, "wait", show_duration(&metadata.wait));
        self.line(3, "labels", metadata.labels);
        self.line(3, "annotations", list(&metadata.annotations));
        let short: Vec<_> = metadata.fields.iter().map(|name| name.trim_start_matches("kubernetes.")).collect();
        self.line(3, "fields", list(&short));
        self.line(3, "namespace_labels", metadata.namespace_labels);
        self.line(3, "node_labels", metadata.node_labels);
        if metadata.source == MetadataSource::Kubelet {
            self.line(3, "kubelet", "");
            self.line(4, "url", quoted(&metadata.kubelet.url));
            let ca = metadata.kubelet.ca_file.as_ref().map(|file| file.path.to_string_lossy());
            self.text(4, "ca_file", ca.as_deref());
            self.line(4, "verify", metadata.kubelet.verify);
        }
    }

    fn own_pod(&mut self, pod: &OwnPod) {
        self.line(2, "metadata", "");
        self.line(3, "source", "downward");
        self.line(3, "pod_name", quoted(&pod.name));
        self.line(3, "namespace_name", quoted(&pod.namespace));
        self.line(3, "pod_id", quoted(&pod.uid));
        self.text(3, "container_name", pod.container.as_deref());
        self.line(3, "dir", quoted(&pod.dir.to_string_lossy()));
        self.line(3, "labels", pod.labels);
        self.line(3, "annotations", list(&pod.annotations));
    }

    /// Only what is there: an empty list of namespaces would mean none.
    fn rules(&mut self, rules: &Rules) {
        let texts = |globs: &[Glob]| list(&globs.iter().map(Glob::text).collect::<Vec<_>>());
        if !(rules.include.is_empty() && rules.exclude.is_empty()) {
            self.line(2, "namespaces", "");
            for (key, globs) in [("include", &rules.include), ("exclude", &rules.exclude)] {
                if !globs.is_empty() {
                    self.line(3, key, texts(globs));
                }
            }
        }
        if let Some(labels) = &rules.labels {
            self.line(2, "pods", format!("{{labels: {}}}", quoted(labels.text())));
        }
        let may = [("exclude", rules.may_exclude), ("parser", rules.may_parse)];
        self.line(
            2,
            "pods_may",
            format!("[{}]", may.iter().filter(|m| m.1).map(|m| m.0).collect::<Vec<_>>().join(", ")),
        );
    }

    fn output(&mut self, output: &Output) {
        self.line(1, &quoted(&output.name), "");
        self.line(2, "type", output.kind.name());
        self.line(2, "id", quoted(&output.id));
        self.line(2, "inputs", list(&output.inputs));
        match &output.kind {
            OutputKind::CloudWatch(own) => self.cloudwatch(own),
            OutputKind::S3(own) => self.s3(own),
            OutputKind::OpenSearch(own) => self.opensearch(own),
        }
        self.line(2, "max_age", show_duration(&output.max_age));
        self.line(2, "concurrency", output.concurrency);
        self.text(2, "ca_file", output.ca_file.as_ref().map(|file| file.path.to_string_lossy()).as_deref());
        let (dir, max) = (quoted(&output.dead_letter_dir.to_string_lossy()), show_size(&output.dead_letter_max));
        self.line(2, "dead_letter", format!("{{dir: {dir}, max_bytes: {max}}}"));
        self.line(2, "forget_after", show_duration(&output.forget_after));
        self.line(2, "stall_after", show_duration(&output.stall_after));
        let order = match output.catch_up.order {
            CatchUpOrder::Fair => "fair",
            CatchUpOrder::Oldest => "oldest",
            CatchUpOrder::Newest => "newest",
        };
        self.line(2, "catch_up", format!("{{order: {order}, share: {}%}}", output.catch_up.share_percent));
        if !output.select.is_empty() || output.merge_json {
            self.line(2, "transforms", "");
        }
        for predicate in &output.select {
            self.raw(format_args!("      - select: {{keep: {}}}", quoted(predicate.text())));
        }
        if output.merge_json {
            self.raw(format_args!("      - merge_json: {{}}"));
        }
    }

    fn cloudwatch(&mut self, own: &CloudWatch) {
        self.aws(&own.aws);
        self.line(2, "log_group", quoted(&own.log_group.to_string()));
        self.text(2, "log_stream", own.log_stream.as_ref().map(ToString::to_string).as_deref());
        self.line(2, "create", own.create);
        if let Some(days) = own.retention_days {
            self.line(2, "retention_days", days);
        }
        self.text(2, "kms_key_id", own.kms_key_id.as_deref());
        match own.log_class {
            Some(LogClass::Standard) => self.line(2, "log_class", "STANDARD"),
            Some(LogClass::InfrequentAccess) => self.line(2, "log_class", "INFREQUENT_ACCESS"),
            None => {}
        }
        self.line(2, "format", if own.text { "text" } else { "json" });
        self.line(2, "out_of_window", if own.dead_letter_out_of_window { "dead_letter" } else { "drop" });
    }

    fn s3(&mut self, own: &S3) {
        self.aws(&own.aws);
        self.line(2, "bucket", quoted(&own.bucket));
        self.line(2, "key", quoted(&own.key.to_string()));
        let compression = match own.compression {
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
        };
        self.line(2, "compression", compression);
        self.line(2, "object_size", show_size(&own.object_size));
        self.text(2, "storage_class", own.storage_class.as_deref());
        self.text(2, "sse", own.sse.as_deref());
        self.text(2, "kms_key_id", own.kms_key_id.as_deref());
        self.line(2, "sign_payload", own.sign_payload);
    }

    fn opensearch(&mut self, own: &OpenSearch) {
        self.line(2, "url", quoted(&own.url));
        self.line(2, "index", quoted(&own.index.to_string()));
        self.line(2, "document_id", if own.derived_id { "derived" } else { "none" });
        match &own.auth {
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
        self.text(2, "region", aws.region.as_deref());
        self.text(2, "endpoint", aws.endpoint.as_deref());
        self.text(2, "role_arn", aws.role_arn.as_deref());
        self.text(2, "external_id", aws.external_id.as_deref());
        self.text(2, "session_name", aws.session_name.as_deref());
        self.text(2, "profile", aws.profile.as_deref());
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
