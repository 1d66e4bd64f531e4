//! What is to be done, as a value: a pure function of the pipeline and of what was observed.
//!
//! A plan says what to write in which order, what stands in the way, and nothing of how.

mod children;
mod step;
mod users;

use std::{collections::BTreeMap, time::Duration};

use warren_core::{
    duration::format,
    owner::{self, Relation},
    topology::{
        self, Argument, Arguments, Binding, Change, Comparison, Conflict, Found, ObjectKind,
        Topology,
    },
};

pub use self::step::{Kind, Step, UserGap};
use crate::{
    children::{ChildKey, ChildrenReading},
    interval::Requeue,
    observe::{BrokerState, Observed, Past, Stage},
    pipeline::{Origin, Pipeline},
    rights,
    trouble::Trouble,
    validate::{Violations, too_long_in},
};

/// How long a broker that has no limit for single queues waits for an acknowledgement
/// (<https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout>).
const NODE_CONSUMER_TIMEOUT: Duration = Duration::from_mins(30);

/// What is to be done, and what was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What to write, in a safe order.
    pub steps: Vec<Step>,
    /// What was found out.
    pub findings: Findings,
    /// When to look again.
    pub requeue: Requeue,
}

/// What was found out about a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Findings {
    /// Its spec is not one.
    Rejected(Violations),
    /// Its broker cannot be used.
    Unreachable(Trouble),
    /// Its broker's objects were compared.
    Compared(Box<Compared>),
}

/// The result of a comparison with the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// How many objects there should be.
    pub objects: usize,
    /// What only a person can settle.
    pub conflicts: Vec<Conflict>,
    /// What the spec asks for and this broker cannot do.
    pub unsupported: Option<String>,
    /// Queues of ours that the spec no longer has; they keep their messages.
    pub retained: Vec<String>,
    /// Kubernetes objects that are somebody else's and have names of ours.
    pub taken: Vec<ChildKey>,
    /// Whether what the plan changes is new or was changed by somebody else.
    pub stage: Stage,
}

impl Plan {
    /// The plan for a spec that is none: status tells, nothing is applied.
    pub fn rejected(violations: Violations) -> Self {
        Self::idle(Findings::Rejected(violations), Requeue::Settled)
    }

    /// How many of the broker's objects somebody else changed or took away, by kind.
    pub fn drift(&self) -> BTreeMap<Kind, u32> {
        let mut drift = BTreeMap::new();
        if let Findings::Compared(compared) = &self.findings
            && compared.stage == Stage::Declared
        {
            for kind in self.steps.iter().map(Step::kind).filter(|kind| kind.is_of_broker()) {
                *drift.entry(kind).or_insert(0) += 1;
            }
        }
        drift
    }

    fn idle(findings: Findings, requeue: Requeue) -> Self {
        Self { steps: Vec::new(), findings, requeue }
    }
}

/// The plan for a pipeline.
pub fn next(pipeline: &Pipeline, observed: &Observed) -> Plan {
    let state = match &observed.broker {
        Ok(state) => state,
        Err(trouble) => return unreachable(trouble.clone()),
    };
    if let Some(violations) = misplaced(pipeline, &state.login.vhost, &observed.past) {
        return Plan::rejected(violations);
    }
    if let Some(trouble) = rights::missing(pipeline, &state.login, &state.tags) {
        return unreachable(trouble);
    }
    compared(pipeline, state, &observed.children, &observed.past)
}

fn unreachable(trouble: Trouble) -> Plan {
    Plan::idle(Findings::Unreachable(trouble), Requeue::Trouble)
}

fn compared(
    pipeline: &Pipeline,
    state: &BrokerState,
    children: &ChildrenReading,
    past: &Past,
) -> Plan {
    let wanted = topology::desired(&pipeline.layout(), state.facts);
    let Comparison { changes, conflicts, .. } =
        topology::compare(&wanted, &state.found, &pipeline.owner);
    let unsupported = unsupported(pipeline, state);
    let mut taken = Vec::new();
    let steps = if unsupported.is_some() || keeps_off(pipeline, &state.found, &conflicts) {
        Vec::new()
    } else {
        let changes =
            changes.into_iter().filter(|change| !reaches_others(change, pipeline, &state.found));
        let changes = changes.filter(|change| !strands(change, pipeline));
        let broker = changes.map(Step::Broker);
        let mut steps: Vec<Step> = broker.chain(users::steps(pipeline, state)).collect();
        if conflicts.is_empty() {
            let children = children::next(pipeline, state, children);
            steps.extend(children.steps.into_iter().map(Step::Child));
            taken = children.taken;
        }
        steps
    };
    let compared = Compared {
        objects: wanted.len(),
        conflicts,
        unsupported,
        retained: retained(pipeline, &wanted, &state.found),
        taken,
        stage: past.stage,
    };
    Plan { steps, findings: Findings::Compared(Box::new(compared)), requeue: Requeue::Settled }
}

