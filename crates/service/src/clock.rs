//! The wall clock: the only place that reads it.
//!
//! Everything else gets the time as an argument, so that a decision can be tested at any instant.
//! Spans of time are measured with [`std::time::Instant`], which is free to use everywhere.

use jiff::Timestamp;

/// The present moment.
#[allow(clippy::disallowed_methods, reason = "this is the one place that the rule points to")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
