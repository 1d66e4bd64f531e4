//! The custom resource itself.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::broker::BrokerSpec;
use crate::deletion::DeletionSpec;
use crate::exchange::ExchangeSpec;
use crate::producer::ProducerSpec;
use crate::queue::QueueSpec;
use crate::status::MessagePipelineStatus;

/// What a pipeline is: a broker, an exchange, queues with a handler each, and how they are run.
///
/// Durations are written as in 500ms, 30s or 1h30m, and are at most 24h unless their field says
/// otherwise.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "warren.dev",
    version = "v1alpha1",
    kind = "MessagePipeline",
    shortname = "mp",
    category = "warren",
    namespaced,
    status = "MessagePipelineStatus",
    derive = "PartialEq",
    doc = "A message pipeline: one RabbitMQ exchange and queues behind it, each with its own \
           handler, retries, dead letters, workers and scaling.",
    validation = Rule::new(
        "self.metadata.name.matches('^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$')"
    )
    .message(
        "metadata.name must be at most 63 characters: a lower-case letter, then lower-case \
         letters, digits and -, not - at the end"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Queues", type_ = "integer", json_path = ".status.queueCount"),
    printcolumn(
        name = "Workers",
        type_ = "string",
        json_path = ".status.workers",
        description = "Ready and desired workers over all queues"
    ),
    printcolumn(
        name = "Broker",
        type_ = "string",
        json_path = ".status.broker.version",
        description = "Version of RabbitMQ"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "has(self.namePrefix) == has(oldSelf.namePrefix) && \
         (!has(self.namePrefix) || self.namePrefix == oldSelf.namePrefix)"
    )
    .message(
        "namePrefix is immutable and can neither be added nor removed: make a new pipeline and \
         drain this one"
    )
    .field_path(".namePrefix"),
    validation = Rule::new(
        "self.exchange.type in ['Fanout', 'Topic'] || self.queues.all(queue, has(queue.bindings))"
    )
    .message("exchange types Direct and Headers need bindings at every queue")
    .field_path(".queues"),
    validation = Rule::new(
        "self.exchange.type == 'Headers' || self.queues.all(queue, !has(queue.bindings) || \
         queue.bindings.all(binding, size(binding.arguments) == 0))"
    )
    .message("arguments of bindings are for exchange type Headers: leave them out, or choose it")
    .field_path(".queues"),
)]
pub struct MessagePipelineSpec {
    /// The RabbitMQ broker: exactly one of secretRef and clusterRef.
    pub broker: BrokerSpec,
    /// What the names of all exchanges and queues begin with. Not given: `<namespace>.<name>`.
    /// Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 150), regex(pattern = "^[A-Za-z0-9._-]{1,150}$"))]
    pub name_prefix: Option<String>,
    /// The exchange that messages are published to.
    #[serde(default)]
    pub exchange: ExchangeSpec,
    /// The queues. Each gets its own copy of the messages its bindings match.
    #[schemars(
        length(min = 1, max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub queues: Vec<QueueSpec>,
    /// An HTTP producer as a Deployment and a Service. Not given: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<ProducerSpec>,
    /// What to do with objects of the broker that exist already. Never: nothing, and say so.
    /// IfCompatible: use them when they fit and belong to nobody. TakeOver: also those that this
    /// pipeline made from another Kubernetes cluster, which is lost. Observe: report only.
    #[serde(default)]
    pub adoption: AdoptionPolicy,
    /// What becomes of the broker's objects when the pipeline is deleted.
    #[serde(default)]
    pub deletion: DeletionSpec,
    /// Stops all workers and keeps exchanges, queues and messages.
    #[serde(default)]
    pub suspend: bool,
}

/// What to do with objects of the broker that exist already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// Leave them alone, and say so.
    #[default]
    Never,
    /// Use those that fit and belong to nobody.
    IfCompatible,
    /// Use also those that this pipeline made from a Kubernetes cluster that is lost.
    TakeOver,
    /// Report them.
    Observe,
}
