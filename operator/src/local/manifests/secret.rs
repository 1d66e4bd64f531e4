//! A Secret from a manifest.
//!
//! Strict about the form, silent about the content: no message holds a value.

use k8s_openapi::ByteString;
use serde_json::{Map, Value};

use super::{Mistake, Place, names};
use crate::login::SecretData;

/// A Secret as it stands in a file.
pub(super) struct Manifest {
    /// Where it stands.
    pub(super) place: Place,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Its keys, decoded.
    pub(super) data: SecretData,
}

/// The fields of a Secret.
const FIELDS: [&str; 7] =
    ["apiVersion", "kind", "metadata", "data", "stringData", "type", "immutable"];

/// The most characters of a key, as an API server has it.
const LONGEST_KEY: usize = 253;

/// Reads one document.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn read(place: Place, value: &Value) -> Result<Manifest, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut refuse = |path: String, message: &str| {
        mistakes.push(Mistake::new(&place, path, message));
    };
    for field in value.as_object().into_iter().flat_map(Map::keys) {
        if !FIELDS.contains(&field.as_str()) {
            refuse(field.clone(), "is not a field of a Secret");
        }
    }
    let mut data = SecretData::new();
    // As an API server does it: what stands in both is taken from `stringData`.
    for (field, decode) in [("data", decode_base64 as fn(&Value) -> _), ("stringData", take_text)] {
        for (key, value) in entries(value, field, &mut refuse) {
            let path = format!("{field}.{key}");
            match decode(value) {
                _ if !is_key(key) => refuse(path, "keys are of letters, digits, -, _ and ."),
                Ok(bytes) => {
                    data.insert(key.clone(), bytes);
                }
                Err(message) => refuse(path, message),
            }
        }
    }
    let named = names(&place, value);
    match named {
        Ok((namespace, name)) if mistakes.is_empty() => {
            Ok(Manifest { place, namespace, name, data })
        }
        Ok(_) => Err(mistakes),
        Err(more) => Err(more.into_iter().chain(mistakes).collect()),
    }
}

fn entries<'a>(
    value: &'a Value,
    field: &str,
    refuse: &mut impl FnMut(String, &str),
) -> Vec<(&'a String, &'a Value)> {
    match value.get(field) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(map)) => map.iter().collect(),
        Some(_) => {
            refuse(field.to_owned(), "must be keys and values");
            Vec::new()
        }
    }
}

fn decode_base64(value: &Value) -> Result<Vec<u8>, &'static str> {
    let wrong = |_| "is not base64: encode the value, or write it as it is below stringData";
    serde_json::from_value::<ByteString>(value.clone()).map(|bytes| bytes.0).map_err(wrong)
}

fn take_text(value: &Value) -> Result<Vec<u8>, &'static str> {
    match value {
        Value::String(text) => Ok(text.clone().into_bytes()),
        Value::Null => Ok(Vec::new()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err("must be a text: put it in quotes")
        }
    }
}

/// Whether a text may be the key of a Secret, and so the name of a file.
fn is_key(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=LONGEST_KEY).contains(&text.len())
        && text.bytes().all(allowed)
        && text != "."
        && !text.starts_with("..")
}
