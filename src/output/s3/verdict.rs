//! What an S3 answer means, from tables by error code and then by status. Pure; one fixture a row in the tests.
//!
//! Promises: no input panics; a code that is in no table is *hold*, never *reject*; 412 on our own name is
//! delivered. Reading the XML of an answer is `xml`'s business, retrying the lane's.

use crate::lane::batch::{Code, Scope, Verdict};
use std::time::Duration;

/// Which request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// PutObject.
    Put,
    /// CreateMultipartUpload.
    Create,
    /// UploadPart.
    Part,
    /// CompleteMultipartUpload.
    Complete,
    /// AbortMultipartUpload or ListMultipartUploads: nothing depends on it.
    Abandon,
}

/// An answer that is not success, as far as the tables look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status; 200 for a Complete whose body is an `<Error>`.
    pub status: u16,
    /// `<Code>`, or empty.
    pub code: String,
    /// `<Message>`, or empty.
    pub message: String,
    /// The bucket's region, where the answer tells it.
    pub region: Option<String>,
    /// `Retry-After`.
    pub after: Option<Duration>,
}

/// What a row of the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Busy, or broken on the way: again.
    Retry,
    /// Our object is there already.
    Exists,
    /// Somebody else writes this name right now.
    Conflict,
    /// The service knows no such upload, or not these parts of it.
    Gone,
    /// Halve it.
    Split,
    /// Wrong for the destination; what to do.
    Hold(Scope, &'static str),
    /// Wrong region: the sentence is made of what the answer tells.
    Region,
}

use Row::{Conflict, Exists, Gone, Hold, Region, Retry, Split};
use Scope::{Key, Lane};

const CREDENTIALS: &str = "the credentials are not valid: correct them, or the role or profile they come from";
const EXPIRED: &str = crate::output::aws::ENDED;
const CLOCK: &str = "this machine's clock is wrong: set it (NTP)";
const PERMISSION: &str = "allow s3:PutObject on these objects (with KMS also kms:GenerateDataKey and kms:Decrypt)";
const BUCKET: &str = "correct `bucket`, or create it";
const NOTHING: &str = "there is no such bucket, or no S3 at this address: correct `bucket` or `endpoint`";
const KMS: &str = "the KMS key cannot be used: correct `kms_key_id`, enable the key, or allow its use";
const STORAGE_CLASS: &str = "the service does not have this class: correct or remove `storage_class`";
const OPTIONS: &str = "the service refuses this request: correct `storage_class`, `sse`, `kms_key_id` or `endpoint`";
const ACCOUNT: &str = "the account or bucket is disabled: see the service's message";

/// Error codes of AWS, and of versitygw, MinIO, s3s and garage where they use their own.
pub(super) const CODES: &[(&str, Row)] = &[
    ("SlowDown", Retry),
    ("SlowDownRead", Retry),
    ("SlowDownWrite", Retry),
    ("ServiceUnavailable", Retry),
    ("InternalError", Retry),
    ("InternalFailure", Retry),
    ("RequestTimeout", Retry),
    ("RequestLimitExceeded", Retry),
    ("Throttling", Retry),
    ("ThrottlingException", Retry),
    ("TooManyRequests", Retry),
    ("BandwidthLimitExceeded", Retry),
    ("OperationAborted", Retry),
    ("IncompleteBody", Retry),
    ("TemporaryRedirect", Retry),
    ("BadDigest", Retry),
    ("InvalidDigest", Retry),
    ("XAmzContentSHA256Mismatch", Retry),
    ("XAmzContentChecksumMismatch", Retry),
    ("PreconditionFailed", Exists),
    ("ConditionalRequestConflict", Conflict),
    ("NoSuchUpload", Gone),
    ("InvalidPart", Gone),
    ("InvalidPartOrder", Gone),
    ("EntityTooLarge", Split),
    ("NoSuchBucket", Hold(Lane, BUCKET)),
    ("InvalidBucketName", Hold(Lane, BUCKET)),
    ("InvalidBucketState", Hold(Lane, BUCKET)),
    ("AccessDenied", Hold(Key, PERMISSION)),
    ("AllAccessDisabled", Hold(Lane, ACCOUNT)),
    ("AccountProblem", Hold(Lane, ACCOUNT)),
    ("NotSignedUp", Hold(Lane, CREDENTIALS)),
    ("SignatureDoesNotMatch", Hold(Lane, CREDENTIALS)),
    ("InvalidAccessKeyId", Hold(Lane, CREDENTIALS)),
    ("InvalidClientTokenId", Hold(Lane, CREDENTIALS)),
    ("UnrecognizedClientException", Hold(Lane, CREDENTIALS)),
    ("XAdminUserNotFound", Hold(Lane, CREDENTIALS)),
    ("InvalidSecurity", Hold(Lane, CREDENTIALS)),
    ("InvalidToken", Hold(Lane, EXPIRED)),
    ("InvalidTokenId", Hold(Lane, EXPIRED)),
    ("ExpiredToken", Hold(Lane, EXPIRED)),
    ("ExpiredTokenException", Hold(Lane, EXPIRED)),
    ("TokenRefreshRequired", Hold(Lane, EXPIRED)),
    ("RequestTimeTooSkewed", Hold(Lane, CLOCK)),
    ("RequestExpired", Hold(Lane, CLOCK)),
    ("InvalidStorageClass", Hold(Lane, STORAGE_CLASS)),
    ("KMS.DisabledException", Hold(Lane, KMS)),
    ("KMS.InvalidKeyUsageException", Hold(Lane, KMS)),
    ("KMS.KMSInvalidStateException", Hold(Lane, KMS)),
    ("KMS.NotFoundException", Hold(Lane, KMS)),
    ("KMS.UnrecognizedClientException", Hold(Lane, KMS)),
    ("KMS.ThrottlingException", Retry),
    ("InvalidArgument", Hold(Lane, OPTIONS)),
    ("InvalidRequest", Hold(Lane, OPTIONS)),
    ("InvalidEncryptionAlgorithmError", Hold(Lane, OPTIONS)),
    ("ServerSideEncryptionConfigurationNotFoundError", Hold(Lane, OPTIONS)),
    ("NotImplemented", Hold(Lane, OPTIONS)),
    ("MethodNotAllowed", Hold(Lane, OPTIONS)),
    ("InvalidURI", Hold(Key, "the object name is refused: correct `key`")),
    ("KeyTooLongError", Hold(Key, "the object name is too long: shorten `key`")),
    ("XMinioInvalidObjectName", Hold(Key, "the object name is refused: correct `key`")),
    ("XMinioStorageFull", Hold(Lane, "the storage is full")),
    ("QuotaExceeded", Hold(Lane, "the quota is used up")),
    ("EntityTooSmall", Hold(Key, "a part was below 5 MiB: please report this as a mistake of this program")),
    ("MalformedXML", Hold(Key, "the list of parts was refused: please report this as a mistake of this program")),
    ("PermanentRedirect", Region),
    ("Redirect", Region),
    ("AuthorizationHeaderMalformed", Region),
    ("IllegalLocationConstraintException", Region),
];

