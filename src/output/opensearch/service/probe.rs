//! Whether documents can be written to an index, found out without leaving a document, a field or an index.
//!
//! First a version that never was of a document that nobody has is to be deleted, which makes no index: that tells
//! whether the index is there. Where it is, an empty document is to be stored in place of that version: rights and blocks
//! are looked at, the mapping is not touched, and the answer is a conflict.

use super::super::{answer, index};
use super::{Auth, OpenSearchService};
use crate::lane::batch::{Code, ItemVerdict, Verdict};
use crate::output::http::Answer;
use crate::output::opensearch::verdict::{self, UNKNOWN, judge};
use crate::output::probe::{Came, Probe, nobodys_name};
use bytes::Bytes;

const WRITE: &str = "indices:data/write/bulk";
/// A sequence number that no document has: as large as JSON can say it exactly.
const NEVER: u64 = (1 << 53) - 1;

impl OpenSearchService {
    /// Tries to write to this index.
    pub async fn probe(&self, name: &str) -> Probe {
        let mut probe = Probe::default();
        if let Auth::Aws(access) = &self.auth
            && let Err(verdict) = probe.signs(access).await
        {
            probe.refused(WRITE, verdict);
            return probe;
        }
        let (Ok(came) | Err(came)) = self.try_index(name, &mut probe).await;
        probe.note(WRITE, came);
        probe
    }

    async fn try_index(&self, name: &str, probe: &mut Probe) -> Result<Came, Came> {
        let refused = crate::output::probe::refused;
        if let Some(wrong) = index::fault(name) {
            let say = format!("index `{name}`: {wrong}: correct `index`");
            return Err(Came::Refused(Code::new("invalid_index_name"), say));
        }
        let version = format!("{{\"_id\":\"{}\",\"if_seq_no\":{NEVER},\"if_primary_term\":1}}", nobodys_name());
        let deleted = self.small_bulk(name, format!("{{\"delete\":{version}}}\n")).await.map_err(refused)?;
        probe.hears(&deleted.headers);
        let Some(bulk) = answer::bulk(&deleted.body).filter(|bulk| deleted.status == 200 && bulk.count == 1) else {
            return Err(refused(judge(&heard(&deleted), 1)));
        };
        let kind = bulk.failed.first().map(|failed| failed.fault.kind.as_str()).unwrap_or_default();
        if kind == "index_not_found_exception" {
            return Ok(Came::Untried(format!("index {name} is not there yet: the first document makes it")));
        }
        if !self.ids {
            return Ok(Came::Untried("without ids a document would stay".to_owned()));
        }
        let stored = self.small_bulk(name, format!("{{\"index\":{version}}}\n{{}}\n")).await.map_err(refused)?;
        let came = of_conflict(judge(&heard(&stored), 1));
        let only_new = answer::bulk(&stored.body).is_some_and(|bulk| bulk.failed.iter().any(is_data_stream));
        if !only_new {
            return Ok(came);
        }
        // It takes what has a time: rights are looked at before that.
        let timeless = format!("{{\"create\":{{\"_id\":\"{}\"}}}}\n{{}}\n", nobodys_name());
        let stored = self.small_bulk(name, timeless).await.map_err(refused)?;
        let verdict = judge(&heard(&stored), 1);
        let no_time =
            matches!(&verdict, Verdict::Items(items) if matches!(items[..], [(_, ItemVerdict::Reject { .. })]));
        Ok(if no_time { Came::Allowed } else { of_conflict(verdict) })
    }

    async fn small_bulk(&self, name: &str, body: String) -> Result<Answer, Verdict> {
        self.post(name, vec![Bytes::from(body)], false).await
    }
}

/// Takes nothing but `create`.
fn is_data_stream(failed: &answer::Failed) -> bool {
    failed.fault.reason.contains("op_type of create")
}

/// What the agent would make of the answer to a document that must not be stored.
fn of_conflict(verdict: Verdict) -> Came {
    match verdict {
        Verdict::Delivered { .. } => Came::Allowed,
        Verdict::Items(items) => match items.into_iter().next() {
            Some((_, ItemVerdict::Reject { code, say })) => Came::Untried(format!("{code}: {say}")),
            Some((_, ItemVerdict::Already | ItemVerdict::Dropped(_))) | None => Came::Allowed,
            Some((_, ItemVerdict::Retry(code) | ItemVerdict::Hold(code))) => {
                Came::Refused(code, "the document is not taken".to_owned())
            }
        },
        // A server that does not know such requests: no word about rights.
        Verdict::Hold { code, say, .. } if say.starts_with(UNKNOWN) => Came::Untried(format!("{code}: {say}")),
        other @ (Verdict::Staged { .. }
        | Verdict::Retry { .. }
        | Verdict::Hold { .. }
        | Verdict::Reject { .. }
        | Verdict::Split { .. }
        | Verdict::Unknown { .. }
        | Verdict::NoUpload) => crate::output::probe::refused(other),
    }
}

fn heard(answer: &Answer) -> verdict::Answer<'_> {
    verdict::Answer { status: answer.status, after: None, location: None, body: &answer.body }
}
