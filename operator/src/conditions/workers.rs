//! `WorkersAvailable`: whether workers run, or rightly do not.

use std::time::Duration;

use jiff::Timestamp;
use warren_api::conditions::{ConditionReason, ConditionStatus};
use warren_core::scaling::Replicas;

use super::{Evidence, Judgement, named};
use crate::{
    apply::Outcome,
    children::{ChildError, ChildErrorKind, ChildKey},
    error::StepError,
    pipeline::Queue,
    plan::{Findings, Plan},
    workers::{QueueReading, WorkersReading, WorkersReason, WorkersTrouble},
};

/// How long after a change of their number workers may all be starting without being unavailable.
const STARTING: Duration = Duration::from_mins(1);

/// The troubles in the order in which they are told: what keeps workers from being made at all, then
/// what keeps them from starting, then what keeps them from working.
const WORST_FIRST: [WorkersReason; 8] = [
    WorkersReason::NameConflict,
    WorkersReason::Forbidden,
    WorkersReason::SecretNotFound,
    WorkersReason::ImagePull,
    WorkersReason::CrashLooping,
    WorkersReason::QuotaExceeded,
    WorkersReason::Unschedulable,
    WorkersReason::NoConsumers,
];

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
    if let Some(judgement) = troubled(evidence) {
        return Some(judgement);
    }
    let queues = &evidence.workers.queues;
    if pipeline.suspended {
        let message = match evidence.workers.totals() {
            (0, 0) => "spec.suspend is set: no worker runs".to_owned(),
            (current, _) => format!("spec.suspend is set: {current} workers still stop"),
        };
        return Some(Judgement::holds(ConditionReason::Suspended, message));
    }
    if queues.is_empty() {
        let message = "workers start once the broker's objects are declared";
        return Some(Judgement::unknown(ConditionReason::WaitingForTopology, message));
    }
    let health = by_health(evidence);
    let is_known = |queue: &&Queue| queues.contains_key(&queue.name);
    let mut new = pipeline.queues.iter().filter(|queue| !is_known(queue)).peekable();
    if new.peek().is_none() || health.status != ConditionStatus::True {
        return Some(health);
    }
    let names = named(new.map(|queue| format!("queue {}", queue.name)));
    let message = format!("workers start once the broker's objects are declared: {names}");
    Some(Judgement::holds(ConditionReason::Progressing, message))
}

/// The worst trouble, and up to three that are like it.
fn troubled(evidence: &Evidence<'_>) -> Option<Judgement> {
    let taken = taken(evidence.plan).into_iter();
    let refused = evidence.outcome.map(refused).unwrap_or_default();
    let troubles: Vec<WorkersTrouble> =
        taken.chain(refused).chain(of_pods(evidence.workers)).collect();
    WORST_FIRST.into_iter().find_map(|reason| {
        let same = troubles.iter().filter(|trouble| trouble.reason == reason);
        let texts: Vec<String> = same.map(|trouble| trouble.message.clone()).collect();
        (!texts.is_empty()).then(|| Judgement::fails(reason.as_condition(), named(texts)))
    })
}

/// Objects of somebody else that have names of ours.
fn taken(plan: &Plan) -> Vec<WorkersTrouble> {
    let Findings::Compared(compared) = &plan.findings else {
        return Vec::new();
    };
    let trouble = |key: &ChildKey| WorkersTrouble {
        reason: WorkersReason::NameConflict,
        message: format!(
            "{key} exists and was not made for this pipeline, so it is left alone: delete or \
             rename it, or give the pipeline or queue another name"
        ),
    };
    compared.taken.iter().map(trouble).collect()
}

/// What the API server refused to have written.
fn refused(outcome: &Outcome) -> Vec<WorkersTrouble> {
    let refusals = outcome.failures().filter_map(|(step, error)| match error {
        StepError::Child(ChildError { kind: ChildErrorKind::Refused, message }) => {
            Some((step, message))
        }
        _ => None,
    });
    let trouble = |(step, said): (&crate::plan::Step, &String)| {
        let (reason, advice) = if said.contains("exceeded quota") {
            (WorkersReason::QuotaExceeded, "raise the quota, or delete what else counts")
        } else {
            let advice = "give the operator's account that right, or change what was refused: \
                          worker.template, producer.template, or the rule that refuses it";
            (WorkersReason::Forbidden, advice)
        };
        WorkersTrouble { reason, message: format!("{step}: {said}: {advice}") }
    };
    refusals.map(trouble).collect()
}

fn of_pods(workers: &WorkersReading) -> impl Iterator<Item = WorkersTrouble> {
    let queues = workers.queues.iter().filter_map(|(name, queue)| {
        let trouble = queue.trouble.as_ref().filter(|trouble| stops(trouble, queue))?;
        let message = format!("queue {name}: {}", trouble.message);
        Some(WorkersTrouble { message, ..trouble.clone() })
    });
    let producer = workers.producer.iter().map(|trouble| {
        let message = format!("producer: {}", trouble.message);
        WorkersTrouble { message, ..trouble.clone() }
    });
    queues.chain(producer)
}

/// Whether a trouble makes workers unavailable.
///
/// A cluster that is full for some of them leaves the others at work, and autoscaled clusters are
/// full for a while at every step up.
fn stops(trouble: &WorkersTrouble, queue: &QueueReading) -> bool {
    match trouble.reason {
        WorkersReason::Unschedulable | WorkersReason::QuotaExceeded => {
            queue.ready == Replicas::ZERO
        }
        WorkersReason::ImagePull
        | WorkersReason::CrashLooping
        | WorkersReason::NoConsumers
        | WorkersReason::NameConflict
        | WorkersReason::SecretNotFound
        | WorkersReason::Forbidden => true,
    }
}

fn by_health(evidence: &Evidence<'_>) -> Judgement {
    let queues = &evidence.workers.queues;
    let health = |queue: &QueueReading| health(queue, evidence.now);
    let worst = queues.values().map(health).max().unwrap_or(Health::ScaledToZero);
    let same = queues.iter().filter(|(_, queue)| health(queue) == worst);
    let names = || {
        named(same.map(|(name, queue)| {
            let trouble = queue.trouble.as_ref();
            let trouble = trouble.map(|trouble| format!(" ({})", trouble.message));
            let (ready, current) = (queue.ready, queue.current);
            format!("queue {name}: {ready}/{current}{}", trouble.unwrap_or_default())
        }))
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
