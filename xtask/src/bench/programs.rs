//! Worker, producer and their floor, and how each is started.
//!
//! They get an environment of their own: a variable of the user's must not change what is measured.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::stage::{EXCHANGE, MAIN_QUEUE, PIPELINE};
use crate::cargo::Built;

/// How the floor is called.
pub(super) const BARE: &str = "bare-loop";
/// How the worker is called.
pub(super) const WORKER: &str = "warren-worker";
/// How the producer is called.
pub(super) const PRODUCER: &str = "warren-producer";

/// Where the programs are.
#[derive(Debug)]
pub(super) struct Programs {
    bare: PathBuf,
    worker: PathBuf,
    producer: PathBuf,
}

impl Programs {
    /// Builds them as they are released.
    ///
    /// # Errors
    /// When the build fails.
    pub(super) fn build(cargo: &Path, root: &Path) -> anyhow::Result<Self> {
        let arguments = ["--release", "-p", "warren-bench", "-p", WORKER, "-p", PRODUCER];
        let built = Built::new(cargo, root, arguments)?;
        Ok(Self {
            bare: built.program(BARE)?,
            worker: built.program(WORKER)?,
            producer: built.program(PRODUCER)?,
        })
    }

    /// The bare client, publishing `count` messages.
    pub(super) fn bare_publish(
        &self,
        login: &Path,
        count: u32,
        window: u16,
        bytes: u32,
    ) -> Command {
        let mut command = self.bare(login);
        command.args(["publish", EXCHANGE]);
        command.args([count, window.into(), bytes].map(|number| number.to_string()));
        command
    }

    /// The bare client, consuming `count` messages.
    pub(super) fn bare_consume(&self, login: &Path, count: u32, prefetch: u16) -> Command {
        let mut command = self.bare(login);
        command.args(["consume", MAIN_QUEUE]);
        command.args([count, prefetch.into()].map(|number| number.to_string()));
        command
    }

    /// The bare client, with a consumer and nothing to consume.
    pub(super) fn bare_idle(&self, login: &Path, prefetch: u16) -> Command {
        let mut command = self.bare(login);
        command.args(["idle", MAIN_QUEUE, &prefetch.to_string()]);
        command
    }

    /// The worker, with its admin server on this port.
    pub(super) fn work(&self, login: &Path, config: &Path, port: u16) -> Command {
        let mut command = program(&self.worker);
        command.args(["run", "--exit-on-stdin-close", "--pod-name", "bench"]);
        command.args(["--http-host", "127.0.0.1", "--http-port", &port.to_string()]);
        command.arg("--config").arg(config).arg("--broker-dir").arg(login);
        command
    }

    /// The producer, serving on this port.
    pub(super) fn serve(&self, login: &Path, port: u16) -> Command {
        let mut command = program(&self.producer);
        command.args(["serve", "--pipeline", PIPELINE, "--log", "warn"]);
        command.args(["--http-host", "127.0.0.1", "--http-port", &port.to_string()]);
        command.arg("--broker-dir").arg(login);
        command
    }

    /// The producer, publishing each line of a file.
    pub(super) fn publish(&self, login: &Path, lines: &Path, window: u16) -> Command {
        let mut command = program(&self.producer);
        command.args(["publish", "--pipeline", PIPELINE, "--window", &window.to_string()]);
        command.arg("--broker-dir").arg(login).arg("--ndjson").arg(lines);
        command
    }

    fn bare(&self, login: &Path) -> Command {
        let mut command = program(&self.bare);
        command.arg(login);
        command
    }
}

/// A program without the environment of this one.
pub(super) fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("WARREN_LOG", "warn");
    command
}

/// A port of the loopback address that nobody listens on now.
///
/// # Errors
/// When there is none.
pub(super) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}
