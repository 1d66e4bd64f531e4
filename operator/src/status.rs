//! The new status of a pipeline: a pure function of the old one and of a pass.
//!
//! Only what a pass found out changes; what it could not see stays as it was last seen.

mod departing;
mod queues;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use warren_api::{
    BrokerStatus, MessagePipeline, MessagePipelineStatus, ObjectState, TopologyStatus,
    conditions::{ConditionReason, ConditionStatus, ConditionType},
};

pub(crate) use self::{departing::departing, queues::last_changes};
use crate::{
    children::ChildrenReading,
    conditions::{self, Evidence, Judgement, PARTS, reason_of},
    memory::Memory,
    observe::{Past, Stage},
    pipeline::Pipeline,
    plan::{Compared, Findings, Kind},
    resources,
};

/// The most objects that are named one by one.
const MOST_NAMED: usize = 64;

/// The status after a pass; `evidence.outcome` is absent while the pass is still to write.
pub fn next(
    object: &MessagePipeline,
    previous: &MessagePipelineStatus,
    evidence: &Evidence<'_>,
) -> MessagePipelineStatus {
    let mut status = previous.clone();
    status.observed_generation = object.metadata.generation;
    status.queue_count = u32::try_from(object.spec.queues.len()).ok();
    status.conditions = conditions_after(object, previous, evidence);
    let Some(pipeline) = evidence.pipeline else {
        return status;
    };
    status.exchange = Some(pipeline.prefix.to_string());
    status.producer_url = producer_url(pipeline, evidence);
    match &evidence.plan.findings {
        // The broker that was found may be another than the one with its objects, and the next pass
        // would go on there.
        Findings::Rejected(_) => {}
        Findings::Unreachable(_) => status.broker = broker(evidence).or(status.broker),
        Findings::Compared(compared) => {
            status.broker = broker(evidence).or(status.broker);
            status.topology = Some(topology(compared, evidence));
        }
    }
    let (current, ready) = evidence.workers.totals();
    let told = !evidence.workers.queues.is_empty();
    status.workers = told.then(|| format!("{ready}/{current}"));
    status.queues = queues::all(pipeline, evidence.workers, &previous.queues);
    status
}

/// What is known from earlier passes over the object as it is now.
pub fn past(object: &MessagePipeline, status: &MessagePipelineStatus, memory: &Memory) -> Past {
    // A condition that a pass could not judge is still about the spec before.
    let declared = condition(status, ConditionType::TopologyInSync).is_some_and(|condition| {
        let same_spec = condition.observed_generation == object.metadata.generation;
        same_spec && condition.reason == ConditionReason::InSync.as_str()
    });
    let stage = if declared { Stage::Declared } else { Stage::Declaring };
    let vhost = status.broker.as_ref().and_then(|broker| broker.vhost.clone());
    Past { stage, vhost, runs: memory.runs.clone(), removed: memory.removed.clone() }
}

/// The condition of a type.
pub fn condition(status: &MessagePipelineStatus, wanted: ConditionType) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.type_ == wanted.as_str())
}

/// Whether a status says something else than the one before, and so is worth a write.
///
/// Moments alone say nothing, and measurements are refreshed at most every
/// [`queues::REFRESH`], so that an idle pipeline causes no write at all.
pub fn differs(old: &MessagePipelineStatus, new: &MessagePipelineStatus) -> bool {
    meaning(old) != meaning(new) || queues::need_refresh(&old.queues, &new.queues)
}

fn meaning(status: &MessagePipelineStatus) -> MessagePipelineStatus {
    let mut status = status.clone();
    for condition in &mut status.conditions {
        condition.last_transition_time = Time(Timestamp::UNIX_EPOCH);
    }
    for queue in &mut status.queues {
        queues::strip_measurements(queue);
    }
    status
}

fn conditions_after(
    object: &MessagePipeline,
    previous: &MessagePipelineStatus,
    evidence: &Evidence<'_>,
) -> Vec<Condition> {
    let parts: Vec<(ConditionType, Judgement)> = PARTS
        .into_iter()
        .filter_map(|part| Some((part, conditions::part(part, evidence)?)))
        .collect();
    let known = with_earlier(&parts, previous);
    let stalled = conditions::stalled(evidence);
    let ready = conditions::ready(stalled.as_ref(), &known);
    let reconciling = conditions::reconciling(&known);
    let endpoint = conditions::part(ConditionType::EndpointAccepting, evidence);
    let passing = [
        (ConditionType::EndpointAccepting, endpoint),
        (ConditionType::Reconciling, reconciling),
        (ConditionType::Stalled, stalled),
    ]
    .into_iter()
    .filter_map(|(condition, judgement)| Some((condition, judgement?)));
    let judged: BTreeMap<ConditionType, Judgement> =
        parts.into_iter().chain([(ConditionType::Ready, ready)]).chain(passing).collect();
    let stays = |condition: &ConditionType| match condition {
        ConditionType::Reconciling | ConditionType::Stalled => false,
        ConditionType::EndpointAccepting => evidence.pipeline.is_none_or(conditions::has_endpoints),
        _ => true,
    };
    ConditionType::ALL
        .iter()
        .filter_map(|wanted| {
            let old = condition(previous, *wanted);
            match judged.get(wanted) {
                Some(judgement) => Some(render(*wanted, judgement, old, object, evidence.now)),
                None => old.filter(|_| stays(wanted)).cloned(),
            }
        })
        .collect()
}

