//! Starts the cluster's components in their order and waits until it serves.
//!
//! A first start and a repair are the same story: what does not run is started, and the answers
//! are awaited in the same order.

use std::fs::OpenOptions;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::cgroups::Cgroups;
use super::component::{Component, DNS_READY_PORT, Site};
use super::configuration::MANIFEST;
use super::image::{Image, Runtime};
use super::inside;
use super::kubectl::Kubectl;
use super::layout::Layout;
use super::record::Record;
use super::tools::Tools;
use crate::deadline;
use crate::process::Process;
use crate::progress::Progress;

/// Each step takes seconds; on two cores that compile something else, a minute.
const LIMIT: Duration = Duration::from_mins(4);

/// How long CoreDNS may take to say that it is ready.
const DNS_PATIENCE: Duration = Duration::from_secs(2);

/// A cluster on its way up.
#[derive(Debug)]
pub(super) struct Boot<'a> {
    pub(super) layout: &'a Layout,
    pub(super) tools: &'a Tools,
    pub(super) cgroups: &'a Cgroups,
    pub(super) progress: &'a Progress,
    pub(super) record: Record,
}

impl Boot<'_> {
    /// Starts what does not run, and returns when the cluster takes pods and answers for names.
    ///
    /// # Errors
    /// When a component ends or does not answer in time.
    pub(super) fn run(mut self, sandbox: &Image) -> anyhow::Result<Record> {
        let holder = self.start(Component::Etcd)?;
        self.wait("hold the namespaces", &[Component::Etcd], || Ok(is(holder, "etcd")))?;
        self.start(Component::Containerd)?;
        self.start(Component::ApiServer)?;

        let cgroup = self.cgroups.system();
        let runtime = Runtime { layout: self.layout, holder, cgroup: &cgroup };
        self.wait("answer", &[Component::Containerd], || Ok(runtime.answers()))?;
        if !runtime.has(&sandbox.reference)? {
            runtime.load(sandbox)?;
        }
        let kubectl = Kubectl::new(self.layout, self.tools);
        let parts = [Component::Etcd, Component::ApiServer];
        self.wait("be ready", &parts, || Ok(kubectl.serves()))?;

        for component in Component::ALL {
            self.start(component)?;
        }
        kubectl.apply(&self.layout.configuration(MANIFEST))?;
        self.wait("take pods", &Component::ALL, || Ok(kubectl.takes_pods()))?;
        let dns = format!("http://{}:{DNS_READY_PORT}/ready", self.record.network.inside);
        self.wait("answer for names", &Component::ALL, || Ok(says_ready(&dns)))?;
        self.record.served = true;
        self.record.save(self.layout)?;
        Ok(self.record)
    }

    /// Starts `component` unless it runs.
    fn start(&mut self, component: Component) -> anyhow::Result<Process> {
        if let Some(process) = self.record.processes.get(&component).filter(|one| one.runs()) {
            return Ok(*process);
        }
        self.progress.step(format!("cluster: starting {}", component.name()));
        let Self { layout, tools, cgroups, record, .. } = self;
        let words = component.words(&Site { layout, tools });
        let group = cgroups.system();
        let holder = record.processes.get(&Component::Etcd).filter(|one| one.runs());
        let mut command = match holder {
            Some(holder) => inside::further(*holder, &group, &words),
            None => inside::first(&record.network, &group, &words),
        };
        let what = || format!("start {}", component.name());
        let open = || OpenOptions::new().create(true).append(true).open(layout.log(component));
        let child = command
            .stdin(Stdio::null())
            .stdout(open().with_context(what)?)
            .stderr(open().with_context(what)?)
            .spawn()
            .with_context(what)?;
        let id = i32::try_from(child.id()).context("read a process id")?;
        let process = Process::with_id(id).with_context(|| self.ended(component))?;
        self.record.processes.insert(component, process);
        self.record.save(self.layout)?;
        Ok(process)
    }

    /// Waits until `condition` holds, as long as all of `parts` run.
    fn wait(
        &self,
        what: &str,
        parts: &[Component],
        mut condition: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let met = deadline::wait_for(LIMIT, || {
            let met = condition()?;
            for part in parts {
                let process = self.record.processes.get(part);
                ensure!(process.is_some_and(Process::runs), self.ended(*part));
            }
            Ok(met.then_some(()))
        })?;
        if met.is_none() {
            let name = parts.last().map_or("cluster", |part| part.name());
            bail!(
                "the cluster did not {what} within {LIMIT:?}, though {name} runs; see the logs in \
                 {}, or `cargo xtask cluster down` and begin anew",
                self.layout.root().join("log").display()
            );
        }
        Ok(())
    }

    fn ended(&self, component: Component) -> String {
        format!(
            "{} ended while the cluster started. The end of {}:\n{}",
            component.name(),
            self.layout.log(component).display(),
            self.layout.end_of_log(component)
        )
    }
}

/// Whether `process` has become the program `name`: before that it is the one that prepares its way.
fn is(process: Process, name: &str) -> bool {
    let comm = std::fs::read_to_string(format!("/proc/{}/comm", process.id));
    comm.is_ok_and(|comm| comm.trim_end() == name)
}

fn says_ready(address: &str) -> bool {
    // The environment may name a proxy; this machine is not behind it.
    let request = ureq::get(address).config().proxy(None).timeout_global(Some(DNS_PATIENCE));
    request.build().call().is_ok()
}
