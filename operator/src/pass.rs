//! What a pass is given, and what it leaves to its caller.

use std::collections::BTreeMap;

use jiff::Timestamp;
use warren_api::{MessagePipeline, MessagePipelineStatus, conditions::ConditionType};
use warren_broker::login::Login;

use crate::{
    apply::Outcome,
    brokers::Brokers,
    events::{self, Event},
    interval::Requeue,
    observe::Observed,
    pipeline::Pipeline,
    plan::{Findings, Kind, Plan},
    settings::Settings,
    status,
    validate::Violations,
    workers::WorkersReading,
};

/// What all passes of a process share.
pub struct Context {
    /// What the operator was told.
    pub settings: Settings,
    /// The clients of the brokers.
    pub brokers: Brokers,
}

/// What one pass is about.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The object as it is now.
    pub object: &'a MessagePipeline,
    /// Its last status.
    pub previous: &'a MessagePipelineStatus,
    /// What is known of its workers.
    pub workers: &'a WorkersReading,
    /// The one instant of the pass.
    pub now: Timestamp,
}

/// What came of a pass.
#[derive(Debug)]
pub struct Pass {
    /// The status, as it was published where it differs from the one before.
    pub status: MessagePipelineStatus,
    /// What happened.
    pub events: Vec<Event>,
    /// When to look again.
    pub requeue: Requeue,
    /// What somebody had changed and was written again, by kind.
    pub repaired: BTreeMap<Kind, u32>,
    /// What is wrong with the spec; nothing when it is one.
    pub invalid: Option<Violations>,
    /// What workers may be started with; nothing unless all broker objects stand.
    pub ready: Option<Ready>,
}

/// A pipeline whose broker objects stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The operator's own login, in the pipeline's virtual host.
    pub login: Login,
}

/// What was found out about a pipeline before anything was written.
pub(crate) struct Found {
    /// The pipeline; nothing when its spec is none.
    pub(crate) pipeline: Option<Pipeline>,
    /// What was there; nothing when nobody looked.
    pub(crate) observed: Option<Observed>,
    /// What is to be done.
    pub(crate) plan: Plan,
}

impl Found {
    pub(crate) fn of(pipeline: Pipeline, observed: Observed, plan: Plan) -> Self {
        Self { pipeline: Some(pipeline), observed: Some(observed), plan }
    }

    pub(crate) fn nothing(plan: Plan) -> Self {
        Self { pipeline: None, observed: None, plan }
    }
}

impl Pass {
    pub(crate) fn of(
        found: Found,
        outcome: &Outcome,
        previous: &MessagePipelineStatus,
        status: MessagePipelineStatus,
    ) -> Self {
        let Found { pipeline, observed, plan } = found;
        let stands = status::holds(&status, ConditionType::TopologyInSync);
        let state = observed.and_then(|observed| observed.broker.ok());
        let ready = pipeline.zip(state).filter(|_| stands);
        let invalid = match &plan.findings {
            Findings::Rejected(violations) => Some(violations.clone()),
            Findings::Unreachable(_) | Findings::Compared(_) => None,
        };
        Self {
            events: events::between(previous, &status, &plan, outcome),
            requeue: plan.requeue.unless(outcome.failures().next().is_some()),
            repaired: events::repaired(&plan, outcome),
            invalid,
            ready: ready.map(|(pipeline, state)| Ready { pipeline, login: state.login }),
            status,
        }
    }
}
