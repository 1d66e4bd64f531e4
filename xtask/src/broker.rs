//! `cargo xtask broker`: RabbitMQ servers for development and tests, one of each release.
//!
//! Each has its own data, ports, login and Erlang port mapper, listens on the loopback address
//! alone, and needs no root. Every command may be repeated, interrupted and run twice at a time: a
//! lock keeps runs apart, and what an interrupted one left is repaired by the next. Only processes
//! that this user's xtask started are ever signalled.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;

use self::overview::{State, View};
use self::ports::Ports;
pub(crate) use self::release::Release;
use self::sandbox::Sandbox;
use self::state::{Files, Password, Record};
use crate::args::{Broker as Command, Output, Source};
use crate::lock::Lock;
use crate::paths::Paths;
use crate::process::Process;
use crate::progress::Progress;

mod node;
mod overview;
mod ports;
mod probe;
mod release;
mod sandbox;
mod state;
mod tree;

/// A broker that serves clients.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) release: Release,
    /// What `--broker-dir` takes.
    pub(crate) broker_dir: PathBuf,
}

/// Carries out one of the commands.
///
/// # Errors
/// When it cannot be done; the message says what to do.
pub(crate) fn run(paths: &Paths, command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Up { selection, source } => {
            let releases = selection.releases();
            up(paths, &releases, source)?;
            show(paths, &releases, Output::Table)
        }
        Command::Down { selection } => down(paths, &selection.releases()),
        Command::List { output } => show(paths, &Release::ALL, *output),
        Command::Restart { version, source } => restart(paths, *version, source),
        Command::Kill { version } => kill(paths, *version),
    }
}

/// Brings up a broker of each of `releases`, all at the same time, and waits until they serve.
///
/// # Errors
/// When one of them does not come up.
pub(crate) fn up(
    paths: &Paths,
    releases: &[Release],
    source: &Source,
) -> anyhow::Result<Vec<Ready>> {
    let _lock = lock(paths)?;
    let progress = Progress::new();
    let starter = Starter { paths, source, progress: &progress };
    let begun: Vec<_> =
        releases.iter().map(|release| starter.begin(*release)).collect::<anyhow::Result<_>>()?;
    begun.into_iter().map(|broker| starter.finish(broker)).collect()
}

/// Ends the brokers of `releases` and removes their data; one that does not exist is as good.
///
/// # Errors
/// When one does not end, or a file cannot be removed.
pub(crate) fn down(paths: &Paths, releases: &[Release]) -> anyhow::Result<()> {
    let _lock = lock(paths)?;
    for release in releases {
        let files = Files::new(&paths.dev(), *release);
        if !files.exist() {
            continue;
        }
        // Its data goes too: a gentle stop would only write what is removed next.
        if let Some(process) = files.load()?.and_then(|record| record.running()) {
            node::kill(process)?;
        }
        files.remove()?;
        eprintln!("RabbitMQ {} is down, its data removed", release.name());
    }
    Ok(())
}

/// A root directory with RabbitMQ of `release` and all it needs, fetched when this user has none.
///
/// # Errors
/// When it cannot be fetched or unpacked.
pub(crate) fn tree(
    paths: &Paths,
    release: Release,
    source: &Source,
    progress: &Progress,
) -> anyhow::Result<PathBuf> {
    tree::ensure(paths, release, &source.debian_mirror, progress)
}

fn restart(paths: &Paths, release: Release, source: &Source) -> anyhow::Result<()> {
    let progress = Progress::new();
    {
        let _lock = lock(paths)?;
        let process = running(paths, release)?;
        progress.step(format!("RabbitMQ {}: stopping", release.name()));
        node::stop(process)?;
    }
    drop(progress);
    up(paths, &[release], source)?;
    show(paths, &[release], Output::Table)
}

fn kill(paths: &Paths, release: Release) -> anyhow::Result<()> {
    let _lock = lock(paths)?;
    let process = running(paths, release)?;
    node::kill(process)?;
    eprintln!("RabbitMQ {} is killed", release.name());
    Ok(())
}

fn running(paths: &Paths, release: Release) -> anyhow::Result<Process> {
    let record = Files::new(&paths.dev(), release).load()?;
    let process = record.as_ref().and_then(Record::running);
    process.with_context(|| {
        let name = release.name();
        format!(
            "RabbitMQ {name} does not run; start it with `cargo xtask broker up --version {name}`"
        )
    })
}

fn lock(paths: &Paths) -> anyhow::Result<Lock> {
    Lock::acquire(&paths.dev().join("broker.lock"))
}

