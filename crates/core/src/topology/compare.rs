//! What is on the broker against what should be.

use std::collections::BTreeMap;

use super::{
    Argument, Arguments, Binding, Change, Conflict, Exchange, ObjectKind, POLICY_PRIORITY, Policy,
    Queue, Topology,
};
use crate::owner::{self, Owner, Relation};

/// What is on the broker, under the names that may concern a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Exchanges by name.
    pub exchanges: BTreeMap<String, FoundExchange>,
    /// Queues by name.
    pub queues: BTreeMap<String, FoundQueue>,
    /// Bindings from exchanges to queues.
    pub bindings: Vec<FoundBinding>,
    /// Bindings from exchanges to other exchanges, which are never ours.
    pub links: Vec<FoundLink>,
    /// Policies by name.
    pub policies: BTreeMap<String, FoundPolicy>,
}

/// An exchange as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundExchange {
    /// Its type as the broker spells it.
    pub kind: String,
    /// Whether it survives a restart of the broker.
    pub durable: bool,
    /// Its arguments.
    pub arguments: Arguments,
}

/// A queue as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundQueue {
    /// Whether it survives a restart of the broker.
    pub durable: bool,
    /// Its arguments.
    pub arguments: Arguments,
}

/// A binding as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBinding {
    /// What it binds.
    pub binding: Binding,
    /// The key the management API deletes it by.
    pub properties_key: String,
}

/// A binding from an exchange to another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundLink {
    /// The exchange that messages come from.
    pub source: String,
    /// The exchange that they go to.
    pub target: String,
}

/// A policy as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPolicy {
    /// The pattern of names.
    pub pattern: String,
    /// Which objects it applies to.
    pub apply_to: String,
    /// Its priority.
    pub priority: i64,
    /// What it sets.
    pub definition: Arguments,
}

/// The result of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What to write, in a safe order.
    pub changes: Vec<Change>,
    /// What only a person can settle.
    pub conflicts: Vec<Conflict>,
    /// Bindings that somebody else made between an object of ours and one that is not.
    pub foreign_bindings: Vec<Binding>,
}

/// The changes that make the broker what it should be, and what stands in the way.
///
/// Nothing is written to an object that conflicts, nor to a policy or binding of it.
pub fn compare(wanted: &Topology, found: &Found, owner: &Owner) -> Comparison {
    let judge = Judge { found, owner };
    let mut result = Comparison::default();
    let exchanges = judge.exchanges(&wanted.exchanges, &mut result.conflicts);
    let queues = judge.queues(&wanted.queues, &mut result.conflicts);
    let taken: Vec<String> = result.conflicts.iter().map(|c| c.name().to_owned()).collect();
    let free = |name: &str| !taken.iter().any(|other| other == name);

    let policies = wanted.policies.iter().filter(|p| free(&p.name) && judge.policy_differs(p));
    result.changes.extend(policies.cloned().map(Change::PutPolicy));

    // The ingress exchange is last of all, so that nothing is taken in before it has a place.
    let (ingress, inner): (Vec<_>, Vec<_>) =
        exchanges.into_iter().partition(|e| wanted.exchanges.last() == Some(e));
    result.changes.extend(inner.into_iter().map(Change::DeclareExchange));
    result.changes.extend(queues.into_iter().map(Change::DeclareQueue));
    result.changes.extend(ingress.into_iter().map(Change::DeclareExchange));

    let bindings = wanted.bindings.iter().filter(|b| free(&b.source) && free(&b.queue));
    let missing = bindings.filter(|b| !judge.is_bound(b)).cloned();
    result.changes.extend(missing.map(Change::Bind));
    judge.unwanted_bindings(wanted, &mut result);
    result
}

impl Found {
    /// The queues that carry our marker and that nothing asks for.
    pub fn unwanted_queues<'a>(
        &'a self,
        wanted: &'a Topology,
        owner: &'a Owner,
    ) -> impl Iterator<Item = &'a str> {
        let is_wanted = |name: &str| wanted.queues.iter().any(|queue| queue.name == name);
        self.own_queues(owner).filter(move |name| !is_wanted(name))
    }

    /// The queues that carry our marker.
    pub fn own_queues<'a>(&'a self, owner: &'a Owner) -> impl Iterator<Item = &'a str> {
        let queues = self.queues.iter().filter(|(_, queue)| is_marked(owner, &queue.arguments));
        queues.map(|(name, _)| name.as_str())
    }

    /// The exchanges that carry our marker.
    pub fn own_exchanges<'a>(&'a self, owner: &'a Owner) -> impl Iterator<Item = &'a str> {
        let exchanges = self.exchanges.iter();
        let ours = exchanges.filter(|(_, exchange)| is_marked(owner, &exchange.arguments));
        ours.map(|(name, _)| name.as_str())
    }
}

