//! The step to zero, which needs a proof.

use std::time::Duration;

use warren_core::scaling::{
    Decision, Observation, Policy, Probe, QueueState, Reading, Reason, Totals, Why,
};

use super::{
    START, Watch, fresh, lost, old, outcome, policy, probed, seconds, seen, told, unseen, within,
    without_amqp, without_management,
};

fn empty() -> Observation {
    seen(1, 0, 0)
}

fn totals(change: impl FnOnce(&mut Totals)) -> Observation {
    told(empty(), change)
}

/// What is decided at the end of a whole idle time and some more.
fn after_idle(observation: Observation) -> Decision {
    let mut watch = Watch::start(policy(), 1);
    watch.over(seconds(90), observation)
}

#[test]
fn a_queue_seen_to_be_empty_for_the_idle_time_goes_to_zero_from_any_count() {
    let mut watch = Watch::start(policy(), 9);
    let waiting = watch.over(seconds(60), seen(9, 0, 0));
    assert_eq!(waiting.desired.get(), 9);
    assert_eq!(waiting.zero.to_string(), "not proven: empty for 59s of 1m");
    assert_eq!(waiting.held_until, Some(START.checked_add(seconds(61)).unwrap()));
    let proven = watch.over(seconds(1), seen(9, 0, 0));
    assert_eq!(outcome(&proven), (0, Reason::Idle, None));
    assert_eq!(proven.zero.to_string(), "proven: empty for 1m");
}

#[test]
fn anything_but_a_known_empty_quiet_queue_keeps_a_worker() {
    let none = Probe { ready: 0, consumers: 1 };
    let missing = Reading::Unavailable(Why::KeyMissing);
    let stopped = fresh(QueueState::NotRunning);
    let no_time = "unknown (no answer in time)";
    let aged = "unknown (last read 16s ago)";
    let absent = "unknown (missing in the broker's answer)";
    let cases: &[(Observation, &str, &str)] = &[
        (probed(empty(), fresh(Probe { ready: 1, ..none })), "ready > 0", ""),
        (totals(|t| t.ready = fresh(1)), "ready > 0", ""),
        (totals(|t| t.unacked = fresh(1)), "unacked > 0", ""),
        (totals(|t| t.state = stopped), "queue not running", ""),
        (without_amqp(empty()), "ready (AMQP)", no_time),
        (probed(empty(), old(none)), "ready (AMQP)", aged),
        (totals(|t| t.ready = missing), "ready (management API)", absent),
        (totals(|t| t.unacked = missing), "unacked", absent),
        (totals(|t| t.unacked = old(0)), "unacked", aged),
        (totals(|t| t.state = lost()), "queue state", no_time),
        (totals(|t| t.published = lost()), "publish counter", no_time),
        (totals(|t| t.published = old(1_000)), "publish counter", aged),
        (without_management(empty()), "ready (management API)", no_time),
        (unseen(empty()), "ready (AMQP)", no_time),
    ];
    for (observation, what, why) in cases {
        let decision = after_idle(*observation);
        let doubt = format!("not proven: {what} {why}");
        assert_eq!(decision.desired.get(), 1, "{doubt}");
        assert_eq!(decision.zero.to_string(), doubt.trim_end());
    }
}

#[test]
fn a_queue_that_never_had_a_publish_counter_goes_to_zero() {
    for why in [Why::KeyMissing, Why::Disabled] {
        let decision = after_idle(totals(|t| t.published = Reading::Unavailable(why)));
        assert_eq!(decision.desired.get(), 0, "{why}");
    }
}

#[test]
fn each_break_starts_the_proof_again() {
    let counter = |published| totals(|t| t.published = published);
    let breaks: &[(&str, Observation)] = &[
        ("a ready message", seen(1, 1, 0)),
        ("a message at work", seen(1, 0, 1)),
        ("a moment of blindness", unseen(empty())),
        ("a missing answer of the management API", without_management(empty())),
        ("an answer that is none", probed(empty(), fresh(Probe { ready: 0, consumers: 0 }))),
        ("a message that came and went between two looks", counter(fresh(1_001))),
        ("a counter that started again", counter(fresh(0))),
        ("a counter that vanished", counter(Reading::Unavailable(Why::KeyMissing))),
    ];
    for (name, interruption) in breaks {
        let mut watch = Watch::start(policy(), 1);
        assert_eq!(watch.over(seconds(55), empty()).desired.get(), 1, "{name}");
        watch.over(seconds(1), *interruption);
        assert_eq!(watch.over(seconds(60), empty()).desired.get(), 1, "{name}");
        assert_eq!(watch.over(seconds(1), empty()).desired.get(), 0, "{name}");
    }
}

