//! Any text is a configuration or problems with a place in it; what is read and printed reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tailrace::config;

fn env(name: &str) -> Option<String> {
    match name {
        "NODE_NAME" | "NODE" => Some("n".into()),
        "URL" | "SEARCH_URL" => Some("https://search:9200".into()),
        "EMPTY" => Some(String::new()),
        "UNSET" => None,
        _ => Some("abc1".into()),
    }
}

fuzz_target!(|text: &str| {
    match config::load(text, "f", &env) {
        Ok(config) => {
            assert_eq!(config::memory::shares(&config).len(), config.outputs.len());
            let printed = config::print::yaml(&config);
            let again = config::load(&printed, "f", &env);
            // Secrets are hidden in print; all else reads back.
            let again = again.unwrap_or_else(|problems| panic!("{problems}\n{printed}"));
            assert_eq!(config::print::yaml(&again), printed);
        }
        Err(problems) => {
            assert!(!problems.list.is_empty() || problems.more > 0);
            // To YAML a carriage return ends a line, too.
            let lines = text.bytes().filter(|b| matches!(b, b'\n' | b'\r')).count() + 1;
            for problem in &problems.list {
                assert!((1..=lines).contains(&problem.line) && problem.column >= 1, "{problems}");
                assert!(!problem.what.is_empty(), "{problems}");
            }
        }
    }
});
