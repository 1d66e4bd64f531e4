//! A worker or producer that runs until it is stopped, and its port of HTTP.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use ureq::Agent;

use super::child::Child;
use super::programs;
use crate::deadline;
use crate::interrupt::Interrupt;

/// Starting takes well below a second; a busy machine takes longer.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// A process of this machine that does not answer by then is asked again later.
const ANSWER: Duration = Duration::from_secs(1);

/// The running program.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) child: Child,
    agent: Agent,
    port: u16,
}

impl Service {
    /// Starts the command for a port, and waits until the program is ready for work.
    ///
    /// # Errors
    /// When it cannot be started, or does not get ready.
    pub(super) fn start(
        name: &'static str,
        command: impl FnOnce(u16) -> Command,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let port = programs::free_port()?;
        let child = Child::start(name, command(port), folder)?;
        let agent =
            Agent::config_builder().timeout_global(Some(ANSWER)).proxy(None).build().new_agent();
        let mut service = Self { child, agent, port };
        let ready = deadline::wait_for(READY_LIMIT, || {
            interrupt.check()?;
            service.child.check()?;
            Ok(service.get("/readyz"))
        })?;
        ready.with_context(|| format!("{name} is not ready after {READY_LIMIT:?}"))?;
        Ok(service)
    }

    /// What it answers with success at `path`.
    pub(super) fn get(&self, path: &str) -> Option<String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        self.agent.get(url).call().ok()?.body_mut().read_to_string().ok()
    }
}
