//! The conditions of a pipeline, each a pure function of what a pass found and did.
//!
//! A function gives nothing where it cannot judge; who keeps or drops the old condition then is
//! [`status`](crate::status)'s business.

mod endpoint;
mod scaling;
mod topology;
mod workers;

pub(crate) use self::{
    endpoint::has_endpoints,
    topology::{reason_of, tells_pause},
};

use warren_api::conditions::{ConditionReason, ConditionStatus, ConditionType};
use warren_broker::login::Login;
use warren_core::topology::BrokerVersion;

use crate::{
    apply::Outcome,
    observe::{Departure, Observed},
    pass::{Found, Request},
    pause::Pause,
    pipeline::Pipeline,
    plan::{Findings, Plan, deletion::Progress},
    trouble::Trouble,
    workers::WorkersReading,
};

/// Everything a condition is judged by.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// The pipeline; nothing when its spec is none.
    pub pipeline: Option<&'a Pipeline>,
    /// What was there; nothing when nobody looked.
    pub observed: Option<&'a Observed>,
    /// What was to be done.
    pub plan: &'a Plan,
    /// What became of it; nothing before anything was tried.
    pub outcome: Option<&'a Outcome>,
    /// What is known of the workers.
    pub workers: &'a WorkersReading,
    /// Why nothing was written; nothing when it was.
    pub paused: Option<&'a Pause>,
    /// The moment of the pass.
    pub now: jiff::Timestamp,
}

/// A condition as it was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: ConditionReason,
    /// What happened, to what, and what to do.
    pub message: String,
}

/// The most culprits a message names.
const NAMED: usize = 3;

/// The most violations a message lists: who corrects a spec wants to see all of them at once.
const MOST_VIOLATIONS: usize = 20;

/// The four that `Ready` is made of, in the order in which it looks at them.
pub const PARTS: [ConditionType; 4] = [
    ConditionType::BrokerReachable,
    ConditionType::TopologyInSync,
    ConditionType::WorkersAvailable,
    ConditionType::ScalingActive,
];

impl Judgement {
    fn holds(reason: ConditionReason, message: impl Into<String>) -> Self {
        Self::of(ConditionStatus::True, reason, message)
    }

    fn fails(reason: ConditionReason, message: impl Into<String>) -> Self {
        Self::of(ConditionStatus::False, reason, message)
    }

    fn unknown(reason: ConditionReason, message: impl Into<String>) -> Self {
        Self::of(ConditionStatus::Unknown, reason, message)
    }

    fn of(status: ConditionStatus, reason: ConditionReason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, reason, message }
    }
}

impl<'a> Evidence<'a> {
    /// What is known before anything was written.
    pub(crate) fn before(found: &'a Found, request: Request<'a>) -> Self {
        Self {
            pipeline: found.pipeline.as_ref(),
            observed: found.observed.as_ref(),
            plan: &found.plan,
            outcome: None,
            workers: request.workers,
            paused: found.paused.as_ref(),
            now: request.now,
        }
    }

    /// What is known after all was tried.
    pub(crate) fn after(found: &'a Found, request: Request<'a>, outcome: &'a Outcome) -> Self {
        Self { outcome: Some(outcome), ..Self::before(found, request) }
    }

    /// What keeps the broker from being used, be it met before or while writing; nothing where that
    /// cannot be told.
    fn trouble(&self) -> Option<Judgement> {
        let trouble = match &self.plan.findings {
            Findings::Unreachable(trouble) => trouble.clone(),
            Findings::Rejected(_) | Findings::Compared(_) => self.outcome?.trouble()?,
        };
        unreachable(&trouble)
    }
}

/// One of [`PARTS`], or whether endpoints take messages; the others are made of the parts.
pub fn part(condition: ConditionType, evidence: &Evidence<'_>) -> Option<Judgement> {
    match condition {
        ConditionType::BrokerReachable => broker_reachable(evidence),
        ConditionType::TopologyInSync => topology::in_sync(evidence),
        ConditionType::WorkersAvailable => workers::available(evidence),
        ConditionType::ScalingActive => scaling::active(evidence),
        ConditionType::EndpointAccepting => endpoint::accepting(evidence),
        ConditionType::Ready | ConditionType::Reconciling | ConditionType::Stalled => None,
    }
}

