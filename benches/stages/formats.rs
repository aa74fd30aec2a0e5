//! The formats of the shipped outputs, and the facts of the one container whose records they get.

use crate::corpus::METADATA;
use std::sync::Arc;
use tailrace::body::chunks::{CHUNK, Pool};
use tailrace::config::checked::{Auth, Aws, CloudWatch, Compression, OpenSearch, S3};
use tailrace::config::template::Template;
use tailrace::origin::{Fields, Meta, Origin};
use tailrace::output::cloudwatch::format::CloudWatchFormat;
use tailrace::output::opensearch::format::OpenSearchFormat;
use tailrace::output::s3::format::S3Format;
use tailrace::record::Grammar;

/// Enough for all that a stage has out at once.
pub fn pool() -> Arc<Pool> {
    Pool::new(256 * CHUNK)
}

pub fn cloudwatch(text: bool, pool: Arc<Pool>) -> CloudWatchFormat {
    let output = CloudWatch {
        aws: Aws::default(),
        log_group: template("/app"),
        log_stream: None,
        create: true,
        retention_days: None,
        kms_key_id: None,
        log_class: None,
        text,
        dead_letter_out_of_window: false,
    };
    CloudWatchFormat::new(&output, &"node-1".into(), pool)
}

pub fn s3(compression: Compression, pool: Arc<Pool>) -> S3Format {
    let output = S3 {
        aws: Aws::default(),
        bucket: "logs".into(),
        key: template("logs/%Y/%m/%d/"),
        compression,
        object_size: 64 << 20,
        storage_class: None,
        sse: None,
        kms_key_id: None,
        sign_payload: false,
    };
    S3Format::new(&output, "node-1".into(), pool)
}

pub fn opensearch(pool: Arc<Pool>) -> OpenSearchFormat {
    let (url, index) = ("http://search".into(), template("logs-%Y.%m.%d"));
    OpenSearchFormat::new(&OpenSearch { url, index, auth: Auth::None, derived_id: true }, pool)
}

fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

pub fn origin(grammar: Grammar) -> Origin {
    let mut pairs: Vec<(String, String)> = [
        ("pod_name", "cart-7d9c5b6f4-x2x9z"),
        ("namespace_name", "shop"),
        ("pod_id", "0b3c9d6a-6f0e-4a55-9f0e-3d8b0a7c6e21"),
        ("host", "ip-10-0-31-7.eu-west-1.compute.internal"),
        ("container_name", "cart"),
        ("container_image", "registry.example.com/shop/cart:1.42.0"),
        ("docker_id", "5f0b8c0e4b1e6a9c1c1d3f8e2b7a6d5c4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b"),
    ]
    .map(|(name, value)| (format!("kubernetes.{name}"), value.to_owned()))
    .to_vec();
    let render = |pairs: &[(String, String)]| {
        let pairs = pairs.iter().map(|(name, value)| (name.clone().into(), value.as_str().into())).collect();
        Arc::new(Fields::new(pairs))
    };
    let mut nth = 0;
    while Meta::new(render(&pairs)).plain().len() + 20 < METADATA {
        let name = format!("kubernetes.labels.app.kubernetes.io/label-{nth}");
        pairs.push((name, format!("value-{}", nth * 7_919)));
        nth += 1;
    }
    let fields = render(&pairs);
    Origin {
        input: "pods".into(),
        path: "/var/log/pods/x/0.log".into(),
        grammar,
        fields: Arc::clone(&fields),
        meta: arc_swap::ArcSwap::from_pointee(Meta::new(fields)),
    }
}
