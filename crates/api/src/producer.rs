//! The HTTP producer of a pipeline.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::all_defaults;
use crate::limits::max_message_bytes;
use crate::reference::SecretKeyRef;
use crate::template::PodTemplateSpec;
use crate::worker::ResourcesSpec;

/// The HTTP producer: a Deployment and a Service with port 5000, named after the pipeline with
/// -producer behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProducerSpec {
    /// Pods of the producer.
    #[serde(default = "replicas")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: u32,
    /// Container image. Not given: the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = "^[!-~]+$"))]
    pub image: Option<String>,
    /// Resources of the container.
    #[serde(default)]
    pub resources: ResourcesSpec,
    /// What else the pods shall have.
    #[serde(default)]
    pub template: PodTemplateSpec,
    /// Who may call it. Not given: everyone who can reach the Service, which is internal to the
    /// cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<ProducerAuth>,
    /// Largest message in bytes; a larger one is refused.
    #[serde(default = "max_message_bytes")]
    #[schemars(range(min = 1, max = 134_217_728))]
    pub max_message_bytes: u32,
}

impl Default for ProducerSpec {
    fn default() -> Self {
        all_defaults()
    }
}

/// What a caller of the producer must show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProducerAuth {
    /// Key of a Secret that holds the bearer token which every route but health and metrics asks
    /// for.
    pub bearer_secret_ref: SecretKeyRef,
}

fn replicas() -> u32 {
    1
}
