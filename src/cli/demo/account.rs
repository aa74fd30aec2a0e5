//! Gathers what became of the lines: from the stand-ins, the writer's ledger, and the agent's own saved counters.

use super::room::Room;
use super::services::Services;
use super::table::{Count, Row};
use crate::record::Now;
use crate::standin::audit;
use crate::standin::writer::Writer;
use crate::store::file::Store;
use crate::store::saved::{LaneId, Sums};

/// One row an output. The agent has ended: its counters are read where it saved them.
pub fn rows(services: &Services, room: &Room, writer: Option<&Writer>, now: Now) -> Vec<Row> {
    // Without a store the agent's counters are 0, and the comparison says so.
    let lanes = Store::open(&room.data_dir(), now).map(|(_, state, _)| state.lanes).unwrap_or_default();
    let row = |(name, standin): (&str, &crate::standin::Standin)| {
        let sums = lanes.get(&LaneId(name.into())).map(|lane| lane.sums.clone()).unwrap_or_default();
        let receipts = standin.control.receipts();
        let totals = receipts.totals();
        let count = match writer {
            Some(writer) => {
                let found = audit::compare(name, writer.ledger(), receipts);
                Count::Known {
                    written: found.written,
                    delivered: found.delivered,
                    lost: found.lost,
                    duplicates: found.duplicates,
                    wrong: found.foreign + found.damaged,
                }
            }
            None => {
                Count::Told { delivered: sums.delivered.0, elsewhere: not_delivered(&sums), arrived: totals.records }
            }
        };
        let (requests, possible) = (standin.control.requests().values().sum(), sums.possible_duplicates);
        let at_least_once = standin.control.cloudwatch().is_some();
        let bytes_in = settled_bytes(&sums);
        Row { output: name.into(), count, bytes_in, wire: totals.wire_bytes, requests, possible, at_least_once }
    };
    services.each().map(row).collect()
}

/// Records that the agent settled in another way.
fn not_delivered(sums: &Sums) -> u64 {
    sums.dead_lettered.0 + sums.dropped.iter().map(|(records, _)| records).sum::<u64>()
}

fn settled_bytes(sums: &Sums) -> u64 {
    sums.delivered.1 + sums.dead_lettered.1 + sums.dropped.iter().map(|(_, bytes)| bytes).sum::<u64>()
}
