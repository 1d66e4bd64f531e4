//! A program that is measured, as a child of this one. It never outlives this value.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::usage::{self, Memory};
use crate::deadline;
use crate::interrupt::Interrupt;

/// The longest that a program may run that ends by itself; a million messages on a slow machine.
const RUN_LIMIT: Duration = Duration::from_mins(10);
/// A worker drains first, and nothing is under way when it is told to.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How often a program is looked at whose run time matters: a small part of the shortest run.
const STEP: Duration = Duration::from_millis(2);
/// The last lines of a log that an error shows.
const TAIL: usize = 5;

/// The running program.
#[derive(Debug)]
pub(super) struct Child {
    name: &'static str,
    process: process::Child,
    log: PathBuf,
    begun: Instant,
}

/// A program that has ended well.
#[derive(Debug)]
pub(super) struct Finished {
    /// From its start to its end.
    pub(super) elapsed: Duration,
    /// All that it used.
    pub(super) cpu: Duration,
    /// What it wrote to standard output.
    pub(super) output: String,
}

impl Child {
    /// Starts `command`, with a log below `folder`. A program that listens to it notices by its
    /// standard input when this process is gone.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(
        name: &'static str,
        mut command: Command,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let log = folder.join(name).with_extension("log");
        let file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let begun = Instant::now();
        let process = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Self { name, process, log, begun })
    }

    /// Its memory now.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn memory(&self) -> anyhow::Result<Memory> {
        Memory::of(self.process.id()).with_context(|| format!("measure {}", self.name))
    }

    /// The CPU time that it has used.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) fn cpu_time(&self) -> anyhow::Result<Duration> {
        usage::cpu_time(self.process.id()).with_context(|| format!("measure {}", self.name))
    }

    /// Makes sure that it runs.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.process.try_wait().context("ask about a program")? {
            None => Ok(()),
            Some(status) => Err(self.failure(status)),
        }
    }

    /// Waits for a program that ends by itself, or with its standard input.
    ///
    /// # Errors
    /// When it fails, or takes too long.
    pub(super) fn finish(mut self, interrupt: &Interrupt) -> anyhow::Result<Finished> {
        drop(self.process.stdin.take());
        let asked = Instant::now();
        while !self.has_ended()? {
            interrupt.check()?;
            ensure!(asked.elapsed() < RUN_LIMIT, "{} still runs after {RUN_LIMIT:?}", self.name);
            thread::sleep(STEP);
        }
        let (elapsed, cpu) = (self.begun.elapsed(), self.cpu_time()?);
        // Ctrl-C on a terminal ends both: then that is what to tell.
        interrupt.check()?;
        let status = self.process.wait().context("ask how a program ended")?;
        if !status.success() {
            return Err(self.failure(status));
        }
        let mut output = String::new();
        let mut pipe = self.process.stdout.take().context("find the output of a program")?;
        pipe.read_to_string(&mut output).with_context(|| format!("read from {}", self.name))?;
        Ok(Finished { elapsed, cpu, output })
    }

    /// Ends a program that would run on.
    ///
    /// # Errors
    /// When it does not end.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let asked = kill_process(self.pid(), Signal::TERM);
        asked.with_context(|| format!("end {}", self.name))?;
        let ended = deadline::wait_for(STOP_LIMIT, || self.process.try_wait().map_err(Into::into));
        if ended?.is_none() {
            bail!("{} still runs {STOP_LIMIT:?} after it was told to end", self.name);
        }
        Ok(())
    }

    /// Whether it has ended; what it used can still be read then.
    fn has_ended(&self) -> anyhow::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let ended = waitid(WaitId::Pid(self.pid()), options);
        Ok(ended.context("ask whether a program has ended")?.is_some())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    fn failure(&self, status: ExitStatus) -> anyhow::Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        anyhow!("{} ended with {status}; the end of its log:\n{tail}", self.name)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has ended is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> (tempfile::TempDir, Child) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let child = Child::start("sh", command, folder.path()).expect("started");
        (folder, child)
    }

    #[test]
    fn the_cpu_time_of_a_program_is_known_after_its_end() {
        let (_folder, child) = start("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo $i");
        let finished = child.finish(&Interrupt::default()).expect("it ends well");
        assert_eq!(finished.output, "100000\n");
        assert!(finished.cpu > Duration::ZERO && finished.elapsed >= finished.cpu / 2);
    }

    #[test]
    fn a_program_that_fails_is_named_with_the_end_of_its_log() {
        let (_folder, child) = start("echo no broker here >&2; exit 69");
        let error = child.finish(&Interrupt::default()).expect_err("it fails").to_string();
        assert!(error.starts_with("sh ended with") && error.contains("no broker here"), "{error}");
    }

    #[test]
    fn a_program_that_runs_on_can_be_stopped() {
        let (_folder, mut child) = start("read forever");
        assert!(child.check().is_ok() && !child.has_ended().expect("asked"));
        assert!(child.stop().is_ok());
    }
}
