//! What holds whatever is known: suspension, mode and bounds.

use std::num::NonZeroU32;

use warren_core::scaling::{
    Authority, Bounds, BoundsError, LimitedBy, Memory, Mode, Observation, Policy, Reason, Replicas,
};

use super::{
    Watch, assert_all, at_first_sight, auto, by_backlog, limited, outcome, policy, seconds, seen,
    unseen, within,
};

fn external(floor: u32) -> Mode {
    Mode::External(Replicas::new(floor))
}

#[test]
fn suspension_and_mode_need_no_observation() {
    let suspended = Policy { suspended: true, ..within(2, 10) };
    let external = Policy { mode: external(0), ..policy() };
    let neither = Policy { suspended: true, ..external };
    let fixed = Policy { mode: Mode::Fixed(NonZeroU32::new(3).unwrap()), ..policy() };
    let stopped = (0, Reason::Suspended, None);
    let set = (3, Reason::Fixed, None);
    assert_all(
        at_first_sight,
        &[
            ("suspended stops all workers", suspended, seen(7, 900, 40), stopped),
            ("suspended stops unseen workers", suspended, unseen(seen(7, 0, 0)), stopped),
            ("suspended comes before external", neither, seen(7, 900, 40), stopped),
            ("fixed ignores the backlog", fixed, seen(1, 9_000, 0), set),
            ("fixed ignores blindness", fixed, unseen(seen(5, 0, 0)), set),
            ("external keeps a count", external, seen(4, 9_000, 0), (4, Reason::External, None)),
            ("external keeps zero", external, seen(0, 9_000, 0), (0, Reason::External, None)),
        ],
    );
}

#[test]
fn a_change_of_bounds_acts_at_once_and_unseen() {
    let raised = within(5, 10);
    let lowered = within(0, 4);
    let floor = (5, Reason::Floor, None);
    let blind = |replicas| limited(replicas, Reason::Hold, LimitedBy::ObservationUnknown);
    let cut = limited(4, Reason::PerReplica, LimitedBy::MaxReplicas);
    assert_all(
        at_first_sight,
        &[
            ("a raised minimum", raised, seen(2, 1, 0), floor),
            ("a raised minimum, unseen", raised, unseen(seen(2, 0, 0)), blind(5)),
            ("a raised minimum of a sleeping queue", raised, seen(0, 0, 0), floor),
            (
                "a raised minimum of a sleeping, loaded queue",
                raised,
                seen(0, 140, 0),
                by_backlog(7),
            ),
            ("a lowered maximum", lowered, seen(9, 400, 0), cut),
            ("a lowered maximum, unseen", lowered, unseen(seen(9, 0, 0)), blind(4)),
        ],
    );
}

#[test]
fn a_lowered_minimum_does_not_wait_for_the_window() {
    let mut watch = Watch::start(within(5, 10), 5);
    // The wish was one replica all the time; the floor alone kept five.
    watch.over(seconds(200), seen(5, 7, 0));
    watch.policy.mode = auto(0, 10);
    assert_eq!(outcome(&watch.decide(seen(5, 7, 0))), (1, Reason::PerReplica, None));
}

/// The same while somebody else has the say.
fn under(authority: Authority, observation: Observation) -> Observation {
    Observation { authority, ..observation }
}

#[test]
fn a_paused_pipeline_keeps_its_workers_whatever_else_is_ordered() {
    let suspended = Policy { suspended: true, ..policy() };
    let fixed = Policy { mode: Mode::Fixed(NonZeroU32::new(3).unwrap()), ..policy() };
    let paused = |current| under(Authority::Paused, seen(current, 900, 40));
    assert_all(
        at_first_sight,
        &[
            ("above suspension", suspended, paused(7), (7, Reason::Paused, None)),
            ("above a fixed number", fixed, paused(1), (1, Reason::Paused, None)),
            ("above bounds", within(5, 10), paused(1), (1, Reason::Paused, None)),
            ("at zero with a backlog", policy(), paused(0), (0, Reason::Paused, None)),
        ],
    );
}

