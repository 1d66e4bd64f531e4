//! A process of this run: started in a group of its own, recorded, and heard from on a port.
//!
//! The group keeps a terminal's Ctrl-C from reaching it: it drains when it is asked to. Its
//! standard input is a pipe that only this process holds, so a worker notices when this process is
//! gone, however it went; the record is for those that do not.

use std::{
    ffi::OsString,
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::process::{ChildStdin, Command};

use super::{
    process::{self, Process},
    state::{self, StateError},
};

/// What to run.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    /// What the process is called, to people and to the broker.
    pub(super) name: String,
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<OsString>,
    /// Where it serves HTTP.
    pub(super) port: Port,
    /// How long after it was asked to end it is killed.
    pub(super) kill_after: Duration,
    /// Where what it writes goes.
    pub(super) log: PathBuf,
    /// Where it is recorded while it runs.
    pub(super) record: PathBuf,
}

/// Where a process serves HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// Wherever there is room.
    Any,
    /// At this port, or the next free one.
    From(u16),
}

/// A process that was started.
#[derive(Debug)]
pub(super) struct Child {
    inner: tokio::process::Child,
    port: u16,
    record: PathBuf,
    /// Open for as long as this process lives.
    _stdin: Option<ChildStdin>,
}

/// What is kept about a running process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// The process.
    pub(super) process: Process,
    /// What it is called.
    pub(super) name: String,
    /// How long after it was asked to end it is killed, in seconds.
    pub(super) kill_after: u64,
}

/// Why a process was not started.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("find a free port")]
    FindPort(#[source] io::Error),
    #[error("open its log")]
    OpenLog(#[source] StateError),
    #[error("open its log")]
    ShareLog(#[source] io::Error),
    #[error("run {}", program.display())]
    Spawn { program: PathBuf, source: io::Error },
}

/// How many ports above the wished one are tried.
const PORTS_TO_TRY: u16 = 1000;

impl Launch {
    /// This launch for a process of this name, whose log and record are in the directories that
    /// stand in their places.
    pub(super) fn of(self, name: String) -> Self {
        Self {
            log: self.log.join(format!("{name}.log")),
            record: self.record.join(format!("{name}.json")),
            name,
            ..self
        }
    }
}

impl Child {
    /// Starts the process.
    ///
    /// # Errors
    /// When it could not be started at all; one that fails at once was started.
    pub(super) fn start(launch: &Launch) -> Result<Self, StartError> {
        let port = launch.port.choose().map_err(StartError::FindPort)?;
        let log = state::append(&launch.log).map_err(StartError::OpenLog)?;
        let second = log.try_clone().map_err(StartError::ShareLog)?;
        let mut inner = Command::new(&launch.program)
            .args(&launch.arguments)
            .env("POD_NAME", &launch.name)
            .env("WARREN_HTTP_PORT", port.to_string())
            // Only this machine has a business with it.
            .env("WARREN_HTTP_HOST", Ipv4Addr::LOCALHOST.to_string())
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(second)
            .process_group(0)
            .spawn()
            .map_err(|source| StartError::Spawn { program: launch.program.clone(), source })?;
        // Taken out, because waiting for the process would close it.
        let stdin = inner.stdin.take();
        let child = Self { inner, port, record: launch.record.clone(), _stdin: stdin };
        child.write_record(launch);
        Ok(child)
    }

    /// Where it serves HTTP.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Its id, while it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.inner.id()
    }

    /// Asks it to drain and end.
    pub(super) fn terminate(&self) {
        self.signal(process::terminate_child);
    }

    /// Ends it, and what it started, at once.
    pub(super) fn kill(&self) {
        self.signal(process::kill_child);
    }

    /// Waits for its end; may be dropped and called again.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.inner.wait().await;
        // It is not ours to end any more.
        let _ = fs::remove_file(&self.record);
        status
    }

    fn signal(&self, send: impl FnOnce(u32) -> io::Result<()>) {
        if let Some(id) = self.id()
            && let Err(error) = send(id)
        {
            tracing::warn!(pid = id, %error, "process takes no signal");
        }
    }

    /// Without a record the process still runs; only a run after a crash of this one misses it.
    fn write_record(&self, launch: &Launch) {
        let started = |id| Process::started(id, &launch.arguments);
        let Some(process) = self.id().and_then(started) else {
            return;
        };
        let record =
            Record { process, name: launch.name.clone(), kill_after: launch.kill_after.as_secs() };
        let text = serde_json::to_vec(&record).expect("a record is plain data");
        if let Err(error) = state::write(&self.record, &text) {
            tracing::warn!(%error, process = launch.name, "process is not recorded");
        }
    }
}

impl Port {
    /// A port that was free a moment ago.
    ///
    /// Somebody may take it before the process does; that process then ends, and the next one gets
    /// another port.
    fn choose(self) -> io::Result<u16> {
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = match self {
            Port::Any => bind(0)?,
            Port::From(first) => (first..=first.saturating_add(PORTS_TO_TRY))
                .find_map(|port| bind(port).ok())
                .map_or_else(|| bind(0), Ok)?,
        };
        Ok(listener.local_addr()?.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_gives_way_to_the_next_free_one() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let first = taken.local_addr().unwrap().port();
        let chosen = Port::From(first).choose().unwrap();
        assert_ne!(chosen, first);
        drop(taken);
        assert_eq!(Port::From(first).choose().unwrap(), first);
    }
}
