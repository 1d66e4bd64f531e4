//! `bench footprint`: what worker and producer weigh while idle, and what a message costs them.
//!
//! The programs are the released ones, each beside a client of at most 150 lines that does the same
//! with nothing around it (`tests/bench`): the same queue, window and size of messages.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context;
use warren_core::duration;

use super::figures::Report;
use super::programs::Programs;
use super::publish::Lines;
use super::stage::{QUEUE_TYPE, Stage};
use super::{consume, memory, publish, usage};
use crate::args::{Footprint, Output};
use crate::broker::{self, Release};
use crate::interrupt::Interrupt;
use crate::paths::Paths;
use crate::progress::Progress;

/// The size of every message's body.
pub(super) const BODY_BYTES: u32 = 256;
/// The release that is brought up when no broker is given: the newest.
const RELEASE: Release = Release::V4_3;

/// What everything is measured with.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) programs: &'a Programs,
    pub(super) stage: &'a Stage,
    pub(super) interrupt: &'a Interrupt,
    pub(super) progress: &'a Progress,
    /// In each round.
    pub(super) messages: u32,
}

/// Measures and prints.
///
/// # Errors
/// When it cannot be measured, or the broker cannot be left as it was.
pub(super) fn run(paths: &Paths, root: &Path, options: &Footprint) -> anyhow::Result<()> {
    usage::check()?;
    let programs = Programs::build(&options.cargo, root)?;
    let broker_dir = match &options.broker_dir {
        Some(given) => given.clone(),
        None => start_broker(paths, options)?,
    };
    let folder = tempfile::tempdir().context("make a folder")?;
    let stage = Stage::new(&broker_dir, folder.path())?;
    let (interrupt, progress) = (Interrupt::listen()?, Progress::new());
    let (programs, stage, interrupt, progress) = (&programs, &stage, &interrupt, &progress);
    let scene = Scene { programs, stage, interrupt, progress, messages: options.messages };

    let report = stage.make().and_then(|()| scene.measure(options));
    let cleared = stage.clear();
    let report = report?;
    print(&report, options.output)?;
    cleared
}

impl Scene<'_> {
    fn measure(&self, options: &Footprint) -> anyhow::Result<Report> {
        let before = usage::load()?;
        let memory = memory::measure(self, options.idle)?;
        let lines = Lines::write(self.stage.folder(), self.messages)?;
        let publish = publish::measure(self, &lines)?;
        let consume = consume::measure(self, &lines)?;
        Ok(Report {
            broker: self.stage.version()?,
            queue_type: QUEUE_TYPE,
            cores: thread::available_parallelism().context("count the cores")?.get(),
            load: [before, usage::load()?],
            idle: duration::format(options.idle),
            memory,
            messages: self.messages,
            body_bytes: BODY_BYTES,
            publish,
            consume,
        })
    }
}

fn start_broker(paths: &Paths, options: &Footprint) -> anyhow::Result<PathBuf> {
    let brokers = broker::up(paths, &[RELEASE], &options.source)?;
    let broker = brokers.into_iter().next();
    broker.map(|broker| broker.broker_dir).context("a broker that was brought up has a folder")
}

fn print(report: &Report, output: Output) -> anyhow::Result<()> {
    let text = match output {
        Output::Table => report.to_string(),
        Output::Json => serde_json::to_string_pretty(report).context("write JSON")? + "\n",
    };
    io::stdout().write_all(text.as_bytes()).context("write to standard output")
}

#[cfg(test)]
mod tests {
    /// A floor that does much would make anything look good.
    #[test]
    fn the_floor_has_at_most_150_lines() {
        let floor = include_str!("../../../tests/bench/src/main.rs");
        assert!(floor.lines().count() <= 150, "{} lines", floor.lines().count());
    }
}
