//! One output's books: what its positions, its sums and the files on disk say of each other. Pure.

use crate::lane::batch::Reason;
use crate::record::FileId;
use crate::store::balance::Balance;
use crate::store::saved::{LaneState, Sums};
use serde_json::{Value, json};

/// A file of this output, as far as anybody knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Identity.
    pub id: FileId,
    /// Last known path.
    pub path: String,
    /// Plain bytes; of a file that is not there any more: when it was last seen.
    pub size: Option<u64>,
    /// So many bytes at its end are left out, and no output's business.
    pub left_out: u64,
    /// It was found on the disk.
    pub there: bool,
    /// It stands where it stood, and its bytes are not those that the position speaks of.
    pub altered: bool,
}

/// One file's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which.
    pub file: File,
    /// Bytes of it that are settled.
    pub settled: u64,
    /// Bytes of it that are not.
    pub left: u64,
}

/// One output's account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Its name.
    pub output: String,
    /// By fate.
    pub sums: Sums,
    /// Settled bytes, also of files that are forgotten.
    pub settled: u64,
    /// Unsettled bytes in files that are there.
    pub to_do: u64,
    /// Unsettled bytes in files that are deleted: only an agent that holds them open can still deliver them.
    pub deleted: u64,
    /// What does not add up, a sentence each.
    pub wrong: Vec<String>,
    /// By file.
    pub lines: Vec<Line>,
}

/// Holds positions and sums against each other and against the files.
pub fn account(output: &str, lane: &LaneState, files: Vec<File>) -> Account {
    let balance = Balance::of(lane);
    let mut account = Account { output: output.to_owned(), sums: lane.sums.clone(), ..Account::default() };
    if lane.sums.gone == Sums::UNKNOWN {
        // An agent of this version takes it as it stands.
        account.settled = lane.sums.counted();
        account
            .wrong
            .push(format!("{output}: an older version kept these books; start the agent once, then ask again"));
    } else {
        account.settled = balance.settled.saturating_add(balance.gone);
        account.wrong.extend(said_of(output, balance.off()));
    }
    for file in files {
        let position = lane.positions.get(&file.id);
        let (settled, end) = position.map_or((0, 0), |p| (p.settled(), p.end()));
        let size = file.size.unwrap_or(end);
        if file.there && end > size {
            let more = end - size;
            account
                .wrong
                .push(format!("{output}: {}: settled {more} bytes past its end ({} of it)", file.path, file.id));
        }
        if file.altered && position.is_some() {
            account.wrong.push(format!(
                "{output}: {}: {settled} bytes are settled in a file of which not these bytes are there ({})",
                file.path, file.id
            ));
        }
        let left = size.saturating_sub(file.left_out).saturating_sub(settled);
        let sum = if file.there { &mut account.to_do } else { &mut account.deleted };
        *sum = sum.saturating_add(left);
        account.lines.push(Line { file, settled, left });
    }
    account.lines.sort_by(|a, b| (&a.file.path, a.file.id).cmp(&(&b.file.path, b.file.id)));
    account
}

fn said_of(output: &str, off: i128) -> Option<String> {
    match off {
        0 => None,
        1.. => Some(format!("{output}: {off} bytes are settled by its positions and are counted nowhere")),
        _ => Some(format!("{output}: {} bytes are counted and are settled by no position", -off)),
    }
}

