//! A number of workers that is to be written, and what becomes of that.

use std::fmt;

use warren_core::{names::QueueName, scaling::Replicas};

/// A number that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// The queue.
    pub(crate) queue: QueueName,
    /// The Deployment of its workers.
    pub(crate) deployment: String,
    /// The version of it that the number was decided for.
    pub(crate) resource_version: String,
    /// The number there is.
    pub(crate) from: Replicas,
    /// The number to write.
    pub(crate) to: Replicas,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    /// It was carried out.
    Done,
    /// Somebody changed the Deployment first: what is seen next decides anew.
    Overtaken,
    /// It was taken back before it was written.
    Withdrawn,
    /// The API server refuses it.
    Refused(String),
    /// The API server gave no answer.
    Unanswered(String),
}

impl Order {
    /// Whether some workers go and some stay, so that it matters which.
    pub(crate) fn is_choice(&self) -> bool {
        Replicas::ZERO < self.to && self.to < self.from
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {}", self.queue, self.from, self.to)
    }
}
