//! The chart's files that need no helm to be compared: values with their schema, alerts and dashboard with our metrics.

use crate::objects::{folder, tailrace};
use serde_json::{Value, json};

#[test]
fn the_schema_names_every_value_and_no_other() {
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(folder("helm/values.schema.json")).unwrap()).unwrap();
    let values = crate::yaml::documents(&std::fs::read_to_string(folder("helm/values.yaml")).unwrap()).remove(0);
    fn compare(path: &str, schema: &Value, values: &Value) {
        let (Some(known), Some(given)) = (schema["properties"].as_object(), values.as_object()) else { return };
        for name in given.keys() {
            assert!(known.contains_key(name), "{path}.{name} is not in the schema");
        }
        for (name, below) in known {
            // What helm itself gives to a chart inside of another.
            let parents = path.is_empty() && ["global", "enabled"].contains(&name.as_str());
            // Kubernetes' own keys, and ours at the top of the configuration, need no default here.
            let free = [
                "livenessProbe",
                "readinessProbe",
                "resources",
                "lifecycle",
                "affinity",
                "config.service",
                "updateStrategy",
            ];
            assert!(
                parents || free.iter().any(|it| path == format!(".{it}")) || given.contains_key(name),
                "{path}.{name} is not in values.yaml"
            );
            compare(&format!("{path}.{name}"), below, given.get(name).unwrap_or(&Value::Null));
        }
    }
    compare("", &schema, &values);
}

#[test]
fn every_key_at_the_top_of_the_configuration_can_be_given() {
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(folder("helm/values.schema.json")).unwrap()).unwrap();
    let keys = schema["properties"]["config"]["properties"]["service"]["properties"].as_object().unwrap();
    let map = json!({"data": {"tailrace.yaml": "no_such_key: 1"}});
    let said = String::from_utf8(tailrace("check", &map, &json!({"env": []})).stderr).unwrap();
    let line = said.lines().find(|line| line.contains("no_such_key")).unwrap_or_else(|| panic!("{said}"));
    let (_, list) = line.split_once("write one of ").unwrap();
    // Those of the chart, and the one for agents that end.
    let others = ["admin", "data_dir", "exit_when", "inputs", "outputs"];
    let known: Vec<&str> = list.split(", ").filter(|key| !others.contains(key)).collect();
    assert!(known.len() >= 5, "{said}");
    let mut given: Vec<&str> = keys.keys().map(String::as_str).collect();
    given.sort_unstable();
    assert_eq!(given, known);
}

#[test]
fn alerts_and_the_dashboard_speak_of_metrics_that_there_are() {
    let rules = crate::yaml::documents(&std::fs::read_to_string(folder("helm/rules.yaml")).unwrap()).remove(0);
    let dashboard = std::fs::read_to_string(folder("helm/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let source = ["metrics.rs", "metrics/lanes.rs"]
        .map(|file| std::fs::read_to_string(format!("{}/src/telemetry/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap())
        .concat();
    let panels = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut checked = 0;
    for rule in rules.as_array().unwrap().iter().chain(panels) {
        let expression = rule["expr"].as_str().unwrap();
        for at in expression.match_indices("tailrace_").map(|(at, _)| at) {
            let name: String =
                expression[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let short = name.trim_start_matches("tailrace_");
            assert!(source.contains(&format!("\"{short}\"")), "{name}");
            checked += 1;
        }
    }
    assert!(checked >= 15, "{checked}");
}
