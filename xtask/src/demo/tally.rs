//! What the receiver's counts add up to.
//!
//! Pure: it asks nobody and counts what it is given.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// A message as one queue has it; the copies of an order in several queues are settled apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Copy {
    pub(super) queue: String,
    pub(super) id: String,
}

/// How often a copy was brought to the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Runs {
    /// And was done.
    pub(super) done: u32,
    /// And failed in a way that is tried again.
    pub(super) failed: u32,
}

/// All copies.
#[derive(Debug, Default)]
pub(super) struct Tally {
    copies: BTreeMap<Copy, Runs>,
}

impl Tally {
    /// Takes a copy into account.
    pub(super) fn add(&mut self, queue: &str, id: String, runs: Runs) {
        self.copies.insert(Copy { queue: queue.to_owned(), id }, runs);
    }

    /// The copies that handlers finished.
    pub(super) fn done(&self) -> BTreeSet<Copy> {
        let done = self.copies.iter().filter(|(_, runs)| runs.done > 0);
        done.map(|(copy, _)| copy.clone()).collect()
    }

    /// Runs of a handler for a copy that had been done already.
    pub(super) fn repeats(&self) -> u32 {
        self.copies.values().map(|runs| runs.done.saturating_sub(1)).sum()
    }

    /// Runs of a handler that failed and were tried again.
    pub(super) fn failures(&self) -> u32 {
        self.copies.values().map(|runs| runs.failed).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_is_done_twice_counts_once_and_is_called_a_repeat() {
        let mut tally = Tally::default();
        for (queue, id, done, failed) in [
            ("email", "a", 2, 0),
            ("audit", "a", 1, 0),
            ("email", "b", 1, 1),
            ("email", "c", 0, 0),
            ("email", "d", 0, 1),
        ] {
            tally.add(queue, id.to_owned(), Runs { done, failed });
        }
        let done: Vec<_> = tally.done().into_iter().map(|c| (c.queue, c.id)).collect();
        let copy = |queue: &str, id: &str| (queue.to_owned(), id.to_owned());
        assert_eq!(done, [copy("audit", "a"), copy("email", "a"), copy("email", "b")]);
        assert_eq!((tally.repeats(), tally.failures()), (1, 2));
    }
}