#[test]
fn beside_another_autoscaler_nothing_is_changed_but_by_suspension() {
    let suspended = Policy { suspended: true, ..policy() };
    let fixed = Policy { mode: Mode::Fixed(NonZeroU32::new(3).unwrap()), ..policy() };
    let foreign = |observation| under(Authority::ForeignScaler, observation);
    let kept = |replicas, reason| limited(replicas, reason, LimitedBy::ForeignScaler);
    assert_all(
        at_first_sight,
        &[
            ("a backlog", policy(), foreign(seen(2, 900, 0)), kept(2, Reason::PerReplica)),
            ("a sleeping queue", policy(), foreign(seen(0, 900, 0)), kept(0, Reason::Waking)),
            (
                "above the maximum",
                within(0, 4),
                foreign(seen(9, 400, 0)),
                kept(9, Reason::PerReplica),
            ),
            ("unseen", within(3, 9), foreign(unseen(seen(1, 0, 0))), kept(1, Reason::Hold)),
            ("a fixed number", fixed, foreign(seen(1, 0, 0)), (3, Reason::Fixed, None)),
            ("suspended", suspended, foreign(seen(1, 0, 0)), (0, Reason::Suspended, None)),
        ],
    );
    let mut watch = Watch::start(within(0, 10), 4);
    let empty = foreign(seen(4, 0, 0));
    assert_eq!(
        outcome(&watch.over(seconds(600), empty)).0,
        4,
        "an empty queue is not put to sleep"
    );
}

#[test]
fn a_suspended_queue_waits_for_no_moment() {
    let suspended = Policy { suspended: true, ..policy() };
    assert_eq!(at_first_sight(suspended, seen(0, 3, 0)).held_until, None);
}

#[test]
fn after_a_suspension_somebody_else_finds_workers_to_go_on_from() {
    for (floor, ready, expected) in [(0, 0, 0), (0, 3, 1), (2, 0, 2), (2, 9_000, 2)] {
        let policy = Policy { mode: external(floor), ..policy() };
        let mut watch = Watch::start(Policy { suspended: true, ..policy }, 4);
        assert_eq!(outcome(&watch.decide(seen(4, ready, 0))).0, 0);
        watch.policy = policy;
        let first = (expected, Reason::External, None);
        assert_eq!(outcome(&watch.decide(seen(0, ready, 0))), first, "{floor} {ready}");
        watch.current = 0;
        assert_eq!(outcome(&watch.decide(seen(0, ready, 0))), first, "until it was written");
        for theirs in [7, 0] {
            watch.current = theirs;
            let kept = (theirs, Reason::External, None);
            assert_eq!(outcome(&watch.decide(seen(theirs, ready, 0))), kept, "then it is theirs");
        }
    }
    let policy = Policy { mode: external(0), ..policy() };
    let mut watch = Watch::start(Policy { suspended: true, ..policy }, 0);
    watch.decide(seen(0, 0, 0));
    watch.policy = policy;
    assert_eq!(outcome(&watch.decide(unseen(seen(0, 0, 0)))).0, 1, "messages may wait");
}

#[test]
fn a_suspension_is_known_after_a_gap_and_from_whoever_decided_before() {
    let policy = Policy { mode: external(2), ..policy() };
    let mut watch = Watch::start(Policy { suspended: true, ..policy }, 4);
    watch.decide(seen(4, 0, 0));
    watch.policy = policy;
    watch.pass(seconds(60));
    assert_eq!(watch.decide(seen(0, 0, 0)).desired.get(), 2);

    let mut watch = Watch::start(policy, 0);
    watch.memory = watch.memory.map(Memory::after_suspension);
    assert_eq!(watch.decide(seen(0, 0, 0)).desired.get(), 2);
    assert_eq!(Watch::start(policy, 0).decide(seen(0, 0, 0)).desired.get(), 0);
}

#[test]
fn what_is_decided_elsewhere_is_explained_all_the_same() {
    let external = Policy { mode: external(0), ..policy() };
    let decision = at_first_sight(external, seen(4, 812, 50));
    assert_eq!(decision.want().unwrap().get(), 44);
    assert_eq!(decision.terms.unwrap().to_string(), "(812 ready + 50 unacked) / 20");
    assert_eq!(decision.zero.to_string(), "not proven: ready > 0");
    assert_eq!(decision.held_until, None);
}

#[test]
fn bounds_that_contradict_each_other_are_refused() {
    assert_eq!(Bounds::new(3, 2), Err(BoundsError::Crossed { min: 3, max: 2 }));
    assert_eq!(Bounds::new(0, 0), Err(BoundsError::OutOfRange { max: 0 }));
    assert_eq!(Bounds::new(0, 1001), Err(BoundsError::OutOfRange { max: 1001 }));
    assert!(Bounds::new(1000, 1000).is_ok());
    assert!(Bounds::new(3, 2).unwrap_err().to_string().contains("lower minReplicas"));
}
