//! The status of a pipeline that is being deleted.
//!
//! It says how far that is and whether the broker answers. Everything else stays as it was last
//! seen: nobody repairs it any more, and what is taken away on purpose is no drift.

use std::collections::BTreeMap;

use jiff::Timestamp;
use warren_api::{MessagePipeline, MessagePipelineStatus, conditions::ConditionType};

use super::{condition, render, with_earlier};
use crate::{
    conditions::{self, Judgement},
    pass::Parting,
};

/// The status after a pass over a pipeline that is being deleted; that of one that is released stays
/// as it is, because nobody will read it.
pub(crate) fn departing(
    object: &MessagePipeline,
    previous: &MessagePipelineStatus,
    parting: &Parting,
    now: Timestamp,
) -> MessagePipelineStatus {
    let deleting = conditions::deleting(&parting.plan.progress);
    if deleting.is_none() {
        return previous.clone();
    }
    let reachable = parting.departure.as_ref().and_then(conditions::reachable);
    let seen = reachable.clone().map(|seen| (ConditionType::BrokerReachable, seen));
    let parts = with_earlier(seen.as_slice(), previous);
    let ready = (!parts.is_empty()).then(|| conditions::ready(None, &parts));
    let judged: BTreeMap<ConditionType, Judgement> = [
        (ConditionType::BrokerReachable, reachable),
        (ConditionType::Ready, ready),
        (ConditionType::Reconciling, deleting),
    ]
    .into_iter()
    .filter_map(|(condition, judgement)| Some((condition, judgement?)))
    .collect();
    let passing = [ConditionType::Reconciling, ConditionType::Stalled];
    let after = |wanted: &ConditionType| {
        let old = condition(previous, *wanted);
        match judged.get(wanted) {
            Some(judgement) => Some(render(*wanted, judgement, old, object, now)),
            None => old.filter(|_| !passing.contains(wanted)).cloned(),
        }
    };
    MessagePipelineStatus {
        observed_generation: object.metadata.generation,
        conditions: ConditionType::ALL.iter().filter_map(after).collect(),
        ..previous.clone()
    }
}

#[cfg(test)]
mod tests;
