//! Leaving zero.

use std::num::NonZeroU64;

use warren_core::scaling::{LimitedBy, Policy, Probe, QueueState, Reason};

use super::{
    Outcome, START, Watch, assert_all, at_first_sight, by_backlog, fresh, limited, outcome, policy,
    probed, seconds, seen, told, unseen, within, without_amqp, without_management,
};

const ASLEEP: Outcome = (0, Reason::Idle, None);

const fn wakes(replicas: u32) -> Outcome {
    (replicas, Reason::Waking, None)
}

/// A queue that sleeps until 50 messages wait.
fn drowsy() -> Policy {
    let mut policy = policy();
    policy.activation.messages = NonZeroU64::new(50).unwrap();
    policy
}

#[test]
fn a_queue_wakes_with_as_many_workers_as_its_backlog_deserves() {
    let cut = limited(10, Reason::Waking, LimitedBy::MaxReplicas);
    assert_all(
        at_first_sight,
        &[
            ("empty", policy(), seen(0, 0, 0), ASLEEP),
            ("one message", policy(), seen(0, 1, 0), wakes(1)),
            ("many", within(0, 100), seen(0, 812, 0), wakes(41)),
            ("more than the maximum", policy(), seen(0, 812, 0), cut),
            ("held elsewhere", policy(), seen(0, 0, 5), ASLEEP),
            ("below the threshold", drowsy(), seen(0, 49, 0), ASLEEP),
            ("at the threshold", drowsy(), seen(0, 50, 0), wakes(3)),
        ],
    );
}

#[test]
fn a_queue_wakes_by_whichever_reading_shows_a_message() {
    let seven = seen(0, 7, 0);
    let only_counted = probed(seven, fresh(Probe { ready: 0, consumers: 0 }));
    let stopped = told(seven, |totals| {
        totals.state = fresh(QueueState::NotRunning);
    });
    let blind = limited(0, Reason::Hold, LimitedBy::ObservationUnknown);
    assert_all(
        at_first_sight,
        &[
            ("AMQP alone", policy(), without_management(seven), wakes(1)),
            ("management alone", policy(), without_amqp(seven), wakes(1)),
            ("the larger of both", policy(), only_counted, wakes(1)),
            ("neither", policy(), unseen(seven), blind),
            ("not running", policy(), stopped, blind),
        ],
    );
}

#[test]
fn a_message_below_the_threshold_waits_no_longer_than_max_wait() {
    let mut watch = Watch::start(drowsy(), 0);
    let waiting = watch.over(seconds(60), seen(0, 3, 0));
    assert_eq!(outcome(&waiting), (0, Reason::Idle, None));
    assert_eq!(waiting.held_until, Some(START.checked_add(seconds(61)).unwrap()));
    assert_eq!(outcome(&watch.over(seconds(1), seen(0, 3, 0))), (1, Reason::Waking, None));
}

#[test]
fn a_break_in_waiting_starts_the_wait_again() {
    let mut watch = Watch::start(drowsy(), 0);
    watch.over(seconds(50), seen(0, 3, 0));
    // The statistics confirm the empty queue 10 s after it was first seen.
    watch.over(seconds(11), seen(0, 0, 0));
    assert_eq!(watch.over(seconds(60), seen(0, 3, 0)).desired.get(), 0);
    assert_eq!(watch.over(seconds(1), seen(0, 3, 0)).desired.get(), 1);
}

#[test]
fn a_worker_in_between_ends_the_wait() {
    let mut watch = Watch::start(drowsy(), 0);
    watch.over(seconds(50), seen(0, 3, 0));
    watch.current = 1;
    watch.over(seconds(1), seen(1, 3, 0));
    watch.current = 0;
    assert_eq!(watch.over(seconds(60), seen(0, 3, 0)).desired.get(), 0);
    assert_eq!(watch.over(seconds(1), seen(0, 3, 0)).desired.get(), 1);
}

#[test]
fn a_blind_queue_announces_no_moment_of_waking() {
    let mut watch = Watch::start(drowsy(), 0);
    watch.over(seconds(50), seen(0, 3, 0));
    assert_eq!(watch.over(seconds(1), unseen(seen(0, 3, 0))).held_until, None);
}

#[test]
fn neither_an_outage_nor_a_doubtful_zero_is_a_break_in_waiting() {
    for pause in [unseen(seen(0, 0, 0)), seen(0, 0, 0), without_management(seen(0, 0, 0))] {
        let mut watch = Watch::start(drowsy(), 0);
        watch.over(seconds(50), seen(0, 3, 0));
        watch.over(seconds(9), pause);
        watch.over(seconds(1), seen(0, 3, 0));
        assert_eq!(watch.over(seconds(1), seen(0, 3, 0)).desired.get(), 1);
    }
}

#[test]
fn an_activation_threshold_holds_no_running_queue_down() {
    let decision = at_first_sight(drowsy(), seen(1, 45, 0));
    assert_eq!(outcome(&decision), by_backlog(3));
}
