//! What holds for every sequence of observations.

use std::cell::Cell;
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use warren_core::scaling::{
    Activation, Authority, Decision, LimitedBy, Memory, Mode, Observation, Policy, Probe,
    QueueState, Reading, Reason, Replicas, Totals, Unknown, Why, decide,
};

use super::{START, Watch, auto, policy, seconds, seen, within};

fn age() -> impl Strategy<Value = Duration> {
    prop_oneof![8 => 0..6_000_u64, 1 => 14_000..17_000_u64].prop_map(Duration::from_millis)
}

fn reading<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Reading<T>> {
    let why = prop::sample::select(vec![
        Why::NeverRead,
        Why::KeyMissing,
        Why::Timeout,
        Why::Unauthorized,
        Why::Disabled,
    ]);
    prop_oneof![
        9 => (value, age()).prop_map(|(value, age)| Reading::aged(value, age)),
        1 => why.prop_map(Reading::Unavailable),
    ]
}

fn messages() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0), 4 => 0..400_u64, 1 => any::<u64>()]
}

/// Anything a broker may answer, and no answer at all.
fn anything() -> impl Strategy<Value = Observation> {
    let state = prop_oneof![9 => Just(QueueState::Running), 1 => Just(QueueState::NotRunning)];
    (
        reading((messages(), 0..30_u32).prop_map(|(ready, consumers)| Probe { ready, consumers })),
        (reading(messages()), reading(messages()), reading(state), reading(0..4_u64)),
        0..30_u32,
    )
        .prop_map(|(probe, (ready, unacked, state, published), workers)| Observation {
            probe,
            totals: Totals { ready, unacked, state, published },
            current: Replicas::ZERO,
            ready_workers: Replicas::new(workers),
            expected_consumers: Replicas::new(workers),
            authority: Authority::Ours,
        })
}

