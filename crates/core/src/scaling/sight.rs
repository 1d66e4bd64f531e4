//! How much of a queue can be seen, and what that allows.
//!
//! One table of what is known against what may be done; it decides no number of replicas.

use std::time::Duration;

use jiff::Timestamp;

use super::instant::{after, before};
use super::law::{ReadySource, Terms, UnackedSource};
use super::observation::{Observation, Probe, QueueState};
use super::policy::Policy;
use super::reading::{Reading, Why};

/// How far RabbitMQ's statistics may lag behind the queue.
///
/// They are emitted and collected every 5 s each
/// (<https://www.rabbitmq.com/docs/management#statistics-interval>).
pub(super) const STATISTICS_LAG: Duration = Duration::from_secs(10);

/// What the readings of one moment allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Nothing is known of the backlog: only orders count.
    Blind,
    /// The backlog is known well enough for a wish.
    Seen {
        /// The numbers of the wish.
        terms: Terms,
        /// Whether workers may be added to those there are.
        may_grow: bool,
        /// Whether workers may go while at least one stays.
        may_shrink: bool,
    },
}

/// How far a ready count of 0 from AMQP is believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Trust {
    /// Nothing contradicts it.
    #[default]
    Full,
    /// The last count was above 0, so a 0 would be sudden.
    AfterMessages,
    /// The 0 came suddenly and nobody confirmed it.
    Doubted {
        /// When it was first seen.
        since: Timestamp,
    },
}

impl Sight {
    pub(super) fn of(policy: &Policy, observation: &Observation, trust: Trust) -> Self {
        if observation.totals.state.fresh() == Ok(&QueueState::NotRunning) {
            return Self::Blind;
        }
        let probe = trust.filter(observation);
        let totals = &observation.totals;
        let (ready, ready_from) = match (probe.fresh(), totals.ready.fresh()) {
            (Ok(probe), _) => (probe.ready, ReadySource::Amqp),
            (Err(_), Ok(ready)) => (*ready, ReadySource::Management),
            (Err(_), Err(_)) => return Self::Blind,
        };
        let (unacked, unacked_from) = match totals.unacked.fresh() {
            Ok(unacked) => (*unacked, UnackedSource::Management),
            Err(_) => (full_consumers(policy, observation, &probe), UnackedSource::FullConsumers),
        };
        let distrusted = probe == Reading::Unavailable(Why::Distrusted);
        let totals_known = totals.ready.fresh().is_ok()
            && totals.unacked.fresh().is_ok()
            && totals.state.fresh().is_ok();
        Self::Seen {
            terms: Terms {
                ready,
                ready_from,
                unacked,
                unacked_from,
                messages_per_replica: policy.messages_per_replica,
            },
            may_grow: !distrusted,
            may_shrink: !distrusted && totals_known,
        }
    }

    pub(super) fn terms(&self) -> Option<Terms> {
        match self {
            Self::Blind => None,
            Self::Seen { terms, .. } => Some(*terms),
        }
    }
}

impl Trust {
    /// What the trust becomes with the next observation.
    ///
    /// Only the management API can confirm a sudden 0, with a reading young enough to be about the
    /// time after it.
    pub(super) fn next(self, observation: &Observation, now: Timestamp) -> Self {
        let Ok(probe) = observation.probe.fresh() else {
            return self;
        };
        if probe.ready > 0 {
            return Self::AfterMessages;
        }
        match self {
            Self::Full => Self::Full,
            Self::AfterMessages => Self::Doubted { since: now },
            Self::Doubted { since } => match observation.totals.ready.fresh_with_age() {
                Ok((0, age)) if before(now, age) >= after(since, STATISTICS_LAG) => Self::Full,
                Ok(_) | Err(_) => self,
            },
        }
    }

    pub(super) fn is_doubted(self) -> bool {
        match self {
            Self::Doubted { .. } => true,
            Self::Full | Self::AfterMessages => false,
        }
    }

    /// The AMQP reading, withdrawn while it is in doubt and the management API can stand in.
    fn filter(self, observation: &Observation) -> Reading<Probe> {
        if self.is_doubted()
            && observation.probe.fresh().is_ok()
            && observation.totals.ready.fresh().is_ok()
        {
            Reading::Unavailable(Why::Distrusted)
        } else {
            observation.probe
        }
    }
}

/// The most messages the present consumers can be meant to hold; see
/// [`UnackedSource::FullConsumers`].
fn full_consumers(policy: &Policy, observation: &Observation, probe: &Reading<Probe>) -> u64 {
    let consumers = probe.fresh().map_or(observation.ready_workers.get(), |probe| probe.consumers);
    let each = u32::from(policy.prefetch.get()).min(policy.messages_per_replica.get());
    u64::from(consumers.min(observation.current.get())) * u64::from(each)
}
