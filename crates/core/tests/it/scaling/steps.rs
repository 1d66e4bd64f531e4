//! Steps between counts of one and more: bounds, window, tolerance, restart.

use warren_core::scaling::{LimitedBy, Memory, Policy, Reason, Replicas, decide};

use super::{
    START, Watch, assert_all, at_first_sight, at_long_sight, by_backlog, limited, lost, outcome,
    policy, seconds, seen, told, unseen, within,
};

#[test]
fn steps_up_are_taken_at_once_and_whole() {
    let (few, many) = (within(0, 10), within(0, 100));
    let cut = |replicas| limited(replicas, Reason::PerReplica, LimitedBy::MaxReplicas);
    let noise = |replicas| limited(replicas, Reason::Steady, LimitedBy::Tolerance);
    assert_all(
        at_first_sight,
        &[
            ("up to the wish in one step", many, seen(1, 1_900, 0), by_backlog(95)),
            ("up to the maximum", few, seen(1, 4_000, 0), cut(10)),
            ("at the maximum", few, seen(10, 4_000, 0), cut(10)),
            ("exactly the maximum is no limit", few, seen(10, 200, 0), by_backlog(10)),
            ("one more below ten", many, seen(9, 200, 0), by_backlog(10)),
            ("a tenth more is noise", many, seen(20, 440, 0), noise(20)),
            ("more than a tenth is not", many, seen(20, 441, 0), by_backlog(23)),
            ("a large wish near the maximum is no noise", many, seen(95, 9_000, 0), cut(100)),
        ],
    );
}

#[test]
fn steps_down_leave_the_floor_and_at_least_one() {
    let free = within(0, 100);
    let floor = |replicas| (replicas, Reason::Floor, None);
    let unproven = told(seen(5, 0, 0), |totals| totals.published = lost());
    let noise = limited(20, Reason::Steady, LimitedBy::Tolerance);
    assert_all(
        at_long_sight,
        &[
            ("down to the wish", free, seen(50, 60, 0), by_backlog(3)),
            ("down to the floor", within(4, 100), seen(50, 60, 0), floor(4)),
            ("at the floor", within(4, 100), seen(4, 60, 0), floor(4)),
            ("one stays with messages at work", free, seen(5, 0, 1), by_backlog(1)),
            ("a tenth less is noise", free, seen(20, 360, 0), noise),
            ("more than a tenth is not", free, seen(20, 340, 0), by_backlog(17)),
            ("exactly the floor", within(3, 100), seen(50, 60, 0), by_backlog(3)),
            ("one stays until zero is proven", free, unproven, (1, Reason::Idle, None)),
            ("a low wish near the floor is no noise", within(95, 100), seen(100, 60, 0), floor(95)),
        ],
    );
}

#[test]
fn the_last_worker_is_kept_by_no_window() {
    let decision = at_first_sight(policy(), seen(1, 0, 0));
    assert_eq!(outcome(&decision), (1, Reason::Idle, None));
}

#[test]
fn steps_down_go_to_the_highest_wish_of_the_window() {
    let mut watch = Watch::start(policy(), 1);
    watch.over(seconds(10), seen(1, 160, 0));
    watch.over(seconds(10), seen(8, 100, 0));
    let until = START.checked_add(seconds(190)).unwrap();
    assert_eq!(watch.over(seconds(1), seen(8, 40, 0)).held_until, Some(until));
    let held = watch.over(seconds(168), seen(8, 40, 0));
    assert_eq!(outcome(&held), (8, Reason::PerReplica, Some(LimitedBy::Stabilization)));
    assert_eq!(held.held_until, Some(until));

    // Second 10 held the last wish for 8, second 20 the last for 5.
    let first = watch.over(seconds(1), seen(8, 40, 0));
    assert_eq!(outcome(&first), (5, Reason::PerReplica, Some(LimitedBy::Stabilization)));
    let second = watch.over(seconds(10), seen(5, 40, 0));
    assert_eq!(outcome(&second), (2, Reason::PerReplica, None));
}

#[test]
fn a_window_of_nothing_lets_workers_go_at_once() {
    let mut watch = Watch::start(Policy { scale_down_window: seconds(0), ..policy() }, 8);
    assert_eq!(outcome(&watch.over(seconds(1), seen(8, 40, 0))), (2, Reason::PerReplica, None));
}

#[test]
fn a_restart_takes_nothing_away_for_a_whole_window_and_adds_at_once() {
    let mut watch = Watch::start(policy(), 7);
    let held = watch.over(seconds(179), seen(7, 40, 0));
    assert_eq!(outcome(&held), (7, Reason::PerReplica, Some(LimitedBy::Stabilization)));
    assert_eq!(outcome(&watch.over(seconds(1), seen(7, 40, 0))), (2, Reason::PerReplica, None));

    let first = at_first_sight(policy(), seen(3, 160, 0));
    assert_eq!(outcome(&first), (8, Reason::PerReplica, None));
}

#[test]
fn a_gap_in_the_watch_counts_as_a_restart() {
    let mut watch = Watch::start(policy(), 7);
    watch.over(seconds(170), seen(7, 40, 0));
    watch.pass(seconds(3600));
    let woken = watch.decide(seen(7, 40, 0));
    assert_eq!(outcome(&woken), (7, Reason::PerReplica, Some(LimitedBy::Stabilization)));
    assert_eq!(watch.over(seconds(179), seen(7, 40, 0)).desired.get(), 7);
    assert_eq!(watch.over(seconds(1), seen(7, 40, 0)).desired.get(), 2);
}

#[test]
fn a_clock_set_back_counts_as_a_restart() {
    let mut watch = Watch::start(policy(), 7);
    watch.over(seconds(170), seen(7, 40, 0));
    watch.now = START.checked_sub(seconds(7200)).unwrap();
    assert_eq!(watch.over(seconds(179), seen(7, 40, 0)).desired.get(), 7);
    assert_eq!(watch.over(seconds(2), seen(7, 40, 0)).desired.get(), 2);
}

#[test]
fn an_outage_does_not_use_up_the_window() {
    let mut watch = Watch::start(policy(), 8);
    watch.over(seconds(100), seen(8, 160, 0));
    watch.over(seconds(600), unseen(seen(8, 0, 0)));
    assert_eq!(watch.over(seconds(179), seen(8, 40, 0)).desired.get(), 8);
    assert_eq!(watch.over(seconds(1), seen(8, 40, 0)).desired.get(), 2);
}

#[test]
fn a_count_changed_by_hand_is_corrected_from_what_was_seen() {
    let mut watch = Watch::start(policy(), 3);
    watch.over(seconds(200), seen(3, 60, 0));
    watch.current = 9;
    assert_eq!(outcome(&watch.over(seconds(1), seen(9, 60, 0))), (3, Reason::PerReplica, None));
}

#[test]
fn a_decision_is_a_function_of_its_arguments() {
    let memory = Memory::seeded(Replicas::new(2), START);
    let decided = || decide(&policy(), memory.clone(), &seen(2, 90, 4), START);
    assert_eq!(decided(), decided());
}
