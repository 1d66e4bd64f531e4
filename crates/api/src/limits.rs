//! Limits of a queue, of its dead letters and of the calls its workers make.
//!
//! Lengths go up to 2^53 - 1, the largest whole number that every reader of JSON keeps exact.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::all_defaults;
use crate::duration::{Positive1h, Positive24h, Positive168h, Positive1176h};

/// Limits of a queue and of its messages.
///
/// A full queue makes the broker refuse a publish for all queues of the exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsSpec {
    /// How often a message may come back because a worker crashed, before it becomes a dead letter.
    /// Retries do not count. Not used with retry.mode Native, where the broker's limit is attempts
    /// less one.
    #[serde(default = "delivery_limit")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub delivery_limit: u32,
    /// Most messages in the queue; when it is reached the broker refuses publishes. Not given: no
    /// limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_i64))]
    pub max_length: Option<u64>,
    /// Most bytes in the queue; when they are reached the broker refuses publishes. Not given: no
    /// limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_i64))]
    pub max_length_bytes: Option<u64>,
    /// A message that waited longer than this becomes a dead letter. At most 1176h. Not given: no
    /// limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_ttl: Option<Positive1176h>,
    /// How long the broker waits for a worker to finish one message before it takes the message
    /// back. At most 168h; needs RabbitMQ 3.12 or later. Not given: 30m or twice
    /// worker.taskTimeout, whichever is longer; with order Strict long enough for all attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_timeout: Option<Positive168h>,
    /// Largest message in bytes; a larger one becomes a dead letter. RabbitMQ 4 itself takes 16 MiB
    /// unless configured otherwise.
    #[serde(default = "max_message_bytes")]
    #[schemars(range(min = 1, max = 134_217_728))]
    pub max_message_bytes: u32,
}

impl Default for LimitsSpec {
    fn default() -> Self {
        all_defaults()
    }
}

/// Limits of a dead-letter queue.
///
/// A full dead-letter queue stops its main queue until someone redrives or purges it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterSpec {
    /// Most bytes of dead letters; when they are reached the main queue stops. Not given: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_i64))]
    pub max_length_bytes: Option<u64>,
    /// How long dead letters are kept; then the broker deletes them. At most 1176h. Not given: for
    /// ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Positive1176h>,
}

/// When a worker stops calling an endpoint that fails, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BreakerSpec {
    /// Opens after this many failures of the endpoint in a row.
    #[serde(default = "consecutive_failures")]
    #[schemars(range(min = 1, max = 1000))]
    pub consecutive_failures: u32,
    /// Opens when this share of the calls in the window failed.
    #[serde(default = "error_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub error_percent: u32,
    /// Calls that the window must hold before errorPercent counts.
    #[serde(default = "min_requests")]
    #[schemars(range(min = 1, max = 100_000))]
    pub min_requests: u32,
    /// Over which errorPercent is measured. At most 1h.
    #[serde(default = "window")]
    pub window: Positive1h,
    /// How long it stays open the first time; doubles with each time in a row.
    #[serde(default = "open_for")]
    pub open_for: Positive24h,
    /// Longest time it stays open.
    #[serde(default = "max_open_for")]
    pub max_open_for: Positive24h,
}

impl Default for BreakerSpec {
    fn default() -> Self {
        all_defaults()
    }
}

/// The most messages that a whole queue may start, shared among its workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitSpec {
    /// Messages per second.
    #[serde(default = "rate")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub per_second: u32,
    /// Messages that may start at once after a quiet time.
    #[serde(default = "rate")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: u32,
}

fn delivery_limit() -> u32 {
    20
}

/// 1 MiB, for `spec.producer` too.
pub(crate) fn max_message_bytes() -> u32 {
    1_048_576
}

fn consecutive_failures() -> u32 {
    5
}

fn error_percent() -> u32 {
    50
}

fn min_requests() -> u32 {
    20
}

fn window() -> Positive1h {
    "30s".into()
}

fn open_for() -> Positive24h {
    "5s".into()
}

fn max_open_for() -> Positive24h {
    "5m".into()
}

fn rate() -> u32 {
    100
}
