//! The generated schema as a judge of raw objects.
//!
//! A cluster's API server fills defaults, checks the schema and refuses or prunes what it does not
//! know before anyone else sees an object. Where no API server stands in between (local mode,
//! `kubectl warren validate`), these functions do the same from the same definition. CEL rules are
//! not judged here: the operator's `validate` repeats them in Rust.

mod defaults;
mod judge;
mod unknown;

use std::fmt;

use serde_json::Value;

pub(crate) use defaults::fill;

/// One way in which an object breaks the schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Where, such as `spec.queues[0].retry.attempts`.
    pub path: String,
    /// What is wrong, in the API server's words but without the value, which may be a secret.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

/// The OpenAPI schema of a whole object: `spec` and `status`.
pub fn root() -> &'static Value {
    &crate::crd::definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// The object with all defaults of the schema filled in, and without the nulls that an API server
/// drops.
pub fn with_defaults(object: &Value) -> Value {
    let mut filled = object.clone();
    defaults::fill(root(), &mut filled);
    filled
}

/// All ways in which an object breaks the schema: types, required fields, enums, patterns, bounds
/// and the keys of list-maps.
///
/// Fields that the schema does not know are [`unknown_fields`]; `metadata` is not looked at.
pub fn violations(object: &Value) -> Vec<Violation> {
    judge::violations(root(), object)
}

/// The paths of all fields that the schema does not know: mostly slips of the pen, which an API
/// server would drop without a word.
pub fn unknown_fields(object: &Value) -> Vec<String> {
    unknown::fields(root(), object)
}

/// The path of a field of the object at `path`.
fn child(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The schema of an object's field: its own, or that of any other key.
fn of_field<'schema>(schema: &'schema Value, key: &str) -> Option<&'schema Value> {
    let own = schema.get("properties").and_then(|properties| properties.get(key));
    own.or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()))
}

fn is_true(schema: &Value, keyword: &str) -> bool {
    schema.get(keyword).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests;
