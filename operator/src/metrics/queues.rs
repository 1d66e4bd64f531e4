//! Queues: their messages, their workers' numbers, and what is promised of them.

use std::time::Duration;

use jiff::Timestamp;
use warren_core::{names::PipelineId, scaling::Replicas};
use warren_service::metrics::{Histogram, Metrics, MetricsError, OpenGauges, SECONDS};

use super::{OperatorMetrics, series::Series};
use crate::pipeline::Objective;

/// A queue, as its series are labelled.
#[derive(Debug, Clone, Copy)]
pub struct QueueId<'a> {
    /// Its pipeline.
    pub pipeline: &'a PipelineId,
    /// Its name; empty for what is caught where no binding matched.
    pub queue: &'a str,
}

/// Which of a queue's broker queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that workers consume.
    Main,
    /// Those in which retries wait.
    Retry,
    /// The one of dead letters.
    Dead,
    /// The one of messages that no binding matched.
    Unrouted,
}

/// Where messages of a queue are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DepthState {
    /// They wait.
    Ready,
    /// A consumer holds them.
    Unacked,
    /// The broker delays them.
    Delayed,
    /// The broker is about to dead-letter them.
    DeadLettering,
}

/// The numbers of a scaling decision; those that are not known are absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScalerFigures {
    /// What the queue wants, before any bound.
    pub wanted: Option<Replicas>,
    /// What was decided.
    pub desired: Option<Replicas>,
    /// What the Deployment asks for.
    pub current: Option<Replicas>,
    /// The most there may be.
    pub max: Option<Replicas>,
}

/// What is told of queues.
#[derive(Clone, Debug)]
pub(super) struct Queues {
    messages: Series<OpenGauges<5>, 5>,
    consumers: Series<OpenGauges<3>, 3>,
    replicas: Replication,
    last_success: Series<OpenGauges<3>, 3>,
    task_timeout: Series<OpenGauges<3>, 3>,
    targets: Series<OpenGauges<4>, 4>,
    thresholds: Series<OpenGauges<4>, 4>,
    decisions: Histogram,
}

/// The numbers of workers.
#[derive(Clone, Debug)]
struct Replication {
    wanted: Series<OpenGauges<3>, 3>,
    desired: Series<OpenGauges<3>, 3>,
    current: Series<OpenGauges<3>, 3>,
    max: Series<OpenGauges<3>, 3>,
}

const NAMESPACE: &str = "pipeline_namespace";
const PIPELINE: &str = "pipeline";
const QUEUE: &str = "queue";
const SUCCESS: &str = "success";
const FRESHNESS: &str = "freshness";

impl Queues {
    pub(super) fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        let of_queue = |name, help| gauges(metrics, name, help);
        let of_slo = |name, help| {
            let labels = [NAMESPACE, PIPELINE, QUEUE, "slo"];
            metrics.open_gauges(name, help, labels).map(Series::new)
        };
        Ok(Self {
            messages: Series::new(metrics.open_gauges(
                "warren_queue_messages",
                "Messages of a queue by where they are.",
                [NAMESPACE, PIPELINE, QUEUE, "role", "state"],
            )?),
            consumers: of_queue("warren_queue_consumers", "Consumers of a queue.")?,
            replicas: Replication::new(metrics)?,
            last_success: of_queue(
                "warren_scaler_last_success_timestamp_seconds",
                "When a decision last rested on a fresh depth.",
            )?,
            task_timeout: of_queue(
                "warren_queue_task_timeout_seconds",
                "The longest that one attempt may take.",
            )?,
            targets: of_slo("warren_slo_target", "The share that must be good.")?,
            thresholds: of_slo("warren_slo_threshold_seconds", "Up to where it is good.")?,
            decisions: metrics.histogram(
                "warren_scaler_decision_seconds",
                "How long a scaling decision took.",
                &SECONDS,
            )?,
        })
    }

    pub(super) fn forget(&self, first: &[&str]) {
        self.messages.retain(first, &[]);
        let Replication { wanted, desired, current, max } = &self.replicas;
        let of_scaler = [wanted, desired, current, max, &self.last_success];
        for gauges in of_scaler.into_iter().chain([&self.consumers, &self.task_timeout]) {
            gauges.retain(first, &[]);
        }
        self.targets.retain(first, &[]);
        self.thresholds.retain(first, &[]);
    }
}

