//! From the broker's answers to what the scaling decision is made from.
//!
//! Pure. What was not answered stays unknown with its reason; nothing here becomes 0.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use warren_broker::{
    connection::ConnectError,
    management::{ApiErrorKind, QueueStatistics, QueueTotals},
    probe::{Depth, ProbeError},
};
use warren_core::scaling::{Probe, QueueState, Reading, Totals, Why};

/// The last answer over AMQP about one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probed {
    /// When it was asked for.
    pub(crate) at: Timestamp,
    /// The answer.
    pub(crate) answer: Result<Depth, Why>,
}

impl Probed {
    /// Whether the broker says that there is no such queue.
    pub(crate) fn is_missing(&self) -> bool {
        self.answer == Err(Why::NotFound)
    }
}

/// The last answers of the management API to one kind of question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Polled<T> {
    last: Result<(T, Timestamp), Why>,
}

/// The last answers of the management API about all queues, by the queue's full name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Polls {
    /// What is in the queues.
    pub(crate) totals: Polled<BTreeMap<String, QueueTotals>>,
    /// Their states and counters.
    pub(crate) statistics: Polled<BTreeMap<String, QueueStatistics>>,
}

impl<T> Default for Polled<T> {
    fn default() -> Self {
        Self { last: Err(Why::NeverRead) }
    }
}

impl<T> Polled<T> {
    /// Takes an answer to a question that was asked at `at`.
    ///
    /// After trouble on the way the last answer stays, and grows old: one that is lost is weather.
    /// An answer that says no takes its place.
    pub(crate) fn take(&mut self, answer: Result<T, Why>, at: Timestamp) {
        match answer {
            Ok(value) => self.last = Ok((value, at)),
            Err(Why::Timeout | Why::Refused) if self.last.is_ok() => {}
            Err(why) => self.last = Err(why),
        }
    }

    /// A part of the last answer; it is missing in the answer where `part` finds none.
    fn reading<V>(&self, now: Timestamp, part: impl FnOnce(&T) -> Result<V, Why>) -> Reading<V> {
        let (value, at) = match &self.last {
            Ok((value, at)) => (value, *at),
            Err(why) => return Reading::Unavailable(*why),
        };
        match part(value) {
            Ok(value) => Reading::aged(value, age(at, now)),
            Err(why) => Reading::Unavailable(why),
        }
    }
}

/// What AMQP says about a queue; nothing was asked when `probed` is absent.
///
/// Unlike the statistics an answer here is about this very moment, so a failure leaves nothing.
pub(crate) fn probe(probed: Option<&Probed>, now: Timestamp) -> Reading<Probe> {
    match probed {
        None => Reading::Unavailable(Why::NeverRead),
        Some(Probed { answer: Err(why), .. }) => Reading::Unavailable(*why),
        Some(Probed { at, answer: Ok(depth) }) => {
            let probe = Probe { ready: u64::from(depth.ready), consumers: depth.consumers };
            Reading::aged(probe, age(*at, now))
        }
    }
}

/// What the management API says about the queue of this full name.
pub(crate) fn totals(polls: &Polls, queue: &str, now: Timestamp) -> Totals {
    let in_totals = |field: fn(&QueueTotals) -> Option<u64>| {
        polls.totals.reading(now, |queues| {
            let queue = queues.get(queue).ok_or(Why::NotFound)?;
            field(queue).ok_or(Why::KeyMissing)
        })
    };
    let statistics = &polls.statistics;
    Totals {
        ready: in_totals(|queue| queue.ready),
        unacked: in_totals(|queue| queue.unacknowledged),
        state: statistics.reading(now, |queues| {
            let queue = queues.get(queue).ok_or(Why::NotFound)?;
            queue.state.as_deref().map(state).ok_or(Why::KeyMissing)
        }),
        published: statistics.reading(now, |queues| {
            let queue = queues.get(queue).ok_or(Why::NotFound)?;
            queue.published.ok_or(Why::KeyMissing)
        }),
    }
}

/// Messages that wait in the queue of this full name, for people to see; nothing when not known.
pub(crate) fn waiting(polls: &Polls, queue: &str, now: Timestamp) -> Option<u64> {
    totals(polls, queue, now).ready.fresh().ok().copied()
}

/// Messages that the broker is about to dead-letter from the queue of this full name; nothing when
/// not known.
pub(crate) fn dead_lettering(polls: &Polls, queue: &str, now: Timestamp) -> Option<u64> {
    let reading = polls.statistics.reading(now, |queues| {
        let queue = queues.get(queue).ok_or(Why::NotFound)?;
        queue.dead_lettering.ok_or(Why::KeyMissing)
    });
    reading.fresh().ok().copied()
}

/// Why a queue could not be probed.
pub(crate) fn why_not_probed(error: &ProbeError) -> Why {
    match error {
        ProbeError::Connect(error) => why_not_connected(error),
        ProbeError::QueueNotFound { .. } | ProbeError::NotAName { .. } => Why::NotFound,
        ProbeError::AccessRefused { .. } => Why::Unauthorized,
        ProbeError::Timeout { .. } => Why::Timeout,
        ProbeError::Lost { .. } => Why::Refused,
    }
}

/// Why there is no connection to ask on.
pub(crate) fn why_not_connected(error: &ConnectError) -> Why {
    match error {
        ConnectError::Unauthorized { .. } | ConnectError::PermissionDenied { .. } => {
            Why::Unauthorized
        }
        ConnectError::VhostNotFound { .. } => Why::NotFound,
        ConnectError::Timeout { .. } => Why::Timeout,
        ConnectError::DnsFailed { .. }
        | ConnectError::ConnectionRefused { .. }
        | ConnectError::TlsVerifyFailed { .. }
        | ConnectError::Other { .. } => Why::Refused,
    }
}

/// Why the management API could not be asked.
pub(crate) fn why_not_polled(error: &ApiErrorKind) -> Why {
    match error {
        ApiErrorKind::Unauthorized | ApiErrorKind::PermissionDenied(_) => Why::Unauthorized,
        ApiErrorKind::NotFound => Why::NotFound,
        ApiErrorKind::Timeout => Why::Timeout,
        ApiErrorKind::Transient(_)
        | ApiErrorKind::ConnectionRefused
        | ApiErrorKind::Dns
        | ApiErrorKind::Tls(_) => Why::Refused,
        ApiErrorKind::Inequivalent(_)
        | ApiErrorKind::InUse(_)
        | ApiErrorKind::Invalid(_)
        | ApiErrorKind::Unexpected(_) => Why::KeyMissing,
    }
}

/// A queue under flow control serves its consumers as ever; it only slows down publishers
/// (<https://www.rabbitmq.com/docs/flow-control>).
fn state(text: &str) -> QueueState {
    match text {
        "running" | "flow" => QueueState::Running,
        _ => QueueState::NotRunning,
    }
}

fn age(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
