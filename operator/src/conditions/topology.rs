//! `TopologyInSync`: whether the broker's objects are as the spec says.

use warren_api::{conditions::ConditionReason, metadata::PAUSED};
use warren_core::topology::Conflict;

use super::{Evidence, Judgement, named};
use crate::{
    apply::Outcome,
    plan::{Compared, Findings, Plan},
};

/// Whether the broker's objects are as they should be, and that nobody writes them while it is so.
pub(super) fn in_sync(evidence: &Evidence<'_>) -> Option<Judgement> {
    let judgement = judged(evidence)?;
    let Some(pause) = evidence.paused else {
        return Some(judgement);
    };
    let message = format!("{}; paused by annotation {PAUSED}: {pause}", judgement.message);
    Some(Judgement { message, ..judgement })
}

/// Whether the message of the condition tells of a pause.
pub(crate) fn tells_pause(message: &str) -> bool {
    message.contains(PAUSED)
}

/// What stands in the way counts before what failed, because only a person can settle it.
fn judged(evidence: &Evidence<'_>) -> Option<Judgement> {
    if evidence.trouble().is_some() {
        let message = "the broker cannot be seen: BrokerReachable says why";
        return Some(Judgement::unknown(ConditionReason::BrokerUnknown, message));
    }
    let Findings::Compared(compared) = &evidence.plan.findings else {
        return None;
    };
    let judgement = conflicts(&compared.conflicts)
        .or_else(|| {
            let unsupported = compared.unsupported.clone()?;
            Some(Judgement::fails(ConditionReason::UnsupportedByBroker, unsupported))
        })
        .or_else(|| match evidence.outcome {
            Some(outcome) => failed(outcome).or_else(|| paused(outcome)),
            None => pending(evidence.plan),
        });
    Some(judgement.unwrap_or_else(|| declared(compared)))
}

/// The reason that a conflict has in the condition and in the list of objects.
pub(crate) fn reason_of(conflict: &Conflict) -> ConditionReason {
    match conflict {
        Conflict::Owned { .. } => ConditionReason::OwnershipConflict,
        Conflict::Unmarked { .. } => ConditionReason::AlreadyExists,
        Conflict::Inequivalent { .. } => ConditionReason::InequivalentArgument,
    }
}

fn conflicts(conflicts: &[Conflict]) -> Option<Judgement> {
    let worst_first = [
        ConditionReason::OwnershipConflict,
        ConditionReason::AlreadyExists,
        ConditionReason::InequivalentArgument,
    ];
    worst_first.into_iter().find_map(|reason| {
        let same = conflicts.iter().filter(|conflict| reason_of(conflict) == reason);
        let texts: Vec<String> = same.map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| Judgement::fails(reason, named(texts)))
    })
}

fn failed(outcome: &Outcome) -> Option<Judgement> {
    let failures = || outcome.failures().filter(|(step, _)| step.is_repair());
    let inequivalent = failures().any(|(_, error)| error.is_inequivalent());
    let reason =
        if inequivalent { ConditionReason::InequivalentArgument } else { ConditionReason::Drifted };
    let texts: Vec<String> =
        failures().map(|(step, error)| format!("{step} failed: {error}")).collect();
    (!texts.is_empty()).then(|| Judgement::fails(reason, named(texts)))
}

fn paused(outcome: &Outcome) -> Option<Judgement> {
    let steps = outcome.paused().filter(|step| step.is_repair());
    let steps: Vec<String> = steps.map(ToString::to_string).collect();
    (!steps.is_empty()).then(|| {
        let message = format!("this waits for the end of the pause: {}", named(steps));
        Judgement::fails(ConditionReason::Drifted, message)
    })
}

fn pending(plan: &Plan) -> Option<Judgement> {
    let steps = plan.steps.iter().filter(|step| step.is_repair());
    let steps: Vec<String> = steps.map(ToString::to_string).collect();
    let is_drift = !steps.is_empty();
    is_drift.then(|| {
        let message = format!("repairing: {}", named(steps));
        Judgement::fails(ConditionReason::Drifted, message)
    })
}

fn declared(compared: &Compared) -> Judgement {
    let objects = format!("{} objects", compared.objects);
    if compared.retained.is_empty() {
        return Judgement::holds(ConditionReason::InSync, objects);
    }
    let kept = named(compared.retained.iter().cloned());
    let message =
        format!("{objects}; no longer in the spec, and kept until they are empty: {kept}");
    Judgement::holds(ConditionReason::InSync, message)
}
