//! One message as JSON: what `/produce`, batches and NDJSON files hold.
//!
//! ```json
//! {"id": "order-17", "payload": {"total": 12}, "processing_time": 0.5, "routing_key": "order.new"}
//! ```
//!
//! Only `payload` is required. The body that is published is the text of `payload` exactly as the
//! client wrote it, a JSON string with its quotes: reading and writing it again would round large
//! numbers and lose repeated keys. An unknown field is refused, because it is a misspelt one.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::message::{Identity, Request};

/// The content type of every payload that came as JSON.
pub const CONTENT_TYPE: &str = "application/json";

/// The most messages of a batch that is read whole.
pub const BATCH_ITEMS: usize = 10_000;

/// Why a text is not a message, or not a list of messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON, or another JSON value than is wanted, or unknown, repeated or missing fields.
    #[error("{what}: {error}")]
    Shape {
        /// What was to be read.
        what: &'static str,
        /// What the JSON parser said, with the place.
        error: String,
    },
    /// A field of another type.
    #[error("the field `{field}` must be {expected}")]
    Type {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

/// The fields as they stand in the text; each is read by itself, so that an error can name it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: &'a RawValue,
    #[serde(borrow)]
    processing_time: Option<&'a RawValue>,
    #[serde(borrow)]
    routing_key: Option<&'a RawValue>,
}

/// What `/batch-produce` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    messages: Items<'a>,
}

/// At most [`BATCH_ITEMS`] texts; counted while they are read, because a batch of nothing but
/// commas would fill the memory before it could be counted.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(ItemsVisitor).map(Items)
    }
}

struct ItemsVisitor;

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            if items.len() == BATCH_ITEMS {
                let error = format!(
                    "more than {BATCH_ITEMS} messages; NDJSON to messages:batch takes any number"
                );
                return Err(de::Error::custom(error));
            }
            items.push(item);
        }
        Ok(items)
    }
}

/// Reads one message; the body shares the memory of `text`.
///
/// # Errors
/// When it is not JSON of the shape above.
pub fn read(text: &Bytes) -> Result<Request, Malformed> {
    let what = "the message";
    expect_object(what, text)?;
    let fields: Fields<'_> = parse(what, text)?;
    let processing_time = fields
        .processing_time
        .map(|raw| field(raw, "processing_time", "a number of seconds"))
        .transpose()?;
    let id: Option<String> = fields.id.map(|raw| field(raw, "id", "a string")).transpose()?;
    let routing_key: Option<String> =
        fields.routing_key.map(|raw| field(raw, "routing_key", "a string")).transpose()?;
    Ok(Request {
        identity: id.map_or(Identity::Fresh, Identity::Given),
        body: text.slice_ref(fields.payload.get().as_bytes()),
        content_type: CONTENT_TYPE.to_owned(),
        routing_key: routing_key.unwrap_or_default(),
        processing_time,
        ..Request::default()
    })
}

/// Splits `{"messages": […]}` into the texts of its messages, which [`read`] takes.
///
/// # Errors
/// When the envelope is not of that shape; its messages are not looked at.
pub fn split_envelope(text: &Bytes) -> Result<Vec<Bytes>, Malformed> {
    let what = "the batch";
    expect_object(what, text)?;
    let envelope: Envelope<'_> = parse(what, text)?;
    Ok(slices(text, &envelope.messages.0))
}

/// Splits a JSON array into the texts of its items, which [`read`] takes.
///
/// # Errors
/// When the text is not a JSON array; its items are not looked at.
pub fn split_array(text: &Bytes) -> Result<Vec<Bytes>, Malformed> {
    let items: Items<'_> = parse("the batch", text)?;
    Ok(slices(text, &items.0))
}

/// serde would read a JSON array as a struct too, its items in the order of the fields.
fn expect_object(what: &'static str, text: &Bytes) -> Result<(), Malformed> {
    match text.trim_ascii_start().first() {
        Some(b'{') | None => Ok(()),
        Some(_) => Err(Malformed::Shape { what, error: "expected a JSON object".to_owned() }),
    }
}

fn slices(text: &Bytes, items: &[&RawValue]) -> Vec<Bytes> {
    items.iter().map(|item| text.slice_ref(item.get().as_bytes())).collect()
}

