//! The keywords of a structural schema, judged in the words of an API server.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Violation, child, is_true, of_field};

pub(super) fn violations(schema: &Value, value: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    judge(schema, value, "", &mut found);
    found
}

fn judge(schema: &Value, value: &Value, path: &str, found: &mut Vec<Violation>) {
    if value.is_null() && is_true(schema, "nullable") {
        return;
    }
    if let Some(message) = wrong_type(schema, value) {
        found.push(Violation { path: path.to_owned(), message });
        return;
    }
    let messages = match value {
        Value::String(text) => judge_text(schema, text),
        Value::Number(number) => judge_number(schema, number.as_f64()),
        Value::Array(items) => judge_items(schema, items, path, found),
        Value::Object(object) => judge_object(schema, object, path, found),
        Value::Null | Value::Bool(_) => Vec::new(),
    };
    let path = || path.to_owned();
    found.extend(messages.into_iter().map(|message| Violation { path: path(), message }));
}

fn wrong_type(schema: &Value, value: &Value) -> Option<String> {
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if is_true(schema, "x-kubernetes-int-or-string") {
        let fits = matches!(is, "integer" | "string");
        return (!fits).then(|| format!("must be of type integer or string: \"{is}\""));
    }
    let wanted = schema.get("type").and_then(Value::as_str)?;
    (is != wanted).then(|| format!("must be of type {wanted}: \"{is}\""))
}

fn judge_text(schema: &Value, text: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if let Some(Value::Array(names)) = schema.get("enum")
        && !names.iter().any(|name| name.as_str() == Some(text))
    {
        let names: Vec<_> = names.iter().map(Value::to_string).collect();
        messages.push(format!("Unsupported value: supported values: {}", names.join(", ")));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && !patterns()[pattern].is_match(text)
    {
        messages.push(format!("should match '{pattern}'"));
    }
    let length = text.chars().count() as u64;
    if let Some(least) = bound(schema, "minLength", |least| length < least) {
        messages.push(format!("should be at least {least} chars long"));
    }
    if let Some(most) = bound(schema, "maxLength", |most| length > most) {
        messages.push(format!("Too long: may not be more than {most} characters"));
    }
    messages
}

fn judge_number(schema: &Value, number: Option<f64>) -> Vec<String> {
    let limit = |keyword| schema.get(keyword).and_then(Value::as_f64);
    let mut messages = Vec::new();
    let Some(number) = number else {
        return messages;
    };
    if let Some(least) = limit("minimum").filter(|least| number < *least) {
        messages.push(format!("should be greater than or equal to {least}"));
    }
    if let Some(most) = limit("maximum").filter(|most| number > *most) {
        messages.push(format!("should be less than or equal to {most}"));
    }
    messages
}

fn judge_items(
    schema: &Value,
    items: &[Value],
    path: &str,
    found: &mut Vec<Violation>,
) -> Vec<String> {
    if let Some(schema) = schema.get("items") {
        for (index, item) in items.iter().enumerate() {
            judge(schema, item, &format!("{path}[{index}]"), found);
        }
    }
    found.extend(duplicates(schema, items, path));
    let count = items.len() as u64;
    let mut messages = Vec::new();
    if let Some(least) = bound(schema, "minItems", |least| count < least) {
        messages.push(format!("should have at least {least} items"));
    }
    if let Some(most) = bound(schema, "maxItems", |most| count > most) {
        messages.push(format!("Too many: must have at most {most} items"));
    }
    messages
}

/// The items of a list-map whose keys an earlier item has already.
fn duplicates(schema: &Value, items: &[Value], path: &str) -> Vec<Violation> {
    let Some(Value::Array(keys)) = schema.get("x-kubernetes-list-map-keys") else {
        return Vec::new();
    };
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let of_item: Map<String, Value> = keys
            .iter()
            .filter_map(Value::as_str)
            .filter_map(|key| Some((key.to_owned(), item.get(key)?.clone())))
            .collect();
        let text = Value::Object(of_item).to_string();
        if !seen.insert(text.clone()) {
            let message = format!("Duplicate value: {text}");
            found.push(Violation { path: format!("{path}[{index}]"), message });
        }
    }
    found
}

fn judge_object(
    schema: &Value,
    object: &Map<String, Value>,
    path: &str,
    found: &mut Vec<Violation>,
) -> Vec<String> {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    for key in required.filter_map(Value::as_str) {
        if object.get(key).is_none_or(Value::is_null) {
            found.push(Violation { path: child(path, key), message: "Required value".to_owned() });
        }
    }
    // A null is a field that was not given: where it is required it was found above.
    for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        if let Some(schema) = of_field(schema, key) {
            judge(schema, value, &child(path, key), found);
        }
    }
    let count = object.len() as u64;
    bound(schema, "maxProperties", |most| count > most)
        .map(|most| format!("Too many: must have at most {most} items"))
        .into_iter()
        .collect()
}

/// The bound of this keyword, when it is broken.
fn bound(schema: &Value, keyword: &str, broken: impl Fn(u64) -> bool) -> Option<u64> {
    schema.get(keyword).and_then(Value::as_u64).filter(|bound| broken(*bound))
}

/// Every pattern of the schema, compiled once in a process.
fn patterns() -> &'static HashMap<&'static str, Regex> {
    static PATTERNS: OnceLock<HashMap<&'static str, Regex>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let mut all = HashMap::new();
        collect(super::root(), &mut all);
        all
    })
}

fn collect(value: &'static Value, all: &mut HashMap<&'static str, Regex>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(pattern)) = object.get("pattern") {
                all.entry(pattern).or_insert_with(|| {
                    Regex::new(pattern).expect("the tests compile every pattern of the schema")
                });
            }
            object.values().for_each(|value| collect(value, all));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, all)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
