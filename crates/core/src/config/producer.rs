//! `producer.yaml`: where to publish, and what to refuse.

use serde::{Deserialize, Serialize};

use crate::{
    names::{PipelineId, Prefix},
    retry::Delay,
};

/// Everything a producer knows about its pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProducerConfig {
    /// The pipeline, `<namespace>/<name>`.
    pub pipeline: PipelineId,
    /// The prefix of the broker objects' names, which is the exchange to publish to.
    pub prefix: Prefix,
    /// What becomes of a message that no binding matches.
    #[serde(default)]
    pub unrouted: Unrouted,
    /// The largest body accepted, in bytes.
    #[serde(default = "default_max_message_bytes")]
    pub max_message_bytes: usize,
    /// The longest `Warren-Delay` accepted; without it no delay is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Delay>,
    /// A file with the token that every call but health and metrics must bear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token_file: Option<String>,
}

/// What becomes of a message that no binding matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unrouted {
    /// It is kept in `P.unrouted`.
    #[default]
    Capture,
    /// The publisher is told.
    Drop,
}

fn default_max_message_bytes() -> usize {
    1_048_576
}
