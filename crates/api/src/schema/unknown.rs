//! Fields that the schema does not know.

use serde_json::{Map, Value};

use super::{child, is_true, of_field};

/// What every Kubernetes object has at its root beside what its schema names.
const ROOT: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// The fields of `ObjectMeta` (meta/v1).
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

pub(super) fn fields(schema: &Value, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let Some(root) = object.as_object() else {
        return found;
    };
    if let Some(Value::Object(metadata)) = root.get("metadata") {
        let unknown = metadata.keys().filter(|key| !METADATA.contains(&key.as_str()));
        found.extend(unknown.map(|key| child("metadata", key)));
    }
    let others = root.iter().filter(|(key, _)| !ROOT.contains(&key.as_str()));
    walk_object(schema, others, "", &mut found);
    found
}

fn walk(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => walk_object(schema, Map::iter(object), path, found),
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    walk(schema, item, &format!("{path}[{index}]"), found);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn walk_object<'object>(
    schema: &Value,
    fields: impl Iterator<Item = (&'object String, &'object Value)>,
    path: &str,
    found: &mut Vec<String>,
) {
    for (key, value) in fields {
        let path = child(path, key);
        match of_field(schema, key) {
            Some(schema) => walk(schema, value, &path, found),
            None if is_true(schema, "x-kubernetes-preserve-unknown-fields") => {}
            None => found.push(path),
        }
    }
}
