//! `bench footprint`: what worker, producer and operator weigh while idle, and what a message costs
//! the first two.
//!
//! The programs are the released ones, each beside a client of at most 200 lines that does the same
//! with nothing around it (`tests/bench`): the same queue, window and size of messages, or the same
//! pipelines.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use warren_core::duration;

use super::figures::{Report, Traffic};
use super::programs::Programs;
use super::publish::Lines;
use super::stage::{QUEUE_TYPE, Stage};
use super::{consume, memory, operator, publish, usage};
use crate::args::{Footprint, Output, Part};
use crate::broker::{self, Release};
use crate::interrupt::Interrupt;
use crate::paths::Paths;
use crate::progress::Progress;

/// The size of every message's body.
pub(super) const BODY_BYTES: u32 = 256;
/// The release that is brought up when no broker is given: the newest.
const RELEASE: Release = Release::V4_3;

/// What worker and producer are measured with.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) programs: &'a Programs,
    pub(super) stage: &'a Stage,
    pub(super) interrupt: &'a Interrupt,
    pub(super) progress: &'a Progress,
    /// In each round.
    pub(super) messages: u32,
}

/// The programs of each part that is wanted.
struct Built {
    messages: Option<Programs>,
    operator: Option<operator::Programs>,
}

/// Where everything is measured.
#[derive(Clone, Copy)]
struct Site<'a> {
    paths: &'a Paths,
    root: &'a Path,
    stage: &'a Stage,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
}

/// Measures and prints.
///
/// # Errors
/// When it cannot be measured, or the broker cannot be left as it was.
pub(super) fn run(paths: &Paths, root: &Path, options: &Footprint) -> anyhow::Result<()> {
    usage::check()?;
    let programs = Built {
        messages: built(options, Part::Messages, Programs::build, root)?,
        operator: built(options, Part::Operator, operator::Programs::build, root)?,
    };
    let broker_dir = match &options.broker_dir {
        Some(given) => given.clone(),
        None => start_broker(paths, options)?,
    };
    let folder = tempfile::tempdir().context("make a folder")?;
    let stage = Stage::new(&broker_dir, folder.path())?;
    let (interrupt, progress) = (Interrupt::listen()?, Progress::new());
    let site = Site { paths, root, stage: &stage, interrupt: &interrupt, progress: &progress };

    let report = stage.make().and_then(|()| site.measure(&programs, options));
    let cleared = stage.clear();
    let report = report?;
    print(&report, options.output)?;
    cleared
}

impl Site<'_> {
    fn measure(&self, programs: &Built, options: &Footprint) -> anyhow::Result<Report> {
        let Self { paths, root, stage, interrupt, progress } = *self;
        let before = usage::load()?;
        let traffic = programs.messages.as_ref().map(|programs| {
            let messages = options.messages;
            Scene { programs, stage, interrupt, progress, messages }.measure(options.idle)
        });
        let operator = programs.operator.as_ref().map(|programs| {
            let pipelines = options.pipelines;
            let scene =
                operator::Scene { programs, stage, interrupt, progress, paths, root, pipelines };
            operator::measure(&scene, options.idle)
        });
        Ok(Report {
            broker: stage.version()?,
            cores: thread::available_parallelism().context("count the cores")?.get(),
            load: [before, usage::load()?],
            idle: duration::format(options.idle),
            messages: traffic.transpose()?,
            operator: operator.transpose()?,
        })
    }
}

impl Scene<'_> {
    fn measure(&self, idle: Duration) -> anyhow::Result<Traffic> {
        let memory = memory::measure(self, idle)?;
        let lines = Lines::write(self.stage.folder(), self.messages)?;
        let publish = publish::measure(self, &lines)?;
        let consume = consume::measure(self, &lines)?;
        Ok(Traffic {
            queue_type: QUEUE_TYPE,
            memory,
            messages: self.messages,
            body_bytes: BODY_BYTES,
            publish,
            consume,
        })
    }
}

fn built<T>(
    options: &Footprint,
    part: Part,
    build: fn(&Path, &Path) -> anyhow::Result<T>,
    root: &Path,
) -> anyhow::Result<Option<T>> {
    options.wants(part).then(|| build(&options.cargo, root)).transpose()
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
    fn each_floor_has_at_most_200_lines() {
        let messages = include_str!("../../../tests/bench/src/main.rs");
        let operator = include_str!("../../../tests/bench/src/watch.rs");
        for floor in [messages, operator] {
            assert!(floor.lines().count() <= 200, "{} lines", floor.lines().count());
        }
    }
}
