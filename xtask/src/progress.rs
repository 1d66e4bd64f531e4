//! What a person sees while something takes long: a spinner on a terminal, else one line a step.
//!
//! All of it goes to standard error; standard output is for results.

use std::borrow::Cow;
use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::ProgressBar;

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// Tells what is being done; the spinner disappears when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    /// `None`: standard error is a file or a pipe.
    spinner: Option<ProgressBar>,
}

impl Progress {
    /// Nothing is shown before the first step.
    pub(crate) fn new() -> Self {
        let spinner = stderr().is_terminal().then(ProgressBar::new_spinner);
        Self { spinner }
    }

    /// Says what is done now and from here on.
    pub(crate) fn step(&self, what: impl Into<Cow<'static, str>>) {
        match &self.spinner {
            Some(spinner) => {
                spinner.set_message(what);
                spinner.enable_steady_tick(TICK);
            }
            None => eprintln!("{}", what.into()),
        }
    }

    /// Whether somebody watches a spinner, so that a step may be said anew as often as it changes.
    pub(crate) fn turns(&self) -> bool {
        self.spinner.is_some()
    }

    /// Says something that stays on the screen.
    pub(crate) fn note(&self, what: &str) {
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| eprintln!("{what}")),
            None => eprintln!("{what}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
