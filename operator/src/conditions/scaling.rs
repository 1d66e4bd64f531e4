//! `ScalingActive`: whether replicas follow the queues.

use warren_api::conditions::{ConditionReason, ConditionStatus};
use warren_core::{
    names::QueueName,
    scaling::{Decision, LimitedBy, Mode, Reason},
};

use super::{Evidence, Judgement, named};
use crate::pipeline::Queue;

/// The worst queue decides; the message names up to three like it.
pub(super) fn active(evidence: &Evidence<'_>) -> Option<Judgement> {
    let pipeline = evidence.pipeline?;
    let queues: Vec<(&QueueName, Judgement)> =
        pipeline.queues.iter().map(|queue| (&queue.name, of_queue(queue, evidence))).collect();
    let worst = queues.iter().map(|(_, judgement)| judgement).max_by_key(|j| severity(j))?;
    let same = queues.iter().filter(|(_, judgement)| judgement.reason == worst.reason);
    let message =
        named(same.map(|(name, judgement)| format!("queue {name}: {}", judgement.message)));
    Some(Judgement { message, ..worst.clone() })
}

fn of_queue(queue: &Queue, evidence: &Evidence<'_>) -> Judgement {
    match queue.scaling.mode {
        Mode::External => {
            Judgement::holds(ConditionReason::External, "somebody else sets the replicas")
        }
        Mode::Fixed(replicas) => {
            Judgement::holds(ConditionReason::Fixed, format!("always {replicas} replicas"))
        }
        Mode::Auto(_) if evidence.trouble().is_some() => {
            Judgement::unknown(ConditionReason::BrokerUnknown, "the broker cannot be seen")
        }
        Mode::Auto(_) => {
            let reading = evidence.workers.queues.get(&queue.name);
            let scaling = reading.and_then(|reading| reading.scaling.as_ref());
            let not_yet = || Judgement::unknown(ConditionReason::BrokerUnknown, "not read yet");
            scaling.map_or_else(not_yet, |scaling| of_decision(&scaling.decision))
        }
    }
}

fn of_decision(decision: &Decision) -> Judgement {
    match (decision.reason, decision.limited_by) {
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