#[test]
fn a_counter_that_appears_is_a_sign_of_traffic() {
    let mut watch = Watch::start(policy(), 1);
    watch.over(seconds(55), totals(|t| t.published = Reading::Unavailable(Why::KeyMissing)));
    let appeared = watch.over(seconds(1), totals(|t| t.published = fresh(0)));
    assert_eq!(appeared.zero.to_string(), "not proven: publish counter changed");
    assert_eq!(watch.over(seconds(59), totals(|t| t.published = fresh(0))).desired.get(), 1);
    assert_eq!(watch.over(seconds(1), totals(|t| t.published = fresh(0))).desired.get(), 0);
}

#[test]
fn a_reconnect_starts_the_proof_again() {
    let mut watch = Watch::start(policy(), 1);
    watch.over(seconds(55), empty());
    watch.memory.as_mut().unwrap().forget_zero_proof();
    assert_eq!(watch.over(seconds(60), empty()).desired.get(), 1);
    assert_eq!(watch.over(seconds(1), empty()).desired.get(), 0);
}

#[test]
fn a_gap_in_the_watch_proves_nothing() {
    let mut watch = Watch::start(policy(), 1);
    watch.over(seconds(55), empty());
    watch.pass(seconds(3600));
    assert_eq!(watch.decide(empty()).desired.get(), 1);
    assert_eq!(watch.over(seconds(59), empty()).desired.get(), 1);
    assert_eq!(watch.over(seconds(1), empty()).desired.get(), 0);
}

#[test]
fn an_idle_time_below_fifteen_seconds_counts_as_fifteen() {
    let mut watch = Watch::start(Policy { idle: Duration::ZERO, ..policy() }, 1);
    assert_eq!(watch.over(seconds(15), empty()).desired.get(), 1);
    assert_eq!(watch.over(seconds(1), empty()).desired.get(), 0);
}

#[test]
fn one_reading_of_any_figure_is_not_enough() {
    let stuck: [fn(&mut Totals, Duration); 3] = [
        |totals, age| totals.ready = Reading::aged(0, age),
        |totals, age| totals.unacked = Reading::aged(0, age),
        |totals, age| totals.state = Reading::aged(QueueState::Running, age),
    ];
    for grow_old in stuck {
        let mut watch = Watch::start(Policy { idle: seconds(15), ..policy() }, 1);
        // The figure was read 5 s into the proof and not again.
        watch.over(seconds(6), empty());
        for age in 1..=15 {
            let decision = watch.over(seconds(1), totals(|t| grow_old(t, seconds(age))));
            assert_eq!(decision.desired.get(), 1);
            if age >= 10 {
                assert_eq!(decision.held_until, None, "time alone proves nothing");
                assert_eq!(
                    decision.zero.to_string(),
                    "not proven: waiting for two readings of the management API 10s apart"
                );
            }
        }
        assert_eq!(watch.over(seconds(1), empty()).desired.get(), 0);
    }
}

#[test]
fn a_reading_taken_before_the_proof_began_is_not_counted() {
    let mut watch = Watch::start(Policy { idle: seconds(15), ..policy() }, 1);
    let aged = |age| {
        totals(|t| {
            t.ready = Reading::aged(0, seconds(age));
            t.unacked = Reading::aged(0, seconds(age));
            t.state = Reading::aged(QueueState::Running, seconds(age));
        })
    };
    // Taken 5 s before the queue was first seen to be empty, and still the newest 8 s into it.
    for age in 5..=13 {
        watch.over(seconds(1), aged(age));
    }
    // One taken 9 s into the proof: with the first it would be two, 14 s apart.
    for age in 0..=9 {
        assert_eq!(watch.over(seconds(1), aged(age)).desired.get(), 1);
    }
    assert_eq!(watch.over(seconds(1), empty()).desired.get(), 0);
}

#[test]
fn a_floor_keeps_its_workers_whatever_is_proven() {
    let mut watch = Watch::start(within(2, 10), 2);
    assert_eq!(watch.over(seconds(1), seen(2, 0, 0)).held_until, None);
    let decision = watch.over(seconds(400), seen(2, 0, 0));
    assert_eq!(outcome(&decision), (2, Reason::Floor, None));
    assert!(decision.zero.is_proven());
    assert_eq!(decision.held_until, None);
}
