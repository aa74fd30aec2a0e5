//! What IAM would have to allow for a request: action and resource, as AWS's service authorization reference names them.
//!
//! With a [`Guard`] a stand-in refuses, in its service's own words, whatever the guard does not allow; without one only
//! signatures count. The account is 123456789012, domain and collection are called `demo`.

use super::identity::Identity;
use super::opensearch::Auth;
use super::request::{self, Head};
use super::service::{Operation, Service};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;

const ACCOUNT: &str = "123456789012";

/// One right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// e.g. `s3:PutObject`.
    pub action: String,
    /// Its ARN; of a collection's data access policy `index/COLLECTION/INDEX`.
    pub resource: String,
}

/// Says whether the caller has a right.
#[derive(Clone)]
pub struct Guard(pub Arc<dyn Fn(&Right) -> bool + Send + Sync>);

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

fn right(action: impl Into<String>, resource: impl Into<String>) -> Right {
    Right { action: action.into(), resource: resource.into() }
}

/// Every right that this request needs.
pub(super) fn of(service: &Service, region: &str, head: &Head, operation: &Operation, plain: &[u8]) -> Vec<Right> {
    match service {
        Service::CloudWatch(_) => logs(region, operation.name, plain),
        Service::S3(it) => {
            let upload = |bucket: &str, id: &str| it.uploads(bucket).remove(id).map(|upload| upload.headers);
            s3(region, head, operation.name, upload)
        }
        Service::OpenSearch(it) => {
            let there = |index: &str| it.counts().contains_key(index);
            search(it.auth(), region, head, operation, there)
        }
        // The others have no policy but that of the role that they ask for.
        Service::Identity(_) if operation.name == "AssumeRole" => {
            vec![right("sts:AssumeRole", Identity::place(plain).unwrap_or_default())]
        }
        Service::Identity(_) => Vec::new(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Names {
    #[serde(default)]
    log_group_name: String,
    #[serde(default)]
    log_stream_name: String,
}

fn logs(region: &str, operation: &str, plain: &[u8]) -> Vec<Right> {
    let none = Names { log_group_name: "*".into(), log_stream_name: "*".into() };
    let Names { log_group_name: group, log_stream_name: stream } = serde_json::from_slice(plain).unwrap_or(none);
    let group = format!("arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}");
    let action = format!("logs:{operation}");
    if operation == "PutLogEvents" {
        return vec![right(action, format!("{group}:log-stream:{stream}"))];
    }
    // The reference has the group alone, the service's refusals have the second; a policy must allow both.
    vec![right(action.clone(), group.clone()), right(action, format!("{group}:log-stream:"))]
}

type Headers = std::collections::BTreeMap<String, String>;

fn s3(region: &str, head: &Head, operation: &str, upload: impl Fn(&str, &str) -> Option<Headers>) -> Vec<Right> {
    let path = request::decode(&head.path);
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let (of_bucket, of_object) = (format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/{key}"));
    let begun = || head.param("uploadId").and_then(|id| upload(bucket, id)).unwrap_or_default();
    // With a key of one's own; the AWS managed key lets everybody of the account.
    let key_of = |name: &str| head.header(name).map(str::to_owned);
    let (mut rights, key, use_of_key) = match operation {
        "PutObject" | "CreateMultipartUpload" => {
            let key = key_of("x-amz-server-side-encryption-aws-kms-key-id");
            (vec![right("s3:PutObject", of_object)], key, "kms:GenerateDataKey")
        }
        "UploadPart" | "CompleteMultipartUpload" => {
            let key = begun().remove("x-amz-server-side-encryption-aws-kms-key-id");
            (vec![right("s3:PutObject", of_object)], key, "kms:Decrypt")
        }
        "AbortMultipartUpload" => (vec![right("s3:AbortMultipartUpload", of_object)], None, ""),
        "ListMultipartUploads" => (vec![right("s3:ListBucketMultipartUploads", of_bucket)], None, ""),
        "ListParts" => (vec![right("s3:ListMultipartUploadParts", of_object)], None, ""),
        "ListObjectsV2" | "HeadBucket" => (vec![right("s3:ListBucket", of_bucket)], None, ""),
        "GetObject" | "HeadObject" => (vec![right("s3:GetObject", of_object)], None, ""),
        other => (vec![right(format!("s3:{other}"), of_object)], None, ""),
    };
    if let Some(key) = key {
        let whole = if key.starts_with("arn:") { key } else { format!("arn:aws:kms:{region}:{ACCOUNT}:key/{key}") };
        rights.push(right(use_of_key, whole));
    }
    rights
}

fn search(auth: &Auth, region: &str, head: &Head, operation: &Operation, there: impl Fn(&str) -> bool) -> Vec<Right> {
    let Auth::Aws { service } = auth else { return Vec::new() };
    if service == "es" {
        let method = head.method.as_str();
        let method = format!("{}{}", method.get(..1).unwrap_or(""), method.get(1..).unwrap_or("").to_lowercase());
        let path = &head.path;
        return vec![right(format!("es:ESHttp{method}"), format!("arn:aws:es:{region}:{ACCOUNT}:domain/demo{path}"))];
    }
    let index = operation.place.as_deref().unwrap_or("*");
    let mut rights = vec![right("aoss:APIAccessAll", format!("arn:aws:aoss:{region}:{ACCOUNT}:collection/demo"))];
    let mut in_data = |action: &str| rights.push(right(action, format!("index/demo/{index}")));
    match operation.name {
        "_bulk" => {
            in_data("aoss:WriteDocument");
            // Fields that are new to the index.
            in_data("aoss:UpdateIndex");
            if !there(index) {
                in_data("aoss:CreateIndex");
            }
        }
        "_search" | "_count" => in_data("aoss:ReadDocument"),
        _ => in_data("aoss:DescribeIndex"),
    }
    rights
}
