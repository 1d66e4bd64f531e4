//! Warren's own commands, for those who work on it: `cargo xtask --help` lists them.
//!
//! Nothing here is part of what users install.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::args::{Args, Command};
use crate::paths::Paths;

mod args;
mod bench;
mod broker;
mod cargo;
mod cluster;
mod deadline;
mod demo;
mod generated;
mod interrupt;
mod lock;
mod management;
mod paths;
mod process;
mod programs;
mod progress;
mod test;
mod tidy;

fn main() -> ExitCode {
    run(Args::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(args: Args) -> anyhow::Result<ExitCode> {
    let paths = Paths::resolve(&args.homes)?;
    let root = repository()?;
    match args.command {
        Command::Broker(command) => broker::run(&paths, &command)?,
        Command::Cluster(command) => cluster::run(&paths, root, &command)?,
        Command::Test(options) => return test::run(&paths, root, &options),
        Command::Demo(options) => return demo::run(&paths, root, &options),
        Command::Bench(command) => bench::run(&paths, root, &command)?,
        Command::Gen { helm } => {
            generated::run(root, helm.or_else(|| cluster::helm(&paths)).as_deref())?;
        }
        Command::Tidy => tidy::run(root)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The root of the repository that this program was built from.
fn repository() -> anyhow::Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("find the repository above xtask/")
}
