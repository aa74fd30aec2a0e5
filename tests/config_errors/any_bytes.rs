//! Whatever stands in the file, the answer is a configuration or at least one problem; nothing panics.

use proptest::prelude::*;
use tailrace::config;

fn judge(text: &str) -> Result<(), TestCaseError> {
    let env = |name: &str| (name == "NODE_NAME").then(|| "n".to_string());
    match config::load(text, "f", &env) {
        Ok(config) => {
            let printed = config::print::yaml(&config);
            prop_assert!(config::memory::shares(&config).len() == config.outputs.len() && printed.contains("outputs"));
        }
        Err(problems) => {
            prop_assert!(!problems.list.is_empty());
            let lines = text.lines().count() + 1;
            for problem in &problems.list {
                prop_assert!((1..=lines).contains(&problem.line) && problem.column >= 1, "{}", problems);
                prop_assert!(!problem.what.is_empty(), "{}", problems);
            }
            prop_assert_eq!(problems.to_string().lines().count(), problems.list.len() + usize::from(problems.more > 0));
        }
    }
    Ok(())
}

const GOOD: &str = include_str!("../../config/kubernetes-three-outputs.yaml");

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        judge(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn a_right_configuration_with_some_pieces_exchanged(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..12, "[-a-z0-9:{}\\[\\]%$&*!'\"|>\n\t \u{e9}\u{0}]{0,4}"), 1..6),
    ) {
        let mut text: Vec<char> = GOOD.replace("${SEARCH_URL}", "http://h").replace("${", "x").chars().collect();
        for (at, cut, put) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + cut).min(text.len());
            text.splice(at..end, put.chars());
        }
        judge(&text.into_iter().collect::<String>())?;
    }

    #[test]
    fn any_value_under_any_key(
        key in prop::sample::select(vec!["data_dir", "memory_limit", "admin", "node", "retain", "exit_when", "inputs", "outputs", "shutdown_timeout"]),
        value in "\\PC{0,40}",
    ) {
        judge(&format!("{key}: {value}\n"))?;
    }
}
