//! Shutdown as an argument: who has to stop is given a [`Shutdown`] and asks it.
//!
//! Three wishes can be uttered, each once and for good: *quiet* (take no more work, keep running),
//! *drain* (finish the work in hand, then end) and *hurry* (end without finishing it). What each
//! means for a program is the program's affair; this module only carries the wish.

use std::io;

use tokio::io::{AsyncReadExt, stdin};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// The listening side: clones all hear the same.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    quiet: CancellationToken,
    draining: CancellationToken,
    hurry: CancellationToken,
}

/// The speaking side.
#[derive(Clone, Debug)]
pub struct Trigger(Shutdown);

impl Shutdown {
    /// Listens to signals: the first SIGTERM or SIGINT means drain, the second hurry; SIGUSR1 means
    /// quiet.
    ///
    /// From here on these signals do nothing else, for the rest of the process. Must be called in a
    /// tokio runtime.
    ///
    /// # Errors
    ///
    /// When the operating system refuses a handler.
    pub fn from_signals() -> io::Result<(Trigger, Self)> {
        let (trigger, shutdown) = Self::manual();
        let signals = Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quiet: signal(SignalKind::user_defined1())?,
        };
        tokio::spawn(signals.relay(trigger.clone()));
        Ok((trigger, shutdown))
    }

    /// Listens to nothing but the trigger, for tests and for parts inside a larger program.
    pub fn manual() -> (Trigger, Self) {
        let shutdown = Self::default();
        (Trigger(shutdown.clone()), shutdown)
    }

    /// Cancelled when no more work is to be taken; work in hand goes on, and so does the process.
    pub fn quiet(&self) -> &CancellationToken {
        &self.quiet
    }

    /// Cancelled when the process is to end, after the work in hand.
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Cancelled when the process is to end without finishing the work in hand.
    pub fn hurry(&self) -> &CancellationToken {
        &self.hurry
    }
}

impl Trigger {
    /// Wishes that no more work is taken.
    pub fn quiet(&self) {
        self.0.quiet.cancel();
    }

    /// Wishes an end after the work in hand.
    pub fn drain(&self) {
        self.0.draining.cancel();
    }

    /// Drains when standard input is closed, which it is when the program at its other end is
    /// gone, however that one ended. Must be called in a tokio runtime.
    ///
    /// A read of standard input cannot be called off: shut the runtime down without waiting for it.
    pub fn drain_when_stdin_closes(self) {
        tokio::spawn(async move {
            let mut ignored = [0; 64];
            let mut input = stdin();
            while let Ok(1..) = input.read(&mut ignored).await {}
            self.drain();
        });
    }

    /// Wishes an end at once; who waits for the drain hears it too.
    pub fn hurry(&self) {
        self.0.draining.cancel();
        self.0.hurry.cancel();
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quiet: Signal,
}

impl Signals {
    /// Passes signals on until there is nothing left to wish for.
    async fn relay(mut self, trigger: Trigger) {
        while !trigger.0.hurry.is_cancelled() {
            tokio::select! {
                _ = self.terminate.recv() => end(&trigger, "SIGTERM"),
                _ = self.interrupt.recv() => end(&trigger, "SIGINT"),
                _ = self.quiet.recv() => {
                    info!(signal = "SIGUSR1", "asked to take no more work");
                    trigger.quiet();
                }
            }
        }
    }
}

fn end(trigger: &Trigger, signal: &'static str) {
    let again = trigger.0.draining.is_cancelled();
    info!(signal, again, "asked to end");
    if again {
        trigger.hurry();
    } else {
        trigger.drain();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(shutdown: &Shutdown) -> [bool; 3] {
        [shutdown.quiet(), shutdown.draining(), shutdown.hurry()]
            .map(CancellationToken::is_cancelled)
    }

    #[test]
    fn nothing_is_heard_before_it_is_said() {
        let (_trigger, shutdown) = Shutdown::manual();
        assert_eq!(heard(&shutdown), [false, false, false]);
    }

    #[test]
    fn to_be_quiet_is_not_to_end() {
        let (trigger, shutdown) = Shutdown::manual();
        trigger.quiet();
        assert_eq!(heard(&shutdown.clone()), [true, false, false]);
    }

    #[test]
    fn to_hurry_is_to_drain_too() {
        let (trigger, shutdown) = Shutdown::manual();
        trigger.drain();
        assert_eq!(heard(&shutdown), [false, true, false]);
        let (trigger, shutdown) = Shutdown::manual();
        trigger.hurry();
        assert_eq!(heard(&shutdown), [false, true, true]);
    }
}
