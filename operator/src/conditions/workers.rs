//! `WorkersAvailable`: whether workers run, or rightly do not.

use std::time::Duration;

use jiff::Timestamp;
use warren_api::conditions::ConditionReason;
use warren_core::{names::QueueName, scaling::Replicas};

use super::{Evidence, Judgement, named};
use crate::workers::{QueueReading, WorkersTrouble};

/// How long after a change of their number workers may all be starting without being unavailable.
const STARTING: Duration = Duration::from_mins(1);

/// How a queue's workers are, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    ScaledToZero,
    Available,
    /// Some work, or have just been asked for.
    Growing,
    /// None has worked yet.
    Starting,
}

pub(super) fn available(evidence: &Evidence<'_>) -> Option<Judgement> {
    let pipeline = evidence.pipeline?;
    let queues = &evidence.workers.queues;
    let troubled: Vec<(&QueueName, &WorkersTrouble)> =
        queues.iter().filter_map(|(name, queue)| Some((name, queue.trouble.as_ref()?))).collect();
    if let Some((_, first)) = troubled.first() {
        let same = troubled.iter().filter(|(_, trouble)| trouble.reason == first.reason);
        let texts = same.map(|(name, trouble)| format!("queue {name}: {}", trouble.message));
        return Some(Judgement::fails(first.reason.as_condition(), named(texts)));
    }
    if pipeline.suspended {
        let message = "spec.suspend is set: no worker runs";
        return Some(Judgement::holds(ConditionReason::Suspended, message));
    }
    let missing = pipeline.queues.iter().any(|queue| !queues.contains_key(&queue.name));
    if queues.is_empty() || missing {
        let message = "workers start once the broker's objects are declared";
        return Some(Judgement::unknown(ConditionReason::WaitingForTopology, message));
    }
    Some(by_health(evidence))
}

fn by_health(evidence: &Evidence<'_>) -> Judgement {
    let queues = &evidence.workers.queues;
    let health = |queue: &QueueReading| health(queue, evidence.now);
    let worst = queues.values().map(health).max().unwrap_or(Health::ScaledToZero);
    let same = queues.iter().filter(|(_, queue)| health(queue) == worst);
    let names = || {
        named(same.map(|(name, queue)| format!("queue {name}: {}/{}", queue.ready, queue.current)))
    };
    let (current, ready) = evidence.workers.totals();
    match worst {
        Health::ScaledToZero => {
            Judgement::holds(ConditionReason::ScaledToZero, "the queues are empty, no worker runs")
        }
        Health::Available => {
            let message = format!("{ready} of {current} workers are ready");
            Judgement::holds(ConditionReason::Available, message)
        }
        Health::Growing => {
            let message = format!("workers are starting, {}", names());
            Judgement::holds(ConditionReason::Progressing, message)
        }
        Health::Starting => {
            let message = format!("no worker is ready yet, {}", names());
            Judgement::unknown(ConditionReason::Progressing, message)
        }
    }
}

fn health(queue: &QueueReading, now: Timestamp) -> Health {
    let changed = queue.scaling.as_ref().and_then(|scaling| scaling.last_change);
    let recently = changed.is_some_and(|at| now.duration_since(at).unsigned_abs() < STARTING);
    if queue.current == Replicas::ZERO {
        Health::ScaledToZero
    } else if queue.ready >= queue.current {
        Health::Available
    } else if queue.ready > Replicas::ZERO || recently {
        Health::Growing
    } else {
        Health::Starting
    }
}
