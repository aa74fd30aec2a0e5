//! What OpenSearch's answer to a bulk means: item by item, else for the whole request. Pure; one fixture a row.
//!
//! Promises: goes by `error.type` and its causes, by status only where there is no type; a type that is in no table
//! is *hold*, never *reject*; an answer that does not speak of as many items as were sent is *unknown*.

use super::answer::{self, Failed, Fault};
use crate::lane::batch::{Code, ItemVerdict, Scope, Verdict};
use crate::output::aws::faults as aws;
use crate::seeded::{Bug, seeded};
use std::time::Duration;

/// Causes are followed so deep.
const MAX_CAUSES: usize = 8;

/// An answer, as far as the tables look at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`.
    pub after: Option<Duration>,
    /// `Location`, of a redirect.
    pub location: Option<&'a str>,
    /// The body, any bytes.
    pub body: &'a [u8],
}

/// What a row of the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Our `_id` is there.
    Already,
    /// Busy: again.
    Retry,
    /// Wrong for the destination; what to do.
    Hold(&'static str),
    /// The record is bad.
    Reject,
    /// Only its cause says what happened.
    Wrapper,
}

use Row::{Already, Hold, Reject, Retry, Wrapper};

const SHARDS: &str = "the cluster has as many shards as it may: delete indices or raise cluster.max_shards_per_node";
const BLOCKED: &str = "the index is blocked for writing (a full disk does that): free space, then remove the block";
const CLOSED: &str = "the index is closed: open it or correct `index`";
const MISSING: &str = "the index does not exist and is not made by itself: create it, or allow auto-creation";
const INDEX: &str = "the index name is refused: correct `index`";
const RIGHTS: &str = "give this user or role the right to write and create the index (indices:data/write/*, create_index; \
                      with IAM es:ESHttpPost or aoss:APIAccessAll)";
const NO_IDS: &str = "this collection refuses ids: set `document_id: none`";
const TEMPLATE: &str = "the index template of this index is broken: correct it";
const MAPPING: &str = "the index refuses a field that every record has: add it to the (strict) mapping";
const PIPELINE: &str = "the ingest pipeline of this index does not exist: create it or take it off";
const WRITE_INDEX: &str = "the alias has no write index: set is_write_index on one of its indices";
const FULL: &str = "the index holds as many documents as it can: roll it over";
const ELSEWHERE: &str = "what answers is not OpenSearch: check `url`, and proxies on the way";
const NOTHING: &str = "there is nothing at this address: correct `url`, or create the index";
const URL: &str = "this is not the address of an OpenSearch server: correct `url`";
const CLOCK: &str = "this machine's clock is wrong: set it (NTP)";
const LOGIN: &str = "user name, password or credentials are not valid: correct `auth`";
pub(super) const UNKNOWN: &str = "an answer that is not known: see the service's message";

