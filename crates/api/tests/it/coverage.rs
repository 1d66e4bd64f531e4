//! The corpus against the definition: whatever the schema refuses, some file shows.
//!
//! Only what a person writes is walked, the spec and the rule on metadata.name. The status is
//! written by the operator alone.

use std::collections::BTreeSet;

use serde_json::Value;
use warren_api::schema;

use crate::corpus::{self, segments};
use crate::definition::walk;

/// A refusal: where, with `[]` for any item and `*` for any key, and a part of the message.
type Refusal = (String, String);

#[test]
fn every_rule_enum_pattern_required_field_and_bound_is_shown_by_an_invalid_file() {
    let shown: BTreeSet<Refusal> =
        corpus::invalid().into_iter().map(|case| (general(&case.path), case.message)).collect();
    let missing: Vec<_> = refusals()
        .into_iter()
        .filter(|(path, message)| {
            !shown.iter().any(|(at, said)| at == path && message.contains(said.as_str()))
        })
        .map(|(path, message)| format!("{path}: {message}"))
        .collect();
    assert!(missing.is_empty(), "no invalid file shows\n{}", missing.join("\n"));
}

#[test]
fn every_enum_value_and_every_optional_field_is_shown_by_a_valid_file() {
    let mut shown = BTreeSet::new();
    for (_, object) in corpus::valid() {
        note(&object["spec"], "spec", &mut shown);
    }
    let mut missing = Vec::new();
    walk(&schema::root()["properties"]["spec"], "spec", &mut |path, node| {
        let given = |path: &str| shown.iter().any(|(at, _)| at == path);
        if !path.ends_with(".*") && !given(path) {
            missing.push(path.to_owned());
        }
        for name in node.get("enum").and_then(Value::as_array).into_iter().flatten() {
            if !shown.contains(&(path.to_owned(), name.to_string())) {
                missing.push(format!("{path}: {name}"));
            }
        }
    });
    assert!(missing.is_empty(), "no valid file shows\n{}", missing.join("\n"));
}

/// Notes every field of an object with its value, in the form of [`Refusal`].
fn note(value: &Value, path: &str, shown: &mut BTreeSet<(String, String)>) {
    shown.insert((general(path), value.to_string()));
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                note(value, &format!("{path}.{key}"), shown);
            }
        }
        Value::Array(items) => {
            for item in items {
                note(item, &format!("{path}[0]"), shown);
            }
        }
        _ => {}
    }
}

/// Every refusal that the schema can make.
fn refusals() -> BTreeSet<Refusal> {
    let root = schema::root();
    let mut all = BTreeSet::new();
    rules(root, "", &mut all);
    walk(&root["properties"]["spec"], "spec", &mut |path, node| {
        rules(node, path, &mut all);
        keywords(node, path, &mut all);
    });
    all
}

fn rules(node: &Value, path: &str, all: &mut BTreeSet<Refusal>) {
    let rules = node.get("x-kubernetes-validations").and_then(Value::as_array);
    for rule in rules.into_iter().flatten() {
        let field = rule.get("fieldPath").and_then(Value::as_str).unwrap_or_default();
        all.insert((format!("{path}{field}"), rule["message"].as_str().unwrap().to_owned()));
    }
}

fn keywords(node: &Value, path: &str, all: &mut BTreeSet<Refusal>) {
    for (keyword, value) in node.as_object().unwrap() {
        let message = match keyword.as_str() {
            "enum" => {
                let names: Vec<_> =
                    value.as_array().unwrap().iter().map(Value::to_string).collect();
                format!("Unsupported value: supported values: {}", names.join(", "))
            }
            "pattern" => format!("should match '{}'", value.as_str().unwrap()),
            "minimum" => format!("should be greater than or equal to {value}"),
            "maximum" => format!("should be less than or equal to {value}"),
            "minLength" => format!("should be at least {value} chars long"),
            "maxLength" => format!("Too long: may not be more than {value} characters"),
            "minItems" => format!("should have at least {value} items"),
            "maxItems" | "maxProperties" => format!("Too many: must have at most {value} items"),
            "required" => {
                for key in value.as_array().unwrap() {
                    let path = format!("{path}.{}", key.as_str().unwrap());
                    all.insert((path, "Required value".to_owned()));
                }
                continue;
            }
            "x-kubernetes-list-map-keys" => {
                all.insert((format!("{path}[]"), "Duplicate value".to_owned()));
                continue;
            }
            "additionalProperties"
            | "default"
            | "description"
            | "format"
            | "items"
            | "nullable"
            | "properties"
            | "type"
            | "x-kubernetes-int-or-string"
            | "x-kubernetes-list-type"
            | "x-kubernetes-preserve-unknown-fields"
            | "x-kubernetes-validations" => continue,
            other => panic!("{path}: keyword {other} is judged by nobody"),
        };
        all.insert((path.to_owned(), message));
    }
}

/// The path in the schema of a path in an object.
fn general(path: &str) -> String {
    let mut node = schema::root();
    let mut general = String::new();
    for part in segments(path).iter().filter(|part| !part.is_empty()) {
        if let Some(items) = node.get("items").filter(|_| part.parse::<usize>().is_ok()) {
            general.push_str("[]");
            node = items;
            continue;
        }
        let own = node.pointer(&format!("/properties/{part}"));
        let any = node.get("additionalProperties");
        let name = if own.is_none() && any.is_some() { "*" } else { part };
        general = if general.is_empty() { name.to_owned() } else { format!("{general}.{name}") };
        node = own.or(any).unwrap_or(&Value::Null);
    }
    general
}