fn parse<'a, T: Deserialize<'a>>(what: &'static str, text: &'a Bytes) -> Result<T, Malformed> {
    serde_json::from_slice(text)
        .map_err(|error| Malformed::Shape { what, error: error.to_string() })
}

fn field<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    field: &'static str,
    expected: &'static str,
) -> Result<T, Malformed> {
    serde_json::from_str(raw.get()).map_err(|_| Malformed::Type { field, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    fn error(text: &[u8]) -> String {
        read(&Bytes::copy_from_slice(text)).unwrap_err().to_string()
    }

    #[test]
    fn the_payload_is_published_as_it_was_written() {
        for payload in [
            "null",
            r#""text""#,
            "123456789012345678901234567890.10",
            r#"{"b": 1,  "a": [1e2], "b": 2}"#,
            r#""\u00e9\ud83d\ude00""#,
        ] {
            let request = read(&bytes(&format!("{{\"payload\": {payload}}}"))).unwrap();
            assert_eq!(request.body, payload.as_bytes());
            assert_eq!(request.content_type, "application/json");
            assert_eq!(request.identity, Identity::Fresh);
        }
    }

    #[test]
    fn every_field_is_read_and_null_is_as_good_as_absent() {
        let text = r#"{"id":"a","payload":1,"processing_time":2,"routing_key":"k"}"#;
        let request = read(&bytes(text)).unwrap();
        assert_eq!(request.identity, Identity::Given("a".to_owned()));
        assert_eq!(request.processing_time, Some(2.0));
        assert_eq!(request.routing_key, "k");
        let text = r#"{"id":null,"payload":1,"processing_time":null,"routing_key":null}"#;
        let request = read(&bytes(text)).unwrap();
        assert_eq!(request.identity, Identity::Fresh);
        assert_eq!(request.processing_time, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, says) in [
            ("", "EOF"),
            ("[1,2,3,4]", "expected a JSON object"),
            ("{}", "missing field `payload`"),
            (r#""payload""#, "expected a JSON object"),
            ("{\"payload\":1", "EOF"),
            (r#"{"payload":1}{}"#, "trailing characters"),
            (r#"{"payload":1,"Id":"x"}"#, "unknown field `Id`"),
            (r#"{"payload":1,"payload":2}"#, "duplicate field `payload`"),
            (r#"{"payload":NaN}"#, "expected value"),
            (r#"{"payload":1,"id":5}"#, "`id` must be a string"),
            (r#"{"payload":1,"id":"\ud800"}"#, "`id` must be a string"),
            (r#"{"payload":1,"routing_key":["a"]}"#, "`routing_key` must be a string"),
            (r#"{"payload":1,"processing_time":"2"}"#, "`processing_time` must be a number"),
            (r#"{"payload":1,"processing_time":1e999}"#, "`processing_time` must be a number"),
        ] {
            let error = error(text.as_bytes());
            assert!(error.contains(says), "{text} gave {error}");
        }
        assert!(error(b"{\"payload\":\"\xff\"}").contains("invalid unicode"));
    }

    #[test]
    fn depth_does_not_end_the_process() {
        let deep = "[".repeat(500_000) + &"]".repeat(500_000);
        let request = read(&bytes(&format!("{{\"payload\":{deep}}}"))).unwrap();
        assert_eq!(request.body.len(), 1_000_000);
    }

    #[test]
    fn a_batch_is_split_without_looking_into_its_items() {
        let split = split_envelope(&bytes(r#"{"messages":[{"payload":1}, 7 ]}"#)).unwrap();
        assert_eq!(split, [&br#"{"payload":1}"#[..], b"7"]);
        assert_eq!(split_array(&bytes("[ {} ]")).unwrap(), [&b"{}"[..]]);
        for text in ["[[]]", "{}", r#"{"messages":{}}"#, r#"{"messages":[],"n":1}"#] {
            assert!(split_envelope(&bytes(text)).is_err(), "{text}");
        }
        assert!(split_array(&bytes(r#"{"messages":[]}"#)).is_err());
        let full = vec!["0"; BATCH_ITEMS].join(",");
        assert_eq!(split_array(&bytes(&format!("[{full}]"))).unwrap().len(), BATCH_ITEMS);
        let error = split_array(&bytes(&format!("[{full},0]"))).unwrap_err().to_string();
        assert!(error.contains("more than 10000 messages"), "{error}");
    }
}