/// By type and, where given, by a part of a reason in lower case; the first row that fits counts.
pub(super) const TYPES: &[(&str, &str, Row)] = &[
    ("", "document id is not supported", Hold(NO_IDS)),
    ("", "no handler found for uri", Hold(URL)),
    ("version_conflict_engine_exception", "", Already),
    ("rejected_execution_exception", "", Retry),
    ("es_rejected_execution_exception", "", Retry),
    ("opensearch_rejected_execution_exception", "", Retry),
    ("circuit_breaking_exception", "", Retry),
    ("unavailable_shards_exception", "", Retry),
    ("no_shard_available_action_exception", "", Retry),
    ("process_cluster_event_timeout_exception", "", Retry),
    ("cluster_manager_not_discovered_exception", "", Retry),
    ("master_not_discovered_exception", "", Retry),
    ("node_closed_exception", "", Retry),
    ("node_not_connected_exception", "", Retry),
    ("node_disconnected_exception", "", Retry),
    ("connect_transport_exception", "", Retry),
    ("receive_timeout_transport_exception", "", Retry),
    ("timeout_exception", "", Retry),
    ("shard_not_found_exception", "", Retry),
    ("shard_not_in_primary_mode_exception", "", Retry),
    ("illegal_index_shard_state_exception", "", Retry),
    ("index_shard_not_started_exception", "", Retry),
    ("index_shard_relocated_exception", "", Retry),
    ("index_shard_closed_exception", "", Retry),
    ("throttling_exception", "", Retry),
    ("cluster_block_exception", "", Hold(BLOCKED)),
    ("index_create_block_exception", "", Hold(BLOCKED)),
    ("validation_exception", "shards open", Hold(SHARDS)),
    ("index_closed_exception", "", Hold(CLOSED)),
    ("index_not_found_exception", "", Hold(MISSING)),
    ("invalid_index_name_exception", "", Hold(INDEX)),
    ("security_exception", "", Hold(RIGHTS)),
    ("mapper_parsing_exception", "failed to parse mapping", Hold(TEMPLATE)),
    ("mapper_parsing_exception", "", Reject),
    ("document_parsing_exception", "", Reject),
    ("strict_dynamic_mapping_exception", "introduction of [@timestamp]", Hold(MAPPING)),
    ("strict_dynamic_mapping_exception", "introduction of [time]", Hold(MAPPING)),
    ("strict_dynamic_mapping_exception", "introduction of [stream]", Hold(MAPPING)),
    ("strict_dynamic_mapping_exception", "introduction of [log]", Hold(MAPPING)),
    ("strict_dynamic_mapping_exception", "introduction of [kubernetes]", Hold(MAPPING)),
    ("strict_dynamic_mapping_exception", "", Reject),
    ("x_content_parse_exception", "", Reject),
    ("json_parse_exception", "", Reject),
    ("json_e_o_f_exception", "", Reject),
    ("stream_constraints_exception", "", Reject),
    ("max_bytes_length_exceeded_exception", "", Reject),
    ("illegal_argument_exception", "limit of total fields", Reject),
    ("illegal_argument_exception", "limit of mapping depth", Reject),
    ("illegal_argument_exception", "limit of nested", Reject),
    ("illegal_argument_exception", "number of nested documents", Reject),
    ("illegal_argument_exception", "immense term", Reject),
    ("illegal_argument_exception", "cannot be changed from type", Reject),
    ("illegal_argument_exception", "can't merge a non object mapping", Reject),
    ("illegal_argument_exception", "conflicts with existing mapping", Reject),
    ("illegal_argument_exception", "field name cannot", Reject),
    ("illegal_argument_exception", "malformed action/metadata line", Reject),
    ("illegal_argument_exception", "pipeline with id", Hold(PIPELINE)),
    ("illegal_argument_exception", "no write index is defined", Hold(WRITE_INDEX)),
    ("illegal_argument_exception", "number of documents in the index", Hold(FULL)),
    ("illegal_argument_exception", "shards open", Hold(SHARDS)),
    ("remote_transport_exception", "", Wrapper),
    ("transport_exception", "", Wrapper),
    ("exception", "", Wrapper),
    ("opensearch_exception", "", Wrapper),
    ("uncategorized_execution_exception", "", Wrapper),
];

/// Whether the front door refused who asked: OpenSearch itself has typed errors. What it says decides, else the status.
pub fn refused(status: u16, body: &[u8]) -> Option<aws::Fault> {
    if !matches!(status, 400 | 401 | 403) {
        return None;
    }
    let fault = answer::whole(body).unwrap_or_default();
    let typed = row(&fault).is_some();
    aws::fault_in_words(&fault.reason)
        .filter(|_| !typed)
        .or((status != 400 && !typed).then_some(aws::Fault::Credentials))
}

/// The verdict on a bulk of `sent` items.
pub fn judge(answer: &Answer<'_>, sent: u32) -> Verdict {
    if answer.status != 200 {
        return judge_whole(answer);
    }
    let unknown = |code, say: &str| Verdict::Unknown { code: Code::new(code), scope: Scope::Key, say: say.to_owned() };
    match answer::bulk(answer.body) {
        // Cut off on its way, as a rule: what was asked for may have been done.
        None if answer::is_json(answer.body) => {
            unknown("unreadable_answer", "the answer cannot be read: it may have been cut off")
        }
        None => {
            let said = Fault { reason: answer::words(answer.body), ..Fault::default() };
            Verdict::Hold { code: Code::new("not_opensearch"), scope: Scope::Lane, say: say(ELSEWHERE, &said) }
        }
        Some(bulk) if bulk.count != sent => {
            unknown("item_count", "the answer speaks of more or fewer documents than were sent")
        }
        Some(bulk) => judge_items(&bulk.failed, sent, answer.after),
    }
}

fn judge_items(failed: &[Failed], sent: u32, after: Option<Duration>) -> Verdict {
    let items: Vec<(u32, ItemVerdict)> = failed.iter().map(|f| (f.at, judge_item(f))).collect();
    if items.iter().all(|(_, item)| matches!(item, ItemVerdict::Already)) {
        return Verdict::Delivered { already: u32::try_from(items.len()).unwrap_or(sent) };
    }
    // One answer for all: the body can be sent again as it is, and people are told what to do.
    let uniform = items.len() == sent as usize && items.windows(2).all(|pair| matches!(pair, [a, b] if a.1 == b.1));
    if uniform && let (Some((_, item)), Some(first)) = (items.first(), failed.first()) {
        match item {
            ItemVerdict::Hold(code) => {
                let advice = match row(&first.fault) {
                    Some(Hold(advice)) => advice,
                    Some(Already | Retry | Reject | Wrapper) | None => UNKNOWN,
                };
                return Verdict::Hold { code: code.clone(), scope: Scope::Key, say: say(advice, &first.fault) };
            }
            ItemVerdict::Retry(code) => {
                let say = reason(&first.fault);
                return Verdict::Retry { after, code: code.clone(), scope: Scope::Key, say };
            }
            ItemVerdict::Already | ItemVerdict::Reject { .. } | ItemVerdict::Dropped(_) => {}
        }
    }
    Verdict::Items(items)
}

