//! The receiver's own file: a line of JSON for every request that it finished, and what the lines
//! add up to.
//!
//! The totals of the demo are read from the file, not from memory, so that anybody can count again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::fate;

/// A message as one queue has it; the copies of an order in several queues are settled apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Copy {
    pub(super) queue: String,
    pub(super) id: String,
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) queue: String,
    /// The message's id, the same at every attempt.
    pub(super) id: String,
    /// From 1.
    pub(super) attempt: u32,
    /// The HTTP status of the answer.
    pub(super) status: u16,
}

/// What entries add up to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How often each copy was done; more than once is a repeat.
    done: BTreeMap<Copy, u32>,
    /// Copies that were done or refused for good.
    ended: BTreeSet<Copy>,
    failures: u32,
}

impl Tally {
    /// Takes one more entry into account.
    pub(super) fn add(&mut self, entry: Entry) {
        let Entry { queue, id, status, .. } = entry;
        let copy = Copy { queue, id };
        if fate::is_final(status) {
            self.ended.insert(copy.clone());
        } else {
            self.failures += 1;
        }
        if fate::is_done(status) {
            *self.done.entry(copy).or_default() += 1;
        }
    }

    /// The copies that handlers finished.
    pub(super) fn done(&self) -> BTreeSet<Copy> {
        self.done.keys().cloned().collect()
    }

    /// Runs of a handler for a copy that had been done already.
    pub(super) fn repeats(&self) -> u32 {
        self.done.values().map(|times| times - 1).sum()
    }

    /// Runs of a handler that failed and were tried again.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

/// The file, open for the receiver, which writes to it from many threads.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    /// For progress while the demo runs.
    tally: Tally,
}

impl Journal {
    /// Begins a new file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        let tally = Tally::default();
        Ok(Self { path: path.to_owned(), inner: Mutex::new(Inner { file, tally }) })
    }

    /// Writes an entry; when this returns it is in the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, entry: Entry) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(&entry).context("write an entry as JSON")?;
        line.push('\n');
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let written = inner.file.write_all(line.as_bytes());
        written.with_context(|| format!("write {}", self.path.display()))?;
        inner.tally.add(entry);
        Ok(())
    }

    /// How many copies were done or refused for good so far.
    pub(super) fn ended(&self) -> usize {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.tally.ended.len()
    }

    /// Reads the file again and adds it up.
    ///
    /// # Errors
    /// When it cannot be read, or a line is no entry.
    pub(super) fn read(&self) -> anyhow::Result<Tally> {
        let what = || format!("read {}", self.path.display());
        tally(&fs::read_to_string(&self.path).with_context(what)?).with_context(what)
    }
}

fn tally(text: &str) -> serde_json::Result<Tally> {
    let mut tally = Tally::default();
    for line in text.lines() {
        tally.add(serde_json::from_str(line)?);
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(queue: &str, id: &str, attempt: u32, status: u16) -> Entry {
        Entry { queue: queue.to_owned(), id: id.to_owned(), attempt, status }
    }

    #[test]
    fn a_copy_that_is_done_twice_counts_once_and_is_called_a_repeat() {
        let mut tally = Tally::default();
        for entry in [
            entry("email", "a", 1, 200),
            entry("audit", "a", 1, 200),
            entry("email", "a", 1, 200),
            entry("email", "b", 1, 500),
            entry("email", "b", 2, 201),
            entry("email", "c", 1, 400),
            entry("email", "d", 1, 500),
        ] {
            tally.add(entry);
        }
        let done: Vec<_> = tally.done().into_iter().map(|c| (c.queue, c.id)).collect();
        let copy = |queue: &str, id: &str| (queue.to_owned(), id.to_owned());
        assert_eq!(done, [copy("audit", "a"), copy("email", "a"), copy("email", "b")]);
        assert_eq!((tally.repeats(), tally.failures()), (1, 2));
        assert_eq!(tally.ended.len(), 4);
    }

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::create(&folder.path().join("received")).expect("a file");
        for (id, status) in [("a", 200), ("b", 400), ("a", 200)] {
            journal.write(entry("email", id, 1, status)).expect("written");
        }
        assert_eq!(journal.ended(), 2);
        let tally = journal.read().expect("readable");
        assert_eq!((tally.done().len(), tally.repeats()), (1, 1));
    }

    #[test]
    fn a_line_that_is_no_entry_is_an_error_and_not_a_lost_message() {
        assert!(tally("{\"queue\":\"email\"").is_err());
    }
}
