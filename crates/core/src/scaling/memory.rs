//! What one decision leaves for the next.
//!
//! It lives in memory only. Losing it costs time and never a worker: a fresh one keeps the present
//! count for a whole window and proves an empty queue from the beginning.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::instant::{after, elapsed};
use super::observation::Observation;
use super::policy::Policy;
use super::reading::FRESH_FOR;
use super::replicas::Replicas;
use super::sight::{Sight, Trust};
use super::zero::{Proof, Zero};

/// What one decision leaves for the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    decided_at: Timestamp,
    wishes: Wishes,
    trust: Trust,
    /// Since when a queue without workers has had a message.
    waiting_since: Option<Timestamp>,
    proof: Option<Proof>,
    /// Since when nothing has been known of the backlog.
    blind_since: Option<Timestamp>,
    /// Whether a suspension took the workers, and none has come back since.
    is_stopped: bool,
}

/// The wishes of the scale-down window that may still become its highest one.
///
/// Each is higher than all later ones, so the first is the highest of the window.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wishes(VecDeque<Wish>);

/// A number of replicas that was wished for at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) at: Timestamp,
    pub(super) replicas: Replicas,
}

impl Memory {
    /// What is known at the start: only how many workers there are.
    pub fn seeded(current: Replicas, now: Timestamp) -> Self {
        Self {
            decided_at: now,
            wishes: Wishes(VecDeque::from([Wish { at: now, replicas: current }])),
            trust: Trust::default(),
            waiting_since: None,
            proof: None,
            blind_since: None,
            is_stopped: false,
        }
    }

    /// The same, where a suspension has taken the workers.
    #[must_use]
    pub fn after_suspension(self) -> Self {
        Self { is_stopped: true, ..self }
    }

    /// Starts the proof of an empty queue again.
    ///
    /// To be called when what was read before may be about something else: after the broker was
    /// connected anew, when the queue was made anew.
    pub fn forget_zero_proof(&mut self) {
        self.proof = None;
    }

    /// This memory if it was in use until a moment ago, else a fresh one.
    ///
    /// A loop that stood still, a laptop that slept and a clock that was set all leave a gap
    /// in which nothing was observed, so nothing may be concluded from it. What we did ourselves is
    /// known all the same.
    pub(super) fn continued(mut self, current: Replicas, now: Timestamp) -> Self {
        if now < self.decided_at || elapsed(self.decided_at, now) > FRESH_FOR {
            return Self { is_stopped: self.is_stopped, ..Self::seeded(current, now) };
        }
        self.decided_at = now;
        self
    }

    /// Looks at a queue, doubting what contradicts the last look.
    pub(super) fn look(
        &mut self,
        policy: &Policy,
        observation: &Observation,
        now: Timestamp,
    ) -> Sight {
        self.trust = self.trust.next(observation, now);
        let sight = Sight::of(policy, observation, self.trust);
        self.blind_since = match sight {
            Sight::Blind => Some(self.blind_since.unwrap_or(now)),
            Sight::Seen { .. } => None,
        };
        sight
    }

    /// Whether a suspension has ended that took the workers, and none has come back since.
    pub(super) fn was_suspended(&mut self, policy: &Policy, current: Replicas) -> bool {
        self.is_stopped = policy.suspended || (self.is_stopped && current == Replicas::ZERO);
        self.is_stopped && !policy.suspended
    }

    /// How long nothing has been known of the backlog.
    pub(super) fn blind_for(&self, now: Timestamp) -> Duration {
        self.blind_since.map_or(Duration::ZERO, |since| elapsed(since, now))
    }

    /// Carries the proof of an empty queue on.
    pub(super) fn prove_zero(
        &mut self,
        policy: &Policy,
        observation: &Observation,
        now: Timestamp,
    ) -> Zero {
        let (zero, proof) = Proof::next(self.proof, policy, observation, now);
        self.proof = proof;
        zero
    }

    /// Adds a wish and tells the highest one of the window.
    pub(super) fn wish(&mut self, replicas: Replicas, now: Timestamp, window: Duration) -> Wish {
        self.wishes.add(Wish { at: now, replicas }, window)
    }

    /// Whether enough messages wait, or any for long enough, to wake a queue without workers.
    ///
    /// Here alone the larger of two readings counts: a message seen by either is there.
    pub(super) fn wakes(
        &mut self,
        policy: &Policy,
        observation: &Observation,
        now: Timestamp,
    ) -> bool {
        if observation.current > Replicas::ZERO {
            self.waiting_since = None;
            return false;
        }
        let probed = observation.probe.fresh().ok().map(|probe| probe.ready);
        let counted = observation.totals.ready.fresh().ok().copied();
        match probed.max(counted) {
            Some(ready) if ready > 0 => {
                let since = *self.waiting_since.get_or_insert(now);
                ready >= policy.activation.messages.get()
                    || elapsed(since, now) >= policy.activation.max_wait
            }
            Some(_) if !self.trust.is_doubted() => {
                self.waiting_since = None;
                false
            }
            // Not knowing is no reason to let the messages of a moment ago wait from the start.
            Some(_) | None => false,
        }
    }

    /// When time alone could prove the queue empty.
    pub(super) fn zero_due(&self, policy: &Policy) -> Option<Timestamp> {
        self.proof.map(|proof| proof.due(policy))
    }

    /// When time alone wakes the queue.
    pub(super) fn wake_due(&self, policy: &Policy) -> Option<Timestamp> {
        self.waiting_since.map(|since| after(since, policy.activation.max_wait))
    }
}

impl Wishes {
    fn add(&mut self, wish: Wish, window: Duration) -> Wish {
        while self.0.back().is_some_and(|last| last.replicas <= wish.replicas) {
            self.0.pop_back();
        }
        while self.0.front().is_some_and(|first| elapsed(first.at, wish.at) >= window) {
            self.0.pop_front();
        }
        self.0.push_back(wish);
        self.0.front().copied().unwrap_or(wish)
    }
}
