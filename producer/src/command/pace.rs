//! How fast lines are sent: `--rate`.

use std::time::{Duration, Instant};

/// How far sending may fall behind before the rate starts anew: what was missed in a longer stop
/// is not made up for by a burst.
const CATCH_UP: Duration = Duration::from_millis(100);

/// A number of things a second, evenly.
#[derive(Debug)]
pub(super) struct Pace {
    step: Duration,
    next: Option<Instant>,
}

impl Pace {
    /// So many a second.
    pub(super) fn per_second(rate: u32) -> Self {
        Self { step: Duration::from_secs(1) / rate.max(1), next: None }
    }

    /// When the next thing may happen, asked at `now`.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let due = match self.next {
            Some(due) if due + CATCH_UP >= now => due,
            Some(_) | None => now,
        };
        self.next = Some(due + self.step);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_as_many_steps_as_asked_for() {
        let start = Instant::now();
        let mut pace = Pace::per_second(4);
        let due: Vec<u128> = (0..5).map(|_| (pace.next(start) - start).as_millis()).collect();
        assert_eq!(due, [0, 250, 500, 750, 1000]);
    }

    #[test]
    fn a_short_delay_is_made_up_for_and_a_long_stop_is_not() {
        let start = Instant::now();
        let mut pace = Pace::per_second(100);
        pace.next(start);
        let late = start + Duration::from_millis(60);
        assert_eq!(pace.next(late), start + Duration::from_millis(10));
        let stopped = start + Duration::from_secs(10);
        assert_eq!(pace.next(stopped), stopped);
        assert_eq!(pace.next(stopped), stopped + Duration::from_millis(10));
    }
}
