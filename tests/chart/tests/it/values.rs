//! Every value is known everywhere and does something.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::helm::{file, set, warren};

/// Every value, and one that differs from its default.
fn others() -> Vec<(&'static str, Value)> {
    let digest = format!("sha256:{}", "1".repeat(64));
    vec![
        ("clusterId", json!("europe-1")),
        ("commonLabels", json!({"team": "messaging"})),
        ("crds.annotations", json!({"a": "b"})),
        ("crds.enabled", json!(false)),
        ("crds.keep", json!(false)),
        ("global.imagePullSecrets", json!(["registry"])),
        ("global.imageRegistry", json!("registry.example")),
        ("images.operator.digest", json!(digest)),
        ("images.operator.repository", json!("other")),
        ("images.operator.tag", json!("other")),
        ("images.producer.digest", json!(digest)),
        ("images.producer.repository", json!("other")),
        ("images.producer.tag", json!("other")),
        ("images.pullPolicy", json!("Always")),
        ("images.worker.digest", json!(digest)),
        ("images.worker.repository", json!("other")),
        ("images.worker.tag", json!("other")),
        ("operator.log.format", json!("text")),
        ("operator.log.level", json!("debug")),
        ("operator.reconcile.concurrency", json!(2)),
        ("operator.reconcile.interval", json!("30s")),
        ("operator.replicas", json!(0)),
        ("operator.resources.limits.memory", json!("1Gi")),
        ("operator.resources.requests.cpu", json!("1")),
        ("operator.resources.requests.memory", json!("1Gi")),
        ("operator.scheduling.affinity", json!({"nodeAffinity": {}})),
        ("operator.scheduling.nodeSelector", json!({"disk": "fast"})),
        ("operator.scheduling.priorityClassName", json!("high")),
        ("operator.scheduling.tolerations", json!([{"operator": "Exists"}])),
        ("rbac.aggregateToDefaultRoles", json!(false)),
        ("rbac.create", json!(false)),
        ("watch.labelSelector", json!("tier=gold")),
        ("watch.namespaces", json!(["shop"])),
    ]
}

/// The paths of all values that hold no further ones.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value.as_object().filter(|map| !map.is_empty()) {
        Some(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(value, &path, found);
            }
        }
        None => {
            found.insert(path.to_owned());
        }
    }
}

fn defaults() -> BTreeSet<String> {
    let values: Value = serde_saphyr::from_str(&file("values.yaml")).unwrap();
    let mut found = BTreeSet::new();
    leaves(&values, "", &mut found);
    found
}

fn rendered(values: &Value) -> String {
    warren().template(&[], &values.to_string()).unwrap_or_else(|error| panic!("{values}: {error}"))
}

#[test]
fn every_value_changes_what_is_rendered() {
    let others = others();
    let tried: BTreeSet<_> = others.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(tried, defaults(), "values that are tried, and those in values.yaml");
    let with_defaults = rendered(&json!({}));
    // Namespaces cannot be chosen without it.
    let with_cluster = rendered(&json!({"clusterId": "europe-1"}));
    for (path, value) in others {
        let (mut values, without) = match path {
            "watch.namespaces" => (json!({"clusterId": "europe-1"}), &with_cluster),
            _ => (json!({}), &with_defaults),
        };
        set(&mut values, path, value);
        assert!(rendered(&values) != *without, "{path} changes nothing");
    }
}

/// The chart's own properties of a schema, with what they refer to looked up.
fn properties(schema: &Value, root: &Value, path: &str, found: &mut BTreeSet<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    match schema["properties"].as_object() {
        Some(properties_of) => {
            for (key, schema) in properties_of {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                properties(schema, root, &path, found);
            }
        }
        None => {
            found.insert(path.to_owned());
        }
    }
}

/// `operator.resources.requests.cpu` as the schema and the table know it.
fn known(path: &str) -> &str {
    let quantities = ["operator.resources.requests", "operator.resources.limits"];
    quantities.into_iter().find(|above| path.starts_with(above)).unwrap_or(path)
}

#[test]
fn values_and_schema_know_the_same_keys() {
    let schema: Value = serde_json::from_str(&file("values.schema.json")).unwrap();
    let mut found = BTreeSet::new();
    properties(&schema, &schema, "", &mut found);
    // What a parent chart decides by; this chart gives it no default.
    assert!(found.remove("enabled"));
    let defaults: BTreeSet<_> = defaults().iter().map(|path| known(path).to_owned()).collect();
    assert_eq!(found, defaults);
}

#[test]
fn the_table_of_the_readme_explains_every_value_and_no_other() {
    let readme = file("README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let explained: Vec<_> = rows.map(|(path, _)| path.to_owned()).collect();
    let sorted: BTreeSet<_> = explained.iter().cloned().collect();
    assert_eq!(sorted.len(), explained.len(), "a value is explained twice");
    let defaults: BTreeSet<_> = defaults().iter().map(|path| known(path).to_owned()).collect();
    assert_eq!(sorted, defaults);
}

#[test]
fn the_table_of_the_readme_tells_the_defaults() {
    let values: Value = serde_saphyr::from_str(&file("values.yaml")).unwrap();
    for line in file("README.md").lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, path, default, ..] = cells[..] else {
            continue;
        };
        let (Some(path), Some(told)) = (quoted(path), quoted(default)) else {
            continue;
        };
        let value = path.split('.').fold(&values, |at, key| &at[key]);
        let told: Value = serde_saphyr::from_str(told).unwrap();
        assert_eq!(*value, told, "{path}");
    }
}

fn quoted(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}