/// Whether what has these arguments is ours.
fn is_marked(owner: &Owner, arguments: &Arguments) -> bool {
    let marker = arguments.get(owner::ARGUMENT).and_then(Argument::as_text);
    owner.relation(marker) == Relation::Ours
}

struct Judge<'a> {
    found: &'a Found,
    owner: &'a Owner,
}

impl Judge<'_> {
    fn exchanges(&self, wanted: &[Exchange], conflicts: &mut Vec<Conflict>) -> Vec<Exchange> {
        let mut missing = Vec::new();
        for exchange in wanted {
            let Some(found) = self.found.exchanges.get(&exchange.name) else {
                missing.push(exchange.clone());
                continue;
            };
            let mut differences = differences(&exchange.arguments, &found.arguments);
            if found.kind != exchange.kind.as_str() {
                let wanted = exchange.kind.as_str();
                differences.push(format!("type: is {}, should be {wanted}", found.kind));
            }
            if !found.durable {
                differences.push("durable: is false, should be true".to_owned());
            }
            let kind = ObjectKind::Exchange;
            conflicts.extend(self.conflict(kind, &exchange.name, &found.arguments, differences));
        }
        missing
    }

    fn queues(&self, wanted: &[Queue], conflicts: &mut Vec<Conflict>) -> Vec<Queue> {
        let mut missing = Vec::new();
        for queue in wanted {
            let Some(found) = self.found.queues.get(&queue.name) else {
                missing.push(queue.clone());
                continue;
            };
            let mut differences = differences(&queue.arguments, &found.arguments);
            if !found.durable {
                differences.push("durable: is false, should be true".to_owned());
            }
            let kind = ObjectKind::Queue;
            conflicts.extend(self.conflict(kind, &queue.name, &found.arguments, differences));
        }
        missing
    }

    fn conflict(
        &self,
        kind: ObjectKind,
        name: &str,
        arguments: &Arguments,
        differences: Vec<String>,
    ) -> Option<Conflict> {
        let name = name.to_owned();
        let marker = arguments.get(owner::ARGUMENT).and_then(Argument::as_text);
        match self.owner.relation(marker) {
            Relation::Other(owner) | Relation::OtherCluster(owner) => {
                Some(Conflict::Owned { kind, name, owner })
            }
            Relation::Unmarked => Some(Conflict::Unmarked { kind, name, differences }),
            Relation::Ours if differences.is_empty() => None,
            Relation::Ours => Some(Conflict::Inequivalent { kind, name, differences }),
        }
    }

    fn policy_differs(&self, wanted: &Policy) -> bool {
        self.found.policies.get(&wanted.name).is_none_or(|found| {
            found.pattern != wanted.pattern
                || found.apply_to != wanted.apply_to
                || found.priority != POLICY_PRIORITY
                || found.definition != wanted.definition
        })
    }

    fn is_bound(&self, wanted: &Binding) -> bool {
        self.found.bindings.iter().any(|found| found.binding == *wanted)
    }

    /// A binding between two objects of ours that is not wanted is an old one of ours; one that
    /// leads from an exchange of ours to somebody else's queue is theirs, and stays.
    fn unwanted_bindings(&self, wanted: &Topology, result: &mut Comparison) {
        for found in &self.found.bindings {
            let binding = &found.binding;
            if wanted.bindings.contains(binding) || !self.is_our_exchange(&binding.source) {
                continue;
            }
            if self.is_our_queue(&binding.queue) {
                result.changes.push(Change::Unbind(found.clone()));
            } else {
                result.foreign_bindings.push(binding.clone());
            }
        }
    }

    fn is_our_exchange(&self, name: &str) -> bool {
        self.found.exchanges.get(name).is_some_and(|found| self.is_ours(&found.arguments))
    }

    fn is_our_queue(&self, name: &str) -> bool {
        self.found.queues.get(name).is_some_and(|found| self.is_ours(&found.arguments))
    }

    fn is_ours(&self, arguments: &Arguments) -> bool {
        is_marked(self.owner, arguments)
    }
}

/// What differs apart from the marker, which is judged as a relation.
fn differences(wanted: &Arguments, found: &Arguments) -> Vec<String> {
    let names = wanted.keys().chain(found.keys().filter(|name| !wanted.contains_key(*name)));
    names
        .filter(|name| *name != owner::ARGUMENT)
        .filter(|name| wanted.get(*name) != found.get(*name))
        .map(|name| {
            let shown = |value: Option<&Argument>| {
                value.map_or_else(|| "absent".to_owned(), Argument::to_string)
            };
            format!("{name}: is {}, should be {}", shown(found.get(name)), shown(wanted.get(name)))
        })
        .collect()
}
