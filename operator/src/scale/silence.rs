//! Workers that are ready while their queue has no consumer.
//!
//! Pure. A worker registers its consumer before it says that it is ready, so a lasting difference
//! is a fault: a consumer in another virtual host, or an image that only pretends.

use std::time::Duration;

use jiff::Timestamp;
use warren_core::scaling::{Probe, Reading, Replicas};

/// How long a queue may be without a consumer: workers connect again within seconds after a broker
/// was away, and a quorum queue that has lost its leader says 0 for a moment.
const SILENT_FOR: Duration = Duration::from_secs(15);

/// Since when a queue has had no consumer although workers are ready.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    since: Option<Timestamp>,
}

impl Silence {
    /// Whether nobody consumed when it was last looked at.
    pub(crate) fn is_suspected(&self) -> bool {
        self.since.is_some()
    }

    /// Takes in what is seen now: how many workers should consume, and what the queue itself says.
    /// Whether the silence has lasted for too long.
    pub(crate) fn next(
        &mut self,
        expected: Replicas,
        probe: &Reading<Probe>,
        now: Timestamp,
    ) -> bool {
        let silent =
            expected > Replicas::ZERO && probe.fresh().is_ok_and(|probe| probe.consumers == 0);
        if !silent {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now.duration_since(since).unsigned_abs() >= SILENT_FOR
    }
}

#[cfg(test)]
mod tests {
    use warren_core::scaling::Why;

    use super::*;
    use crate::fixtures::noon;

    fn consumers(consumers: u32) -> Reading<Probe> {
        Reading::aged(Probe { ready: 0, consumers }, Duration::ZERO)
    }

    /// The second in which a silence that is seen from `0` on is first told.
    fn told_at(seen: impl Fn(u64) -> (u32, Reading<Probe>)) -> Option<u64> {
        let mut silence = Silence::default();
        (0..60).find(|second| {
            let (expected, probe) = seen(*second);
            let now = noon() + Duration::from_secs(*second);
            silence.next(Replicas::new(expected), &probe, now)
        })
    }

    #[test]
    fn ready_workers_without_a_consumer_are_told_after_fifteen_seconds() {
        assert_eq!(told_at(|_| (2, consumers(0))), Some(15));
    }

    #[test]
    fn nothing_is_told_where_somebody_consumes_or_nobody_should() {
        assert_eq!(told_at(|_| (2, consumers(1))), None);
        assert_eq!(told_at(|_| (0, consumers(0))), None);
    }

    #[test]
    fn what_is_not_known_is_no_silence_and_starts_the_wait_again() {
        let unknown = Reading::Unavailable(Why::Refused);
        let seen = |second| (1, if second == 10 { unknown } else { consumers(0) });
        assert_eq!(told_at(|_| (1, unknown)), None);
        assert_eq!(told_at(seen), Some(26));
    }
}
