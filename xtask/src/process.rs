//! Processes that xtask started in an earlier run, told apart from strangers who got their id.
//!
//! A process id is used again after its owner is gone. The id together with the time at which the
//! process began is not, so nothing is ever signalled that does not match both. Reads `/proc`;
//! where there is none, no process is known.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::deadline;

/// A process id and the moment it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) id: i32,
    /// Clock ticks since the machine booted (`proc_pid_stat(5)`, field 22).
    started: u64,
}

impl Process {
    /// The process that has this id now.
    pub(crate) fn with_id(id: i32) -> Option<Self> {
        let stat = Stat::read(id)?;
        stat.runs().then_some(Self { id, started: stat.started })
    }

    /// Whether this very process still runs; a zombie does not.
    pub(crate) fn runs(&self) -> bool {
        Self::with_id(self.id) == Some(*self)
    }

    /// Its children, in no order.
    pub(crate) fn children(&self) -> Vec<Self> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_child = |id: &i32| Stat::read(*id).is_some_and(|stat| stat.parent == self.id);
        ids.filter(is_child).filter_map(Self::with_id).collect()
    }

    /// Sends `signal`, unless the process is gone.
    ///
    /// # Errors
    /// When the process runs and does not take signals from this user.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let Some(pid) = Pid::from_raw(self.id).filter(|_| self.runs()) else {
            return Ok(());
        };
        match kill_process(pid, signal) {
            Err(error) if self.runs() => {
                Err(error).with_context(|| format!("send {signal:?} to process {}", self.id))
            }
            _ => Ok(()),
        }
    }

    /// Waits until it is gone; `false` when it still runs after `limit`.
    pub(crate) fn wait_gone(&self, limit: Duration) -> bool {
        deadline::wait_for(limit, || Ok((!self.runs()).then_some(())))
            .is_ok_and(|gone| gone.is_some())
    }
}

/// What is needed of `/proc/<id>/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: i32,
    started: u64,
}

impl Stat {
    fn read(id: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// The second field is the program's name in brackets, and may itself contain brackets and
    /// spaces: what follows the last bracket is field 3 and the rest.
    fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        Some(Self {
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            // Field 22; two of the fields from 3 on are taken.
            started: fields.nth(22 - 3 - 2)?.parse().ok()?,
        })
    }

    /// Z: ended, and nobody asked how. X: being removed.
    fn runs(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";

    #[test]
    fn a_program_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        for name in ["(sh)", "(a b)", "(x) S 9 (y)", "()"] {
            let expected = Stat { state: 'S', parent: 1, started: 987_654 };
            assert_eq!(Stat::parse(&format!("42 {name} S {TAIL}")), Some(expected));
        }
    }

    #[test]
    fn a_zombie_does_not_run() {
        let stat = |state| Stat::parse(&format!("42 (sh) {state} {TAIL}")).expect("a stat line");
        assert!(stat("S").runs() && stat("D").runs());
        assert!(!stat("Z").runs() && !stat("X").runs());
    }

    #[test]
    fn a_cut_line_is_no_process() {
        assert_eq!(Stat::parse("42 (sh) S 1 2 3"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn another_process_with_the_same_id_is_a_stranger() {
        let id = i32::try_from(std::process::id()).expect("ids are positive");
        let this = Process::with_id(id).expect("this test runs");
        assert!(this.runs());
        let earlier = Process { id, started: this.started - 1 };
        assert!(!earlier.runs());
    }
}
