//! What is remembered of the cluster between runs, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::component::Component;
use super::layout::Layout;
use super::network::Network;
use crate::paths::write_private;
use crate::process::Process;

/// A cluster that was begun and not taken down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// Which versions and settings it was made with.
    pub(super) recipe: String,
    pub(super) network: Network,
    /// What was started, each with the moment it began.
    pub(super) processes: BTreeMap<Component, Process>,
    /// Whether it once served. Before that nobody can have used it.
    pub(super) served: bool,
}

impl Record {
    /// A cluster of which nothing was started yet.
    pub(super) fn new(recipe: String, network: Network) -> Self {
        Self { recipe, network, processes: BTreeMap::new(), served: false }
    }

    /// The components that run.
    pub(super) fn running(&self) -> BTreeSet<Component> {
        let running = self.processes.iter().filter(|(_, process)| process.runs());
        running.map(|(component, _)| *component).collect()
    }

    /// What is remembered, if anything.
    ///
    /// # Errors
    /// When the record cannot be read. One that makes no sense is none: a cluster is found by its
    /// control groups and its namespace, too.
    pub(super) fn load(layout: &Layout) -> anyhow::Result<Option<Self>> {
        let path = layout.record();
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        }
    }

    /// Remembers this.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn save(&self, layout: &Layout) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("write the record")?;
        write_private(&layout.record(), &text)
    }
}

/// What is to be done for the cluster to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing.
    Nothing,
    /// Start what ended; the objects stay.
    Mend,
    /// Remove whatever is there and begin with an empty cluster.
    Create,
}

impl Need {
    /// Judges what is remembered, given what runs and the recipe of this checkout.
    ///
    /// Etcd decides: it writes without waiting for the disk, so that after any end of it but a
    /// `down` its data is not to be trusted; and it holds the namespaces that the others live in.
    pub(super) fn of(record: Option<&Record>, running: &BTreeSet<Component>, recipe: &str) -> Self {
        let Some(record) = record else {
            return Self::Create;
        };
        if record.recipe != recipe || !record.served || !running.contains(&Component::Etcd) {
            return Self::Create;
        }
        let whole = Component::ALL.iter().all(|component| running.contains(component));
        if whole { Self::Nothing } else { Self::Mend }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(served: bool) -> Record {
        Record { served, ..Record::new("now".to_owned(), Network::example()) }
    }

    fn all_but(missing: Option<Component>) -> BTreeSet<Component> {
        Component::ALL.into_iter().filter(|component| Some(*component) != missing).collect()
    }

    #[test]
    fn a_cluster_that_runs_is_left_alone() {
        assert_eq!(Need::of(Some(&record(true)), &all_but(None), "now"), Need::Nothing);
    }

    #[test]
    fn a_component_that_ended_is_started_again() {
        for component in Component::ALL.into_iter().filter(|one| *one != Component::Etcd) {
            let need = Need::of(Some(&record(true)), &all_but(Some(component)), "now");
            assert_eq!(need, Need::Mend, "{component:?}");
        }
    }

    #[test]
    fn data_that_was_not_left_in_good_order_is_not_used() {
        let etcd = all_but(Some(Component::Etcd));
        assert_eq!(Need::of(Some(&record(true)), &etcd, "now"), Need::Create);
        assert_eq!(Need::of(Some(&record(true)), &BTreeSet::new(), "now"), Need::Create);
        assert_eq!(Need::of(Some(&record(false)), &all_but(None), "now"), Need::Create);
        assert_eq!(Need::of(None, &BTreeSet::new(), "now"), Need::Create);
    }

    #[test]
    fn a_cluster_of_other_versions_is_made_anew() {
        assert_eq!(Need::of(Some(&record(true)), &all_but(None), "later"), Need::Create);
    }

    #[test]
    fn processes_that_ended_do_not_count_as_running() {
        let id = i32::try_from(std::process::id()).expect("ids are positive");
        let this = Process::with_id(id).expect("this test runs");
        let stranger: Process = {
            let mut value = serde_json::to_value(this).expect("JSON");
            value["started"] = serde_json::json!(1);
            serde_json::from_value(value).expect("a process")
        };
        let mut record = record(true);
        record.processes.insert(Component::Etcd, this);
        record.processes.insert(Component::Kubelet, stranger);
        assert_eq!(record.running(), BTreeSet::from([Component::Etcd]));
    }
}