/// Why the pipeline must not be in this virtual host.
fn misplaced(pipeline: &Pipeline, vhost: &str, past: &Past) -> Option<Violations> {
    let moved = past.vhost.as_deref().filter(|known| *known != vhost);
    if let Some(known) = moved {
        let message = format!(
            "is {vhost} now, but the pipeline lives in virtual host {known}: name that one, or \
             make a new pipeline in the other and drain this one"
        );
        return Some(Violations::one("spec.broker.vhost", message));
    }
    let message = too_long_in(pipeline, vhost)?;
    Some(Violations::one("spec.namePrefix", message))
}

/// What of the spec the broker is too old for.
fn unsupported(pipeline: &Pipeline, state: &BrokerState) -> Option<String> {
    if state.facts.has_queue_consumer_timeout() {
        return None;
    }
    let version = state.facts.version;
    let complaints = pipeline.queues.iter().filter_map(|queue| {
        let name = &queue.name;
        if queue.consumer_timeout == Origin::Asked {
            return Some(format!(
                "queue {name} asks for limits.consumerTimeout, and RabbitMQ {version} cannot set \
                 it for one queue (3.12 can): leave it out, or upgrade the broker"
            ));
        }
        let task = queue.worker.task_timeout;
        (task >= NODE_CONSUMER_TIMEOUT).then(|| {
            format!(
                "queue {name} has a worker.taskTimeout of {}, and RabbitMQ {version} takes a \
                 message back after {}: shorten it, or upgrade the broker to 3.12 or later",
                format(task),
                format(NODE_CONSUMER_TIMEOUT)
            )
        })
    });
    let complaints: Vec<String> = complaints.collect();
    (!complaints.is_empty()).then(|| complaints.join("; "))
}

/// Whether nothing at all is written, because somebody else was here first.
///
/// A pipeline that has its ingress exchange repairs what is its own; one that never got so far
/// would leave half a topology among a stranger's objects.
fn keeps_off(pipeline: &Pipeline, found: &Found, conflicts: &[Conflict]) -> bool {
    let ingress = found.exchanges.get(pipeline.prefix.as_str());
    let has_ingress = ingress.is_some_and(|exchange| is_ours(pipeline, &exchange.arguments));
    !conflicts.is_empty() && !has_ingress
}

fn retained(pipeline: &Pipeline, wanted: &Topology, found: &Found) -> Vec<String> {
    let is_wanted = |name: &str| wanted.queues.iter().any(|queue| queue.name == name);
    let ours = found.queues.iter().filter(|(_, queue)| is_ours(pipeline, &queue.arguments));
    let names = ours.map(|(name, _)| name).filter(|name| !is_wanted(name));
    names.cloned().collect()
}

/// Whether a change is the policy of all tiers, and somebody else has a queue that looks like one.
///
/// It sets nothing that the arguments of our own tiers do not say, so it can be left out.
fn reaches_others(change: &Change, pipeline: &Pipeline, found: &Found) -> bool {
    let is_tier_policy =
        change.kind() == ObjectKind::Policy && change.name() == pipeline.prefix.tier_policy();
    let mut others = found.queues.iter().filter(|(_, q)| !is_ours(pipeline, &q.arguments));
    is_tier_policy && others.any(|(name, _)| looks_like_a_tier(pipeline, name))
}

/// Whether a name has the form `P.<label>.retry.<number>`.
fn looks_like_a_tier(pipeline: &Pipeline, name: &str) -> bool {
    let rest = name.strip_prefix(pipeline.prefix.as_str()).unwrap_or_default();
    let parts: Vec<&str> = rest.split('.').collect();
    matches!(parts.as_slice(), ["", _, "retry", number] if number.parse::<u64>().is_ok())
}

/// Whether a change would cut a queue that is no longer wanted from the messages on their way to it.
///
/// Its tiers empty into it and its own dead letters go to their queue, until somebody has emptied
/// all of them; nothing new arrives, because no exchange that anybody publishes to leads there.
fn strands(change: &Change, pipeline: &Pipeline) -> bool {
    let Change::Unbind(found) = change else { return false };
    let Binding { source, queue, routing_key, arguments } = &found.binding;
    let is_way_home = *queue == format!("{}.{routing_key}", pipeline.prefix)
        && *source == pipeline.prefix.internal()
        && arguments.is_empty();
    is_way_home && !looks_like_a_tier(pipeline, queue)
}

fn is_ours(pipeline: &Pipeline, arguments: &Arguments) -> bool {
    let marker = arguments.get(owner::ARGUMENT).and_then(Argument::as_text);
    pipeline.owner.relation(marker) == Relation::Ours
}

#[cfg(test)]
mod tests;
