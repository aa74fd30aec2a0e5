//! What waits for the store's thread while a disk is slow: bounded, and never in the way of who puts in. Pure.
//!
//! When full, what can be had again goes first: positions and sums that a later one replaces, then the oldest
//! positions (their bytes are sent once more after a crash), then the oldest commands, those with a reply last.

use super::saved::{LaneId, Position, Saved};
use crate::record::FileId;
use std::collections::{HashSet, VecDeque};

/// Told once whether the records were written (and synced, if asked for).
pub type Reply = Box<dyn FnOnce(bool) + Send>;

/// Records to be written together.
pub(super) struct Command {
    pub(super) records: Vec<Saved>,
    pub(super) sync: bool,
    pub(super) reply: Option<Reply>,
}

#[derive(Default)]
pub(super) struct Queue {
    commands: VecDeque<Command>,
    bytes: usize,
    /// Records thrown away since the last `take`.
    shed: u64,
}

/// About this many bytes wait at most.
const LIMIT: usize = 16 << 20;
/// Shedding goes down to this, so that it is not done again at the next command.
const LOW: usize = LIMIT / 4 * 3;

impl Queue {
    /// Puts a command in. What comes back are replies of commands that were thrown away: each is owed a `false`,
    /// outside of any lock.
    #[must_use]
    pub(super) fn put(&mut self, command: Command) -> Vec<Reply> {
        self.bytes = self.bytes.saturating_add(command.bytes());
        self.commands.push_back(command);
        let mut refused = Vec::new();
        if self.bytes > LIMIT {
            self.drop_replaced();
            self.drop_positions();
            self.drop_commands(false, &mut refused);
            self.drop_commands(true, &mut refused);
        }
        refused
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Everything that waits, and how many records were thrown away before.
    pub(super) fn take(&mut self) -> (VecDeque<Command>, u64) {
        self.bytes = 0;
        (std::mem::take(&mut self.commands), std::mem::take(&mut self.shed))
    }

    fn drop_replaced(&mut self) {
        let mut positions: HashSet<(LaneId, FileId)> = HashSet::new();
        let mut sums: HashSet<LaneId> = HashSet::new();
        let mut newest_first = |saved: &Saved| match saved {
            Saved::Position { lane, file, .. } => positions.insert((lane.clone(), *file)),
            Saved::Sums { lane, .. } => sums.insert(lane.clone()),
            Saved::File(_)
            | Saved::Left { .. }
            | Saved::FileGone { .. }
            | Saved::Attempt { .. }
            | Saved::Answered { .. }
            | Saved::Upload { .. }
            | Saved::Part { .. }
            | Saved::Intent { .. }
            | Saved::Closed { .. }
            | Saved::Absent { .. }
            | Saved::Forgotten { .. } => true,
        };
        for command in self.commands.iter_mut().rev() {
            command.records.reverse();
            if command.reply.is_some() {
                for saved in &command.records {
                    newest_first(saved);
                }
            } else {
                command.records.retain(&mut newest_first);
            }
            command.records.reverse();
        }
        self.count();
    }

    fn drop_positions(&mut self) {
        let mut excess = self.bytes.saturating_sub(LOW);
        for command in self.commands.iter_mut().filter(|command| command.reply.is_none()) {
            if excess == 0 {
                break;
            }
            let before = command.records.len();
            command.records.retain(|saved| {
                let drop = excess > 0 && matches!(saved, Saved::Position { .. });
                if drop {
                    excess = excess.saturating_sub(bytes(saved));
                }
                !drop
            });
            self.shed = self.shed.saturating_add((before - command.records.len()) as u64);
        }
        self.count();
    }

    fn drop_commands(&mut self, with_reply: bool, refused: &mut Vec<Reply>) {
        let mut excess = self.bytes.saturating_sub(LOW);
        let mut shed = 0u64;
        self.commands.retain_mut(|command| {
            if excess == 0 || (command.reply.is_some() && !with_reply) {
                return true;
            }
            excess = excess.saturating_sub(command.bytes());
            shed = shed.saturating_add(command.records.len() as u64);
            refused.extend(command.reply.take());
            false
        });
        self.shed = self.shed.saturating_add(shed);
        self.count();
    }

    fn count(&mut self) {
        self.commands.retain(|command| !command.records.is_empty() || command.reply.is_some());
        self.bytes = self.commands.iter().map(Command::bytes).fold(0, usize::saturating_add);
    }
}

impl Command {
    fn bytes(&self) -> usize {
        self.records.iter().map(bytes).fold(size_of::<Command>(), usize::saturating_add)
    }
}

/// About what a record takes in memory.
fn bytes(saved: &Saved) -> usize {
    let more = match saved {
        Saved::File(file) => {
            let texts = file.fields.iter().map(|(name, value)| name.len() + value.len() + 48).sum::<usize>();
            file.path.len() + file.ages.len() * 16 + texts
        }
        Saved::Position { position: Position { above, cuts, .. }, .. } => above.len() * 16 + cuts.len() * 8,
        Saved::Part { spans, .. } => spans.len() * 32 + 200,
        Saved::Intent { intent, .. } => {
            let tags = intent.upload.as_ref().map_or(0, |(_, tags)| tags.len());
            intent.spans.len() * 32 + tags * 120 + 200
        }
        Saved::Upload { .. } | Saved::Closed { .. } => 200,
        Saved::FileGone { .. }
        | Saved::Left { .. }
        | Saved::Sums { .. }
        | Saved::Attempt { .. }
        | Saved::Answered { .. }
        | Saved::Absent { .. }
        | Saved::Forgotten { .. } => 0,
    };
    size_of::<Saved>().saturating_add(more)
}

#[cfg(test)]
mod tests;