/// Whether the broker answers, and the login may do what it must.
fn broker_reachable(evidence: &Evidence<'_>) -> Option<Judgement> {
    if let Some(trouble) = evidence.trouble() {
        return Some(trouble);
    }
    let state = evidence.observed?.broker.as_ref().ok()?;
    Some(connected(&state.login, state.facts.version))
}

fn unreachable(trouble: &Trouble) -> Option<Judgement> {
    let reason = trouble.reason.as_condition()?;
    Some(Judgement::fails(reason, trouble.message.clone()))
}

fn connected(login: &Login, version: BrokerVersion) -> Judgement {
    let message = format!("RabbitMQ {version} at {}:{}", login.host, login.port);
    Judgement::holds(ConditionReason::Connected, message)
}

/// Whether the broker of a pipeline that is being deleted answers.
pub(crate) fn reachable(departure: &Departure) -> Option<Judgement> {
    match &departure.broker {
        Ok(remains) => Some(connected(&remains.login, remains.version)),
        Err(trouble) => unreachable(trouble),
    }
}

/// How far a deletion is. Only while it is under way.
pub(crate) fn deleting(progress: &Progress) -> Option<Judgement> {
    match progress {
        Progress::Waiting { on, message } => {
            let message = match on.as_str() {
                Some(word) => format!("{word}: {message}"),
                None => message.clone(),
            };
            Some(Judgement::holds(ConditionReason::Deleting, message))
        }
        Progress::Released(_) => None,
    }
}

/// Whether nothing moves until somebody changes something. Only while it is so.
pub fn stalled(evidence: &Evidence<'_>) -> Option<Judgement> {
    if let Findings::Rejected(violations) = &evidence.plan.findings {
        let message = listed(violations.iter().map(ToString::to_string), MOST_VIOLATIONS);
        return Some(Judgement::holds(ConditionReason::InvalidSpec, message));
    }
    let topology = topology::in_sync(evidence)?;
    let conflict = topology.reason == ConditionReason::OwnershipConflict;
    conflict.then(|| Judgement::holds(topology.reason, topology.message))
}

/// Whether a change is under way. Only while it is.
pub fn reconciling(parts: &[(ConditionType, Judgement)]) -> Option<Judgement> {
    let of = |wanted: ConditionType| {
        let found = parts.iter().find(|(condition, _)| *condition == wanted);
        found.map(|(_, judgement)| judgement)
    };
    let declared = of(ConditionType::TopologyInSync)?.status == ConditionStatus::True;
    let workers = of(ConditionType::WorkersAvailable)?;
    let starting = matches!(
        workers.reason,
        ConditionReason::WaitingForTopology | ConditionReason::Progressing
    );
    // More workers for more messages are no change of what was asked for.
    let under_way = declared && starting && workers.status != ConditionStatus::True;
    under_way.then(|| Judgement::holds(ConditionReason::Deploying, workers.message.clone()))
}

/// Whether the pipeline works as it is asked to: what stalls it, else the first part that does not
/// hold, or was never judged.
pub fn ready(stalled: Option<&Judgement>, parts: &[(ConditionType, Judgement)]) -> Judgement {
    if let Some(stalled) = stalled {
        return Judgement::fails(stalled.reason, stalled.message.clone());
    }
    let broken = PARTS.iter().find_map(|wanted| {
        let Some((_, judgement)) = parts.iter().find(|(condition, _)| condition == wanted) else {
            let message = format!("nothing is known of {wanted} yet");
            return Some(Judgement::unknown(ConditionReason::BrokerUnknown, message));
        };
        (judgement.status != ConditionStatus::True).then(|| judgement.clone())
    });
    let works =
        || Judgement::holds(ConditionReason::Reconciled, "the pipeline does what it should");
    broken.unwrap_or_else(works)
}

/// Up to [`NAMED`] texts, and how many more there are.
fn named(texts: impl IntoIterator<Item = String>) -> String {
    listed(texts, NAMED)
}

fn listed(texts: impl IntoIterator<Item = String>, most: usize) -> String {
    let mut texts: Vec<String> = texts.into_iter().collect();
    let more = texts.len().saturating_sub(most);
    texts.truncate(most);
    texts.extend((more > 0).then(|| format!("and {more} more")));
    texts.join("; ")
}

#[cfg(test)]
mod tests;
