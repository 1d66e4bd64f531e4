//! The objects the operator makes for a pipeline, as values: one file for each kind.
//!
//! Pure: who applies them (a cluster's API server, or local mode's files) is no matter here.

pub mod broker_secret;
pub mod producer_yaml;
pub mod worker_yaml;

use crate::{children::ChildKey, pipeline::Pipeline};

/// The Kubernetes objects that a pipeline wants.
pub fn keys(_pipeline: &Pipeline) -> Vec<ChildKey> {
    Vec::new()
}
