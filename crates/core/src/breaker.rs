//! The breaker: a sick endpoint pauses the queue, a sick message is retried.
//!
//! It opens when enough *different* messages failed with no success between, so that one bad
//! message can never stop a queue. While it is open the worker stops consuming and no failure uses
//! an attempt. After a while one message is let through as a probe; its result closes the breaker
//! or opens it for twice as long.
//!
//! An attempt may outlive the state it began in. Each state has an [`Epoch`], and a result counts
//! only in the epoch its attempt began in.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    duration,
    outcome::{Health, labels},
    settlement::Gate,
};

/// When to open, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BreakerPolicy {
    /// How many different messages must fail with no success between.
    pub consecutive_failures: u32,
    /// How long it stays open at first.
    #[serde(with = "duration")]
    pub open_for: Duration,
    /// How long it stays open at most.
    #[serde(with = "duration")]
    pub max_open_for: Duration,
}

impl Default for BreakerPolicy {
    /// The defaults of `spec.queues[].breaker`.
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            open_for: Duration::from_secs(5),
            max_open_for: Duration::from_mins(5),
        }
    }
}

labels! {
    /// Why a worker does not consume.
    PauseReason {
        /// The endpoint cannot be reached or says it is unavailable.
        Endpoint => "endpoint",
        /// The endpoint answers as if it were the wrong one.
        Config => "config",
        /// The endpoint asked for a pause (429 with Retry-After).
        Rate => "rate",
        /// The handler asked for a pause.
        Handler => "handler",
    }
}

/// The number of a breaker state, rising with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

/// Where the breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Messages flow.
    Closed,
    /// Nothing flows before `until`, a moment of the caller's monotonic clock.
    Open {
        /// Why.
        reason: PauseReason,
        /// When a probe may go.
        until: Duration,
    },
    /// One message at a time may go, to see whether the endpoint works again.
    HalfOpen {
        /// Why it was opened.
        reason: PauseReason,
    },
}

