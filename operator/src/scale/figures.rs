//! What is seen of queues and decided about them, as metrics. What is not known has no series.

use jiff::Timestamp;
use warren_core::{
    config::Unrouted,
    names::{PipelineId, QueueName},
    scaling::{Mode, ReadySource},
};

use super::observation::{self, Polls};
use crate::{
    metrics::{DepthState, OperatorMetrics, QueueId, Role, ScalerFigures},
    pipeline::{Pipeline, Queue},
    workers::QueueReading,
};

/// The broker's queues behind one queue of a pipeline.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    queue: QueueName,
    main: String,
    dead: String,
    tiers: Vec<String>,
    mode: Mode,
}

impl Figures {
    /// Those of a queue.
    pub(crate) fn of(pipeline: &Pipeline, queue: &Queue) -> Self {
        let tiers = queue.retry.tiers().iter();
        Self {
            main: pipeline.prefix.main(&queue.name),
            dead: pipeline.prefix.dead(&queue.name),
            tiers: tiers.map(|tier| pipeline.prefix.tier(&queue.name, *tier)).collect(),
            mode: queue.scaling.mode,
            queue: queue.name.clone(),
        }
    }

    /// Shows what the broker's queues hold.
    pub(crate) fn show_depths(
        &self,
        metrics: &OperatorMetrics,
        pipeline: &PipelineId,
        polls: &Polls,
        now: Timestamp,
    ) {
        let id = QueueId { pipeline, queue: self.queue.as_str() };
        let waiting = |queue: &String| observation::waiting(polls, queue, now);
        // One tier that is not known makes the sum unknown.
        let retry: Option<u64> = self.tiers.iter().map(waiting).sum();
        metrics.queue_messages(&id, Role::Retry, DepthState::Ready, retry);
        metrics.queue_messages(&id, Role::Dead, DepthState::Ready, waiting(&self.dead));
        let dead_lettering = observation::dead_lettering(polls, &self.main, now);
        metrics.queue_messages(&id, Role::Main, DepthState::DeadLettering, dead_lettering);
    }

    /// Shows a decision, and what it rests on.
    pub(crate) fn show_decision(
        &self,
        metrics: &OperatorMetrics,
        pipeline: &PipelineId,
        reading: Option<&QueueReading>,
    ) {
        let id = QueueId { pipeline, queue: self.queue.as_str() };
        let scaling = reading.and_then(|reading| reading.scaling.as_ref());
        let seen = scaling.map(|scaling| &scaling.observation);
        let probe = seen.and_then(|seen| seen.probe.fresh().ok().copied());
        let counted = seen.and_then(|seen| seen.totals.ready.fresh().ok().copied());
        let unacked = seen.and_then(|seen| seen.totals.unacked.fresh().ok().copied());
        let ready = probe.map(|probe| probe.ready).or(counted);
        metrics.queue_messages(&id, Role::Main, DepthState::Ready, ready);
        metrics.queue_messages(&id, Role::Main, DepthState::Unacked, unacked);
        metrics.queue_consumers(&id, probe.map(|probe| u64::from(probe.consumers)));
        let decision = scaling.map(|scaling| scaling.decision);
        metrics.scaler(
            &id,
            &ScalerFigures {
                wanted: decision.and_then(|decision| decision.want()),
                desired: decision.map(|decision| decision.desired),
                current: reading.map(|reading| reading.current),
                max: self.max(),
            },
        );
        let terms = decision.and_then(|decision| decision.terms);
        if let Some(scaling) = scaling
            && terms.is_some_and(|terms| terms.ready_from == ReadySource::Amqp)
        {
            metrics.scaler_success(&id, scaling.at);
        }
    }

    /// Nobody looks at the queue any more.
    pub(crate) fn forget(&self, metrics: &OperatorMetrics, pipeline: &PipelineId) {
        metrics.forget_queue(&QueueId { pipeline, queue: self.queue.as_str() });
    }

    fn max(&self) -> Option<warren_core::scaling::Replicas> {
        match self.mode {
            Mode::Auto(bounds) => Some(bounds.max()),
            Mode::Fixed(replicas) => Some(replicas.get().into()),
            Mode::External(_) => None,
        }
    }
}

/// Shows what no binding matched, where it is kept.
pub(crate) fn show_unrouted(
    metrics: &OperatorMetrics,
    pipeline: &Pipeline,
    polls: &Polls,
    now: Timestamp,
) {
    let waiting = match pipeline.unrouted {
        Unrouted::Capture => observation::waiting(polls, &pipeline.prefix.unrouted(), now),
        Unrouted::Drop => None,
    };
    let id = unrouted(&pipeline.id);
    metrics.queue_messages(&id, Role::Unrouted, DepthState::Ready, waiting);
}

/// Nobody looks at it any more.
pub(crate) fn forget_unrouted(metrics: &OperatorMetrics, pipeline: &PipelineId) {
    metrics.forget_queue(&unrouted(pipeline));
}

/// What no binding matched belongs to no queue of the pipeline.
fn unrouted(pipeline: &PipelineId) -> QueueId<'_> {
    QueueId { pipeline, queue: "" }
}
