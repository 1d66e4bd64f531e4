//! A message as Warren sees it: properties, headers and body, with no AMQP library in sight.
//!
//! The broker crate turns deliveries into these values and these values into publishes. A value
//! keeps what a foreign publisher put into a header, so that a copy loses nothing it may keep.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::headers::Headers;

/// The longest id, routing key or header name AMQP 0-9-1 can carry, in bytes.
pub const SHORT_STRING_MAX: usize = 255;

/// A value of a header, of any AMQP field type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A boolean.
    Bool(bool),
    /// An integer of any AMQP width.
    Int(i64),
    /// A float or double.
    Float(f64),
    /// A decimal, as scale and unscaled value.
    Decimal(u8, u32),
    /// A text.
    Text(String),
    /// Bytes that are not UTF-8, or a byte array.
    Bytes(Vec<u8>),
    /// Seconds since the epoch.
    Timestamp(u64),
    /// A list of values.
    List(Vec<Value>),
    /// A nested table.
    Table(BTreeMap<String, Value>),
    /// A field without a value.
    Void,
}

impl Value {
    /// The integer in this value: of any width, or in decimal text.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Timestamp(seconds) => i64::try_from(*seconds).ok(),
            Value::Text(text) => text.trim().parse().ok(),
            Value::Bool(_)
            | Value::Float(_)
            | Value::Decimal(..)
            | Value::Bytes(_)
            | Value::List(_)
            | Value::Table(_)
            | Value::Void => None,
        }
    }

    /// The text in this value.
    pub fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Value::Int(i64::from(number))
    }
}

/// The AMQP properties Warren reads, sets or hands on.
///
/// `expiration` and `user_id` are left out on purpose: the first would cut a tier's wait short,
/// the second makes the broker refuse a copy that another user publishes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// The id that names the message in every copy; at most [`SHORT_STRING_MAX`] bytes.
    pub message_id: Option<String>,
    /// The media type of the body.
    pub content_type: Option<String>,
    /// The encoding of the body, such as `gzip`.
    pub content_encoding: Option<String>,
    /// When the publisher says it was sent, in seconds since the epoch.
    pub timestamp: Option<u64>,
    /// The application's message type (the AMQP property `type`).
    pub kind: Option<String>,
    /// The publishing application.
    pub app_id: Option<String>,
    /// The priority, 0 to 255.
    pub priority: Option<u8>,
    /// The application's correlation id.
    pub correlation_id: Option<String>,
    /// Where an answer is wanted.
    pub reply_to: Option<String>,
}

/// One message: what is published, delivered or copied.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// The AMQP properties.
    pub properties: Properties,
    /// The AMQP headers.
    pub headers: Headers,
    /// The payload.
    pub body: Bytes,
}

/// A message on its way out: where to, and what.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// The exchange.
    pub exchange: String,
    /// The routing key, at most [`SHORT_STRING_MAX`] bytes.
    pub routing_key: String,
    /// The message; its `message_id` is set, because returns are matched by it.
    pub message: Message,
}

/// A message as the broker delivered it.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// The exchange it was last published to.
    pub exchange: String,
    /// The routing key it was last published with.
    pub routing_key: String,
    /// Whether the broker has delivered it before.
    pub redelivered: bool,
    /// The message.
    pub message: Message,
}