/// Answers without a code: proxies, load balancers, empty bodies.
pub(super) const STATUSES: &[(u16, Row)] = &[
    (301, Region),
    (302, Hold(Lane, "the endpoint redirects elsewhere: correct `endpoint`")),
    (307, Retry),
    (308, Hold(Lane, "the endpoint redirects elsewhere: correct `endpoint`")),
    (401, Hold(Lane, CREDENTIALS)),
    (403, Hold(Key, PERMISSION)),
    (404, Hold(Lane, NOTHING)),
    (408, Retry),
    (412, Exists),
    (413, Split),
    (425, Retry),
    (429, Retry),
    (500, Retry),
    (502, Retry),
    (503, Retry),
    (504, Retry),
];

/// The verdict on a whole batch of `items` items. `request` is the one that failed.
pub fn judge(request: Request, fault: &Fault, items: u32) -> Verdict {
    let row = row(fault);
    let code = code(fault);
    let retry = |code| Verdict::Retry { after: fault.after, code, scope: Key, say: words(fault) };
    match (row, request) {
        (Some(Gone), Request::Abandon) => Verdict::Delivered { already: 0 },
        // A stray upload costs a little; a missing right to see it must not stop anything.
        (Some(Hold(Key, _)), Request::Abandon) => Verdict::Delivered { already: 0 },
        (Some(Hold(..)), Request::Abandon) if matches!(fault.code.as_str(), "NotImplemented" | "MethodNotAllowed") => {
            Verdict::Delivered { already: 0 }
        }
        (Some(Retry), _) => retry(code),
        (Some(Exists), Request::Put | Request::Complete) => Verdict::Delivered { already: items },
        // S3's manual: after a 409 at Complete the parts have to be uploaded again.
        (Some(Conflict), Request::Complete) => Verdict::NoUpload,
        (Some(Conflict), Request::Put | Request::Create | Request::Part | Request::Abandon) => retry(code),
        (Some(Gone), Request::Part | Request::Complete) => Verdict::NoUpload,
        (Some(Split), Request::Put | Request::Part) => Verdict::Split { code },
        (Some(Hold(scope, advice)), _) => Verdict::Hold { code, scope, say: say(advice, fault) },
        (Some(Region), _) => {
            let advice = match &fault.region {
                Some(region) => format!("the bucket is in another region: set `region: {region}`"),
                None => "the bucket is in another region: correct `region`".to_owned(),
            };
            Verdict::Hold { code, scope: Lane, say: say(&advice, fault) }
        }
        (Some(Exists | Gone | Split) | None, _) => Verdict::Hold {
            code,
            scope: Key,
            say: say("an answer that is not known: see the service's message", fault),
        },
    }
}

/// By code, else by status. A 200 has no meaning of its own here, nor has a status whose code is not known, but for
/// those by which any server says that it is busy.
fn row(fault: &Fault) -> Option<Row> {
    if let Some((_, row)) = CODES.iter().find(|(name, _)| *name == fault.code) {
        return Some(*row);
    }
    if fault.code.starts_with("KMS.") {
        return Some(Hold(Lane, KMS));
    }
    let by_status = STATUSES.iter().find(|(status, _)| *status == fault.status).map(|(_, row)| *row);
    by_status.filter(|row| fault.code.is_empty() || *row == Retry)
}

fn code(fault: &Fault) -> Code {
    if fault.code.is_empty() { Code::new(&format!("http_{}", fault.status)) } else { Code::new(&fault.code) }
}

/// The service's own words.
fn words(fault: &Fault) -> String {
    fault.message.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// What to do, and the service's own words, at most 300 characters of them.
fn say(advice: &str, fault: &Fault) -> String {
    let message = words(fault);
    if message.is_empty() { advice.to_owned() } else { format!("{advice} ({message})") }
}
