//! Back-off and the retry tiers that carry it out.
//!
//! A retry waits in a queue of the broker whose TTL is its delay. Messages expire only at the head
//! of a queue, so each delay needs a queue of its own; there are at most [`MAX_TIERS`] of them,
//! and a delay between two is rounded up. There is no jitter by per-message TTL for the same
//! reason: a short one would wait behind a long one.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::duration;

/// The most retry queues one queue may have.
pub const MAX_TIERS: usize = 8;

/// The longest delay of a tier.
pub const MAX_DELAY: Duration = Duration::from_hours(24);

/// How the delay grows with the number of failed attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum Backoff {
    /// Always the same.
    Fixed {
        /// The delay.
        #[serde(with = "duration")]
        initial: Duration,
    },
    /// `initial × n`.
    Linear {
        /// The first delay, and the step.
        #[serde(with = "duration")]
        initial: Duration,
        /// The longest delay.
        #[serde(with = "duration")]
        max: Duration,
    },
    /// `initial × factor^(n−1)`.
    Exponential {
        /// The first delay.
        #[serde(with = "duration")]
        initial: Duration,
        /// The longest delay.
        #[serde(with = "duration")]
        max: Duration,
        /// By how much each delay is longer than the one before.
        factor: u32,
    },
    /// The n-th of a list; the last one repeats.
    Custom {
        /// The delays, rising.
        delays: Vec<Delay>,
    },
}

/// A duration that is written as text wherever it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Delay(#[serde(with = "duration")] pub Duration);

/// How often a message is tried, how long it waits in between, and in which tiers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PolicyFields", into = "PolicyFields")]
pub struct RetryPolicy {
    attempts: u32,
    backoff: Backoff,
    tiers: Vec<Duration>,
}

/// Why numbers make no retry policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// There must be at least one attempt.
    #[error("retry.attempts is 0: at least one attempt is needed")]
    NoAttempts,
    /// Every delay lies between 1 ms and 24 h.
    #[error("retry.backoff has a delay of {}: delays are between 1ms and 24h", duration::format(*.0))]
    Delay(Duration),
    /// A custom list needs entries.
    #[error("retry.backoff.delays is empty: give 1 to 8 rising delays")]
    NoDelays,
    /// A custom list must rise.
    #[error("retry.backoff.delays do not rise: {} comes after {}", duration::format(*.1), duration::format(*.0))]
    NotRising(Duration, Duration),
    /// `initial` is over `max`.
    #[error("retry.backoff.initial {} is over retry.backoff.max {}", duration::format(*.0), duration::format(*.1))]
    InitialOverMax(Duration, Duration),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFields {
    attempts: u32,
    backoff: Backoff,
}

impl Backoff {
    /// The delay after the failed attempt `n`, counted from 1.
    pub fn after(&self, n: u32) -> Duration {
        let n = n.max(1);
        match self {
            Backoff::Fixed { initial } => *initial,
            Backoff::Linear { initial, max } => initial.saturating_mul(n).min(*max),
            Backoff::Exponential { initial, max, factor } => {
                let factor = factor.checked_pow(n - 1).unwrap_or(u32::MAX);
                initial.saturating_mul(factor).min(*max)
            }
            Backoff::Custom { delays } => {
                let index = usize::try_from(n - 1).unwrap_or(usize::MAX);
                delays.get(index).or(delays.last()).map_or(Duration::ZERO, |delay| delay.0)
            }
        }
    }

    /// The longest delay there is.
    pub fn max(&self) -> Duration {
        match self {
            Backoff::Fixed { initial } => *initial,
            Backoff::Linear { max, .. } | Backoff::Exponential { max, .. } => *max,
            Backoff::Custom { delays } => delays.last().map_or(Duration::ZERO, |delay| delay.0),
        }
    }

