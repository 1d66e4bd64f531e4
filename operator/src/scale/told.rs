//! How a change of the number of workers is told: once for each direction, with its reasons.
//!
//! Pure.

use std::time::Duration;

use jiff::Timestamp;
use warren_core::scaling::{Decision, Reason, Replicas, Zero};

/// Changes in one direction within this time are one event.
const ONE_EVENT: Duration = Duration::from_mins(1);

/// What was told last of a queue.
#[derive(Debug, Default)]
pub(crate) struct Told {
    last: Option<(Direction, Timestamp)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Told {
    /// Whether a change is worth an event: the first in its direction, and going to sleep always,
    /// because the queue is in another state then.
    pub(crate) fn next(&mut self, from: Replicas, to: Replicas, now: Timestamp) -> bool {
        let direction = if to > from { Direction::Up } else { Direction::Down };
        let goes_on = self.last.is_some_and(|(last, at)| {
            last == direction && now.duration_since(at).unsigned_abs() < ONE_EVENT
        });
        if goes_on && to > Replicas::ZERO {
            return false;
        }
        self.last = Some((direction, now));
        true
    }
}

/// Why so many, in the numbers that led to it.
pub(crate) fn why(decision: &Decision) -> String {
    let why = match (decision.reason, decision.zero) {
        (Reason::Suspended, _) => "spec.suspend is set".to_owned(),
        (Reason::Fixed, _) => "scaling.mode is Fixed".to_owned(),
        (Reason::Idle, Zero::Proven(_)) if decision.desired == Replicas::ZERO => {
            decision.zero.to_string()
        }
        _ => by_backlog(decision),
    };
    match decision.limited_by {
        Some(limit) => format!("{why}; limited by {limit}"),
        None => why,
    }
}

fn by_backlog(decision: &Decision) -> String {
    let Some(terms) = decision.terms else {
        return "the backlog is unknown, the bounds are not".to_owned();
    };
    let (ready, unacked) = (terms.ready, terms.unacked);
    let each = if terms.is_exact() {
        "one replica each".to_owned()
    } else {
        format!("{} per replica", terms.messages_per_replica)
    };
    let floor = if decision.reason == Reason::Floor { ", minReplicas" } else { "" };
    format!("{ready} ready, {unacked} unacked, {each}{floor}")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use warren_core::scaling::{LimitedBy, ReadySource, Terms, UnackedSource};

    use super::*;
    use crate::fixtures::noon;

    /// Which of these changes, each of so many workers at a second, are told.
    fn told(changes: &[(u64, u32, u32)]) -> Vec<bool> {
        let mut told = Told::default();
        let at = |second| noon() + Duration::from_secs(second);
        changes
            .iter()
            .map(|(second, from, to)| {
                told.next(Replicas::new(*from), Replicas::new(*to), at(*second))
            })
            .collect()
    }

    #[test]
    fn changes_in_one_direction_within_a_minute_are_one_event() {
        assert_eq!(
            told(&[(0, 0, 5), (1, 5, 9), (59, 9, 10), (60, 10, 11)]),
            [true, false, false, true]
        );
        assert_eq!(told(&[(0, 0, 5), (5, 5, 4), (10, 4, 6)]), [true, true, true]);
    }

    #[test]
    fn going_to_sleep_is_always_told() {
        assert_eq!(told(&[(0, 9, 4), (5, 4, 2), (10, 2, 0)]), [true, false, true]);
    }

    fn decision(reason: Reason, desired: u32, limited_by: Option<LimitedBy>) -> Decision {
        Decision {
            desired: Replicas::new(desired),
            reason,
            limited_by,
            terms: Some(Terms {
                ready: 812,
                ready_from: ReadySource::Amqp,
                unacked: 50,
                unacked_from: UnackedSource::Management,
                messages_per_replica: NonZeroU32::new(20).unwrap(),
            }),
            zero: Zero::Proven(Duration::from_mins(1)),
            held_until: None,
        }
    }

    #[test]
    fn the_reasons_are_numbers_where_numbers_led_to_it() {
        for (decision, expected) in [
            (decision(Reason::Waking, 44, None), "812 ready, 50 unacked, 20 per replica"),
            (
                decision(Reason::PerReplica, 10, Some(LimitedBy::MaxReplicas)),
                "812 ready, 50 unacked, 20 per replica; limited by MaxReplicas",
            ),
            (
                decision(Reason::Floor, 2, None),
                "812 ready, 50 unacked, 20 per replica, minReplicas",
            ),
            (decision(Reason::Idle, 0, None), "proven: empty for 1m"),
            (decision(Reason::Suspended, 0, None), "spec.suspend is set"),
            (decision(Reason::Fixed, 3, None), "scaling.mode is Fixed"),
        ] {
            assert_eq!(why(&decision), expected);
        }
    }
}
