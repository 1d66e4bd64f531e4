//! The shell of a process: what a program needs before it does anything of its own.
//!
//! Settings of the log, the metric registry, the admin HTTP server, shutdown, exit codes. The
//! three programs are thin on top of it, so it knows nothing of pipelines, queues or brokers, and
//! depends on none of the other crates.
//!
//! A program begins like this:
//!
//! ```no_run
//! use warren_service::{crypto, exit, exit::{Exit, Failure}, logging};
//!
//! #[derive(clap::Parser)]
//! struct Args {
//!     #[command(flatten)]
//!     log: logging::LogArgs,
//! }
//!
//! fn run(args: &Args) -> Result<Exit, Failure> {
//!     logging::init(&args.log).map_err(|error| Exit::Internal.because(error))?;
//!     Ok(Exit::Done)
//! }
//!
//! fn main() -> Exit {
//!     crypto::install();
//!     match exit::parse::<Args>() {
//!         Ok(args) => exit::finish(run(&args)),
//!         Err(exit) => exit,
//!     }
//! }
//! ```

pub mod admin;
pub mod body;
pub mod clock;
pub mod crypto;
pub mod exit;
pub mod health;
pub mod logging;
pub mod metrics;
pub mod problem;
pub mod server;
pub mod shutdown;
