//! The primitives under `codec`: varints, texts, lists, options; and the cursor that reads them from any bytes.

use std::sync::Arc;

pub(super) fn put(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn put_text(text: &str, out: &mut Vec<u8>) {
    put(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_option<T>(value: Option<&T>, out: &mut Vec<u8>, each: impl Fn(&T, &mut Vec<u8>)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        each(value, out);
    }
}

pub(super) fn put_list<T>(list: &[T], out: &mut Vec<u8>, mut each: impl FnMut(&T, &mut Vec<u8>)) {
    put(list.len() as u64, out);
    for item in list {
        each(item, out);
    }
}

/// Small for ascending pairs, right for any: the arithmetic wraps.
pub(super) fn put_pairs(pairs: &[(u64, u64)], out: &mut Vec<u8>) {
    let mut last = 0u64;
    put_list(pairs, out, |(start, end), out| {
        put(start.wrapping_sub(last), out);
        put(end.wrapping_sub(*start), out);
        last = *end;
    });
}

/// What is left of the bytes. `None` from any method: they end too early or make no sense.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.fixed::<1>().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    pub(super) fn slice(&mut self) -> Option<&'a [u8]> {
        let len = self.small::<usize>()?;
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.slice()?).ok()
    }

    pub(super) fn arc(&mut self) -> Option<Arc<str>> {
        self.text().map(Arc::from)
    }

    pub(super) fn option<T>(&mut self, each: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            1 => each(self).map(Some),
            _ => None,
        }
    }

    /// An item takes at least a byte, so a length beyond the bytes left is a lie, found before anything is allocated.
    pub(super) fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let n = self.small::<usize>()?;
        if n > self.0.len() {
            return None;
        }
        let mut list = Vec::with_capacity(n.min(1024));
        for _ in 0..n {
            list.push(each(self)?);
        }
        Some(list)
    }
}
