//! The Warren worker: takes messages from one queue, runs a handler, settles.
//!
//! The order of effects is the whole point: the copy is confirmed before the source is
//! acknowledged, so that a message is never in no queue. Everything that decides is a value
//! (`dispatch` here, `settlement` and `breaker` in `warren-core`); `session` carries it out.
//!
//! A session is one connection with its channels. Any doubt ends it, and a fresh one starts:
//! there is one path after a fault, and it is taken often enough to be trusted.

pub mod args;
mod check;
mod copying;
mod dispatch;
mod failpoint;
pub mod handler;
mod happenings;
mod intake;
mod metrics;
mod run;
mod session;
mod settings;
mod supervisor;
mod turn;
mod watchdog;

use warren_service::exit::{Exit, Failure};

use crate::args::{Args, Command};

/// Carries out what was typed.
///
/// # Errors
/// With the exit code and the reason, when the configuration is unusable or the program cannot
/// start.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::Run(run) => run::start(run),
        Command::Check(check) => check::check(check),
        Command::ExplainStatus(explain) => check::explain(explain),
    }
}