impl Account {
    /// Bytes dropped, whatever the reason.
    pub fn dropped(&self) -> u64 {
        self.sums.dropped.iter().map(|(_, bytes)| *bytes).fold(0, u64::saturating_add)
    }
    /// What stands below the table, for people.
    pub fn notes(&self) -> Vec<String> {
        let reasons = Reason::ALL.iter().zip(self.sums.dropped).filter(|(_, (records, _))| *records > 0);
        let mut notes: Vec<String> = reasons
            .map(|(why, (records, bytes))| {
                format!("{}: dropped, {}: {records} records, {bytes} bytes", self.output, why.as_str())
            })
            .collect();
        if self.sums.again > 0 {
            let again = self.sums.again;
            notes.push(format!("{}: {again} bytes count twice: positions were set back by hand", self.output));
        }
        if self.sums.possible_duplicates > 0 {
            let twice = self.sums.possible_duplicates;
            notes.push(format!("{}: {twice} records may have arrived twice: no answer came", self.output));
        }
        notes
    }
    /// The same for programs.
    pub fn as_json(&self, files: bool) -> Value {
        let both = |(records, bytes): (u64, u64)| json!({"records": records, "bytes": bytes});
        let dropped: serde_json::Map<String, Value> =
            Reason::ALL.iter().zip(self.sums.dropped).map(|(why, sum)| (why.as_str().to_owned(), both(sum))).collect();
        let line = |line: &Line| {
            json!({"file": line.file.id.to_string(), "path": line.file.path, "size": line.file.size,
                "there": line.file.there, "settled": line.settled, "left": line.left})
        };
        let mut value = json!({
            "output": self.output, "settled_bytes": self.settled, "delivered": both(self.sums.delivered),
            "dead_lettered": both(self.sums.dead_lettered), "dropped": dropped, "lost_bytes": self.sums.lost_bytes,
            "skipped_bytes": self.sums.skipped, "counted_again_bytes": self.sums.again,
            "possible_duplicates": self.sums.possible_duplicates, "to_do_bytes": self.to_do,
            "deleted_bytes": self.deleted, "wrong": self.wrong,
        });
        if files && let Some(object) = value.as_object_mut() {
            object.insert("files".to_owned(), self.lines.iter().map(line).collect());
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Mark;
    use crate::store::saved::Position;

    fn position(low: u64, above: &[(u64, u64)]) -> Position {
        let none = Mark::NONE;
        Position { low, low_mark: none, above: above.to_vec(), high_mark: none, cuts: Vec::new() }
    }
    fn file(id: u128, size: u64, there: bool) -> File {
        File { id: FileId(id), path: format!("/{id}"), size: Some(size), left_out: 0, there, altered: false }
    }
    fn lane(delivered: u64, positions: Vec<(u128, Position)>) -> LaneState {
        let positions = positions.into_iter().map(|(id, p)| (FileId(id), p)).collect();
        let sums = Sums { delivered: (3, delivered), gone: 50, skipped: 5, ..Sums::default() };
        LaneState { positions, sums, ..LaneState::default() }
    }

    #[test]
    fn every_byte_is_settled_to_do_or_deleted() {
        let lane = lane(85, vec![(1, position(20, &[(30, 40)])), (2, position(10, &[]))]);
        let account = account("o", &lane, vec![file(1, 100, true), file(2, 15, false), file(3, 7, true)]);
        assert!(account.wrong.is_empty(), "{:?}", account.wrong);
        assert_eq!((account.settled, account.to_do, account.deleted), (90, 70 + 7, 5));
        assert_eq!(account.lines.iter().map(|l| (l.settled, l.left)).collect::<Vec<_>>(), [(30, 70), (10, 5), (0, 7)]);
    }

    #[test]
    fn books_that_are_off_are_told_with_the_output_the_file_and_by_how_much() {
        let wrong = |delivered, file| account("o", &lane(delivered, vec![(1, position(20, &[]))]), vec![file]).wrong;
        assert!(wrong(60, file(1, 20, true))[0].starts_with("o: 5 bytes are settled by its positions"));
        assert!(wrong(70, file(1, 20, true))[0].starts_with("o: 5 bytes are counted and"));
        assert!(wrong(65, file(1, 12, true))[0].starts_with("o: /1: settled 8 bytes past its end"));
        assert!(wrong(65, File { altered: true, ..file(1, 20, false) })[0].contains("not these bytes are there"));
        assert!(wrong(65, file(1, 20, true)).is_empty());
    }
}
