//! What is to be done, as a value: a pure function of the pipeline and of what was observed.
//!
//! A plan says what to write in which order, what stands in the way, and nothing of how.

mod children;
pub mod deletion;
mod emptying;
mod removal;
mod removed;
mod step;
mod users;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use warren_core::{
    duration::format,
    owner::{self, Relation},
    topology::{
        self, Argument, Arguments, Binding, Change, Comparison, Conflict, Found, FoundBinding,
        ObjectKind, QueueRole,
    },
};

use self::{children::Children, removed::Removed};
pub use self::{
    removal::Removal,
    step::{Kind, Step, UserGap},
};
use crate::{
    children::{ChildKey, ChildrenReading},
    interval::Requeue,
    observe::{BrokerState, Observed, Past, Stage},
    pipeline::{Origin, Pipeline},
    proof::Runs,
    rights,
    trouble::Trouble,
    validate::{Violations, too_long_in},
};

/// How soon it is worth while to look at removed queues again, while something about them changes.
const REMOVING: Duration = Duration::from_secs(15);

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
    /// Those of them that are proven to have messages, and how many.
    pub holding: BTreeMap<String, u64>,
    /// What looks at them have said so far.
    pub runs: Runs,
    /// Since when it is known that a main queue is one of them.
    pub removed: BTreeMap<String, Timestamp>,
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

    /// Whether the broker has objects of the pipeline, or will have when this is carried out.
    pub fn needs_hold(&self) -> bool {
        let declared = match &self.findings {
            Findings::Compared(compared) => compared.stage == Stage::Declared,
            Findings::Rejected(_) | Findings::Unreachable(_) => false,
        };
        declared || self.steps.iter().any(|step| step.kind().is_of_broker())
    }

    /// How many of the broker's objects somebody else changed or took away, by kind.
    pub fn drift(&self) -> BTreeMap<Kind, u32> {
        let mut drift = BTreeMap::new();
        if let Findings::Compared(compared) = &self.findings
            && compared.stage == Stage::Declared
        {
            for kind in self.steps.iter().filter(|step| step.is_repair()).map(Step::kind) {
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
        // The Secret may say it, and no watch tells when that is mended.
        return Plan::idle(Findings::Rejected(violations), Requeue::Mending);
    }
    if let Some(trouble) =
        rights::missing(pipeline.users, &pipeline.broker.secret, &state.login, &state.tags)
    {
        return unreachable(trouble);
    }
    compared(pipeline, state, &observed.children, &observed.past)
}

/// The end of a time; the end of all times where there is none.
fn after(instant: Timestamp, duration: Duration) -> Timestamp {
    instant.checked_add(duration).unwrap_or(Timestamp::MAX)
}

fn unreachable(trouble: Trouble) -> Plan {
    let requeue = Requeue::of(trouble.reason);
    Plan::idle(Findings::Unreachable(trouble), requeue)
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
    let mut removed = Removed::default();
    let steps = if unsupported.is_some() || keeps_off(pipeline, &state.found, &conflicts) {
        Vec::new()
    } else {
        let changes =
            changes.into_iter().filter(|change| !reaches_others(change, pipeline, &state.found));
        let changes = changes.filter(|change| !strands(change, pipeline));
        let broker = changes.map(Step::Broker);
        removed = removed::next(pipeline, state, &wanted, past);
        let children = match conflicts.as_slice() {
            [] => children::next(pipeline, state, children, &removed.draining),
            _ => Children::default(),
        };
        taken = children.taken;
        let users = users::steps(pipeline, state, &taken);
        let children = children.steps.into_iter().map(Step::Child);
        broker.chain(users).chain(children).chain(removed.steps).collect()
    };
    let retained = state.found.unwanted_queues(&wanted, &pipeline.owner);
    let compared = Compared {
        objects: wanted.len(),
        conflicts,
        unsupported,
        retained: retained.map(str::to_owned).collect(),
        holding: removed.holding,
        runs: removed.runs,
        removed: removed.since,
        taken,
        stage: past.stage,
    };
    let requeue = match requeue(&compared, children) {
        Requeue::Settled if removed.is_moving => Requeue::Within(REMOVING),
        requeue => requeue,
    };
    Plan { steps, findings: Findings::Compared(Box::new(compared)), requeue }
}

/// What a person has to settle is looked at often, because they wait for it.
fn requeue(compared: &Compared, children: &ChildrenReading) -> Requeue {
    match children {
        _ if !compared.conflicts.is_empty() || !compared.taken.is_empty() => Requeue::Mending,
        ChildrenReading::Unknown(_) => Requeue::Trouble,
        ChildrenReading::NotKept | ChildrenReading::Seen(_) => Requeue::Settled,
    }
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

/// Whether a change is the policy of all tiers, and somebody else has a queue that looks like one.
///
/// It sets nothing that the arguments of our own tiers do not say, so it can be left out.
fn reaches_others(change: &Change, pipeline: &Pipeline, found: &Found) -> bool {
    let is_tier_policy =
        change.kind() == ObjectKind::Policy && change.name() == pipeline.prefix.tier_policy();
    let mut others = found.queues.iter().filter(|(_, q)| !is_ours(pipeline, &q.arguments));
    is_tier_policy && others.any(|(name, _)| looks_like_a_tier(pipeline, name))
}

/// Whether a change would cut a queue that is no longer wanted from the messages on their way to it.
///
/// Its tiers empty into it and its own dead letters go to their queue, until all of them are empty;
/// nothing new arrives, because no exchange that anybody publishes to leads there.
fn strands(change: &Change, pipeline: &Pipeline) -> bool {
    matches!(change, Change::Unbind(found) if leads_home(found, pipeline))
}

/// Whether a binding is the one by which messages of a queue come back to it, or to its dead
/// letters.
fn leads_home(found: &FoundBinding, pipeline: &Pipeline) -> bool {
    let Binding { source, queue, routing_key, arguments } = &found.binding;
    let is_way_home = *queue == format!("{}.{routing_key}", pipeline.prefix)
        && *source == pipeline.prefix.internal()
        && arguments.is_empty();
    is_way_home && !looks_like_a_tier(pipeline, queue)
}

fn looks_like_a_tier(pipeline: &Pipeline, name: &str) -> bool {
    matches!(QueueRole::of(&pipeline.prefix, name), Some(QueueRole::Tier(_)))
}

fn is_ours(pipeline: &Pipeline, arguments: &Arguments) -> bool {
    let marker = arguments.get(owner::ARGUMENT).and_then(Argument::as_text);
    pipeline.owner.relation(marker) == Relation::Ours
}

#[cfg(test)]
mod tests;