/// The parts of `Ready`, with those that nobody could judge now as they were judged last.
fn with_earlier(
    judged: &[(ConditionType, Judgement)],
    previous: &MessagePipelineStatus,
) -> Vec<(ConditionType, Judgement)> {
    let known = PARTS.into_iter().filter_map(|part| {
        let now = judged.iter().find(|(condition, _)| *condition == part);
        let now = now.map(|(_, judgement)| judgement.clone());
        Some((part, now.or_else(|| read(condition(previous, part)?))?))
    });
    known.collect()
}

/// A condition as it was judged; nothing when another version of the operator wrote it.
fn read(condition: &Condition) -> Option<Judgement> {
    let status = ConditionStatus::ALL.iter().find(|status| status.as_str() == condition.status)?;
    let reason = ConditionReason::ALL.iter().find(|reason| reason.as_str() == condition.reason)?;
    Some(Judgement { status: *status, reason: *reason, message: condition.message.clone() })
}

/// The moment of the last transition stays while the status of the condition does.
fn render(
    condition: ConditionType,
    judgement: &Judgement,
    old: Option<&Condition>,
    object: &MessagePipeline,
    now: Timestamp,
) -> Condition {
    let status = judgement.status.as_str();
    let since = old.filter(|old| old.status == status).map(|old| old.last_transition_time.clone());
    Condition {
        type_: condition.as_str().to_owned(),
        status: status.to_owned(),
        reason: judgement.reason.as_str().to_owned(),
        message: judgement.message.clone(),
        last_transition_time: since.unwrap_or(Time(now)),
        observed_generation: object.metadata.generation,
    }
}

/// Where the HTTP producer is reached; nothing when there is none, or no cluster that it runs in.
fn producer_url(pipeline: &Pipeline, evidence: &Evidence<'_>) -> Option<String> {
    let is_local = evidence.observed.is_some_and(|seen| seen.children == ChildrenReading::NotKept);
    let is_there = pipeline.producer.server.is_some() && !is_local;
    is_there.then(|| resources::producer_url(&pipeline.id))
}

fn broker(evidence: &Evidence<'_>) -> Option<BrokerStatus> {
    let state = evidence.observed?.broker.as_ref().ok()?;
    let capabilities = state.facts.capabilities().into_iter().map(str::to_owned);
    Some(BrokerStatus {
        version: Some(state.facts.version.to_string()),
        vhost: Some(state.login.vhost.clone()),
        capabilities: capabilities.collect(),
    })
}

fn topology(compared: &Compared, evidence: &Evidence<'_>) -> TopologyStatus {
    let conflicts = compared.conflicts.iter().map(|conflict| ObjectState {
        kind: Kind::from(conflict.kind()).as_str().to_owned(),
        name: conflict.name().to_owned(),
        state: reason_of(conflict).as_str().to_owned(),
    });
    let unwritten: Vec<ObjectState> = match evidence.outcome {
        Some(outcome) => outcome.undone().filter(|step| of_broker(step)).map(drifted).collect(),
        None => evidence.plan.steps.iter().filter(|step| of_broker(step)).map(drifted).collect(),
    };
    TopologyStatus {
        objects: u32::try_from(compared.objects).unwrap_or(u32::MAX),
        not_in_sync: conflicts.chain(unwritten).take(MOST_NAMED).collect(),
        adopted: Vec::new(),
    }
}

fn of_broker(step: &crate::plan::Step) -> bool {
    step.is_repair()
}

fn drifted(step: &crate::plan::Step) -> ObjectState {
    ObjectState {
        kind: step.kind().as_str().to_owned(),
        name: step.name(),
        state: ConditionReason::Drifted.as_str().to_owned(),
    }
}

/// Whether a condition holds in a status.
pub fn holds(status: &MessagePipelineStatus, wanted: ConditionType) -> bool {
    condition(status, wanted).is_some_and(|c| c.status == ConditionStatus::True.as_str())
}

#[cfg(test)]
mod tests;
