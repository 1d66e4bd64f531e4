//! Durations in the spec: the text a person wrote, with bounds that the schema states.
//!
//! The text is kept as it was written; reading it is the operator's work.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A duration as people write it, `500ms`, `30s`, `1h30m`, of at least `MIN_MS` milliseconds and
/// at most `MAX_HOURS` hours.
///
/// The form is that of the Gateway API (GEP-2257). Bounds are judged by the schema, not by this
/// type: an object that breaks one can still be read and answered for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DurationText<const MIN_MS: u64, const MAX_HOURS: u64>(String);

/// Up to a day; may be `0s`.
pub type UpTo24h = DurationText<0, 24>;
/// Up to a week; may be `0s`.
pub type UpTo168h = DurationText<0, 168>;
/// Up to an hour, and never nothing.
pub type Positive1h = DurationText<1, 1>;
/// Up to a day, and never nothing.
pub type Positive24h = DurationText<1, 24>;
/// Up to a week, and never nothing.
pub type Positive168h = DurationText<1, 168>;
/// Up to 49 days, and never nothing: a RabbitMQ TTL holds at most 2^32 - 1 milliseconds.
pub type Positive1176h = DurationText<1, 1176>;

/// GEP-2257: one to four pairs of a number of at most five digits and a unit.
const PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";
/// Four pairs of five digits and a two-letter unit.
const MAX_LENGTH: u32 = 28;

impl<const MIN_MS: u64, const MAX_HOURS: u64> DurationText<MIN_MS, MAX_HOURS> {
    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MIN_MS: u64, const MAX_HOURS: u64> From<&str> for DurationText<MIN_MS, MAX_HOURS> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<const MIN_MS: u64, const MAX_HOURS: u64> fmt::Display for DurationText<MIN_MS, MAX_HOURS> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<const MIN_MS: u64, const MAX_HOURS: u64> JsonSchema for DurationText<MIN_MS, MAX_HOURS> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Duration{MIN_MS}msTo{MAX_HOURS}h").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let at_most = format!("duration(self) <= duration('{MAX_HOURS}h')");
        let (rule, message) = if MIN_MS == 0 {
            (at_most, format!("must be at most {MAX_HOURS}h"))
        } else {
            (
                format!("duration(self) >= duration('{MIN_MS}ms') && {at_most}"),
                format!("must be from {MIN_MS}ms to {MAX_HOURS}h"),
            )
        };
        json_schema!({
            "type": "string",
            "pattern": PATTERN,
            "maxLength": MAX_LENGTH,
            "x-kubernetes-validations": [{"rule": rule, "message": message}],
        })
    }
}