/// The breaker of one queue in one worker. Moments are of one monotonic clock, from any origin.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: State,
    epoch: Epoch,
    /// How long the present or last opening lasts; doubles while probes fail.
    period: Duration,
    unreachable: BTreeSet<String>,
    misconfigured: BTreeSet<String>,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            period: policy.open_for,
            policy,
            state: State::Closed,
            epoch: Epoch(0),
            unreachable: BTreeSet::new(),
            misconfigured: BTreeSet::new(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The epoch an attempt that starts now belongs to.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether a failure now is the message's own.
    pub fn gate(&self) -> Gate {
        match self.state {
            State::Closed => Gate::Open,
            State::Open { .. } | State::HalfOpen { .. } => Gate::Shut,
        }
    }

    /// Lets time pass: an opening that is over becomes half-open.
    pub fn tick(&mut self, now: Duration) {
        if let State::Open { reason, until } = self.state
            && now >= until
        {
            self.enter(State::HalfOpen { reason });
        }
    }

    /// Takes in what an attempt on message `id`, begun in `epoch`, says about the endpoint.
    pub fn record(&mut self, id: &str, health: Health, epoch: Epoch, now: Duration) {
        if epoch != self.epoch {
            return;
        }
        match (self.state, health) {
            (State::Open { .. }, _) | (State::Closed, Health::Neutral) => {}
            (_, Health::RateLimited(wait)) => self.pause(PauseReason::Rate, wait, now),
            (_, Health::Paused(wait)) => self.pause(PauseReason::Handler, wait, now),
            (State::Closed, Health::Healthy) => self.forget_failures(),
            (State::Closed, Health::Unreachable) => {
                self.unreachable.insert(id.to_owned());
                self.open_if_due(now);
            }
            (State::Closed, Health::Misconfigured) => {
                self.misconfigured.insert(id.to_owned());
                self.open_if_due(now);
            }
            (State::HalfOpen { .. }, Health::Healthy | Health::Neutral) => {
                self.forget_failures();
                self.period = self.policy.open_for;
                self.enter(State::Closed);
            }
            (State::HalfOpen { .. }, Health::Unreachable) => {
                self.reopen(PauseReason::Endpoint, now);
            }
            (State::HalfOpen { .. }, Health::Misconfigured) => {
                self.reopen(PauseReason::Config, now);
            }
        }
    }

    fn open_if_due(&mut self, now: Duration) {
        let enough = usize::try_from(self.policy.consecutive_failures).unwrap_or(usize::MAX).max(1);
        let reason = if self.unreachable.len() >= enough {
            PauseReason::Endpoint
        } else if self.misconfigured.len() >= enough {
            PauseReason::Config
        } else {
            return;
        };
        self.period = self.policy.open_for.min(self.policy.max_open_for);
        self.enter(State::Open { reason, until: now + self.period });
    }

    fn reopen(&mut self, reason: PauseReason, now: Duration) {
        self.period = self.period.saturating_mul(2).min(self.policy.max_open_for);
        self.enter(State::Open { reason, until: now + self.period });
    }

    fn pause(&mut self, reason: PauseReason, wait: Duration, now: Duration) {
        let wait = wait.min(self.policy.max_open_for);
        self.enter(State::Open { reason, until: now + wait });
    }

    fn forget_failures(&mut self) {
        self.unreachable.clear();
        self.misconfigured.clear();
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch = Epoch(self.epoch.0 + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerPolicy { max_open_for: at(15), ..BreakerPolicy::default() })
    }

    fn report(breaker: &mut Breaker, id: &str, health: Health, now: u64) {
        breaker.record(id, health, breaker.epoch(), at(now));
    }

    fn opened(health: Health) -> Breaker {
        let mut breaker = breaker();
        for id in ["a", "b", "c", "d", "e"] {
            report(&mut breaker, id, health, 0);
        }
        breaker
    }

    #[test]
    fn five_different_messages_open_it_and_say_why() {
        for (health, reason) in [
            (Health::Unreachable, PauseReason::Endpoint),
            (Health::Misconfigured, PauseReason::Config),
        ] {
            assert_eq!(opened(health).state(), State::Open { reason, until: at(5) });
            assert_eq!(opened(health).gate(), Gate::Shut);
        }
    }

    #[test]
    fn one_bad_message_never_opens_it() {
        let mut breaker = breaker();
        for _ in 0..100 {
            report(&mut breaker, "a", Health::Misconfigured, 0);
        }
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn a_success_between_starts_the_count_again() {
        let mut breaker = breaker();
        for id in ["a", "b", "c", "d"] {
            report(&mut breaker, id, Health::Unreachable, 0);
        }
        report(&mut breaker, "x", Health::Healthy, 0);
        report(&mut breaker, "e", Health::Unreachable, 0);
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn failing_probes_double_the_wait_up_to_the_maximum() {
        let mut breaker = opened(Health::Unreachable);
        let reason = PauseReason::Endpoint;
        for (now, until) in [(5, 15), (15, 30), (30, 45)] {
            breaker.tick(at(now));
            assert_eq!(breaker.state(), State::HalfOpen { reason });
            report(&mut breaker, "p", Health::Unreachable, now);
            assert_eq!(breaker.state(), State::Open { reason, until: at(until) });
        }
    }

    #[test]
    fn a_good_probe_closes_it_and_the_next_opening_is_short_again() {
        let mut breaker = opened(Health::Unreachable);
        breaker.tick(at(5));
        report(&mut breaker, "p", Health::Unreachable, 5);
        breaker.tick(at(15));
        report(&mut breaker, "p", Health::Healthy, 15);
        assert_eq!(breaker.state(), State::Closed);
        for id in ["a", "b", "c", "d", "e"] {
            report(&mut breaker, id, Health::Unreachable, 20);
        }
        assert_eq!(breaker.state(), State::Open { reason: PauseReason::Endpoint, until: at(25) });
    }

    #[test]
    fn a_result_of_an_earlier_state_changes_nothing() {
        let mut breaker = breaker();
        let before = breaker.epoch();
        for id in ["a", "b", "c", "d", "e"] {
            report(&mut breaker, id, Health::Unreachable, 0);
        }
        breaker.tick(at(5));
        breaker.record("late", Health::Healthy, before, at(6));
        assert_eq!(breaker.state(), State::HalfOpen { reason: PauseReason::Endpoint });
    }

    #[test]
    fn a_pause_lasts_as_asked_but_not_beyond_the_maximum() {
        for (wait, until) in [(3, 3), (3_600, 15)] {
            let mut breaker = breaker();
            report(&mut breaker, "a", Health::RateLimited(at(wait)), 0);
            let expected = State::Open { reason: PauseReason::Rate, until: at(until) };
            assert_eq!(breaker.state(), expected);
        }
    }
}
