//! What is left out of a file that this lane reads: whole ranges are never read, single streams are dropped record by
//! record. Decided once for each view; a record costs nothing where nothing is decided.

use super::batch::Reason;
use super::format::Format;
use super::sink::From;
use super::step::Lane;
use crate::catalog::view::FileView;
use crate::record::{FileId, Record, Span};
use crate::ruling::{self, Steps, Streams};
use crate::transform::select::Predicate;

/// What has to see each record of a file.
#[derive(Clone, Debug)]
pub struct Filter {
    /// What of `select` needs it; all must keep it.
    select: Vec<Predicate>,
    /// What is decided about streams, by place.
    steps: Steps,
}

impl Filter {
    /// `None`: nothing has to.
    pub fn new(select: Vec<Predicate>, steps: Steps) -> Option<Box<Filter>> {
        (!(select.is_empty() && steps.is_empty())).then(|| Box::new(Filter { select, steps }))
    }

    /// Whether it is taken, then whether its body is merged as JSON. A record counts where it begins.
    pub fn judge(&self, from: &From<'_>, record: &Record<'_>, spans: &[Span]) -> Result<bool, Reason> {
        // Of one that began in an earlier sibling: where it goes on here.
        let start = spans.iter().find(|span| span.file == from.file).map_or(0, |span| span.start);
        let ruling = ruling::at(&self.steps, start);
        if ruling.out != Streams::NONE && ruling.out.has(record.channel) {
            return Err(Reason::Excluded);
        }
        if !self.select.iter().all(|p| p.keeps(&from.origin.fields, record)) {
            return Err(Reason::Filtered);
        }
        Ok(ruling.json != Streams::NONE && ruling.json.has(record.channel))
    }
}

impl<F: Format> Lane<F> {
    /// What holds for this lane: of several of its inputs that show the file, the kindest.
    pub(super) fn ruled(&self, view: &FileView) -> Steps {
        let origin = &view.file.origin;
        view.rulings.for_inputs(self.settings.inputs.keys().map(AsRef::as_ref).filter(|input| origin.listed_by(input)))
    }

    /// Before a view is taken: something else may be decided by now.
    pub(super) fn rule_again(&mut self, view: &FileView) {
        let id = view.file.id;
        if self.files.get(&id).is_none_or(|file| file.view.rulings == view.rulings) {
            return;
        }
        let steps = self.ruled(view);
        let Some(file) = self.files.get_mut(&id) else { return };
        file.until = ruling::until(&steps);
        let select = file.filter.take().map_or_else(Vec::new, |filter| filter.select);
        file.filter = Filter::new(select, steps);
        file.deferred = None;
        self.dirty.insert(id);
    }

    /// What is left out and over is settled without being read.
    pub(super) fn let_pass(&mut self, id: FileId) {
        let Some(file) = self.files.get(&id) else { return };
        let (Some(filter), size) = (&file.filter, file.size()) else { return };
        for (start, end) in ruling::holes(&filter.steps) {
            let bytes = self.ledger.give_up_between(id, start, end.min(size));
            if bytes > 0 {
                self.sums.skipped += bytes;
                self.dirty.insert(id);
            }
        }
    }

    /// How far the catalog need not keep it for this lane: `u64::MAX` where all that is left is left out.
    pub(super) fn passed(&self, id: FileId) -> u64 {
        let (Some(file), Some(account)) = (self.files.get(&id), self.ledger.account(id)) else { return 0 };
        let done = account.idle() && account.unread(file.until) == 0;
        if file.until < u64::MAX && done { u64::MAX } else { account.low() }
    }
}
