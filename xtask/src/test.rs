//! `cargo xtask test`: brings up the brokers, runs every layer of tests, and adds up the results.
//!
//! `cargo test` is the runner. What this adds: real brokers for the tests that need one, one total
//! instead of one a program, and skipped tests that nobody can overlook. The brokers stay up for
//! the next run.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, ensure};
use cargo_metadata::MetadataCommand;

use self::arguments::{Arguments, FAILPOINTS, WORKER};
use self::echo::Echo;
use self::tally::Tally;
use crate::args::{Layer, Test};
use crate::broker::{self, Ready, Release};
use crate::paths::Paths;

mod arguments;
mod echo;
mod tally;

/// Where tests find the brokers: `3.10=<broker folder>,4.0=<broker folder>,…`.
const BROKERS: &str = "WARREN_TEST_BROKERS";

/// Runs the tests and says how they ended.
///
/// # Errors
/// When a broker does not come up, or when no test could be run.
pub(crate) fn run(paths: &Paths, root: &Path, options: &Test) -> anyhow::Result<ExitCode> {
    let runner = Runner { cargo: &options.cargo, root };
    let failpoints = runner.declares_failpoints()?;
    let arguments = Arguments::new(&options.arguments, failpoints);
    let brokers = broker::up(paths, &Release::ALL, &options.source)?;

    runner.build(&arguments)?;
    let (status, tally) = runner.test(&arguments, &brokers)?;

    ensure!(tally.programs() > 0, "no test was run: cargo ended with {status}");

    let mut out = io::stdout().lock();
    writeln!(out, "\n{tally}").context("write to standard output")?;
    let mut good = status.success() && tally.good();
    if options.ci && tally.skipped() > 0 {
        eprintln!("error: under CI a skipped test is a failed one");
        good = false;
    }
    if !options.without.contains(&Layer::Cluster) {
        let not_run = "cluster: NOT RUN (the cluster layer does not exist yet)";
        writeln!(out, "{not_run}").context("write to standard output")?;
        good = false;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The cargo that builds and runs the tests.
struct Runner<'a> {
    cargo: &'a Path,
    root: &'a Path,
}

/// How many tests of a program run at once, unless `-- --test-threads` says otherwise.
///
/// Most of them wait for a broker, so that two cores do more than two at once.
const TEST_THREADS: &str = "4";

impl Runner<'_> {
    fn declares_failpoints(&self) -> anyhow::Result<bool> {
        let metadata = MetadataCommand::new()
            .cargo_path(self.cargo)
            .current_dir(self.root)
            .no_deps()
            .exec()
            .context("read the workspace with cargo metadata")?;
        let mut packages = metadata.packages.iter();
        let worker = packages.find(|package| package.name.as_str() == WORKER);
        Ok(worker.is_some_and(|package| package.features.contains_key(FAILPOINTS)))
    }

    /// Builds every program first: a test of one package may start the program of another.
    fn build(&self, arguments: &Arguments) -> anyhow::Result<()> {
        let status = self.command().args(arguments.build()).status().context("start cargo")?;
        ensure!(status.success(), "the workspace does not build: cargo ended with {status}");
        Ok(())
    }

    /// Runs the tests; what they say passes through as it comes.
    fn test(
        &self,
        arguments: &Arguments,
        brokers: &[Ready],
    ) -> anyhow::Result<(ExitStatus, Tally)> {
        let mut child = self
            .command()
            .args(arguments.test())
            .env(BROKERS, list(brokers))
            .env("RUST_TEST_THREADS", TEST_THREADS)
            .stdout(Stdio::piped())
            .spawn()
            .context("start cargo")?;
        let output = child.stdout.take().context("read what cargo says")?;
        let mut echo = Echo::default();
        let mut tally = Tally::default();
        for line in BufReader::new(output).split(b'\n') {
            let line = line.context("read what cargo says")?;
            let line = String::from_utf8_lossy(&line);
            tally.read(&line);
            if echo.shows(&line) {
                writeln!(io::stdout().lock(), "{line}").context("write to standard output")?;
            }
        }
        let status = child.wait().context("wait for cargo")?;
        Ok((status, tally))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.cargo);
        command.current_dir(self.root).stdin(Stdio::null());
        command
    }
}

fn list(brokers: &[Ready]) -> String {
    let entries: Vec<_> = brokers
        .iter()
        .map(|broker| format!("{}={}", broker.release.name(), broker.broker_dir.display()))
        .collect();
    entries.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_learn_the_folder_of_each_broker() {
        let ready = |release, folder: &str| Ready { release, broker_dir: folder.into() };
        let brokers = [ready(Release::V3_10, "/a/b"), ready(Release::V4_3, "/c")];
        assert_eq!(list(&brokers), "3.10=/a/b,4.3=/c");
    }
}