    fn check(&self) -> Result<(), PolicyError> {
        let in_bounds = |delay: Duration| {
            let whole = delay >= Duration::from_millis(1) && delay <= MAX_DELAY;
            if whole { Ok(()) } else { Err(PolicyError::Delay(delay)) }
        };
        match self {
            Backoff::Fixed { initial } => in_bounds(*initial),
            Backoff::Linear { initial, max } | Backoff::Exponential { initial, max, .. } => {
                in_bounds(*initial)?;
                in_bounds(*max)?;
                if initial > max {
                    return Err(PolicyError::InitialOverMax(*initial, *max));
                }
                Ok(())
            }
            Backoff::Custom { delays } => {
                if delays.is_empty() {
                    return Err(PolicyError::NoDelays);
                }
                delays.iter().try_for_each(|delay| in_bounds(delay.0))?;
                let pairs = delays.iter().zip(delays.iter().skip(1));
                for (earlier, later) in pairs {
                    if later <= earlier {
                        return Err(PolicyError::NotRising(earlier.0, later.0));
                    }
                }
                Ok(())
            }
        }
    }
}

impl RetryPolicy {
    /// Makes the policy and its tiers.
    ///
    /// # Errors
    /// When there is no attempt, or a delay is out of its bounds or out of order.
    pub fn new(attempts: u32, backoff: Backoff) -> Result<Self, PolicyError> {
        if attempts == 0 {
            return Err(PolicyError::NoAttempts);
        }
        backoff.check()?;
        let tiers = tiers(attempts, &backoff);
        Ok(Self { attempts, backoff, tiers })
    }

    /// How often the handler runs in all.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How the delay grows.
    pub fn backoff(&self) -> &Backoff {
        &self.backoff
    }

    /// The delays of the retry queues, rising; at least one, at most [`MAX_TIERS`].
    pub fn tiers(&self) -> &[Duration] {
        &self.tiers
    }

    /// The longest wait a message can be sent on in one go.
    pub fn largest_tier(&self) -> Duration {
        self.tiers.last().copied().unwrap_or(Duration::ZERO)
    }

    /// The tier for a failed attempt, which may have asked for a longer wait.
    pub fn tier_after(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let wanted = self.backoff.after(attempt).max(asked.unwrap_or_default());
        self.tier(wanted.min(self.backoff.max()))
    }

    /// The smallest tier that is at least as long as wanted, else the largest.
    pub fn tier(&self, wanted: Duration) -> Duration {
        let fits = self.tiers.iter().find(|tier| **tier >= wanted);
        fits.copied().unwrap_or_else(|| self.largest_tier())
    }
}

impl TryFrom<PolicyFields> for RetryPolicy {
    type Error = PolicyError;

    fn try_from(fields: PolicyFields) -> Result<Self, PolicyError> {
        Self::new(fields.attempts, fields.backoff)
    }
}

impl From<RetryPolicy> for PolicyFields {
    fn from(policy: RetryPolicy) -> Self {
        Self { attempts: policy.attempts, backoff: policy.backoff }
    }
}

/// The distinct delays of all retries; where they are too many, a geometric ladder of them.
fn tiers(attempts: u32, backoff: &Backoff) -> Vec<Duration> {
    // One attempt has no retry, but `Defer` still needs somewhere to wait.
    let retries = attempts.saturating_sub(1).max(1);
    let delays: BTreeSet<Duration> = (1..=retries).map(|n| backoff.after(n)).collect();
    if delays.len() <= MAX_TIERS {
        return delays.into_iter().collect();
    }
    let first = delays.first().copied().unwrap_or_default();
    let last = delays.last().copied().unwrap_or_default();
    let ratio = last.as_secs_f64() / first.as_secs_f64();
    let rungs: BTreeSet<Duration> = (0_u8..8)
        .filter_map(|i| {
            let at_least = first.as_secs_f64() * ratio.powf(f64::from(i) / 7.0);
            // A hair of tolerance, so that rounding in the power never skips an exact delay.
            let at_least = Duration::from_secs_f64(at_least * (1.0 - 1e-9));
            delays.range(at_least..).next().copied()
        })
        .collect();
    rungs.into_iter().collect()
}

#[cfg(test)]
mod tests;