fn judge_item(failed: &Failed) -> ItemVerdict {
    let code = code(&failed.fault, failed.status);
    match row(&failed.fault) {
        Some(Already) if seeded(Bug::ConflictIsReject) => ItemVerdict::Reject { code, say: reason(&failed.fault) },
        Some(Already) => ItemVerdict::Already,
        Some(Retry) => ItemVerdict::Retry(code),
        Some(Reject) => ItemVerdict::Reject { code, say: reason(&failed.fault) },
        Some(Hold(_) | Wrapper) => ItemVerdict::Hold(code),
        None if matches!(failed.status, 429 | 502 | 503 | 504) => ItemVerdict::Retry(code),
        None => ItemVerdict::Hold(code),
    }
}

fn judge_whole(answer: &Answer<'_>) -> Verdict {
    let fault = answer::whole(answer.body);
    let fault = fault.unwrap_or_else(|| Fault { reason: answer::words(answer.body), ..Fault::default() });
    let code = code(&fault, answer.status);
    let retry = |code| Verdict::Retry { after: answer.after, code, scope: Scope::Key, say: reason(&fault) };
    let hold = |code, scope, advice: &str| Verdict::Hold { code, scope, say: say(advice, &fault) };
    match answer.status {
        401 => return hold(code, Scope::Lane, LOGIN),
        413 => return Verdict::Split { code },
        _ => {}
    }
    match row(&fault) {
        Some(Retry) => return retry(code),
        Some(Hold(advice)) => return hold(code, Scope::Key, advice),
        Some(Reject) => return Verdict::Reject { code, say: reason(&fault) },
        // Said of items only; of a whole request it is not known.
        Some(Already | Wrapper) | None => {}
    }
    match answer.status {
        300..400 => {
            let to = answer.location.unwrap_or("nowhere");
            hold(code, Scope::Lane, &format!("the server redirects to {to:.200}: correct `url`"))
        }
        403 if speaks_of(&fault, &["signature expired", "signature not yet current"]) => hold(code, Scope::Lane, CLOCK),
        403 if speaks_of(&fault, &["signature", "security token", "expired", "credential"]) => {
            hold(code, Scope::Lane, LOGIN)
        }
        403 => hold(code, Scope::Key, RIGHTS),
        404 => hold(code, Scope::Key, NOTHING),
        405 | 406 | 415 => hold(code, Scope::Lane, URL),
        408 | 425 | 429 | 500..600 => retry(code),
        _ => hold(code, Scope::Key, UNKNOWN),
    }
}

/// AWS's front door says 403 for everything and explains in words.
fn speaks_of(fault: &Fault, words: &[&str]) -> bool {
    let reason = fault.reason.to_ascii_lowercase();
    words.iter().any(|word| reason.contains(word))
}

/// The row of the outermost error that says what happened.
fn row(fault: &Fault) -> Option<Row> {
    let reasons: Vec<&str> = fault.chain().take(MAX_CAUSES).map(|link| link.reason.as_str()).collect();
    let reasons = reasons.join("\n").to_ascii_lowercase();
    for link in fault.chain().take(MAX_CAUSES) {
        let fits = |kind: &str, part: &str| (kind.is_empty() || link.kind == kind) && reasons.contains(part);
        match TYPES.iter().find(|(kind, part, _)| fits(kind, part)) {
            Some((_, _, Wrapper)) => {}
            Some((_, _, row)) => return Some(*row),
            None => return None,
        }
    }
    None
}

fn code(fault: &Fault, status: u16) -> Code {
    if fault.kind.is_empty() { Code::new(&format!("http_{status}")) } else { Code::new(&fault.kind) }
}

/// The service's own words: the error's and its innermost cause's.
fn reason(fault: &Fault) -> String {
    match fault.chain().last() {
        Some(last) if last != fault && !last.reason.is_empty() => format!("{}: {}", fault.reason, last.reason),
        Some(_) | None => fault.reason.clone(),
    }
}

fn say(advice: &str, fault: &Fault) -> String {
    let words = reason(fault);
    if words.is_empty() { advice.to_owned() } else { format!("{advice} ({words})") }
}
