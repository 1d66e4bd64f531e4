//! The autoscaler's decision, judged from outside: tables, stories, properties and a model queue.

mod model;
mod orders;
mod properties;
mod sight;
mod steps;
mod wake;
mod zero;

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::Duration;

use jiff::Timestamp;
use warren_core::scaling::{
    Activation, Authority, Bounds, Decision, LimitedBy, Memory, Mode, Observation, Policy, Probe,
    QueueState, Reading, Reason, Replicas, Totals, Why, decide,
};

/// What a decision is compared by.
type Outcome = (u32, Reason, Option<LimitedBy>);

/// A case of a table: a sentence, what is known, what is decided.
type Case = (&'static str, Policy, Observation, Outcome);

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn auto(min: u32, max: u32) -> Mode {
    Mode::Auto(Bounds::new(min, max).unwrap())
}

/// The defaults of a pipeline, with bounds of 0 and 10.
fn policy() -> Policy {
    Policy {
        mode: auto(0, 10),
        suspended: false,
        messages_per_replica: NonZeroU32::new(20).unwrap(),
        prefetch: NonZeroU16::new(10).unwrap(),
        activation: Activation { messages: NonZeroU64::MIN, max_wait: seconds(60) },
        idle: seconds(60),
        scale_down_window: seconds(180),
    }
}

fn within(min: u32, max: u32) -> Policy {
    Policy { mode: auto(min, max), ..policy() }
}

fn fresh<T>(value: T) -> Reading<T> {
    Reading::aged(value, Duration::ZERO)
}

fn old<T>(value: T) -> Reading<T> {
    Reading::aged(value, seconds(16))
}

fn lost<T>() -> Reading<T> {
    Reading::Unavailable(Why::Timeout)
}

/// A queue of which everything is known, with as many consumers as workers.
fn seen(current: u32, ready: u64, unacked: u64) -> Observation {
    Observation {
        probe: fresh(Probe { ready, consumers: current }),
        totals: Totals {
            ready: fresh(ready),
            unacked: fresh(unacked),
            state: fresh(QueueState::Running),
            published: fresh(1_000),
        },
        current: Replicas::new(current),
        ready_workers: Replicas::new(current),
        expected_consumers: Replicas::new(current),
        authority: Authority::Ours,
    }
}

/// The same with other figures from the management API.
fn told(mut observation: Observation, change: impl FnOnce(&mut Totals)) -> Observation {
    change(&mut observation.totals);
    observation
}

/// The same with another answer over AMQP.
fn probed(observation: Observation, probe: Reading<Probe>) -> Observation {
    Observation { probe, ..observation }
}

/// The same without an answer over AMQP.
fn without_amqp(observation: Observation) -> Observation {
    Observation { probe: lost(), ..observation }
}

/// The same without an answer of the management API.
fn without_management(observation: Observation) -> Observation {
    Observation { totals: Totals::unavailable(Why::Timeout), ..observation }
}

/// The same with nothing known.
fn unseen(observation: Observation) -> Observation {
    without_amqp(without_management(observation))
}

/// Asserts every case of a table, decided in the given way.
fn assert_all(decide: fn(Policy, Observation) -> Decision, cases: &[Case]) {
    for (name, policy, observation, expected) in cases {
        let decision = decide(*policy, *observation);
        assert_eq!(outcome(&decision), *expected, "{name}: {decision:?}");
    }
}

/// An outcome owed to the backlog, with nothing in its way.
const fn by_backlog(replicas: u32) -> Outcome {
    (replicas, Reason::PerReplica, None)
}

/// An outcome that is not what the backlog deserves.
const fn limited(replicas: u32, reason: Reason, by: LimitedBy) -> Outcome {
    (replicas, reason, Some(by))
}

fn outcome(decision: &Decision) -> Outcome {
    (decision.desired.get(), decision.reason, decision.limited_by)
}

/// A queue watched once a second, whose workers are what was decided.
struct Watch {
    policy: Policy,
    memory: Option<Memory>,
    now: Timestamp,
    current: u32,
}

impl Watch {
    fn start(policy: Policy, current: u32) -> Self {
        let memory = Memory::seeded(Replicas::new(current), START);
        Self { policy, memory: Some(memory), now: START, current }
    }

    /// Decides now, with the present count filled in, and scales.
    fn decide(&mut self, observation: Observation) -> Decision {
        let observation = Observation { current: Replicas::new(self.current), ..observation };
        let memory = self.memory.take().unwrap();
        let (decision, memory) = decide(&self.policy, memory, &observation, self.now);
        self.memory = Some(memory);
        self.current = decision.desired.get();
        decision
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.checked_add(time).unwrap();
    }

    /// Lets time pass, deciding every second, and gives the last decision.
    fn over(&mut self, time: Duration, observation: Observation) -> Decision {
        let mut last = None;
        for _ in 0..time.as_secs() {
            self.pass(seconds(1));
            last = Some(self.decide(observation));
        }
        last.unwrap()
    }
}

/// The decision of a queue with a fresh memory.
fn at_first_sight(policy: Policy, observation: Observation) -> Decision {
    Watch::start(policy, observation.current.get()).decide(observation)
}

/// The decision after the same was seen for longer than the scale-down window.
///
/// The count is put back each second, as if nobody could write it.
fn at_long_sight(policy: Policy, observation: Observation) -> Decision {
    let current = observation.current.get();
    let mut watch = Watch::start(policy, current);
    let mut last = None;
    for _ in 0..=policy.scale_down_window.as_secs() + 1 {
        watch.pass(seconds(1));
        watch.current = current;
        last = Some(watch.decide(observation));
    }
    last.unwrap()
}
