//! The chart's files that need no helm to be compared: values with their schema, and that with our configuration.

use crate::objects::{agent, assert_right, folder, only, shipped, tailrace};
use serde_json::{Value, json};
use std::collections::BTreeSet;

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
    let known = &schema["properties"]["config"]["properties"]["service"]["properties"];
    let map = json!({"data": {"tailrace.yaml": "no_such_key: 1"}});
    let said = String::from_utf8(tailrace("check", &map, &json!({"env": []})).stderr).unwrap();
    let line = said.lines().find(|line| line.contains("no_such_key")).unwrap_or_else(|| panic!("{said}"));
    let (_, list) = line.split_once("write one of ").unwrap();
    // Those of the chart, and the one for agents that end.
    let others = ["admin", "data_dir", "exit_when", "inputs", "outputs"];
    let ours: BTreeSet<&str> = list.split(", ").filter(|key| !others.contains(key)).collect();
    assert!(ours.len() >= 5, "{said}");
    assert_eq!(keys(known), ours);

    let objects = shipped("kubernetes");
    let printed = assert_right(only(&objects, "ConfigMap"), agent(only(&objects, "DaemonSet")));
    let mut printed = crate::yaml::documents(&printed).remove(0);
    for key in ["data_dir", "admin", "inputs", "outputs"] {
        assert!(printed.as_object_mut().unwrap().remove(key).is_some(), "{key}");
    }
    assert_eq!(keys(&printed), ours);
    for (key, value) in printed.as_object().unwrap() {
        assert_eq!(keys(&known[key]["properties"]), keys(value), "{key}");
    }
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}
