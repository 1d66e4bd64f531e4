//! How long a crashed process waits before it is started again.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait.
const LONGEST: Duration = Duration::from_mins(1);

/// A process that ran for so long was healthy: its next crash counts as the first.
pub(super) const HEALTHY: Duration = Duration::from_mins(1);

/// The crashes of one process, one after another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CrashBackoff {
    crashes: u32,
}

impl CrashBackoff {
    /// Counts a crash of a process that ran for this long, and tells how long to wait.
    pub(super) fn crashed_after(&mut self, ran_for: Duration) -> Duration {
        if ran_for >= HEALTHY {
            self.crashes = 0;
        }
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.crashes));
        self.crashes = self.crashes.saturating_add(1);
        wait.min(LONGEST)
    }

    /// How many crashes there were since it was healthy.
    pub(super) fn crashes(self) -> u32 {
        self.crashes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(ran_for: &[u64]) -> Vec<u64> {
        let mut backoff = CrashBackoff::default();
        ran_for
            .iter()
            .map(|seconds| backoff.crashed_after(Duration::from_secs(*seconds)))
            .map(|wait| wait.as_secs())
            .collect()
    }

    #[test]
    fn waits_double_up_to_a_minute() {
        assert_eq!(waits(&[0; 8]), [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_healthy_minute_is_forgiven() {
        assert_eq!(waits(&[0, 0, 0, 59, 60, 0]), [1, 2, 4, 8, 1, 2]);
    }

    #[test]
    fn no_number_of_crashes_overflows() {
        assert_eq!(waits(&[0; 200]).last(), Some(&60));
    }
}
