use super::*;
use proptest::prelude::*;

#[test]
fn a_cut_falls_neither_into_a_character_nor_into_an_escape() {
    for (text, room, expected) in [
        ("abcdefgh", 8, "abcdefgh"),
        ("abcdefgh", 6, "abcdef"),
        (r"abcde\nfgh", 6, "abcde"),
        (r"abcd\nfgh", 6, r"abcd\n"),
        (r"abcd\\\\xyz", 7, r"abcd\\"),
        (r"ab\u0001xyz", 7, "ab"),
        (r"ab\u0001xyz", 8, r"ab\u0001"),
        ("abcde\u{20ac}f", 6, "abcde"),
        ("abcde\u{20ac}f", 8, "abcde\u{20ac}"),
        (r"\\\u0001\u0001", 7, r"\\"),
    ] {
        let at = escaped_cut(text.as_bytes(), room);
        assert_eq!(&text[..at], expected, "{text} {room}");
    }
}

proptest! {
    #[test]
    fn cut_text_put_together_is_the_text(body: Vec<u8>, room in 6..40_usize) {
        let mut escaped = Vec::new();
        escape(&body, &mut escaped);
        let (mut rest, mut joined) = (escaped.as_slice(), String::new());
        while !rest.is_empty() {
            let at = escaped_cut(rest, room);
            prop_assert!((1..=room).contains(&at));
            let json = [b"\"", &rest[..at], b"\""].concat();
            joined += &serde_json::from_slice::<String>(&json).unwrap();
            rest = &rest[at..];
        }
        prop_assert_eq!(joined, String::from_utf8_lossy(&body));
    }

    #[test]
    fn text_is_cut_between_characters(text: String, room in 4..20_usize) {
        let (mut rest, mut count) = (text.as_str(), 0);
        while !rest.is_empty() {
            let at = char_cut(rest.as_bytes(), room);
            prop_assert!((1..=room).contains(&at) && rest.is_char_boundary(at));
            rest = &rest[at..];
            count += 1;
        }
        prop_assert!(count <= text.len() / (room - 3) + 1);
    }

    #[test]
    fn the_length_of_text_is_that_of_what_replaces_it(body: Vec<u8>) {
        let mut out = Vec::new();
        lossy(&body, &mut out);
        let expected = String::from_utf8_lossy(&body);
        prop_assert_eq!(out.as_slice(), expected.as_bytes());
        prop_assert_eq!(lossy_len(&body), out.len());
    }
}
