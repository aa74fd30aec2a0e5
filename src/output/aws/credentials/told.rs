//! The variables and files by which AWS's tools are told of credentials, as aws-config reads them: doctor says which are
//! set, and the sandbox leaves the files readable.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Keys that go before everything else.
pub const KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
/// Of the shared files.
pub const PROFILE: &str = "AWS_PROFILE";
/// A projected token (IRSA) and the role that it is exchanged for.
pub const WEB_IDENTITY: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"];
/// The address of an agent: of ECS, of EKS Pod Identity.
pub const CONTAINER: [&str; 2] = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
/// What that agent wants to be shown.
pub const CONTAINER_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// `true`: instance metadata is not asked.
pub const NO_INSTANCE: &str = "AWS_EC2_METADATA_DISABLED";

/// A key in the shared files that names a file.
pub const FILE_KEYS: [&str; 1] = ["web_identity_token_file"];
const SHARED_FILES: [(&str, &str); 2] =
    [("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), ("AWS_CONFIG_FILE", ".aws/config")];

/// The shared files, whether they are there or not; `env` reads one variable.
pub fn shared_files(env: impl Fn(&str) -> Option<OsString>) -> [PathBuf; 2] {
    let get = |name: &str| env(name).filter(|value| !value.is_empty());
    let home = get("HOME").unwrap_or_else(|| "/".into());
    SHARED_FILES.map(|(name, usual)| get(name).map_or_else(|| Path::new(&home).join(usual), PathBuf::from))
}
