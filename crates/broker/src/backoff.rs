//! How long to wait before the next connection.
//!
//! Full jitter: a random wait below a ceiling that doubles. When a broker comes back, its clients
//! arrive spread out, and nobody gives up, because a broker may be away for a day.

use std::time::Duration;

/// The first ceiling.
pub const FIRST: Duration = Duration::from_secs(1);
/// The last ceiling.
pub const LONGEST: Duration = Duration::from_mins(1);

/// The waits between attempts that fail one after another.
#[derive(Debug, Clone)]
pub struct Backoff {
    ceiling: Duration,
}

impl Backoff {
    /// The state before the first failure.
    pub const fn new() -> Self {
        Self { ceiling: FIRST }
    }

    /// A wait below the present ceiling; the next ceiling is twice as high, up to [`LONGEST`].
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.ceiling.mul_f64(fastrand::f64());
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        wait
    }

    /// Forgets the failures, after something has worked for a while.
    pub fn reset(&mut self) {
        *self = Self::new();
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_below_a_ceiling_that_doubles_to_a_minute() {
        let mut backoff = Backoff::new();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(backoff.ceiling, Duration::from_secs(seconds));
            assert!(backoff.next_wait() < Duration::from_secs(seconds));
        }
        backoff.reset();
        assert_eq!(backoff.ceiling, FIRST);
    }

    #[test]
    fn two_clients_do_not_wait_equally_long() {
        let waits: Vec<Duration> = (0..8).map(|_| Backoff::new().next_wait()).collect();
        assert!(waits.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
