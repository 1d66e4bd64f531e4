//! Ctrl-C: heard, so that a command can tidy up before it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether somebody wants this process to end. Clones hear the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From here on the signals that end a process only set a flag: whoever waits for something
    /// must ask [`Self::check`].
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register(signal, Arc::clone(&interrupt.0)).context("listen to signals")?;
        }
        Ok(interrupt)
    }

    /// Goes on, or not.
    ///
    /// # Errors
    /// When one of the signals came.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.0.load(Ordering::Relaxed), "interrupted");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clone_hears_of_it() {
        let interrupt = Interrupt::default();
        let clone = interrupt.clone();
        assert!(clone.check().is_ok());
        interrupt.0.store(true, Ordering::Relaxed);
        assert!(clone.check().is_err());
    }
}
