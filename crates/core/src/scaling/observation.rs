//! Everything one decision is made from, as it was observed.

use super::reading::{Reading, Why};
use super::replicas::Replicas;

/// What is known of one queue and its workers at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The answer to a passive `queue.declare` over AMQP.
    pub probe: Reading<Probe>,
    /// What the management API says.
    pub totals: Totals,
    /// How many workers are asked for at present, started or not.
    pub current: Replicas,
    /// How many workers are ready to take messages.
    pub ready_workers: Replicas,
    /// How many of them should have a consumer: all but those that pause on purpose.
    pub expected_consumers: Replicas,
    /// Who may write the number of workers.
    pub authority: Authority,
}

/// Who may write the number of workers, whatever the policy says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Authority {
    /// Whoever asks.
    #[default]
    Ours,
    /// Nobody: the pipeline is paused, which is above all orders.
    Paused,
    /// Another autoscaler is set on the same workers; two of them would fight for ever.
    ForeignScaler,
}

/// The two numbers of a `queue.declare-ok`.
///
/// A quorum queue that has lost its leader, or whose leader is busy, answers 0 and 0, whatever it
/// holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Messages ready for delivery.
    pub ready: u64,
    /// Consumers of the queue.
    pub consumers: u32,
}

/// The figures of the management API, each with its own age because they come from several calls.
///
/// A field that is missing in the answer is `Unavailable(KeyMissing)`. RabbitMQ's statistics lag
/// behind the queue by up to 10 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// `messages_ready`.
    pub ready: Reading<u64>,
    /// `messages_unacknowledged`.
    pub unacked: Reading<u64>,
    /// `state`.
    pub state: Reading<QueueState>,
    /// `message_stats.publish`, the number of messages ever published to the queue.
    pub published: Reading<u64>,
}

impl Observation {
    /// The same without an answer over AMQP that is none: 0 and 0 where workers consume.
    ///
    /// That is what a quorum queue says which could not ask its leader in time.
    #[must_use]
    pub(super) fn without_false_zero(self) -> Self {
        let is_zero = self.probe.fresh().is_ok_and(|it| it.ready == 0 && it.consumers == 0);
        if is_zero && self.expected_consumers > Replicas::ZERO {
            Self { probe: Reading::Unavailable(Why::Distrusted), ..self }
        } else {
            self
        }
    }
}

impl Totals {
    /// Figures of which none is known, all for the same reason.
    pub const fn unavailable(why: Why) -> Self {
        Self {
            ready: Reading::Unavailable(why),
            unacked: Reading::Unavailable(why),
            state: Reading::Unavailable(why),
            published: Reading::Unavailable(why),
        }
    }
}

/// Whether the figures of a queue mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueState {
    /// The queue has a leader that serves it.
    Running,
    /// Down, stopped, crashed, or a quorum queue in the minority.
    NotRunning,
}
