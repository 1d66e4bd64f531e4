//! The `warren-*` headers: their names, and how they are read when nobody can be trusted.
//!
//! Headers come from foreign publishers too. A hostile or nonsensical value is read as if it were
//! absent, never as an error: it must not be able to stop a queue.

use std::collections::{BTreeMap, btree_map};

use jiff::Timestamp;

use crate::message::Value;

/// When the message was first published, in milliseconds since the epoch; never changed.
pub const PUBLISHED_AT: &str = "warren-published-at";
/// The 1-based number of the handler run this copy is for.
pub const ATTEMPT: &str = "warren-attempt";
/// The exchange the message came in by.
pub const ORIGIN_EXCHANGE: &str = "warren-origin-exchange";
/// The routing key the message came in with.
pub const ORIGIN_ROUTING_KEY: &str = "warren-origin-routing-key";
/// When an attempt first failed, in milliseconds since the epoch.
pub const FIRST_FAILED_AT: &str = "warren-first-failed-at";
/// When an attempt last failed, in milliseconds since the epoch.
pub const LAST_FAILED_AT: &str = "warren-last-failed-at";
/// The class of the last failure.
pub const ERROR_CLASS: &str = "warren-error-class";
/// What the last failure said, cut to [`ERROR_MAX`] bytes.
pub const ERROR: &str = "warren-error";
/// The HTTP status of the last failure.
pub const HTTP_STATUS: &str = "warren-http-status";
/// The worker that saw the last failure.
pub const WORKER: &str = "warren-worker";
/// Why a worker made this a dead letter.
pub const DEAD_REASON: &str = "warren-dead-reason";
/// When a worker made this a dead letter, in milliseconds since the epoch.
pub const DEAD_AT: &str = "warren-dead-at";
/// How often the message was redriven.
pub const REDRIVE_COUNT: &str = "warren-redrive-count";
/// Not to be handled before this moment, in milliseconds since the epoch.
pub const NOT_BEFORE: &str = "warren-not-before";
/// The model the work needs.
pub const MODEL: &str = "warren-model";
/// The group among which work is shared fairly.
pub const GROUP: &str = "warren-group";
/// The simulator's duration, in seconds.
pub const PROCESSING_TIME: &str = "warren-processing-time";
/// The W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// The broker's count of returned deliveries; absent means 0.
pub const DELIVERY_COUNT: &str = "x-delivery-count";

/// The longest error text a copy carries, in bytes.
pub const ERROR_MAX: usize = 1024;

/// Headers about one failure, which a redrive takes off again.
pub const FAILURE: [&str; 6] =
    [FIRST_FAILED_AT, LAST_FAILED_AT, ERROR_CLASS, ERROR, HTTP_STATUS, WORKER];

/// What the broker writes or acts on, and what no copy may carry.
///
/// Up to 3.13 a republished `x-death` is interpreted; a kept `CC` makes the broker route a second
/// copy when a tier expires; stale delivery counts would be read as crashes of the copy.
const BROKER_OWNED: [&str; 5] = ["x-death", "CC", "BCC", DELIVERY_COUNT, "x-acquired-count"];
/// As [`BROKER_OWNED`], for families of names.
const BROKER_OWNED_PREFIXES: [&str; 2] = ["x-first-death-", "x-last-death-"];

/// The headers of a message, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Headers(BTreeMap<String, Value>);

impl Headers {
    /// The value of a header.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Sets a header.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Sets a header unless it is there.
    pub fn set_if_absent(&mut self, name: &str, value: impl Into<Value>) {
        self.0.entry(name.to_owned()).or_insert_with(|| value.into());
    }

    /// Takes a header off.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// All headers in the order of their names.
    pub fn iter(&self) -> btree_map::Iter<'_, String, Value> {
        self.0.iter()
    }

    /// Which handler run this copy is for, from 1. Absent or nonsensical means 1.
    pub fn attempt(&self) -> u32 {
        self.count(ATTEMPT).max(1)
    }

    /// How often the broker took the message back from a consumer. Absent or nonsensical means 0.
    pub fn delivery_count(&self) -> u32 {
        self.count(DELIVERY_COUNT)
    }

    /// How often the message was redriven.
    pub fn redrive_count(&self) -> u32 {
        self.count(REDRIVE_COUNT)
    }

    /// A header that holds a moment in milliseconds since the epoch.
    pub fn moment(&self, name: &str) -> Option<Timestamp> {
        self.get(name)
            .and_then(Value::as_int)
            .filter(|ms| *ms > 0)
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
    }

    /// Takes off what belongs to the broker and must not be republished.
    pub fn strip_broker_owned(&mut self) {
        self.0.retain(|name, _| {
            !BROKER_OWNED.contains(&name.as_str())
                && !BROKER_OWNED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        });
    }

    fn count(&self, name: &str) -> u32 {
        let number = self.get(name).and_then(Value::as_int).unwrap_or(0);
        u32::try_from(number.max(0)).unwrap_or(u32::MAX)
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a String, &'a Value);
    type IntoIter = btree_map::Iter<'a, String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<N: Into<String>> FromIterator<(N, Value)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

/// Cuts a text to at most `max` bytes, between characters.
pub fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: Value) -> Headers {
        [(name, value)].into_iter().collect()
    }

    #[test]
    fn a_nonsensical_attempt_is_the_first_one() {
        for value in [
            Value::Void,
            Value::Int(0),
            Value::Int(-7),
            Value::from("many"),
            Value::Bytes(vec![0xff]),
            Value::List(vec![Value::Int(3)]),
            Value::Table(BTreeMap::new()),
            Value::Float(f64::NAN),
        ] {
            assert_eq!(with(ATTEMPT, value.clone()).attempt(), 1, "{value:?}");
        }
        assert_eq!(Headers::default().attempt(), 1);
    }

    #[test]
    fn counts_are_read_from_any_width_and_never_overflow() {
        assert_eq!(with(ATTEMPT, Value::Int(3)).attempt(), 3);
        assert_eq!(with(ATTEMPT, Value::from("4")).attempt(), 4);
        assert_eq!(with(ATTEMPT, Value::Int(i64::MAX)).attempt(), u32::MAX);
        assert_eq!(with(DELIVERY_COUNT, Value::Int(20)).delivery_count(), 20);
        assert_eq!(Headers::default().delivery_count(), 0);
    }

    #[test]
    fn a_moment_out_of_range_is_no_moment() {
        assert!(with(NOT_BEFORE, Value::Int(i64::MAX)).moment(NOT_BEFORE).is_none());
        assert!(with(NOT_BEFORE, Value::Int(0)).moment(NOT_BEFORE).is_none());
        assert!(with(NOT_BEFORE, Value::Int(1_000)).moment(NOT_BEFORE).is_some());
    }

    #[test]
    fn stripping_keeps_what_applications_wrote() {
        let mut headers: Headers = [
            ("x-death", Value::List(vec![])),
            ("x-first-death-reason", Value::from("expired")),
            ("x-last-death-queue", Value::from("q")),
            ("x-delivery-count", Value::Int(4)),
            ("x-acquired-count", Value::Int(4)),
            ("CC", Value::List(vec![])),
            ("BCC", Value::List(vec![])),
            ("x-request-id", Value::from("r1")),
            ("tenant", Value::from("t1")),
        ]
        .into_iter()
        .collect();
        headers.strip_broker_owned();
        let kept: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(kept, ["tenant", "x-request-id"]);
    }

    #[test]
    fn an_error_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
