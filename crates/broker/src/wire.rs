//! Between core's messages and AMQP frames, in both directions.
//!
//! What arrives is foreign: every value is read without a panic, and whatever has no place in
//! core's types is left out. What leaves is checked first, because the library panics on names
//! that are too long and the broker closes the whole connection for a header frame that is too
//! large.
//!
//! Two kinds of message never get here, because the library itself cannot read them: a short
//! string that is not UTF-8 ends the connection, and headers nested about a thousand deep overflow
//! the stack of its thread. Both leave the message to the broker's delivery limit.

use std::collections::BTreeMap;

use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, DecimalValue, FieldArray, FieldTable, LongString, ShortString},
};
use warren_core::{
    headers::Headers,
    message::{Message, Properties, SHORT_STRING_MAX, Value},
};

/// AMQP's number for a message that survives a restart of the broker.
const PERSISTENT: u8 = 2;
/// How deep tables and lists may nest; what lies deeper is left out.
const DEPTH_MAX: usize = 32;
/// What a header frame holds beside properties and headers: frame, class, size, flags, and the
/// numbers among the properties. Rounded up.
const FRAME_OVERHEAD: usize = 64;

/// What is wrong with a message that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) String);

/// A short string, or what is wrong with it.
pub(crate) fn short(what: &str, text: &str) -> Result<ShortString, Malformed> {
    ShortString::try_new(text).map_err(|_| {
        let length = text.len();
        Malformed(format!("{what} is {length} bytes long; AMQP carries at most {SHORT_STRING_MAX}"))
    })
}

/// The properties of a persistent message, with its headers, for a connection whose frames are at
/// most `frame_max` bytes.
pub(crate) fn properties(message: &Message, frame_max: u32) -> Result<BasicProperties, Malformed> {
    let mut size = FRAME_OVERHEAD;
    let mut optional = |what: &str, text: &Option<String>| {
        size += text.as_ref().map_or(0, String::len);
        text.as_ref().map(|text| short(what, text)).transpose()
    };
    let from = &message.properties;
    let message_id = optional("the message id", &from.message_id)?;
    let content_type = optional("the content type", &from.content_type)?;
    let content_encoding = optional("the content encoding", &from.content_encoding)?;
    let kind = optional("the type", &from.kind)?;
    let app_id = optional("the application id", &from.app_id)?;
    let correlation_id = optional("the correlation id", &from.correlation_id)?;
    let reply_to = optional("the reply address", &from.reply_to)?;

    let pairs = message.headers.iter();
    size += pairs.map(|(name, value)| name.len() + 1 + encoded(value)).sum::<usize>();
    let limit = usize::try_from(frame_max).unwrap_or(usize::MAX);
    if size > limit {
        let what = format!("headers and properties take {size} bytes; the broker takes {limit}");
        return Err(Malformed(what));
    }
    let mut headers = BTreeMap::new();
    for (name, value) in &message.headers {
        headers.insert(short("a header name", name)?, to_amqp(value, 0));
    }

    let mut to = BasicProperties::default().with_delivery_mode(PERSISTENT);
    if !headers.is_empty() {
        to = to.with_headers(headers.into());
    }
    to = with(to, message_id, BasicProperties::with_message_id);
    to = with(to, content_type, BasicProperties::with_content_type);
    to = with(to, content_encoding, BasicProperties::with_content_encoding);
    to = with(to, from.timestamp, BasicProperties::with_timestamp);
    to = with(to, kind, BasicProperties::with_type);
    to = with(to, app_id, BasicProperties::with_app_id);
    to = with(to, from.priority, BasicProperties::with_priority);
    to = with(to, correlation_id, BasicProperties::with_correlation_id);
    Ok(with(to, reply_to, BasicProperties::with_reply_to))
}

/// The message of a delivery.
pub(crate) fn message(from: &BasicProperties, body: Vec<u8>) -> Message {
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    let headers = from.headers().iter().flat_map(FieldTable::inner);
    Message {
        properties: Properties {
            message_id: text(from.message_id()),
            content_type: text(from.content_type()),
            content_encoding: text(from.content_encoding()),
            timestamp: *from.timestamp(),
            kind: text(from.kind()),
            app_id: text(from.app_id()),
            priority: *from.priority(),
            correlation_id: text(from.correlation_id()),
            reply_to: text(from.reply_to()),
        },
        headers: headers
            .map(|(name, value)| (name.to_string(), from_amqp(value, 0)))
            .collect::<Headers>(),
        body: Bytes::from(body),
    }
}

