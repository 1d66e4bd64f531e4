//! The worker pods of a queue.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::all_defaults;
use crate::duration::{Positive24h, UpTo24h};
use crate::template::PodTemplateSpec;

/// The worker pods of a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "!has(self.prefetch) || !has(self.concurrency) || self.prefetch >= self.concurrency"
    )
    .message("prefetch must be at least concurrency, or left out")
    .field_path(".prefetch"),
)]
pub struct WorkerSpec {
    /// Container image. exec needs one that contains warren-worker, custom one that is built on the
    /// warren-worker library. Not given: the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = "^[!-~]+$"))]
    pub image: Option<String>,
    /// Handlers at once in one pod. Not given: 10, and 1 with order Strict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2000))]
    pub concurrency: Option<u32>,
    /// Messages that one pod holds at once, started or not. Not given: concurrency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2000))]
    pub prefetch: Option<u32>,
    /// How long one run of the handler may take before it is cancelled: above the handler's own
    /// timeout, below limits.consumerTimeout. Not given: the handler's timeout and 30s, at least
    /// 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_timeout: Option<Positive24h>,
    /// How long a pod that is asked to stop may finish what it has begun; its grace period is 15 s
    /// more. Not given: taskTimeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_timeout: Option<UpTo24h>,
    /// Resources of the container. What is given here replaces the default as a whole.
    #[serde(default = "worker_resources")]
    pub resources: ResourcesSpec,
    /// What else the pods shall have.
    #[serde(default)]
    pub template: PodTemplateSpec,
}

impl Default for WorkerSpec {
    fn default() -> Self {
        all_defaults()
    }
}

/// Resources of a container, as in a Pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourcesSpec {
    /// What the container is promised.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub requests: BTreeMap<String, Quantity>,
    /// What the container may use at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub limits: BTreeMap<String, Quantity>,
}

/// Quantities by resource name. The pattern is that of the Kubernetes API for amounts that are not
/// negative; whole numbers may stand without quotes.
fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {
            "x-kubernetes-int-or-string": true,
            "maxLength": 32,
            "pattern": "^[0-9]+([.][0-9]+)?([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
        },
    })
}

fn worker_resources() -> ResourcesSpec {
    let request = |name: &str, amount: &str| (name.to_owned(), Quantity(amount.to_owned()));
    ResourcesSpec {
        requests: BTreeMap::from([request("cpu", "50m"), request("memory", "64Mi")]),
        limits: BTreeMap::new(),
    }
}
