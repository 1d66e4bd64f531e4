//! The proof that a queue is empty, without which its last worker does not go.
//!
//! The proof is a clock that runs while every reading shows an empty, running, untouched queue and
//! starts again at anything else. It says nothing of whether zero is allowed.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::instant::{after, before, elapsed};
use super::observation::{Observation, QueueState};
use super::policy::{Policy, SHORTEST_IDLE};
use super::reading::{Reading, Unknown, Why, seconds};
use super::sight::STATISTICS_LAG;

/// Whether a queue is proven to be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zero {
    /// It is, and has been for this long.
    Proven(Duration),
    /// It is not, for this reason.
    NotProven(Doubt),
}

/// The first thing that stands against an empty queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// A figure the proof needs is not known.
    Unknown(Figure, Unknown),
    /// The queue has no leader that could be believed.
    NotRunning,
    /// Messages wait.
    Ready,
    /// Messages are being worked on.
    Unacked,
    /// Something was published since the last reading, or the counter started again.
    Published,
    /// All is well, but not for long enough.
    Idle {
        /// How long it has been so.
        so_far: Duration,
        /// How long it must be so.
        needed: Duration,
    },
    /// All is well for long enough, but the management API has not said so twice, a whole
    /// statistics lag apart.
    OneReading,
}

/// A figure the proof needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Figure {
    /// Ready messages, over AMQP.
    Probe,
    /// Ready messages, from the management API.
    Ready,
    /// Unacknowledged messages.
    Unacked,
    /// The queue's state.
    State,
    /// The publish counter.
    Published,
}

/// A proof under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proof {
    /// Since when nothing has stood against it.
    since: Timestamp,
    /// The first and the latest management reading that were taken after `since`.
    readings: Option<(Timestamp, Timestamp)>,
    /// The publish counter, which must not move; none if the broker keeps none.
    published: Option<u64>,
}

/// One observation that shows an empty queue.
struct Emptiness {
    /// How old the oldest of the management figures is.
    age: Duration,
    published: Option<u64>,
}

impl Zero {
    /// Whether the queue is proven to be empty.
    pub const fn is_proven(self) -> bool {
        matches!(self, Self::Proven(_))
    }
}

impl Proof {
    /// Carries a proof on with the next observation, or starts or drops it.
    pub(super) fn next(
        proof: Option<Self>,
        policy: &Policy,
        observation: &Observation,
        now: Timestamp,
    ) -> (Zero, Option<Self>) {
        let empty = match Emptiness::shown_by(observation) {
            Ok(empty) => empty,
            Err(doubt) => return (Zero::NotProven(doubt), None),
        };
        let started = Self { since: now, readings: None, published: empty.published };
        let mut proof = match proof {
            Some(proof) if proof.published == empty.published => proof,
            Some(_) => return (Zero::NotProven(Doubt::Published), Some(started)),
            None => started,
        };
        proof.count(before(now, empty.age));
        (proof.verdict(policy, now), Some(proof))
    }

    /// When time alone could complete the proof.
    pub(super) fn due(&self, policy: &Policy) -> Timestamp {
        after(self.since, needed(policy))
    }

    /// Takes a management reading into account, unless it is about the time before the proof.
    fn count(&mut self, taken: Timestamp) {
        if taken >= self.since {
            let first = self.readings.map_or(taken, |(first, _)| first);
            self.readings = Some((first, taken));
        }
    }

    fn verdict(&self, policy: &Policy, now: Timestamp) -> Zero {
        let so_far = elapsed(self.since, now);
        let needed = needed(policy);
        if so_far < needed {
            return Zero::NotProven(Doubt::Idle { so_far, needed });
        }
        match self.readings {
            Some((first, latest)) if elapsed(first, latest) >= STATISTICS_LAG => {
                Zero::Proven(so_far)
            }
            Some(_) | None => Zero::NotProven(Doubt::OneReading),
        }
    }
}

impl Emptiness {
    fn shown_by(observation: &Observation) -> Result<Self, Doubt> {
        let totals = &observation.totals;
        let unknown = |figure| move |unknown| Doubt::Unknown(figure, unknown);
        // What is known to stand against zero comes before what is not known: it says more.
        if observation.probe.fresh().is_ok_and(|probe| probe.ready > 0)
            || totals.ready.fresh().is_ok_and(|ready| *ready > 0)
        {
            return Err(Doubt::Ready);
        }
        if totals.unacked.fresh().is_ok_and(|unacked| *unacked > 0) {
            return Err(Doubt::Unacked);
        }
        observation.probe.fresh().map_err(unknown(Figure::Probe))?;
        let (_, ready_age) = totals.ready.fresh_with_age().map_err(unknown(Figure::Ready))?;
        let (_, unacked_age) = totals.unacked.fresh_with_age().map_err(unknown(Figure::Unacked))?;
        let (state, state_age) = totals.state.fresh_with_age().map_err(unknown(Figure::State))?;
        match state {
            QueueState::Running => {}
            QueueState::NotRunning => return Err(Doubt::NotRunning),
        }
        Ok(Self {
            age: ready_age.max(unacked_age).max(state_age),
            published: counter(&totals.published).map_err(unknown(Figure::Published))?,
        })
    }
}

/// The publish counter; none if the broker keeps none for this queue, which is no doubt in itself:
/// a queue has no `message_stats` before its first message, or when the collector is off.
fn counter(published: &Reading<u64>) -> Result<Option<u64>, Unknown> {
    match published.fresh() {
        Ok(published) => Ok(Some(*published)),
        Err(Unknown::Unavailable(Why::KeyMissing | Why::Disabled)) => Ok(None),
        Err(unknown) => Err(unknown),
    }
}

fn needed(policy: &Policy) -> Duration {
    policy.idle.max(SHORTEST_IDLE)
}

impl fmt::Display for Zero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven(so_far) => write!(f, "proven: empty for {}", seconds(*so_far)),
            Self::NotProven(doubt) => write!(f, "not proven: {doubt}"),
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(figure, unknown) => write!(f, "{figure} unknown ({unknown})"),
            Self::NotRunning => f.write_str("queue not running"),
            Self::Ready => f.write_str("ready > 0"),
            Self::Unacked => f.write_str("unacked > 0"),
            Self::Published => f.write_str("publish counter changed"),
            Self::Idle { so_far, needed } => {
                write!(f, "empty for {} of {}", seconds(*so_far), seconds(*needed))
            }
            Self::OneReading => write!(
                f,
                "waiting for two readings of the management API {} apart",
                seconds(STATISTICS_LAG)
            ),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probe => "ready (AMQP)",
            Self::Ready => "ready (management API)",
            Self::Unacked => "unacked",
            Self::State => "queue state",
            Self::Published => "publish counter",
        })
    }
}
