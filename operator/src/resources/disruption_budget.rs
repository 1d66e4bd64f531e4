//! The PodDisruptionBudget of a queue's workers: a drained node takes a part of them at a time.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use warren_core::scaling::{Mode, Replicas};

use super::{
    metadata::{self, Part},
    names, stamp,
};
use crate::{
    children::Manifest,
    pipeline::{Pipeline, Queue},
};

/// The share of workers that may be missing because nodes are drained; rounded up, so that it never
/// forbids to drain one.
const MAX_UNAVAILABLE: &str = "25%";

/// The budget of a queue that may have several workers; a single one would block nothing but the
/// drain of its node.
pub(super) fn manifest(pipeline: &Pipeline, queue: &Queue) -> Option<Manifest> {
    if !may_have_several(queue) {
        return None;
    }
    let part = Part::Worker(&queue.name);
    let name = names::workers(&pipeline.id, &queue.name);
    Some(stamp::manifest(&PodDisruptionBudget {
        metadata: metadata::object(pipeline, name, part),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::String(MAX_UNAVAILABLE.to_owned())),
            selector: Some(metadata::selector(pipeline, part)),
            // A worker that cannot reach its broker does nothing that is worth keeping a node for.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }))
}

/// Who scales from outside may want any number.
fn may_have_several(queue: &Queue) -> bool {
    match queue.scaling.mode {
        Mode::Auto(bounds) => bounds.max() > Replicas::ONE,
        Mode::External(_) => true,
        Mode::Fixed(replicas) => replicas.get() > 1,
    }
}