fn with<T>(
    properties: BasicProperties,
    value: Option<T>,
    set: impl FnOnce(BasicProperties, T) -> BasicProperties,
) -> BasicProperties {
    match value {
        Some(value) => set(properties, value),
        None => properties,
    }
}

fn from_amqp(value: &AMQPValue, depth: usize) -> Value {
    match value {
        AMQPValue::Boolean(value) => Value::Bool(*value),
        AMQPValue::ShortShortInt(value) => Value::Int((*value).into()),
        AMQPValue::ShortShortUInt(value) => Value::Int((*value).into()),
        AMQPValue::ShortInt(value) => Value::Int((*value).into()),
        AMQPValue::ShortUInt(value) => Value::Int((*value).into()),
        AMQPValue::LongInt(value) => Value::Int((*value).into()),
        AMQPValue::LongUInt(value) => Value::Int((*value).into()),
        AMQPValue::LongLongInt(value) => Value::Int(*value),
        AMQPValue::Float(value) => Value::Float((*value).into()),
        AMQPValue::Double(value) => Value::Float(*value),
        AMQPValue::DecimalValue(value) => Value::Decimal(value.scale, value.value),
        AMQPValue::ShortString(text) => Value::Text(text.to_string()),
        AMQPValue::LongString(text) => from_long_string(text),
        AMQPValue::Timestamp(seconds) => Value::Timestamp(*seconds),
        AMQPValue::ByteArray(bytes) => Value::Bytes(bytes.as_slice().to_vec()),
        AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_) if depth >= DEPTH_MAX => Value::Void,
        AMQPValue::FieldArray(list) => {
            let values = list.as_slice().iter();
            Value::List(values.map(|value| from_amqp(value, depth + 1)).collect())
        }
        AMQPValue::FieldTable(table) => {
            let pairs = table.inner().iter();
            let pair =
                |(name, value): (&ShortString, _)| (name.to_string(), from_amqp(value, depth + 1));
            Value::Table(pairs.map(pair).collect())
        }
        AMQPValue::Void => Value::Void,
    }
}

/// AMQP's texts are bytes; those that are UTF-8 are read as text.
fn from_long_string(text: &LongString) -> Value {
    match str::from_utf8(text.as_bytes()) {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => Value::Bytes(text.as_bytes().to_vec()),
    }
}

fn to_amqp(value: &Value, depth: usize) -> AMQPValue {
    match value {
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::Int(value) => AMQPValue::LongLongInt(*value),
        Value::Float(value) => AMQPValue::Double(*value),
        Value::Decimal(scale, value) => {
            AMQPValue::DecimalValue(DecimalValue { scale: *scale, value: *value })
        }
        Value::Text(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Bytes(bytes) => AMQPValue::ByteArray(bytes.as_slice().into()),
        Value::Timestamp(seconds) => AMQPValue::Timestamp(*seconds),
        Value::List(_) | Value::Table(_) if depth >= DEPTH_MAX => AMQPValue::Void,
        Value::List(values) => {
            let values: Vec<_> = values.iter().map(|value| to_amqp(value, depth + 1)).collect();
            AMQPValue::FieldArray(FieldArray::from(values))
        }
        Value::Table(pairs) => {
            let mut table = FieldTable::default();
            for (name, value) in pairs {
                // A name this long cannot have come from a broker; nested ones are not worth an error.
                if let Ok(name) = ShortString::try_new(name.as_str()) {
                    table.insert(name, to_amqp(value, depth + 1));
                }
            }
            AMQPValue::FieldTable(table)
        }
        Value::Void => AMQPValue::Void,
    }
}

/// How many bytes a value takes on the wire, its type letter included; never too few.
fn encoded(value: &Value) -> usize {
    let content = match value {
        Value::Void => 0,
        Value::Bool(_) => 1,
        Value::Decimal(..) => 5,
        Value::Int(_) | Value::Float(_) | Value::Timestamp(_) => 8,
        Value::Text(text) => 4 + text.len(),
        Value::Bytes(bytes) => 4 + bytes.len(),
        Value::List(values) => 4 + values.iter().map(encoded).sum::<usize>(),
        Value::Table(pairs) => {
            let pair = |(name, value): (&String, &Value)| 1 + name.len() + encoded(value);
            4 + pairs.iter().map(pair).sum::<usize>()
        }
    };
    1 + content
}

#[cfg(test)]
mod tests;
