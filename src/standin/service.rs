//! One service out of four: what is the same question with another answer in each.

use super::Which;
use super::cloudwatch::{self, CloudWatch};
use super::fault::{Facts, Items};
use super::identity::Identity;
use super::opensearch::{self, OpenSearch};
use super::receipts::Receipts;
use super::request::{Answer, Head};
use super::s3::{self, S3};
use std::borrow::Cow;

/// What a request is, as far as its head says.
#[derive(Clone, Debug)]
pub struct Operation {
    /// e.g. `PutLogEvents`, `UploadPart`, `_bulk`.
    pub name: &'static str,
    /// Group, key or index, where known.
    pub place: Option<String>,
}

impl Operation {
    /// Without a place.
    pub(super) fn named(name: &'static str) -> Operation {
        Operation { name, place: None }
    }
    /// What faults look at.
    pub(super) fn facts(&self, bytes: usize) -> Facts<'_> {
        Facts { operation: self.name, place: self.place.as_deref(), bytes: bytes as u64 }
    }
}

/// The service behind a port.
#[derive(Debug)]
pub(super) enum Service {
    /// CloudWatch Logs.
    CloudWatch(CloudWatch),
    /// S3.
    S3(S3),
    /// OpenSearch.
    OpenSearch(OpenSearch),
    /// STS and the like.
    Identity(Identity),
}

impl Service {
    pub(super) fn new(which: Which, common: super::Options, receipts: Receipts) -> Service {
        match which {
            Which::CloudWatch(own) => Service::CloudWatch(CloudWatch::new(own, common, receipts)),
            Which::S3(own) => Service::S3(S3::new(own, common, receipts)),
            Which::OpenSearch(own) => Service::OpenSearch(OpenSearch::new(own, common, receipts)),
            Which::Identity(own) => Service::Identity(Identity::new(own, common)),
        }
    }
    pub(super) fn operation(&self, head: &Head) -> Operation {
        match self {
            Service::CloudWatch(_) => CloudWatch::operation(head),
            Service::S3(_) => S3::operation(head),
            Service::OpenSearch(_) => OpenSearch::operation(head),
            Service::Identity(_) => Identity::operation(head),
        }
    }
    /// Most bytes of a body as sent.
    pub(super) fn most_bytes(&self) -> usize {
        match self {
            Service::CloudWatch(_) => CloudWatch::MOST_PLAIN,
            Service::S3(_) => S3::MOST_BYTES,
            Service::OpenSearch(it) => it.most_bytes(),
            Service::Identity(_) => Identity::MOST_BYTES,
        }
    }
    pub(super) fn authorize(&self, head: &Head, body: &[u8]) -> Result<(), Answer> {
        match self {
            Service::CloudWatch(it) => it.authorize(head, body),
            Service::S3(it) => it.authorize(head, body),
            Service::OpenSearch(it) => it.authorize(head, body),
            Service::Identity(it) => it.authorize(head, body),
        }
    }
    pub(super) fn plain<'a>(&self, head: &Head, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Answer> {
        match self {
            Service::CloudWatch(_) => CloudWatch::plain(head, body),
            Service::S3(_) | Service::Identity(_) => Ok(Cow::Borrowed(body)),
            Service::OpenSearch(it) => it.plain(head, body),
        }
    }
    /// The place, from the body.
    pub(super) fn place(&self, plain: &[u8]) -> Option<String> {
        match self {
            Service::CloudWatch(_) => CloudWatch::place(plain),
            Service::S3(_) => None,
            Service::OpenSearch(_) => OpenSearch::place(plain),
            Service::Identity(_) => Identity::place(plain),
        }
    }
    pub(super) fn handle(
        &self,
        head: &Head,
        operation: &Operation,
        plain: &[u8],
        wire: usize,
        fail: Option<&mut Items>,
    ) -> Answer {
        match self {
            Service::CloudWatch(it) => it.handle(head, operation, plain, wire),
            Service::S3(it) => it.handle(head, operation, plain),
            Service::OpenSearch(it) => it.handle(head, operation, plain, wire, fail),
            Service::Identity(it) => it.handle(head, operation, plain),
        }
    }
    pub(super) fn refuse(&self, status: u16, code: &str, message: &str) -> Answer {
        match self {
            Service::CloudWatch(_) => cloudwatch::refuse(status, code, message),
            Service::S3(_) => s3::refuse(status, code, message),
            Service::OpenSearch(_) => opensearch::refuse(status, code, message),
            Service::Identity(_) => Identity::refuse(status, code, message),
        }
    }
    pub(super) fn deny(&self, operation: &Operation) -> Answer {
        match self {
            Service::CloudWatch(_) => CloudWatch::deny(operation),
            Service::S3(_) => s3::refuse(403, "AccessDenied", "Access Denied"),
            Service::OpenSearch(_) => OpenSearch::deny(operation),
            Service::Identity(_) => Identity::refuse(403, "AccessDenied", "not authorized"),
        }
    }
    pub(super) fn too_large(&self) -> Answer {
        match self {
            Service::CloudWatch(_) => {
                cloudwatch::refuse(413, "RequestEntityTooLargeException", "Request size exceeded the limit.")
            }
            Service::S3(_) => {
                s3::refuse(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
            }
            Service::OpenSearch(_) => opensearch::too_large(),
            Service::Identity(_) => Identity::refuse(413, "RequestEntityTooLarge", "too large"),
        }
    }
}
