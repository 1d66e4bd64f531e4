//! A second opinion on objects, made of other people's code: a JSON-schema crate for the schema,
//! kube's CEL for the rules. It stands in for an API server, and keeps its order: defaults, schema,
//! and only for what the schema takes the rules.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, Validator as SchemaValidator};
use kube::core::cel::{CompiledSchema, Validator as RuleValidator, compile_schema};
use serde_json::Value;
use warren_api::schema::{self, Violation};

/// What is wrong with an object, or with the change from an old one.
pub(crate) fn judge(raw: &Value, old: Option<&Value>) -> Vec<Violation> {
    let object = complete(raw);
    let found = by_schema(&object);
    if found.is_empty() { by_rules(&object, old.map(complete).as_ref()) } else { found }
}

/// What the schema alone says, list-map keys included.
pub(crate) fn by_schema(object: &Value) -> Vec<Violation> {
    static VALIDATOR: OnceLock<SchemaValidator> = OnceLock::new();
    let validator =
        VALIDATOR.get_or_init(|| jsonschema::validator_for(schema::root()).expect("a schema"));
    let mut found: Vec<_> = validator
        .iter_errors(object)
        .map(|error| {
            let path = readable(error.instance_path().as_str(), object);
            told(path, error.kind(), error.instance())
        })
        .collect();
    duplicates(schema::root(), object, "", &mut found);
    found.sort();
    found
}

fn by_rules(object: &Value, old: Option<&Value>) -> Vec<Violation> {
    static RULES: OnceLock<CompiledSchema> = OnceLock::new();
    let rules = RULES.get_or_init(|| compile_schema(schema::root()));
    let mut found: Vec<_> = RuleValidator::new()
        .validate_compiled(rules, object, old)
        .err()
        .into_iter()
        .flatten()
        .map(|error| Violation { path: error.field_path, message: error.message })
        .collect();
    found.sort();
    found
}

/// As an API server sees an object: with defaults. A stored null is not there for its CEL, but it
/// is for kube's.
pub(crate) fn complete(raw: &Value) -> Value {
    let mut object = schema::with_defaults(raw);
    drop_nulls(&mut object);
    object
}

pub(crate) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The crate's finding in the words of an API server.
fn told(path: String, kind: &ValidationErrorKind, value: &Value) -> Violation {
    let message = match kind {
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().expect("a property name");
            let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            return Violation { path, message: "Required value".to_owned() };
        }
        ValidationErrorKind::Enum { options } => {
            let names: Vec<_> =
                options.as_array().unwrap().iter().map(ToString::to_string).collect();
            format!("Unsupported value: supported values: {}", names.join(", "))
        }
        ValidationErrorKind::Pattern { pattern } => format!("should match '{pattern}'"),
        ValidationErrorKind::Minimum { limit } => {
            format!("should be greater than or equal to {limit}")
        }
        ValidationErrorKind::Maximum { limit } => {
            format!("should be less than or equal to {limit}")
        }
        ValidationErrorKind::MinLength { limit } => {
            format!("should be at least {limit} chars long")
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("Too long: may not be more than {limit} characters")
        }
        ValidationErrorKind::MinItems { limit } => format!("should have at least {limit} items"),
        ValidationErrorKind::MaxItems { limit } | ValidationErrorKind::MaxProperties { limit } => {
            format!("Too many: must have at most {limit} items")
        }
        ValidationErrorKind::Type { kind: TypeKind::Single(wanted) } => {
            let whole = value.is_i64() || value.is_u64();
            let is = if whole { JsonType::Integer } else { value.into() };
            format!("must be of type {wanted}: \"{is}\"")
        }
        other => {
            panic!("{path}: the schema has a keyword that this judge does not know: {other:?}")
        }
    };
    Violation { path, message }
}

/// `/spec/queues/0/name` as `spec.queues[0].name`; a number may be a key as well as an index.
fn readable(pointer: &str, object: &Value) -> String {
    let mut at = object;
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let (next, step) = match at {
            Value::Array(items) => (&items[part.parse::<usize>().unwrap()], format!("[{part}]")),
            _ if path.is_empty() => (&at[&part], part),
            _ => (&at[&part], format!(".{part}")),
        };
        at = next;
        path.push_str(&step);
    }
    path
}

fn duplicates(schema: &Value, value: &Value, path: &str, found: &mut Vec<Violation>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if let Some(schema) = schema.pointer(&format!("/properties/{key}")) {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    duplicates(schema, value, &path, found);
                }
            }
        }
        Value::Array(items) => {
            let keyed = schema.get("x-kubernetes-list-map-keys").is_some();
            let mut names: BTreeMap<&str, usize> = BTreeMap::new();
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                duplicates(&schema["items"], item, &path, found);
                let name = item.get("name").and_then(Value::as_str);
                if keyed && name.is_some_and(|name| names.insert(name, index).is_some()) {
                    let message = format!("Duplicate value: {{\"name\":\"{}\"}}", name.unwrap());
                    found.push(Violation { path, message });
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
