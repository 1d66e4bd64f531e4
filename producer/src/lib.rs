//! The producer: publishes from HTTP and from a shell, and says of each message what became of it.
//!
//! A request, from whichever side, becomes a message in [`message`], goes out through [`outlet`],
//! and ends as one of the outcomes in [`outcome`]. The publisher itself, which confirms, batches
//! and reconnects, is `warren_broker`'s.

pub mod args;
pub mod auth;
pub mod command;
pub mod http;
pub mod item;
pub mod lines;
pub mod message;
pub mod metrics;
pub mod outcome;
pub mod outlet;
pub mod serve;
pub mod settings;

use std::time::Duration;

use warren_service::{
    exit::{Exit, Failure},
    logging,
    shutdown::{Shutdown, Trigger},
};

use crate::args::{Args, Command};

/// How long to wait for threads that cannot be stopped: one that reads standard input ends only
/// with the next line, for which nobody waits.
const THREADS: Duration = Duration::from_millis(100);

/// Does what the arguments say.
///
/// # Errors
/// What went wrong, with the exit code it means.
pub fn run(args: Args) -> Result<Exit, Failure> {
    logging::init(&args.logging()).map_err(|error| Exit::Internal.because(error))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Exit::Internal.because(error))?;
    let result = runtime.block_on(dispatch(args.command));
    runtime.shutdown_timeout(THREADS);
    result
}

async fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Serve(args) => {
            let (trigger, shutdown) = signals()?;
            if args.exit_on_stdin_close {
                trigger.drain_when_stdin_closes();
            }
            serve::run(settings::Serve::new(args)?, shutdown).await
        }
        Command::Publish(args) if args.ndjson.is_some() => {
            command::publish(args, signals()?.1).await
        }
        // One message is not worth an orderly end: here a signal ends the process at once.
        Command::Publish(args) => command::publish(args, Shutdown::default()).await,
        Command::Release(args) => command::release(args).await,
    }
}

fn signals() -> Result<(Trigger, Shutdown), Failure> {
    Shutdown::from_signals().map_err(|error| Exit::Internal.because(error))
}
