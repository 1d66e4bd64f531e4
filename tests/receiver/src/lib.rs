//! An HTTP endpoint for demos and tests: handlers call it, it answers as it is told, and it says
//! how often it got which message.
//!
//! It stands for the service behind a pipeline, so it knows nothing of brokers and queues: a
//! message is the path it came to and its `webhook-id`. What it counts lives in memory, within
//! [`book`]'s limits, and is gone when it ends.

pub mod args;
pub mod behaviour;
pub mod book;
pub mod fate;
pub mod http;

use std::io::{self, Write};

use warren_service::{
    exit::{Exit, Failure},
    logging, server,
    shutdown::Shutdown,
};

use crate::args::Args;

/// Serves until a signal says otherwise. Standard output gets one line: where.
///
/// # Errors
/// What went wrong, with the exit code it means.
pub fn run(args: Args) -> Result<Exit, Failure> {
    logging::init(&args.log).map_err(|error| Exit::Internal.because(error))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Exit::Internal.because(error))?;
    runtime.block_on(serve(args))
}

async fn serve(args: Args) -> Result<Exit, Failure> {
    let signals = Shutdown::from_signals();
    let (trigger, shutdown) = signals.map_err(|error| Exit::Internal.because(error))?;
    if args.exit_on_stdin_close {
        trigger.drain_when_stdin_closes();
    }
    let listener = server::bind(args.listen, "--listen").await?;
    // For whoever asked for any free port.
    let told = listener.local_addr().and_then(|address| writeln!(io::stdout(), "{address}"));
    told.map_err(|error| Exit::Internal.because(error))?;
    let stop = shutdown.draining().clone().cancelled_owned();
    let served = http::serve(listener, args.behaviours(), stop).await;
    served.map(|()| Exit::Done).map_err(|error| Exit::Internal.because(error))
}
