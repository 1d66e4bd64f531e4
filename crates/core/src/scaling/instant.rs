//! Arithmetic on instants that stops at the ends of time instead of panicking.

use std::time::Duration;

use jiff::Timestamp;

/// The time from `since` to `now`; nothing when `now` is the earlier one.
pub(super) fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO)
}

/// The instant a duration after another.
pub(super) fn after(instant: Timestamp, duration: Duration) -> Timestamp {
    instant.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The instant a duration before another.
pub(super) fn before(instant: Timestamp, duration: Duration) -> Timestamp {
    instant.checked_sub(duration).unwrap_or(Timestamp::MIN)
}
