//! What a pass is given, and what it leaves to its caller.

use std::collections::BTreeMap;

use jiff::Timestamp;
use warren_api::{MessagePipeline, MessagePipelineStatus, conditions::ConditionType};
use warren_broker::login::Login;

use crate::{
    apply::Outcome,
    brokers::Brokers,
    conditions,
    departing::Departing,
    error::StepError,
    events::{self, Event},
    interval::Requeue,
    memory::Memory,
    observe::{Departure, Observed, Remains},
    pause::Pause,
    pipeline::Pipeline,
    plan::{
        Findings, Kind, Plan,
        deletion::{self, Progress},
    },
    settings::Settings,
    status,
    trouble::Trouble,
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
    /// What earlier passes of this process left.
    pub memory: &'a Memory,
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
    /// How it ended.
    pub ending: Ending,
    /// The broker, if its address could be read.
    pub broker: Option<BrokerSight>,
    /// What somebody had changed and was written again, by kind.
    pub repaired: BTreeMap<Kind, u32>,
    /// What is wrong with the spec; nothing when it is one.
    pub invalid: Option<Violations>,
    /// The pipeline; nothing when its spec is none. What it orders of workers holds whatever is
    /// known of its broker.
    pub pipeline: Option<Pipeline>,
    /// What workers may be started with; nothing unless all broker objects stand.
    pub ready: Option<Ready>,
    /// Whether a deletion is done: nothing outside the cluster is left to care for.
    pub released: bool,
    /// Why nothing was written; nothing when it was not paused.
    pub paused: Option<Pause>,
    /// What the next pass is given.
    pub memory: Memory,
}

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything is as the spec says.
    Ok,
    /// Somebody or something else must move first: a broker, a login, a spec, an owner.
    Waiting,
    /// A write failed.
    Error,
}

/// Whether a broker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSight {
    /// Its host and port.
    pub address: String,
    /// Whether it answers, be it with a refusal.
    pub up: bool,
}

/// A pipeline whose broker objects stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The operator's own login, in the pipeline's virtual host.
    pub login: Login,
}

/// What is told of a pipeline.
pub(crate) struct Shown {
    /// The status.
    pub(crate) status: MessagePipelineStatus,
    /// Whether others can see it.
    pub(crate) published: bool,
}

/// What was found out about a pipeline that is being deleted.
pub(crate) struct Parting {
    /// What is known of it.
    pub(crate) departing: Departing,
    /// What is left of it; nothing when nobody looked.
    pub(crate) departure: Option<Departure>,
    /// What is to be done.
    pub(crate) plan: deletion::Plan,
    /// What was remembered.
    pub(crate) memory: Memory,
}

/// What was found out about a pipeline before anything was written.
pub(crate) struct Found {
    /// The pipeline; nothing when its spec is none.
    pub(crate) pipeline: Option<Pipeline>,
    /// What was there; nothing when nobody looked.
    pub(crate) observed: Option<Observed>,
    /// What is to be done.
    pub(crate) plan: Plan,
    /// Why nothing is done; nothing when it is.
    pub(crate) paused: Option<Pause>,
}

impl Found {
    pub(crate) fn of(pipeline: Pipeline, observed: Observed, plan: Plan) -> Self {
        Self { pipeline: Some(pipeline), observed: Some(observed), plan, paused: None }
    }

    pub(crate) fn nothing(plan: Plan) -> Self {
        Self { pipeline: None, observed: None, plan, paused: None }
    }

    /// The same, while nothing is written.
    pub(crate) fn paused(self, paused: Option<Pause>) -> Self {
        Self { paused, ..self }
    }
}

impl Parting {
    pub(crate) fn of(
        departing: Departing,
        departure: Option<Departure>,
        plan: deletion::Plan,
        memory: Memory,
    ) -> Self {
        Self { departing, departure, plan, memory }
    }

    /// What is left on the broker, if that answers.
    pub(crate) fn remains(&self) -> Option<&Remains> {
        self.departure.as_ref()?.broker.as_ref().ok()
    }
}

impl Pass {
    /// Of the deletion of what never was a pipeline: nothing is there to be cared for.
    pub(crate) fn of_nothing(request: Request<'_>) -> Self {
        Self {
            status: request.previous.clone(),
            events: Vec::new(),
            requeue: Requeue::Settled,
            ending: Ending::Ok,
            broker: None,
            repaired: BTreeMap::new(),
            invalid: None,
            pipeline: None,
            ready: None,
            paused: None,
            released: request.object.metadata.deletion_timestamp.is_some(),
            memory: Memory::default(),
        }
    }

