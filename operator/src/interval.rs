//! When to look again.

use std::time::Duration;

/// How often a pipeline is compared with its broker when nothing happens.
const INTERVAL: Duration = Duration::from_mins(1);
/// How far the interval is spread, in percent both ways, so that pipelines do not come together.
const JITTER_PERCENT: u32 = 10;
/// The shortest wait after trouble.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// What the next pass waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeue {
    /// Nothing: it comes at the interval.
    Settled,
    /// The end of a trouble: it comes sooner, and less and less so.
    Trouble,
}

impl Requeue {
    /// The same, or sooner when there was trouble.
    pub(crate) fn unless(self, trouble: bool) -> Self {
        if trouble { Requeue::Trouble } else { self }
    }

    /// How long to wait; `failures` counts the passes in trouble before this one, `random` is any
    /// number.
    pub fn after(self, failures: u32, random: u32) -> Duration {
        match self {
            Requeue::Settled => jittered(INTERVAL, random),
            Requeue::Trouble => {
                let doubled = 2_u32.checked_pow(failures).unwrap_or(u32::MAX);
                jittered(FIRST_RETRY.saturating_mul(doubled).min(INTERVAL), random)
            }
        }
    }
}

/// The duration, up to [`JITTER_PERCENT`] shorter or longer.
fn jittered(duration: Duration, random: u32) -> Duration {
    let permille = 1000 - JITTER_PERCENT * 10 + random % (JITTER_PERCENT * 20 + 1);
    duration * permille / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_a_minute_give_or_take_a_tenth() {
        let waits: Vec<Duration> =
            (0..1000).map(|random| Requeue::Settled.after(0, random)).collect();
        assert_eq!(waits.iter().min(), Some(&Duration::from_secs(54)));
        assert_eq!(waits.iter().max(), Some(&Duration::from_secs(66)));
    }

    #[test]
    fn after_trouble_the_waits_double_up_to_the_interval() {
        let wait = |failures| Requeue::Trouble.after(failures, 100).as_secs();
        assert_eq!([0, 1, 2, 5, 6, 40].map(wait), [1, 2, 4, 32, 60, 60]);
    }
}
