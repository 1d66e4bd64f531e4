//! When a silent consumer becomes suspicious.
//!
//! Silence is normal while the broker has handed out all it may. Only when there has been room for
//! a long time is it worth asking whether messages wait: then the consumer is dead, although the
//! connection looks well.

use std::time::Duration;

use tokio::time::Instant;

/// How long a consumer may be silent although the broker could hand out more.
const SILENCE: Duration = Duration::from_mins(1);

/// Watches the consumer of one session.
#[derive(Debug)]
pub(crate) struct Watchdog {
    since: Instant,
}

impl Watchdog {
    /// Begins to listen.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now }
    }

    /// Something was delivered, or room was made for more: the silence begins anew.
    pub(crate) fn calm(&mut self, now: Instant) {
        self.since = now;
    }

    /// When the silence becomes suspicious; never while the broker has handed out all it may.
    ///
    /// `capacity` is what it may hand out, `unsettled` what it has not heard the end of.
    pub(crate) fn due(&self, capacity: usize, unsettled: usize) -> Option<Instant> {
        (unsettled < capacity).then(|| self.since + SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_that_holds_all_it_may_is_not_expected_to_get_more() {
        let watchdog = Watchdog::new(Instant::now());
        for (capacity, unsettled) in [(0, 0), (1, 1), (10, 10), (1, 10)] {
            assert_eq!(watchdog.due(capacity, unsettled), None, "{capacity}, {unsettled}");
        }
    }

    #[test]
    fn silence_counts_from_the_last_delivery_or_the_last_room_made() {
        let begun = Instant::now();
        let mut watchdog = Watchdog::new(begun);
        assert_eq!(watchdog.due(10, 9), Some(begun + SILENCE));
        let later = begun + Duration::from_secs(50);
        watchdog.calm(later);
        assert_eq!(watchdog.due(10, 9), Some(later + SILENCE));
    }
}
