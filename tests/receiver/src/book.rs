//! What the receiver got: for every path, how often each message was done and how often it failed.
//!
//! Bounded: beyond [`IDS_MAX`] messages or [`PATHS_MAX`] paths nothing new is noted, and the totals
//! say that they are not complete.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::fate;

/// Messages that are remembered, over all paths: some 50 MB with ids of 36 bytes.
pub const IDS_MAX: usize = 400_000;

/// Paths that are remembered.
pub const PATHS_MAX: usize = 1_000;

/// What became of one message at one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    /// How often it was answered with 2xx; more than once is a repetition of finished work.
    pub done: u32,
    /// How often it was answered with 400, which is the last word on it too.
    pub refused: u32,
    /// How often it was answered with something else.
    pub failed: u32,
}

/// What a path got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Different messages that were done.
    pub ids: usize,
    /// Answers that said done; more than [`Self::ids`] when finished work was brought again.
    pub deliveries: u64,
    /// Different messages that were done or refused for good.
    pub ended: usize,
    /// Answers that asked for another attempt.
    pub failures: u64,
    /// Whether everything fitted into memory.
    pub complete: bool,
    /// Every message, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<BTreeMap<String, Runs>>,
}

/// What all paths got.
#[derive(Debug, Default)]
pub struct Book {
    paths: HashMap<String, HashMap<String, Runs>>,
    /// Messages in all paths.
    ids: usize,
    /// Something did not fit.
    overflown: bool,
}

impl Book {
    /// Notes an answer.
    pub fn note(&mut self, path: &str, id: &str, status: u16) {
        if !self.paths.contains_key(path) && self.paths.len() >= PATHS_MAX {
            self.overflown = true;
            return;
        }
        let messages = self.paths.entry(path.to_owned()).or_default();
        if !messages.contains_key(id) {
            if self.ids >= IDS_MAX {
                self.overflown = true;
                return;
            }
            self.ids += 1;
        }
        let runs = messages.entry(id.to_owned()).or_default();
        if fate::is_done(status) {
            runs.done += 1;
        } else if fate::is_final(status) {
            runs.refused += 1;
        } else {
            runs.failed += 1;
        }
    }

    /// What a path got.
    pub fn received(&self, path: &str) -> Received {
        let mut received = Received { complete: !self.overflown, ..Received::default() };
        for runs in self.paths.get(path).into_iter().flat_map(HashMap::values) {
            received.ids += usize::from(runs.done > 0);
            received.deliveries += u64::from(runs.done);
            received.ended += usize::from(runs.done > 0 || runs.refused > 0);
            received.failures += u64::from(runs.failed);
        }
        received
    }

    /// The same with every message.
    pub fn received_in_full(&self, path: &str) -> Received {
        let messages = self.paths.get(path).into_iter().flatten();
        let messages = messages.map(|(id, runs)| (id.clone(), *runs)).collect();
        Received { messages: Some(messages), ..self.received(path) }
    }

    /// The paths that got something.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.keys().map(String::as_str)
    }

    /// Forgets what a path got.
    pub fn forget(&mut self, path: &str) {
        self.ids -= self.paths.remove(path).map_or(0, |messages| messages.len());
        self.overflown &= !self.paths.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_of_finished_work_is_told_from_another_attempt() {
        let mut book = Book::default();
        for (id, status) in [("a", 200), ("b", 500), ("b", 201), ("c", 400), ("a", 200), ("d", 503)]
        {
            book.note("/email", id, status);
        }
        book.note("/audit", "a", 200);
        let email = book.received("/email");
        assert_eq!((email.ids, email.deliveries), (2, 3));
        assert_eq!((email.ended, email.failures, email.complete), (3, 2, true));
        assert_eq!(book.received("/audit").deliveries, 1);
        assert_eq!(book.received("/never").deliveries, 0);
        let messages = book.received_in_full("/email").messages.unwrap();
        assert_eq!(messages["b"], Runs { done: 1, refused: 0, failed: 1 });
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let mut book = Book::default();
        for id in 0..=IDS_MAX {
            book.note("/email", &id.to_string(), 200);
        }
        let email = book.received("/email");
        assert_eq!((email.ids, email.complete), (IDS_MAX, false));
        book.forget("/email");
        book.note("/email", "a", 200);
        let email = book.received("/email");
        assert_eq!((email.ids, email.complete), (1, true));
    }
}
