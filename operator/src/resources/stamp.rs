//! The hash on every object of what was applied last.
//!
//! By comparing fields alone nobody sees that one is there which is no longer wanted: it may be
//! somebody else's. The hash differs then, and the API server takes the field away, because the
//! apply no longer has it.

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::children::Manifest;

/// The annotation with the hash, on the object itself and never on its pods.
pub(crate) const ANNOTATION: &str = "warren.dev/applied";

/// The hash of what was applied of an object; nothing where nobody did.
pub(crate) fn of(manifest: &Manifest) -> Option<&str> {
    manifest.0.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str()
}

/// The manifest of an object, with the hash of itself.
pub(super) fn manifest(object: &impl Serialize) -> Manifest {
    let value = serde_json::to_value(object).expect("objects of Kubernetes are plain JSON");
    stamped(value)
}

/// A manifest with the hash of itself.
pub(super) fn stamped(mut object: Value) -> Manifest {
    let hash = hash(&without_contents(object.clone()));
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(ANNOTATION.to_owned(), hash.into());
        }
    }
    Manifest(object)
}

/// A hash of what a value says, however it is written.
pub(super) fn hash(value: &Value) -> String {
    let mut value = value.clone();
    // Whether maps keep the order of insertion is a feature that any dependency may switch on.
    value.sort_all_objects();
    digest(&value.to_string())
}

/// The first 16 hexadecimal digits of a text's SHA-256: what is told apart is one object's own past,
/// and the names of one namespace.
pub(super) fn digest(text: &str) -> String {
    let bytes = Sha256::digest(text);
    let first = bytes.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{first:016x}")
}

/// A Secret by its keys alone: its contents are compared one by one, and have no business in an
/// annotation, not even hashed.
fn without_contents(mut object: Value) -> Value {
    let is_secret = object.get("kind").and_then(Value::as_str) == Some("Secret");
    let data = object.get_mut("data").and_then(Value::as_object_mut).filter(|_| is_secret);
    data.into_iter().flat_map(|data| data.values_mut()).for_each(|content| *content = Value::Null);
    object
}
