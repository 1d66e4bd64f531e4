//! `ScalingActive`: whether replicas follow the queues.

use warren_api::conditions::{ConditionReason, ConditionStatus};
use warren_core::{
    duration,
    names::QueueName,
    scaling::{Decision, FALLBACK_AFTER, LimitedBy, Mode, Reason},
};

use super::{Evidence, Judgement, named};
use crate::{pipeline::Queue, workers::QueueReading};

/// The worst queue decides; the message names up to three like it. Nothing while queues were not
/// read yet, unless another one is worse than they can be.
pub(super) fn active(evidence: &Evidence<'_>) -> Option<Judgement> {
    let pipeline = evidence.pipeline?;
    let judged = |queue: &'_ Queue| of_queue(queue, evidence).map(|it| (queue.name.clone(), it));
    let queues: Vec<(QueueName, Judgement)> = pipeline.queues.iter().filter_map(judged).collect();
    let worst = queues.iter().map(|(_, judgement)| judgement).max_by_key(|j| severity(j))?;
    if queues.len() < pipeline.queues.len() && worst.status != ConditionStatus::False {
        return None;
    }
    let same = queues.iter().filter(|(_, judgement)| judgement.reason == worst.reason);
    let message =
        named(same.map(|(name, judgement)| format!("queue {name}: {}", judgement.message)));
    Some(Judgement { message, ..worst.clone() })
}

fn of_queue(queue: &Queue, evidence: &Evidence<'_>) -> Option<Judgement> {
    let reading = evidence.workers.queues.get(&queue.name);
    let decision = reading.and_then(|reading| reading.scaling.as_ref()).map(|it| &it.decision);
    let is_paused = decision.is_some_and(|decision| decision.reason == Reason::Paused);
    match queue.scaling.mode {
        _ if queue.scaling.suspended && !is_paused => {
            let message = "spec.suspend is set: no worker is wanted";
            Some(Judgement::holds(ConditionReason::ScalingLimited, message))
        }
        Mode::External(_) => {
            let message = "somebody else sets the replicas";
            Some(Judgement::holds(ConditionReason::External, message))
        }
        Mode::Fixed(replicas) => {
            let message = format!("always {replicas} replicas");
            Some(Judgement::holds(ConditionReason::Fixed, message))
        }
        Mode::Auto(_) => by_backlog(reading, evidence),
    }
}

/// Nothing before the first look at the queue.
fn by_backlog(reading: Option<&QueueReading>, evidence: &Evidence<'_>) -> Option<Judgement> {
    if let Some(foreign) = reading.and_then(|reading| reading.foreign_scaler.as_ref()) {
        let message = format!(
            "{foreign} scales the same Deployment, so Warren writes no replicas: delete it, or set \
             scaling.mode: External"
        );
        return Some(Judgement::fails(ConditionReason::ForeignScaler, message));
    }
    match reading.and_then(|reading| reading.scaling.as_ref()).map(|scaling| &scaling.decision) {
        Some(decision) if decision.reason == Reason::Fallback => {
            let message = format!(
                "the backlog has been unknown for over {}, so the number of workers stays at {}",
                duration::format(FALLBACK_AFTER),
                decision.desired
            );
            Some(Judgement::fails(ConditionReason::FallbackActive, message))
        }
        _ if evidence.trouble().is_some() => {
            let message = "the broker cannot be seen";
            Some(Judgement::unknown(ConditionReason::BrokerUnknown, message))
        }
        decision => decision.map(of_decision),
    }
}

fn of_decision(decision: &Decision) -> Judgement {
    match (decision.reason, decision.limited_by) {
        (Reason::Paused, _) => {
            let message = "the pipeline is paused: the number of workers is not written";
            Judgement::holds(ConditionReason::ScalingLimited, message)
        }
        (Reason::Hold, _) => {
            let message = "the backlog is unknown, so the number of workers stays";
            Judgement::unknown(ConditionReason::BrokerUnknown, message)
        }
        (_, Some(LimitedBy::MaxReplicas)) => {
            let wanted = decision.want().map(|want| format!("{want} workers are wanted, "));
            let message = format!(
                "{}scaling.maxReplicas allows {}",
                wanted.unwrap_or_default(),
                decision.desired
            );
            Judgement::holds(ConditionReason::ScalingLimited, message)
        }
        (_, Some(LimitedBy::ObservationUnknown)) => {
            let message = format!(
                "in part the backlog is unknown, so the number of workers stays at {}",
                decision.desired
            );
            Judgement::holds(ConditionReason::ScalingLimited, message)
        }
        _ => Judgement::holds(ConditionReason::ObservationFresh, "follows the backlog"),
    }
}

/// How much a queue's state matters when another queue has a different one.
fn severity(judgement: &Judgement) -> u8 {
    match (judgement.status, judgement.reason) {
        (ConditionStatus::False, _) => 4,
        (ConditionStatus::Unknown, _) => 3,
        (ConditionStatus::True, ConditionReason::ScalingLimited) => 2,
        (ConditionStatus::True, ConditionReason::ObservationFresh) => 1,
        (ConditionStatus::True, _) => 0,
    }
}
