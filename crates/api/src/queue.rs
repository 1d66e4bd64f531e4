//! One queue of a pipeline, and the rules that span its parts.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::BindingSpec;
use crate::handler::HandlerSpec;
use crate::limits::{BreakerSpec, DeadLetterSpec, LimitsSpec, RateLimitSpec};
use crate::retry::RetrySpec;
use crate::scaling::ScalingSpec;
use crate::slo::SloSpec;
use crate::worker::WorkerSpec;

/// One queue: its own copy of the messages its bindings match, its own handler, retries, dead
/// letters, workers and scaling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "!(has(self.handler.exec) || has(self.handler.custom)) || has(self.worker.image)"
    )
    .message(
        "handler exec and handler custom need worker.image: for exec an image that contains \
         warren-worker, for custom one built on the warren-worker library"
    )
    .field_path(".worker.image"),
    validation = Rule::new(
        "!has(self.worker.taskTimeout) || (\
         (!has(self.handler.http) || \
         duration(self.handler.http.timeout) < duration(self.worker.taskTimeout)) && \
         (!has(self.handler.exec) || \
         duration(self.handler.exec.timeout) < duration(self.worker.taskTimeout)) && \
         (!has(self.handler.urlCheck) || \
         duration(self.handler.urlCheck.timeout) < duration(self.worker.taskTimeout)))"
    )
    .message("worker.taskTimeout must be longer than the handler's timeout")
    .field_path(".worker.taskTimeout"),
    validation = Rule::new(
        "!has(self.worker.taskTimeout) || !has(self.limits.consumerTimeout) || \
         duration(self.worker.taskTimeout) < duration(self.limits.consumerTimeout)"
    )
    .message("worker.taskTimeout must be shorter than limits.consumerTimeout")
    .field_path(".worker.taskTimeout"),
    validation = Rule::new("self.order != 'Strict' || !has(self.retry.mode)")
        .message("with order Strict a retry waits in place: leave retry.mode out")
        .field_path(".retry.mode"),
    validation = Rule::new(
        "self.order != 'Strict' || !has(self.worker.concurrency) || self.worker.concurrency == 1"
    )
    .message("with order Strict worker.concurrency must be 1, or left out")
    .field_path(".worker.concurrency"),
    validation = Rule::new(
        "self.order != 'Strict' || (self.scaling.minReplicas <= 1 && \
         (!has(self.scaling.maxReplicas) || self.scaling.maxReplicas == 1))"
    )
    .message(
        "with order Strict there is one replica: scaling.maxReplicas must be 1 or left out, and \
         scaling.minReplicas at most 1"
    )
    .field_path(".scaling.maxReplicas"),
)]
pub struct QueueSpec {
    /// Name of the queue, unique in the pipeline. internal, unrouted, producer, dead, retry and
    /// status are taken.
    #[schemars(length(max = 40), regex(pattern = "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"))]
    #[x_kube(validation = (
        "!(self in ['internal', 'unrouted', 'producer', 'dead', 'retry', 'status'])",
        "is a name that Warren uses itself: choose another",
    ))]
    pub name: String,
    /// Which messages of the exchange this queue gets. Not given: all of them, for Fanout by one
    /// binding with the empty key, for Topic by one with the key #. Direct and Headers need
    /// bindings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub bindings: Option<Vec<BindingSpec>>,
    /// How often and after which delays a failed message is tried again.
    #[serde(default)]
    pub retry: RetrySpec,
    /// Limits of the dead-letter queue.
    #[serde(default)]
    pub dead_letter: DeadLetterSpec,
    /// Limits of the queue and of its messages.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// BestEffort: a retry gives way to later messages. Strict: one worker takes one message at a
    /// time, and a retry waits in place and blocks the queue.
    #[serde(default)]
    pub order: Order,
    /// What is done with a message: exactly one kind.
    pub handler: HandlerSpec,
    /// When the workers stop calling an endpoint that fails.
    #[serde(default)]
    pub breaker: BreakerSpec,
    /// The most messages that all workers of the queue together may start. Not given: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitSpec>,
    /// The worker pods.
    #[serde(default)]
    pub worker: WorkerSpec,
    /// How many worker pods there are.
    #[serde(default)]
    pub scaling: ScalingSpec,
    /// Objectives that alerts measure this queue by.
    #[serde(default)]
    pub slo: SloSpec,
}

/// Whether the order of messages is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Order {
    /// A retry gives way to later messages.
    #[default]
    BestEffort,
    /// One message at a time, and later ones wait for a retry.
    Strict,
}
