//! Between core's arguments and JSON.

use serde_json::{Map, Value};
use warren_core::topology::{Argument, Arguments};

/// The arguments in an answer. The broker writes an empty object as an empty list at times.
pub(super) fn from_json(value: &Value) -> Arguments {
    let Some(pairs) = value.as_object() else {
        return Arguments::new();
    };
    pairs.iter().map(|(name, value)| (name.clone(), argument(value))).collect()
}

fn argument(value: &Value) -> Argument {
    match value {
        Value::Bool(value) => Argument::Bool(*value),
        Value::String(text) => Argument::Text(text.clone()),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Argument::Int(number),
            None => Argument::Other(number.to_string()),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => Argument::Other(value.to_string()),
    }
}

/// The arguments as the broker reads them. There is no way to write a float: the broker would
/// refuse it.
pub(super) fn to_json(arguments: &Arguments) -> Result<Value, String> {
    let mut pairs = Map::new();
    for (name, argument) in arguments {
        let value = match argument {
            Argument::Bool(value) => Value::from(*value),
            Argument::Int(value) => Value::from(*value),
            Argument::Text(text) => Value::from(text.as_str()),
            Argument::Other(_) => return Err(format!("argument {name} is only ever read")),
        };
        pairs.insert(name.clone(), value);
    }
    Ok(Value::Object(pairs))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_texts_and_booleans_go_there_and_back() {
        let value = json!({"x-max-length": 5, "x-queue-type": "quorum", "x-flag": true});
        assert_eq!(to_json(&from_json(&value)).unwrap(), value);
    }

    #[test]
    fn what_warren_never_writes_is_read_and_not_written() {
        let read = from_json(&json!({"x-f": 1.5, "x-l": [1], "x-n": null}));
        assert_eq!(read["x-f"], Argument::Other("1.5".to_owned()));
        assert_eq!(read["x-l"], Argument::Other("[1]".to_owned()));
        assert!(to_json(&read).unwrap_err().contains("x-f"));
    }

    #[test]
    fn an_empty_list_is_no_arguments() {
        assert!(from_json(&json!([])).is_empty());
    }
}