    pub(crate) fn of_parting(
        parting: Parting,
        outcome: &Outcome,
        previous: &MessagePipelineStatus,
        shown: Shown,
    ) -> Self {
        let Shown { status, published } = shown;
        let released = matches!(parting.plan.progress, Progress::Released(_));
        let failed = !released && (!published || outcome.failures().next().is_some());
        let broker = parting.departure.as_ref();
        let broker = broker.and_then(|departure| BrokerSight::of(&departure.broker, |r| &r.login));
        let remains = parting.remains().cloned();
        let Parting { departing, plan, memory, .. } = parting;
        Self {
            events: events::of_deletion(previous, &status, &plan.progress),
            requeue: plan.requeue,
            ending: match released {
                _ if failed => Ending::Error,
                true => Ending::Ok,
                false => Ending::Waiting,
            },
            broker,
            repaired: BTreeMap::new(),
            invalid: None,
            pipeline: None,
            ready: None,
            released,
            paused: None,
            memory: memory.after_deletion(&departing, remains.as_ref(), &plan),
            status,
        }
    }

    pub(crate) fn of(found: Found, outcome: &Outcome, request: Request<'_>, shown: Shown) -> Self {
        let Request { previous, memory, .. } = request;
        let Shown { status, published } = shown;
        let Found { pipeline, observed, plan, paused } = found;
        let failed = !published || outcome.failures().next().is_some();
        let requeue = requeue(&plan, outcome, published);
        let invalid = match &plan.findings {
            Findings::Rejected(violations) => Some(violations.clone()),
            Findings::Unreachable(_) | Findings::Compared(_) => None,
        };
        let stands = status::holds(&status, ConditionType::TopologyInSync);
        let broker = observed
            .as_ref()
            .and_then(|observed| BrokerSight::of(&observed.broker, |state| &state.login));
        let mut events = events::between(previous, &status, &plan, outcome);
        events.extend(events::kept(&plan, &memory.told));
        events.extend(events::pause(was_paused(memory, previous), paused.as_ref()));
        // A virtual host that the pipeline does not live in may have queues of the same names.
        let state = observed.filter(|_| invalid.is_none()).and_then(|it| it.broker.ok());
        let memory = memory.after(pipeline.as_ref().zip(state.as_ref()), &plan);
        let memory = Memory { paused: Some(paused.is_some()), ..memory };
        // Who scales must hear of a pause also where something waits for its end.
        let ready = pipeline.clone().zip(state).filter(|_| stands || paused.is_some());
        Self {
            events,
            ending: match requeue {
                _ if failed => Ending::Error,
                Requeue::Settled if invalid.is_none() => Ending::Ok,
                Requeue::Settled | Requeue::Trouble | Requeue::Mending | Requeue::Within(_) => {
                    Ending::Waiting
                }
            },
            requeue,
            broker,
            repaired: events::repaired(&plan, outcome),
            invalid,
            pipeline,
            ready: ready.map(|(pipeline, state)| Ready { pipeline, login: state.login }),
            released: false,
            paused,
            memory,
            status,
        }
    }
}

impl BrokerSight {
    fn of<T>(broker: &Result<T, Trouble>, login: impl FnOnce(&T) -> &Login) -> Option<Self> {
        match broker {
            Ok(seen) => Some(Self { address: address(login(seen)), up: true }),
            Err(trouble) => {
                let address = trouble.broker.clone()?;
                Some(Self { address, up: trouble.reason.is_an_answer() })
            }
        }
    }
}

/// Whether it was paused before: after a start of the operator only the status tells.
fn was_paused(memory: &Memory, previous: &MessagePipelineStatus) -> bool {
    let topology = status::condition(previous, ConditionType::TopologyInSync);
    let told = || topology.is_some_and(|told| conditions::tells_pause(&told.message));
    memory.paused.unwrap_or_else(told)
}

/// Host and port of a broker, as its name in metrics.
pub(crate) fn address(login: &Login) -> String {
    format!("{}:{}", login.host, login.port)
}

/// What stands in the way decides how soon a look is worth while.
fn requeue(plan: &Plan, outcome: &Outcome, published: bool) -> Requeue {
    if let Some(trouble) = outcome.trouble() {
        return Requeue::of(trouble.reason);
    }
    let mut failures = outcome.failures().map(|(_, error)| error).peekable();
    if failures.peek().is_none() {
        return if published { plan.requeue } else { Requeue::Trouble };
    }
    if failures.all(StepError::is_refusal) { Requeue::Mending } else { Requeue::Trouble }
}
