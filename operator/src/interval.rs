//! When to look again.

use std::time::Duration;

use crate::trouble::TroubleReason;

/// How far the interval is spread, in percent both ways, so that pipelines do not come together.
const JITTER_PERCENT: u32 = 10;
/// The shortest wait after trouble.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait after trouble that ends by itself.
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// The longest wait for somebody to mend something: they look at the status when they have.
const LONGEST_MENDING: Duration = Duration::from_secs(15);

/// What the next pass waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeue {
    /// Nothing: it comes at the interval.
    Settled,
    /// The end of a trouble: it comes sooner, and less and less so.
    Trouble,
    /// Somebody who mends what only a person can, such as a login: it comes soon all along.
    Mending,
    /// Something that is under way: as after trouble, and at the latest after this.
    Within(Duration),
}

impl Requeue {
    /// What a trouble with the broker waits for.
    pub(crate) const fn of(trouble: TroubleReason) -> Self {
        match trouble {
            TroubleReason::SecretNotFound
            | TroubleReason::SecretInvalid
            | TroubleReason::Unauthorized
            | TroubleReason::PermissionDenied
            | TroubleReason::VhostNotFound
            | TroubleReason::TlsVerifyFailed
            | TroubleReason::DnsFailed
            | TroubleReason::ConnectionRefused => Requeue::Mending,
            TroubleReason::SecretUnread | TroubleReason::Timeout | TroubleReason::Minority => {
                Requeue::Trouble
            }
        }
    }

    /// The same where something is due after `limit`, whatever else is waited for.
    pub(crate) fn at_the_latest(self, limit: Duration) -> Self {
        match self {
            Requeue::Mending => Requeue::Within(limit.min(LONGEST_MENDING)),
            Requeue::Within(longest) => Requeue::Within(limit.min(longest)),
            Requeue::Settled | Requeue::Trouble => Requeue::Within(limit),
        }
    }

    /// How long to wait at the `interval` of quiet pipelines; `failures` counts the passes in
    /// trouble before this one, `random` is any number.
    pub fn after(self, interval: Duration, failures: u32, random: u32) -> Duration {
        let doubled = 2_u32.checked_pow(failures).unwrap_or(u32::MAX);
        let growing = FIRST_RETRY.saturating_mul(doubled);
        match self {
            Requeue::Settled => jittered(interval, random),
            Requeue::Trouble => jittered(growing.min(LONGEST_RETRY).min(interval), random),
            Requeue::Mending => shortened(growing.min(LONGEST_MENDING).min(interval), random),
            Requeue::Within(longest) => {
                shortened(growing.min(longest).min(LONGEST_RETRY).min(interval), random)
            }
        }
    }
}

/// The duration, up to [`JITTER_PERCENT`] shorter or longer.
fn jittered(duration: Duration, random: u32) -> Duration {
    let permille = 1000 - JITTER_PERCENT * 10 + random % (JITTER_PERCENT * 20 + 1);
    duration * permille / 1000
}

/// The duration, up to [`JITTER_PERCENT`] shorter: the longest wait is a promise.
fn shortened(duration: Duration, random: u32) -> Duration {
    let permille = 1000 - random % (JITTER_PERCENT * 10 + 1);
    duration * permille / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn the_interval_is_a_minute_give_or_take_a_tenth() {
        let waits: Vec<Duration> =
            (0..1000).map(|random| Requeue::Settled.after(MINUTE, 0, random)).collect();
        assert_eq!(waits.iter().min(), Some(&Duration::from_secs(54)));
        assert_eq!(waits.iter().max(), Some(&Duration::from_secs(66)));
    }

    #[test]
    fn after_trouble_the_waits_double_up_to_a_minute() {
        let wait = |failures| Requeue::Trouble.after(10 * MINUTE, failures, 100).as_secs();
        assert_eq!([0, 1, 2, 5, 6, 40].map(wait), [1, 2, 4, 32, 60, 60]);
    }

    #[test]
    fn who_mends_something_never_waits_longer_than_fifteen_seconds() {
        let wait = |failures| Requeue::Mending.after(MINUTE, failures, 0).as_secs();
        assert_eq!([0, 1, 2, 3, 4, 40].map(wait), [1, 2, 4, 8, 15, 15]);
        let longest = (0..1000).map(|random| Requeue::Mending.after(MINUTE, 40, random)).max();
        assert_eq!(longest, Some(LONGEST_MENDING));
    }

    #[test]
    fn what_is_due_is_not_slept_over_and_who_mends_something_is_still_seen_soon() {
        let wait = |requeue: Requeue, limit| {
            let due = requeue.at_the_latest(Duration::from_secs(limit));
            due.after(10 * MINUTE, 40, 0).as_secs()
        };
        assert_eq!(wait(Requeue::Trouble, 30), 30);
        assert_eq!(wait(Requeue::Trouble, 600), 60);
        assert_eq!([wait(Requeue::Mending, 600), wait(Requeue::Mending, 5)], [15, 5]);
    }

    #[test]
    fn no_wait_is_longer_than_a_short_interval() {
        let interval = Duration::from_secs(5);
        let wait = |requeue: Requeue| requeue.after(interval, 40, 100).as_secs();
        let all = [Requeue::Settled, Requeue::Trouble, Requeue::Mending];
        assert!(all.map(wait).into_iter().all(|seconds| seconds <= 5));
    }
}
