//! The stages of a deletion in which queues, exchanges and policies go, and what is left of them.

use std::collections::BTreeMap;

use warren_core::topology::{Arguments, Binding, Change, QueueRole};

use super::{
    Fate, Leavings, LeftQueue, Orphans, Pending, Scene, Step, Waiting, message, messages_in,
    stages, workloads::Workload,
};
use crate::{
    pipeline::DeletionPolicy,
    plan::{Removal, emptying::is_settled},
};

/// Queues go as they are proven to be empty, and what stays is bound as it was.
pub(super) fn queues_go(scene: &Scene<'_>) -> Option<Pending> {
    let mut steps: Vec<Step> = scene.fates.iter().flat_map(of_fate).collect();
    steps.extend(ways_home(scene, |fate| matches!(fate, Fate::Holds(_))));
    let mut open = scene.fates.iter().filter(|(name, _)| !is_settled(scene.fates, name));
    let full = scene.fates.iter().find(|(_, fate)| messages(fate).is_some());
    let (on, message) = match (open.next(), full) {
        (None, _) => return stages::pending(steps, message::BINDING),
        (Some(_), Some((name, fate))) => {
            (Waiting::NotEmpty, message::full(name, fate, scene.deadline))
        }
        (Some(first), None) => {
            let is_waiting = |fate: &Fate| matches!(fate, Fate::After(_));
            let (name, fate) = if is_waiting(first.1) {
                open.find(|(_, fate)| !is_waiting(fate)).unwrap_or(first)
            } else {
                first
            };
            (Waiting::Removing, message::queue(name, fate))
        }
    };
    Some(Pending { steps, on, message })
}

/// Exchanges go once no queue is left, unless somebody else is bound to them; policies go with
/// their last queue.
pub(super) fn the_rest_goes(scene: &Scene<'_>) -> Option<Pending> {
    let mut steps = policies(scene);
    if scene.fates.is_empty() {
        let strangers = strangers(scene);
        let exchanges = own_exchanges(scene).filter(|name| !strangers.contains_key(*name));
        let exchanges = exchanges.map(|name| Step::Remove(Removal::Exchange(name.to_owned())));
        steps.splice(0..0, exchanges);
    }
    stages::pending(steps, message::REST_GOES)
}

/// Everything goes, messages and all, because somebody asked for exactly that.
pub(super) fn everything_goes(scene: &Scene<'_>) -> Option<Pending> {
    let producers = Workload::producers(scene.children);
    let workers = Workload::workers(scene.children);
    let mut steps: Vec<Step> =
        producers.iter().chain(&workers).filter_map(Workload::stop).collect();
    steps.extend(stages::users_go(scene).into_iter().flat_map(|pending| pending.steps));
    let mut queues: Vec<&str> = own_queues(scene).collect();
    queues.sort_by_key(|name| QueueRole::of(scene.place.prefix, name));
    let queues = queues.into_iter().map(|name| Step::Remove(Removal::Queue(name.to_owned())));
    steps.extend(queues);
    let strangers = strangers(scene);
    let exchanges = own_exchanges(scene).filter(|name| !strangers.contains_key(*name));
    steps.extend(exchanges.map(|name| Step::Remove(Removal::Exchange(name.to_owned()))));
    steps.extend(policies(scene));
    stages::pending(steps, message::EVERYTHING_GOES)
}

/// What stays when all stages are over.
pub(super) fn leavings(scene: &Scene<'_>) -> Leavings {
    if scene.departing.deletion.policy == DeletionPolicy::Retain {
        return Leavings::default();
    }
    let queues: Vec<LeftQueue> = scene.fates.iter().map(left).collect();
    let exchanges = if queues.is_empty() { strangers(scene) } else { BTreeMap::new() };
    Leavings { queues, exchanges, orphaned: None }
}

/// What is still done when there was no time for all stages: what stays is bound as it was.
pub(super) fn last_steps(scene: &Scene<'_>) -> Vec<Step> {
    let users = stages::users_go(scene).map_or_else(Vec::new, |pending| pending.steps);
    users.into_iter().chain(ways_home(scene, |_| true)).collect()
}

/// What stays when there was no time for all stages.
pub(super) fn given_up(scene: &Scene<'_>, pending: &Pending) -> Leavings {
    let why = format!("there was no time left: {}", pending.message);
    let orphans = |objects: Vec<String>| (!objects.is_empty()).then_some(Orphans { why, objects });
    let users = scene.remains.users.keys().map(|user| format!("user {user}"));
    if scene.departing.deletion.policy == DeletionPolicy::Retain {
        return Leavings { orphaned: orphans(users.collect()), ..Leavings::default() };
    }
    let mut leavings = leavings(scene);
    if leavings.queues.is_empty() {
        let exchanges = own_exchanges(scene).filter(|name| !leavings.exchanges.contains_key(*name));
        let exchanges = exchanges.map(|name| format!("exchange {name}"));
        let queues = own_queues(scene).map(|name| format!("queue {name}"));
        let policies = policies(scene).into_iter().map(|step| format!("policy {}", step.name()));
        leavings.orphaned = orphans(queues.chain(exchanges).chain(policies).collect());
    }
    leavings
}

