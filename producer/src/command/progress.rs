//! How a long run shows on a terminal: one line on standard error that is written over.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use crate::outcome::Tally;

/// How often the line changes: as often as one can read.
const EVERY: Duration = Duration::from_millis(200);

/// A line on the terminal; nothing at all where there is none.
#[derive(Debug)]
pub(super) struct Progress {
    terminal: bool,
    began: Instant,
    shown: Option<Instant>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), began: Instant::now(), shown: None }
    }

    /// Shows how far it is, if it is time to.
    pub(super) fn show(&mut self, tally: &Tally) {
        if !self.terminal || self.shown.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let text = text(tally, self.began.elapsed());
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
    }

    /// Takes the line away, so that other lines can be written.
    pub(super) fn clear(&mut self) {
        if self.terminal && self.shown.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn text(tally: &Tally, elapsed: Duration) -> String {
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let rate = tally.published.saturating_mul(1000) / milliseconds.max(1);
    let bad = tally.malformed + tally.failed;
    format!("{} published ({rate}/s), {bad} not", tally.published)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_many_and_how_fast() {
        let mut tally = Tally::default();
        (tally.published, tally.malformed, tally.failed) = (1500, 2, 1);
        let line = text(&tally, Duration::from_secs(3));
        assert_eq!(line, "1500 published (500/s), 3 not");
    }
}
