//! What the demo tells a person, on standard error.
//!
//! While the operator keeps a table up to date on the same terminal, lines in between would tear
//! it: they are held back until it is gone.

use std::io::{IsTerminal, stderr};

/// Where notes go.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Somebody else writes to the terminal.
    table: bool,
    held: Vec<String>,
}

impl Notes {
    /// From here on the operator writes, until [`Self::end_table`].
    pub(super) fn begin_table(&mut self) {
        self.table = stderr().is_terminal();
    }

    /// The operator is gone.
    pub(super) fn end_table(&mut self) {
        self.table = false;
        for note in self.held.drain(..) {
            eprintln!("{note}");
        }
    }

    /// Tells something.
    pub(super) fn tell(&mut self, note: impl Into<String>) {
        let note = note.into();
        if self.table {
            self.held.push(note);
        } else {
            eprintln!("{note}");
        }
    }
}
