//! The exchange people publish to, the bindings from it, and exchanges of others as targets.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::all_defaults;
use crate::text_map::text_map;

/// The exchange of a pipeline, where its messages are published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type == oldSelf.type")
        .message("type is immutable: make a new pipeline with the other type and drain this one")
        .field_path(".type"),
)]
pub struct ExchangeSpec {
    /// Fanout: every queue gets a copy of every message. Topic: by patterns of the routing key.
    /// Direct: by equal routing key. Headers: by the arguments of the bindings. Immutable.
    #[serde(default, rename = "type")]
    pub kind: ExchangeType,
    /// What becomes of a message that no queue wants. Capture: it is kept in a queue of its own,
    /// and publishing succeeds. Drop: publishing fails, and the producer says so.
    #[serde(default)]
    pub unrouted: Unrouted,
}

impl Default for ExchangeSpec {
    fn default() -> Self {
        all_defaults()
    }
}

/// How an exchange chooses among queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExchangeType {
    /// Every queue gets every message.
    #[default]
    Fanout,
    /// By pattern of the routing key.
    Topic,
    /// By equal routing key.
    Direct,
    /// By message headers.
    Headers,
}

/// What becomes of a message that matches no binding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unrouted {
    /// Kept in the queue for unrouted messages.
    #[default]
    Capture,
    /// Refused.
    Drop,
}

/// One binding of a queue to the pipeline's exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingSpec {
    /// Routing key, or for a Topic exchange a pattern in which * stands for one word and # for any
    /// number of words.
    #[serde(default)]
    #[schemars(length(max = 255))]
    pub routing_key: String,
    /// Headers to match, with x-match for how. Only for a Headers exchange: elsewhere brokers with
    /// the Khepri store mis-route bindings that differ in their arguments.
    #[serde(default)]
    #[schemars(schema_with = "text_map::<16, 255>")]
    pub arguments: BTreeMap<String, String>,
}

/// The name of an exchange outside the pipeline: never the default exchange, never one of the
/// broker's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetExchange(String);

impl TargetExchange {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for TargetExchange {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl JsonSchema for TargetExchange {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TargetExchange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 255,
            "x-kubernetes-validations": [{
                "rule": "self != '' && !self.startsWith('amq.')",
                "message": "must be an exchange of its own: neither empty (the default exchange) \
                            nor one of the broker's, whose names begin with amq.",
            }],
        })
    }
}
