//! A count of workers, kept apart from counts of messages so that the two cannot be confused.

use std::fmt;

/// A number of replicas of one queue's worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replicas(u32);

impl Replicas {
    /// No worker at all.
    pub const ZERO: Self = Self(0);
    /// A single worker.
    pub const ONE: Self = Self(1);

    /// Wraps a plain count.
    pub const fn new(count: u32) -> Self {
        Self(count)
    }

    /// Narrows a count of any size; what does not fit becomes the largest count there is.
    pub fn saturating(count: u64) -> Self {
        Self(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// The plain count.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl From<u32> for Replicas {
    fn from(count: u32) -> Self {
        Self(count)
    }
}

impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
