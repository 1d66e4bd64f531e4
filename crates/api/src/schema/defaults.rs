//! Defaults, filled in as an API server does it.

use serde_json::{Map, Value};

use super::{is_true, of_field};

/// Fills the defaults of `schema` into `value`, into filled-in values too.
///
/// A null counts as not given unless the field is nullable: it gives way to the default, or goes.
pub(crate) fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(object) => fill_object(schema, object),
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    fill(schema, item);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn fill_object(schema: &Value, object: &mut Map<String, Value>) {
    object.retain(|key, value| {
        !value.is_null() || of_field(schema, key).is_none_or(|schema| is_true(schema, "nullable"))
    });
    let properties = schema.get("properties").and_then(Value::as_object);
    for (key, property) in properties.into_iter().flatten() {
        if let Some(default) = property.get("default")
            && !object.contains_key(key)
        {
            object.insert(key.clone(), default.clone());
        }
    }
    for (key, value) in object {
        if let Some(schema) = of_field(schema, key) {
            fill(schema, value);
        }
    }
}
