//! Any bytes are lines in any grammar; what serde_json reads as one of Docker's lines, we read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tailrace::decode::line::{detect, parse};
use tailrace::decode::lines::next_line;
use tailrace::decode::stamp::DateCache;
use tailrace::record::Grammar;

#[derive(serde::Deserialize)]
struct Docker {
    log: String,
    #[serde(rename = "stream")]
    _stream: Option<String>,
    #[serde(rename = "time")]
    _time: Option<String>,
}

fuzz_target!(|block: &[u8]| {
    let (mut scratch, mut dates, mut at) = (Vec::new(), DateCache::default(), 0);
    while let Some((line, next)) = next_line(block, at) {
        assert!(line.start == at && line.end + 1 == next && !block[line.clone()].contains(&b'\n'));
        let line = &block[line];
        for grammar in [Grammar::Cri, Grammar::Docker, Grammar::Plain, detect(line)] {
            let got = parse(grammar, line, &mut scratch, &mut dates);
            if let Some(stamp) = got.stamp {
                let mut fresh = DateCache::default();
                assert_eq!(tailrace::decode::stamp::parse(stamp.text, &mut fresh), Some(stamp.unix_ns));
                assert!(stamp.text.iter().all(|b| b.is_ascii_digit() || b"-:.+TZ".contains(b)));
            }
        }
        if let Some(letter) = tailrace::decode::letter::parse(line) {
            assert_eq!(letter.record().body, &letter.body[..]);
        }
        // They also take an array, and names with escapes; we also take lone surrogates and invalid UTF-8.
        let object = line.trim_ascii_start().starts_with(b"{") && !line.windows(2).any(|w| w == b"\\u");
        if let (true, Ok(want)) = (object, serde_json::from_slice::<Docker>(line)) {
            let got = parse(Grammar::Docker, line, &mut scratch, &mut dates);
            assert_eq!(got.partial, !want.log.ends_with('\n'));
            assert_eq!(got.body, want.log.strip_suffix('\n').unwrap_or(&want.log).as_bytes());
        }
        at = next;
    }
});
