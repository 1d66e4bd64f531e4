//! What a pipeline's author and the operator's say about the pods of workers and producers.
//!
//! What is passed on as it is stays in the form of Kubernetes: the API server judges it, and a
//! field of a later Kubernetes needs no new Warren.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::settings::PullPolicy;

/// Fields of a Kubernetes object, under the names that Kubernetes gives them.
pub type Fields = Map<String, Value>;

/// What was said about the pods of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pods {
    /// The container image.
    pub image: String,
    /// When nodes ask the registry for it.
    pub pull: PullPolicy,
    /// What the container is promised and may use at most: `resources` of a container.
    pub resources: Fields,
    /// What the pods have beside Warren's own.
    pub additions: Additions,
}

/// What pods have beside Warren's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Additions {
    /// Labels of the pod.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pod.
    pub annotations: BTreeMap<String, String>,
    /// Fields of the container: `env`, `envFrom`, `volumeMounts`.
    pub container: Fields,
    /// Fields of the pod's spec: `volumes`, `nodeSelector`, `affinity` and so on.
    pub pod: Fields,
}
