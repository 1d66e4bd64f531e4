//! `warren-operator local` as a child of the demo, and the processes below it.
//!
//! It leads a process group of its own, so that a Ctrl-C of the terminal reaches the demo alone,
//! which then ends it in good order. It is seen from outside, as any user could: through `/proc`
//! and the ports of its workers.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;
use ureq::Agent;

use super::census::{Sighting, Worker};
use super::programs::{PRODUCER, Programs, WORKER};
use super::theatre::{self, Theatre};
use super::worker::Figures;
use crate::process::Process;

/// Workers drain first; their requests take far less.
const END_LIMIT: Duration = Duration::from_mins(1);
/// The kernel is quick.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// A process of this machine that does not answer by then is asked again later.
const ANSWER: Duration = Duration::from_millis(500);

/// The variable that tells a process its port.
const PORT: &[u8] = b"WARREN_HTTP_PORT=";

/// The running operator.
#[derive(Debug)]
pub(super) struct Operator {
    child: Child,
    process: Process,
    agent: Agent,
}

/// What the operator is started with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Launch<'a> {
    pub(super) programs: &'a Programs,
    pub(super) manifest: &'a Path,
    pub(super) broker_dir: &'a Path,
    pub(super) state: &'a Path,
}

impl Operator {
    /// Starts it. What it shows goes to standard error: a live table on a terminal, else lines.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(launch: Launch<'_>) -> anyhow::Result<Self> {
        let child = Command::new(&launch.programs.operator)
            .arg("local")
            .arg("--file")
            .arg(launch.manifest)
            .arg("--broker-dir")
            .arg(launch.broker_dir)
            .arg("--state-dir")
            .arg(launch.state)
            .arg("--worker-binary")
            .arg(&launch.programs.worker)
            .arg("--producer-binary")
            .arg(&launch.programs.producer)
            .stdin(Stdio::null())
            .stdout(io::stderr())
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {}", launch.programs.operator.display()))?;
        let id = i32::try_from(child.id()).context("read a process id")?;
        let process = Process::with_id(id);
        let process = process.context("the operator ended as soon as it was started")?;
        let agent =
            Agent::config_builder().timeout_global(Some(ANSWER)).proxy(None).build().new_agent();
        Ok(Self { child, process, agent })
    }

    /// Its process.
    pub(super) fn process(&self) -> Process {
        self.process
    }

    fn look_at(&self, worker: Process) -> Sighting {
        let figures = port(&worker).and_then(|port| {
            let url = format!("http://127.0.0.1:{port}/metrics");
            let mut response = self.agent.get(url).call().ok()?;
            let text = response.body_mut().read_to_string().ok()?;
            Some(Figures::read(&text))
        });
        Sighting { worker: Worker::Process(worker), figures }
    }

    /// Ends it, and with it all its processes.
    ///
    /// # Errors
    /// When it does not end.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        end(self.process)?;
        self.child.wait().context("wait for the operator")?;
        Ok(())
    }
}

impl Theatre for Operator {
    fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait().context("ask about the operator")? {
            None => Ok(()),
            Some(status) => bail!("the operator ended by itself, with {status}"),
        }
    }

    /// Once the producer is ready the topology is declared too: the operator starts nothing before.
    fn producer(&self) -> anyhow::Result<theatre::Producer> {
        let children = self.process.children();
        let producer = children.iter().find(|child| is(child, PRODUCER));
        let url = producer.and_then(port).map(|port| format!("http://127.0.0.1:{port}"));
        let ready = url.filter(|url| self.agent.get(format!("{url}/readyz")).call().is_ok());
        let missing = || theatre::Producer::NotYet("see what the operator said".to_owned());
        Ok(ready.map_or_else(missing, theatre::Producer::Ready))
    }

    fn workers(&mut self) -> anyhow::Result<Vec<Sighting>> {
        let children = self.process.children();
        let workers = children.into_iter().filter(|child| is(child, WORKER));
        Ok(workers.map(|worker| self.look_at(worker)).collect())
    }

    fn kill(&self, victim: &Sighting) -> anyhow::Result<()> {
        match &victim.worker {
            Worker::Process(process) => process.signal(Signal::KILL),
            Worker::Pod(name) => bail!("worker {name} is no process of this machine"),
        }
    }
}

/// Ends an operator, this demo's or one that an earlier demo left.
///
/// # Errors
/// When it does not end.
pub(super) fn end(operator: Process) -> anyhow::Result<()> {
    operator.signal(Signal::TERM)?;
    if operator.wait_gone(END_LIMIT) {
        return Ok(());
    }
    // Its workers notice that it is gone, and end too.
    operator.signal(Signal::KILL)?;
    ensure!(
        operator.wait_gone(KILL_LIMIT),
        "the operator, process {}, was killed and still runs",
        operator.id
    );
    Ok(())
}

/// Whether a process runs this program, by the name that the kernel has for it: at most 15 bytes
/// (`proc_pid_comm(5)`), which fits all of ours.
fn is(process: &Process, program: &str) -> bool {
    let name = fs::read_to_string(format!("/proc/{}/comm", process.id));
    name.is_ok_and(|name| name.trim_end() == program)
}

/// The port that a process was told to serve HTTP on.
fn port(process: &Process) -> Option<u16> {
    let environment = fs::read(format!("/proc/{}/environ", process.id)).ok()?;
    port_in(&environment)
}

fn port_in(environment: &[u8]) -> Option<u16> {
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|variable| variable.strip_prefix(PORT))?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_read_from_the_environment() {
        let environment = b"HOME=/h\0WARREN_HTTP_PORT=4321\0XWARREN_HTTP_PORT=1\0";
        assert_eq!(port_in(environment), Some(4321));
        assert_eq!(port_in(b"XWARREN_HTTP_PORT=1\0"), None);
        assert_eq!(port_in(b""), None);
    }

    #[test]
    fn the_names_of_the_programs_are_not_cut_by_the_kernel() {
        for name in [WORKER, PRODUCER] {
            assert!(name.len() <= 15, "{name}");
        }
    }
}
