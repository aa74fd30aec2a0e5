//! The address that hands out a container's credentials: ECS, and the EKS Pod Identity agent with its token.

use super::issuer::Session;
use super::{same_as_file, stamp};
use crate::standin::request::{Answer, Head};
use std::path::Path;

/// Any path of one's own; `token`: the `Authorization` has to be what is in this file at this moment.
pub(super) fn page(head: &Head, token: Option<&Path>, issue: impl FnOnce() -> Session) -> Answer {
    if let Some(file) = token
        && !same_as_file(file, head.header("authorization").unwrap_or(""))
    {
        return Answer::new(401, "text/plain", "the token is not the one of now");
    }
    let session = issue();
    let page = serde_json::json!({
        "AccessKeyId": session.keys.access,
        "SecretAccessKey": session.keys.secret,
        "Token": session.keys.token,
        "Expiration": stamp(session.ends),
        "RoleArn": "arn:aws:iam::123456789012:role/pod",
    });
    Answer::new(200, "application/json", page.to_string())
}