/// Prints what is known of `releases` on standard output.
fn show(paths: &Paths, releases: &[Release], output: Output) -> anyhow::Result<()> {
    let mut views = Vec::new();
    for release in releases {
        let files = Files::new(&paths.dev(), *release);
        if let Some(record) = files.load()? {
            let state = match (record.running(), probe::version(&record)) {
                (None, _) => State::Stopped,
                (Some(_), Ok(_)) => State::Up,
                (Some(_), Err(_)) => State::Starting,
            };
            views.push(View::new(&record, &files, state));
        }
    }
    let text = match output {
        Output::Table => overview::table(&views),
        Output::Json => serde_json::to_string_pretty(&views).context("write JSON")? + "\n",
    };
    io::stdout().write_all(text.as_bytes()).context("write to standard output")
}

/// What is to be done for a broker to run, given what is remembered of it.
#[derive(Debug, PartialEq, Eq)]
enum Need {
    /// It runs, or is about to.
    Wait(Process),
    /// It ended after it had served: its data is somebody's.
    Resume,
    /// There is none, or the first start never ended well: whatever is there is worth nothing.
    Create,
}

impl Need {
    fn of(record: Option<&Record>, running: Option<Process>) -> Self {
        match (record, running) {
            (Some(_), Some(process)) => Self::Wait(process),
            (Some(record), None) if record.server.is_some() => Self::Resume,
            (Some(_) | None, _) => Self::Create,
        }
    }
}

/// A broker whose process runs, and that may not serve yet.
struct Begun {
    files: Files,
    record: Record,
    process: Process,
}

struct Starter<'a> {
    paths: &'a Paths,
    source: &'a Source,
    progress: &'a Progress,
}

impl Starter<'_> {
    fn begin(&self, release: Release) -> anyhow::Result<Begun> {
        let files = Files::new(&self.paths.dev(), release);
        let known = files.load()?;
        let running = known.as_ref().and_then(Record::running);
        let record = match (Need::of(known.as_ref(), running), known) {
            (Need::Wait(process), Some(record)) => {
                return Ok(Begun { files, record, process });
            }
            (Need::Resume, Some(record)) => {
                Record { ports: record.ports.or_next_free(ports::is_free)?, ..record }
            }
            _ => {
                files.remove()?;
                let ports = Ports::preferred(release).or_next_free(ports::is_free)?;
                Record::new(release, ports, Password::random()?)
            }
        };
        self.start(record, files)
    }

    fn start(&self, mut record: Record, files: Files) -> anyhow::Result<Begun> {
        let release = record.release;
        let sandbox = Sandbox::find()?;
        let tree = tree::ensure(self.paths, release, &self.source.debian_mirror, self.progress)?;
        self.progress.step(format!("RabbitMQ {}: starting", release.name()));
        files.create()?;
        let process = node::start(&record, &files, &tree, sandbox)?;
        record.process = Some(process);
        files.save(&record)?;
        Ok(Begun { files, record, process })
    }

    fn finish(&self, begun: Begun) -> anyhow::Result<Ready> {
        let Begun { files, mut record, process } = begun;
        let release = record.release;
        let version = node::await_ready(&record, process, &files)?;
        self.progress.note(&format!("RabbitMQ {version} is up"));
        record.server = Some(version);
        files.save(&record)?;
        Ok(Ready { release, broker_dir: files.broker_dir() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(server: Option<&str>) -> Record {
        let release = Release::V4_3;
        let password = Password::random().expect("random bytes");
        Record {
            server: server.map(str::to_owned),
            ..Record::new(release, Ports::preferred(release), password)
        }
    }

    fn some_process() -> Process {
        let id = i32::try_from(std::process::id()).expect("ids are positive");
        Process::with_id(id).expect("this test runs")
    }

    #[test]
    fn a_broker_that_runs_is_not_started_again() {
        let process = some_process();
        for server in [None, Some("4.3.6")] {
            let need = Need::of(Some(&record(server)), Some(process));
            assert_eq!(need, Need::Wait(process));
        }
    }

    #[test]
    fn a_killed_broker_comes_back_with_its_data() {
        assert_eq!(Need::of(Some(&record(Some("4.3.6"))), None), Need::Resume);
    }

    #[test]
    fn data_of_a_start_that_never_ended_well_is_not_used() {
        assert_eq!(Need::of(Some(&record(None)), None), Need::Create);
        assert_eq!(Need::of(None, None), Need::Create);
    }
}