fn left((name, fate): (&String, &Fate)) -> LeftQueue {
    let why = match fate {
        Fate::After(other) => format!("it belongs to {other}"),
        Fate::Holds(_) => "it is not empty".to_owned(),
        Fate::Drains(_) | Fate::Unbind(_) | Fate::Delete | Fate::Unproven(_) => {
            format!("there was no time left: {fate}")
        }
    };
    LeftQueue { name: name.clone(), messages: messages(fate), why }
}

fn messages(fate: &Fate) -> Option<u64> {
    match fate {
        Fate::Drains(messages) | Fate::Holds(messages) => Some(*messages),
        Fate::Unproven(doubt) => messages_in(doubt),
        Fate::After(_) | Fate::Unbind(_) | Fate::Delete => None,
    }
}

fn of_fate((name, fate): (&String, &Fate)) -> Vec<Step> {
    match fate {
        Fate::Unbind(bindings) => {
            let remove = |binding| Step::Remove(Removal::Binding(binding));
            bindings.iter().cloned().map(remove).collect()
        }
        Fate::Delete => vec![Step::Remove(Removal::Queue(name.clone()))],
        Fate::After(_) | Fate::Drains(_) | Fate::Holds(_) | Fate::Unproven(_) => Vec::new(),
    }
}

/// Binds queues that stay once more: they were being cut off when a message came, or the time was
/// over.
fn ways_home<'a>(
    scene: &'a Scene<'_>,
    stays: impl Fn(&Fate) -> bool + 'a,
) -> impl Iterator<Item = Step> + 'a {
    let stay = scene.fates.iter().filter(move |(_, fate)| stays(fate));
    let homes = stay.filter_map(|(name, _)| home(scene, name));
    let bindings = &scene.remains.found.bindings;
    let lost = homes.filter(|home| !bindings.iter().any(|found| found.binding == *home));
    lost.map(|home| Step::Broker(Change::Bind(home)))
}

/// The binding by which messages of ours come to a queue; nothing where its exchange is gone.
fn home(scene: &Scene<'_>, name: &str) -> Option<Binding> {
    let prefix = scene.place.prefix;
    let (source, routing_key) = match QueueRole::of(prefix, name)? {
        QueueRole::Main(queue) => (prefix.internal(), queue.to_owned()),
        QueueRole::Dead(queue) => (prefix.internal(), format!("{queue}.dead")),
        QueueRole::Unrouted => (prefix.unrouted(), String::new()),
        QueueRole::Tier(_) => return None,
    };
    let is_there = own_exchanges(scene).any(|own| own == source);
    let (queue, arguments) = (name.to_owned(), Arguments::new());
    is_there.then_some(Binding { source, queue, routing_key, arguments })
}

fn policies(scene: &Scene<'_>) -> Vec<Step> {
    let idle = scene.remains.found.idle_policies(scene.place.prefix);
    idle.map(|name| Step::Remove(Removal::Policy(name.to_owned()))).collect()
}

fn own_queues<'a>(scene: &Scene<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    scene.place.found.own_queues(scene.place.owner)
}

fn own_exchanges<'a>(scene: &Scene<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    scene.place.found.own_exchanges(scene.place.owner)
}

/// What others have bound to exchanges of ours, by exchange.
fn strangers(scene: &Scene<'_>) -> BTreeMap<String, Vec<String>> {
    let found = &scene.remains.found;
    let is_own_exchange = |name: &str| own_exchanges(scene).any(|own| own == name);
    let is_own_queue = |name: &str| own_queues(scene).any(|own| own == name);
    let queues = found.bindings.iter().filter_map(|found| {
        let binding = &found.binding;
        let is_foreign = !is_own_queue(&binding.queue);
        is_foreign.then(|| (&binding.source, format!("queue {}", binding.queue)))
    });
    let links = found.links.iter().map(|link| (&link.source, format!("exchange {}", link.target)));
    let mut strangers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (source, stranger) in queues.chain(links).filter(|(source, _)| is_own_exchange(source)) {
        let all = strangers.entry(source.clone()).or_default();
        if !all.contains(&stranger) {
            all.push(stranger);
        }
    }
    strangers
}