/// An empty and quiet queue, read a while ago.
fn emptiness() -> impl Strategy<Value = Observation> {
    (0..6_000_u64).prop_map(|age| {
        let age = Duration::from_millis(age);
        Observation {
            probe: Reading::aged(Probe { ready: 0, consumers: 1 }, Duration::ZERO),
            totals: Totals {
                ready: Reading::aged(0, age),
                unacked: Reading::aged(0, age),
                state: Reading::aged(QueueState::Running, age),
                published: Reading::aged(2, age),
            },
            ..seen(0, 0, 0)
        }
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (
        (0..6_u32, 1..40_u32),
        prop_oneof![Just(1_u32), 1..50_u32],
        1..100_u16,
        (1..20_u64, 0..90_u64),
        0..40_u64,
        0..90_u64,
    )
        .prop_map(|((min, span), each, prefetch, (messages, wait), idle, window)| Policy {
            mode: auto(min, min + span),
            suspended: false,
            messages_per_replica: NonZeroU32::new(each).unwrap(),
            prefetch: NonZeroU16::new(prefetch).unwrap(),
            activation: Activation {
                messages: NonZeroU64::new(messages).unwrap(),
                max_wait: seconds(wait),
            },
            idle: seconds(idle),
            scale_down_window: seconds(window),
        })
}

/// One second and more of a queue's life: the time that passed, what was seen then and, now and
/// then, a count that somebody else wrote.
type Moment = (Duration, Observation, Option<u32>);

fn moments(observation: impl Strategy<Value = Observation>) -> impl Strategy<Value = Vec<Moment>> {
    let pass = prop_oneof![40 => 500..2_000_u64, 1 => 14_000..30_000_u64];
    let written = prop_oneof![30 => Just(None), 1 => (0..50_u32).prop_map(Some)];
    prop::collection::vec((pass.prop_map(Duration::from_millis), observation, written), 1..120)
}

fn life() -> impl Strategy<Value = Vec<Moment>> {
    moments(prop_oneof![2 => anything(), 3 => emptiness()])
}

/// Everything that led to a decision.
struct Decided {
    now: Timestamp,
    observation: Observation,
    decision: Decision,
    memory: Memory,
}

fn live(policy: &Policy, current: u32, life: &[Moment]) -> Vec<Decided> {
    let mut now = START;
    let mut current = Replicas::new(current);
    let mut memory = Memory::seeded(current, now);
    let mut all = Vec::new();
    for (pass, observation, written) in life {
        now = now.checked_add(*pass).unwrap();
        current = written.map_or(current, Replicas::new);
        let observation = Observation { current, ..*observation };
        let (decision, after) = decide(policy, memory, &observation, now);
        current = decision.desired;
        memory = after.clone();
        all.push(Decided { now, observation, decision, memory: after });
    }
    all
}

fn bounds(policy: &Policy) -> warren_core::scaling::Bounds {
    match policy.mode {
        Mode::Auto(bounds) => bounds,
        Mode::External(_) | Mode::Fixed(_) => panic!("these policies are automatic"),
    }
}

/// The publish counter of an observation that shows an empty queue: `Ok` its value or `Err` that
/// the broker keeps none; nothing for any other observation.
fn shows_empty(seen: &Observation) -> Option<Result<u64, Why>> {
    let totals = &seen.totals;
    let empty = seen.probe.fresh().is_ok_and(|probe| probe.ready == 0)
        && totals.ready.fresh() == Ok(&0)
        && totals.unacked.fresh() == Ok(&0)
        && totals.state.fresh() == Ok(&QueueState::Running);
    match totals.published.fresh() {
        Ok(published) => Some(Ok(*published)),
        Err(Unknown::Unavailable(Why::KeyMissing | Why::Disabled)) => Some(Err(Why::KeyMissing)),
        Err(_) => None,
    }
    .filter(|_| empty)
}

/// When the oldest of the management figures was taken.
fn taken(decided: &Decided) -> Timestamp {
    let totals = &decided.observation.totals;
    let age = [
        totals.ready.fresh_with_age().map(|(_, age)| age),
        totals.unacked.fresh_with_age().map(|(_, age)| age),
        totals.state.fresh_with_age().map(|(_, age)| age),
    ];
    decided.now.checked_sub(age.into_iter().flatten().max().unwrap()).unwrap()
}

/// Judges a step to zero by the whole history, without the memory's help.
fn is_proven(policy: &Policy, history: &[Decided]) -> bool {
    let last = history.last().unwrap();
    let Some(published) = shows_empty(&last.observation) else {
        return false;
    };
    let mut unbroken = vec![last];
    for earlier in history.iter().rev().skip(1) {
        let gap = unbroken.last().unwrap().now.duration_since(earlier.now);
        if shows_empty(&earlier.observation) != Some(published) || gap.as_secs() >= 16 {
            break;
        }
        unbroken.push(earlier);
    }
    let began = unbroken.last().unwrap().now;
    let readings: Vec<_> = unbroken.iter().map(|d| taken(d)).filter(|at| *at >= began).collect();
    let apart = match (readings.iter().min(), readings.iter().max()) {
        (Some(first), Some(latest)) => latest.duration_since(*first).as_secs_f64(),
        _ => 0.0,
    };
    let idle = policy.idle.max(seconds(15)).as_secs_f64();
    last.now.duration_since(began).as_secs_f64() >= idle && apart >= 10.0
}

proptest! {
    #[test]
    fn the_count_stays_within_its_bounds(policy in any_policy(), start in 0..50_u32, life in life()) {
        let bounds = bounds(&policy);
        for Decided { decision, .. } in live(&policy, start, &life) {
            prop_assert!(bounds.min() <= decision.desired && decision.desired <= bounds.max());
        }
    }

    #[test]
    fn what_is_not_known_takes_no_worker_away(policy in any_policy(), start in 0..50_u32, life in life()) {
        for Decided { observation, decision, .. } in live(&policy, start, &life) {
            let totals = &observation.totals;
            let known = totals.ready.fresh().is_ok()
                && totals.unacked.fresh().is_ok()
                && totals.state.fresh() == Ok(&QueueState::Running);
            let held = bounds(&policy).clamp(observation.current);
            prop_assert!(known || decision.desired >= held, "{decision:?}");
        }
    }

    #[test]
    fn blindness_changes_nothing_but_by_order(policy in any_policy(), start in 0..50_u32, life in life()) {
        for Decided { observation, decision, .. } in live(&policy, start, &life) {
            let blind = observation.probe.fresh().is_err() && observation.totals.ready.fresh().is_err();
            if blind {
                prop_assert_eq!(decision.desired, bounds(&policy).clamp(observation.current));
                prop_assert_eq!(decision.want(), None);
            }
        }
    }

    #[test]
    fn a_larger_backlog_never_means_fewer_workers(
        policy in any_policy(), start in 0..50_u32, life in life(),
        ready in 1..2_000_u64, unacked in 0..2_000_u64, more_ready in 0..500_u64, more_unacked in 0..500_u64,
    ) {
        let past = live(&policy, start, &life).pop().unwrap();
        let now = past.now.checked_add(seconds(1)).unwrap();
        let current = past.decision.desired;
        let decide = |ready, unacked| {
            let observation = Observation { current, ..seen(current.get(), ready, unacked) };
            decide(&policy, past.memory.clone(), &observation, now).0
        };
        let (small, large) = (decide(ready, unacked), decide(ready + more_ready, unacked + more_unacked));
        prop_assert!(small.want() <= large.want());
        prop_assert!(small.desired <= large.desired, "{small:?} {large:?}");
    }

    #[test]
    fn a_decision_that_was_carried_out_is_not_followed_by_another(
        policy in any_policy(), start in 0..50_u32, life in life(),
    ) {
        for Decided { now, observation, decision, memory } in live(&policy, start, &life) {
            let after = Observation { current: decision.desired, ..observation };
            // The guess at unknown unacked messages follows the count, and with it the wish.
            if observation.totals.unacked.fresh().is_ok() {
                let (again, _) = decide(&policy, memory, &after, now);
                prop_assert_eq!(again.desired, decision.desired, "{:?} {:?}", decision, again);
            }
        }
    }

    #[test]
    fn a_count_that_is_not_the_wish_says_why(policy in any_policy(), start in 0..50_u32, life in life()) {
        for Decided { decision, .. } in live(&policy, start, &life) {
            let explained = decision.limited_by.is_some()
                || matches!(decision.reason, Reason::Floor | Reason::Waking | Reason::Idle);
            prop_assert!(explained || decision.want() == Some(decision.desired), "{decision:?}");
            let cut = decision.limited_by == Some(LimitedBy::MaxReplicas);
            prop_assert!(!cut || decision.desired == bounds(&policy).max());
        }
    }

    #[test]
    fn no_message_waits_longer_than_max_wait_for_a_first_worker(
        policy in any_policy(), ready in 1..5_u64, answers in prop::collection::vec(0..3_u8, 200),
    ) {
        let mut watch = Watch::start(policy, 0);
        for answer in answers.iter().take(usize::try_from(policy.activation.max_wait.as_secs()).unwrap() + 2) {
            watch.pass(seconds(1));
            let full = seen(0, ready, 0);
            watch.decide(match answer {
                0 => full,
                1 => super::without_amqp(full),
                _ => super::without_management(full),
            });
        }
        prop_assert!(watch.current > 0);
    }

    #[test]
    fn a_steady_load_with_noise_takes_at_most_one_worker_step_down_in_a_window(
        base in 0..2_000_u64, start in 0..60_u32,
        noise in prop::collection::vec(950..=1_050_u64, 900),
    ) {
        let policy = within(0, 100);
        let mut watch = Watch::start(policy, start);
        let mut steps_down = Vec::new();
        let mut rises = 0;
        for (second, noise) in noise.iter().enumerate() {
            let before = watch.current;
            watch.pass(seconds(1));
            watch.decide(seen(before, base * noise / 1_000, 0));
            // By the end of two windows the start is forgotten.
            if second >= 360 {
                rises += u32::from(watch.current > before);
                if watch.current < before {
                    steps_down.push(second);
                }
            }
        }
        prop_assert!(steps_down.windows(2).all(|pair| pair[1] - pair[0] > 180), "{steps_down:?}");
        // The band is just wider than the tolerance: a long run of low samples may come late, and
        // so may a first high one, but neither can come twice.
        if base >= 220 {
            prop_assert!(steps_down.len() <= 1 && rises <= 1, "{steps_down:?}, {rises} rises");
        }
    }

    #[test]
    fn a_constant_load_changes_the_count_in_one_direction_and_then_not(
        policy in any_policy(), start in 0..50_u32, ready in 0..500_u64, unacked in 0..500_u64,
    ) {
        let mut watch = Watch::start(policy, start);
        let mut counts = vec![start];
        for _ in 0..300 {
            watch.pass(seconds(1));
            let current = watch.current;
            watch.decide(seen(current, ready, unacked));
            counts.push(watch.current);
        }
        // The bounds are an order, carried out by the first decision.
        let after_order = &counts[1..];
        prop_assert!(after_order.is_sorted() || after_order.is_sorted_by(|a, b| a >= b), "{counts:?}");
        prop_assert_eq!(counts[200], counts[300]);
    }
}

#[test]
fn no_queue_goes_to_zero_without_proof() {
    let quick = Policy { idle: seconds(20), ..policy() };
    let zeros = Cell::new(0);
    let life = moments(prop_oneof![1 => anything(), 60 => emptiness()]);
    let mut runner = TestRunner::deterministic();
    runner
        .run(&(1..10_u32, life), |(start, life)| {
            let history = live(&quick, start, &life);
            for (index, decided) in history.iter().enumerate() {
                let gone = decided.observation.current > Replicas::ZERO
                    && decided.decision.desired == Replicas::ZERO;
                if gone {
                    zeros.set(zeros.get() + 1);
                    prop_assert!(is_proven(&quick, &history[..=index]));
                }
            }
            Ok(())
        })
        .unwrap();
    // Else nothing was tested.
    assert!(zeros.get() >= 50, "only {} steps to zero", zeros.get());
}