impl Replication {
    fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        let of_queue = |name, help| gauges(metrics, name, help);
        Ok(Self {
            wanted: of_queue(
                "warren_scaler_wanted_replicas",
                "Workers that a queue wants, before any bound.",
            )?,
            desired: of_queue("warren_scaler_desired_replicas", "Workers that were decided.")?,
            current: of_queue("warren_scaler_current_replicas", "Workers that are asked for.")?,
            max: of_queue("warren_scaler_max_replicas", "The most workers there may be.")?,
        })
    }
}

fn gauges(
    metrics: &Metrics,
    name: &str,
    help: &str,
) -> Result<Series<OpenGauges<3>, 3>, MetricsError> {
    metrics.open_gauges(name, help, [NAMESPACE, PIPELINE, QUEUE]).map(Series::new)
}

impl OperatorMetrics {
    /// How many messages are where; what is not known has no series.
    pub fn queue_messages(
        &self,
        queue: &QueueId<'_>,
        role: Role,
        state: DepthState,
        messages: Option<u64>,
    ) {
        let [namespace, pipeline, queue] = queue.labels();
        let labels = [namespace, pipeline, queue, role.as_str(), state.as_str()];
        self.queues.messages.set(labels, messages.map(number));
    }

    /// How many consumers the main queue has.
    pub fn queue_consumers(&self, queue: &QueueId<'_>, consumers: Option<u64>) {
        self.queues.consumers.set(queue.labels(), consumers.map(number));
    }

    /// The numbers of the last scaling decision.
    pub fn scaler(&self, queue: &QueueId<'_>, figures: &ScalerFigures) {
        let Replication { wanted, desired, current, max } = &self.queues.replicas;
        let set = |gauges: &Series<OpenGauges<3>, 3>, replicas: Option<Replicas>| {
            gauges.set(queue.labels(), replicas.map(|replicas| f64::from(replicas.get())));
        };
        set(wanted, figures.wanted);
        set(desired, figures.desired);
        set(current, figures.current);
        set(max, figures.max);
    }

    /// A decision rested on a fresh depth.
    pub fn scaler_success(&self, queue: &QueueId<'_>, at: Timestamp) {
        let seconds = at.as_duration().as_secs_f64();
        self.queues.last_success.set(queue.labels(), Some(seconds));
    }

    /// A decision was made.
    pub fn scaler_decision(&self, took: Duration) {
        self.queues.decisions.observe(took.as_secs_f64());
    }

    /// The longest that one attempt at a message of a queue may take.
    pub(crate) fn task_timeout(&self, queue: &QueueId<'_>, longest: Duration) {
        self.queues.task_timeout.set(queue.labels(), Some(longest.as_secs_f64()));
    }

    /// What is promised of a queue.
    pub(crate) fn objective(&self, queue: &QueueId<'_>, objective: Objective) {
        let [namespace, pipeline, queue] = queue.labels();
        let of = |slo| [namespace, pipeline, queue, slo];
        self.queues.targets.set(of(SUCCESS), Some(objective.success.as_f64()));
        self.queues.targets.set(of(FRESHNESS), Some(objective.freshness.as_f64()));
        self.queues.thresholds.set(of(FRESHNESS), Some(objective.fresh_for.as_secs_f64()));
    }

    /// Nobody looks at a queue any more.
    pub fn forget_queue(&self, queue: &QueueId<'_>) {
        self.queues.forget(&queue.labels());
    }
}

impl QueueId<'_> {
    fn labels(&self) -> [&str; 3] {
        [self.pipeline.namespace(), self.pipeline.name(), self.queue]
    }
}

/// A count as a sample; whole up to 2^53, which no queue reaches.
#[allow(clippy::cast_precision_loss, reason = "samples are floating-point numbers")]
fn number(count: u64) -> f64 {
    count as f64
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Role::Main => "main",
            Role::Retry => "retry",
            Role::Dead => "dead",
            Role::Unrouted => "unrouted",
        }
    }
}

impl DepthState {
    const fn as_str(self) -> &'static str {
        match self {
            DepthState::Ready => "ready",
            DepthState::Unacked => "unacked",
            DepthState::Delayed => "delayed",
            DepthState::DeadLettering => "dead_lettering",
        }
    }
}
