//! What holds whatever is known: suspension, mode and bounds.

use std::num::NonZeroU32;

use warren_core::scaling::{Bounds, BoundsError, LimitedBy, Mode, Policy, Reason};

use super::{
    Watch, assert_all, at_first_sight, auto, by_backlog, limited, outcome, policy, seconds, seen,
    unseen, within,
};

#[test]
fn suspension_and_mode_need_no_observation() {
    let suspended = Policy { suspended: true, ..within(2, 10) };
    let external = Policy { mode: Mode::External, ..policy() };
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

#[test]
fn a_suspended_queue_waits_for_no_moment() {
    let suspended = Policy { suspended: true, ..policy() };
    assert_eq!(at_first_sight(suspended, seen(0, 3, 0)).held_until, None);
}

#[test]
fn what_is_decided_elsewhere_is_explained_all_the_same() {
    let external = Policy { mode: Mode::External, ..policy() };
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
