//! What the store has of a file, in bytes. What came later stands behind what was there before.

use super::{Cursor, put, put_id, put_list, put_mark, put_option, put_text};
use crate::catalog::view::Place;
use crate::record::Mark;
use crate::ruling::{Ruling, Rulings};
use crate::store::saved::{Kept, KnownFile};

pub(super) fn put_known(file: &KnownFile, out: &mut Vec<u8>) {
    put_id(file.id, out);
    put_text(&file.input, out);
    put_text(&file.path, out);
    put(file.inode, out);
    put(u64::from(file.head.0), out);
    out.extend_from_slice(&file.head.1.to_le_bytes());
    out.extend_from_slice(&file.place.chain.to_le_bytes());
    put(u64::from(file.place.restart), out);
    put(file.place.turn, out);
    put(u64::from(file.generation), out);
    put(file.size, out);
    let mut last = (0u64, 0u64);
    put_list(&file.ages, out, |(size, ns), out| {
        let ns = ns.cast_unsigned();
        put(size.wrapping_sub(last.0), out);
        put(ns.wrapping_sub(last.1), out);
        last = (*size, ns);
    });
    put_list(&file.fields, out, |(name, value), out| {
        put_text(name, out);
        put_text(value, out);
    });
    // Came later: a reader takes their absence for `None` and no proof.
    let rulings = file.rulings.all();
    if file.kept.is_some() || file.proof.len > 0 || !rulings.is_empty() {
        put_option(file.kept.as_ref(), out, |kept, out| {
            put(kept.plain, out);
            out.push(u8::from(kept.gz));
            put_mark(&kept.end, out);
        });
        put_mark(&file.proof, out);
    }
    // Later still.
    if !rulings.is_empty() {
        put_list(rulings, out, |(input, steps), out| {
            put_text(input, out);
            put_list(steps, out, |(from, ruling), out| {
                put(*from, out);
                out.push(ruling.code());
            });
        });
    }
}

impl Cursor<'_> {
    pub(super) fn file(&mut self) -> Option<KnownFile> {
        let file = KnownFile {
            id: self.id()?,
            input: self.arc()?,
            path: self.arc()?,
            inode: self.number()?,
            head: (self.small()?, u32::from_le_bytes(self.fixed()?)),
            place: Place { chain: u64::from_le_bytes(self.fixed()?), restart: self.small()?, turn: self.number()? },
            generation: self.small()?,
            size: self.number()?,
            ages: self.ages()?,
            fields: self.list(|c| Some((c.text()?.to_owned(), c.text()?.to_owned())))?,
            kept: self.option(|c| Some(Box::new(c.kept()?))).flatten(),
            proof: Mark::NONE,
            rulings: Rulings::default(),
        };
        // What makes no sense here is a newer version's.
        let proof = self.mark().filter(|m| m.at <= file.size && (1..=Mark::MAX).contains(&usize::from(m.len)));
        let steps = |c: &mut Self| Some((c.arc()?, c.list(|c| Some((c.number()?, Ruling::of_code(c.byte()?))))?));
        let rulings = Rulings::new(self.list(steps).unwrap_or_default());
        Some(KnownFile { proof: proof.unwrap_or(Mark::NONE), rulings, ..file })
    }

    fn kept(&mut self) -> Option<Kept> {
        Some(Kept { plain: self.number()?, gz: self.byte()? != 0, end: self.mark()? })
    }

    fn ages(&mut self) -> Option<Vec<(u64, i64)>> {
        let mut last = (0u64, 0u64);
        self.list(|c| {
            last = (last.0.wrapping_add(c.number()?), last.1.wrapping_add(c.number()?));
            Some((last.0, last.1.cast_signed()))
        })
    }
}
