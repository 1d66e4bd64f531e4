//! The Deployments of a pipeline that is being deleted: what still runs, and how it is stopped.

use serde_json::Value;
use warren_api::metadata::QUEUE_LABEL;

use super::Step;
use crate::{
    children::{Child, ChildKind, ChildStep, ChildrenReading, owners},
    resources::PRODUCER,
};

/// A Deployment of the pipeline.
pub(super) struct Workload {
    name: String,
    resource_version: String,
    /// Whether it runs producers, not workers.
    is_producer: bool,
    /// How many pods it shall have.
    wanted: u32,
    /// How many it has, those that are ending among them.
    running: u64,
}

impl Workload {
    /// Those that run producers.
    pub(super) fn producers(reading: &ChildrenReading) -> Vec<Self> {
        all(reading).filter(|workload| workload.is_producer).collect()
    }

    /// Those that run workers.
    pub(super) fn workers(reading: &ChildrenReading) -> Vec<Self> {
        all(reading).filter(|workload| !workload.is_producer).collect()
    }

    /// Whether it has pods, or is to have some.
    pub(super) fn is_up(&self) -> bool {
        self.wanted > 0 || self.running > 0
    }

    /// The step that stops it, where it was not taken yet.
    pub(super) fn stop(&self) -> Option<Step> {
        let step = ChildStep::Stop {
            deployment: self.name.clone(),
            resource_version: self.resource_version.clone(),
        };
        (self.wanted > 0).then_some(Step::Child(step))
    }
}

/// Of what cannot be read nothing is known to run; whether it could be read is asked elsewhere.
fn all(reading: &ChildrenReading) -> impl Iterator<Item = Workload> {
    let seen = match reading {
        ChildrenReading::Seen(seen) => Some(seen),
        ChildrenReading::NotKept | ChildrenReading::Unknown(_) => None,
    };
    let deployments = seen
        .into_iter()
        .flatten()
        .filter(|(key, child)| key.kind == ChildKind::Deployment && child.is_ours);
    deployments.map(|(key, child)| workload(&key.name, child))
}

fn workload(name: &str, child: &Child) -> Workload {
    let live = &child.live;
    let count = |pointer: &str| live.0.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    Workload {
        name: name.to_owned(),
        resource_version: live.text("/metadata/resourceVersion").to_owned(),
        is_producer: live.label(QUEUE_LABEL) == Some(PRODUCER),
        wanted: owners::replicas(live),
        running: count("/status/replicas") + count("/status/terminatingReplicas"),
    }
}
