//! STS, query protocol: AssumeRole (signed, with the external id and session name that are asked for) and
//! AssumeRoleWithWebIdentity (unsigned, with the token that is in its file at this moment).

use super::issuer::Session;
use super::{Options, same_as_file, stamp};
use crate::standin::request::{self, Answer};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The pairs of a form.
pub(super) fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body).replace('+', " ");
    let pair = |p: &str| p.split_once('=').map(|(name, value)| (request::decode(name), request::decode(value)));
    text.split('&').filter_map(pair).collect()
}

/// An error in STS's shape.
pub(super) fn refuse(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>standin</RequestId></ErrorResponse>"
    );
    Answer::new(status, "text/xml", body)
}

/// Does `action`; its signature, where it needs one, was found good.
pub(super) fn act(action: &str, body: &[u8], own: &Options, now: i64, issue: impl FnOnce() -> Session) -> Answer {
    let form = form(body);
    let said = |name: &str| form.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
    if said("Version") != "2011-06-15" {
        return refuse(400, "MissingParameter", "Version");
    }
    let role = said("RoleArn");
    let (account, name) = role.strip_prefix("arn:aws:iam::").and_then(|r| r.split_once(":role/")).unwrap_or_default();
    let session = said("RoleSessionName");
    let fine = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&session.len()) || !session.chars().all(fine) {
        return refuse(400, "ValidationError", "RoleSessionName must be 2 to 64 of [\\w+=,.@-]");
    }
    if account.is_empty() || own.role_arn.as_deref().is_some_and(|wanted| wanted != role) {
        let message = format!("not authorized to perform: sts:{action} on resource: {}", escaped(role));
        return refuse(403, "AccessDenied", &message);
    }
    match action {
        "AssumeRole" => {
            let wanted = |wanted: &Option<String>, got: &str| wanted.as_deref().is_none_or(|wanted| wanted == got);
            // A trust policy's condition: AWS says no more than this of it.
            if !wanted(&own.external_id, said("ExternalId")) || !wanted(&own.session_name, session) {
                let message = format!("not authorized to perform: sts:AssumeRole on resource: {}", escaped(role));
                return refuse(403, "AccessDenied", &message);
            }
        }
        _ => {
            let token = said("WebIdentityToken");
            if own.web_token.as_deref().is_none_or(|file| !same_as_file(file, token)) {
                return refuse(400, "ExpiredTokenException", "Token expired: it is not the one of now");
            }
        }
    }
    let issued = issue();
    let keys = issued.keys;
    let body = format!(
        "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result><Credentials><AccessKeyId>{}</AccessKeyId>\
         <SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>\
         <AssumedRoleUser><AssumedRoleId>AROASTANDIN:{session}</AssumedRoleId>\
         <Arn>arn:aws:sts::{account}:assumed-role/{}/{session}</Arn></AssumedRoleUser></{action}Result>\
         <ResponseMetadata><RequestId>standin-{now}</RequestId></ResponseMetadata></{action}Response>",
        keys.access,
        keys.secret,
        keys.token.unwrap_or_default(),
        stamp(issued.ends),
        escaped(name),
    );
    Answer::new(200, "text/xml", body)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
