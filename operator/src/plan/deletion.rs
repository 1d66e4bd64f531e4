//! What is to be done about a pipeline that is being deleted, as a value.
//!
//! Stage by stage, each found anew from what is there, so that a restart goes on where it was: the
//! producer stops, nothing new gets in, workers may empty the queues, workers stop, queues go once
//! they are proven to be empty, then exchanges and policies. What cannot be proven is left, with a
//! word about it; what cannot be reached is given up after a while, so that no deletion hangs for
//! ever.

mod message;
mod objects;
mod stages;
mod workloads;

use std::{cmp::max, collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use warren_core::topology::QueueRole;

use super::{
    Step, after,
    emptying::{Emptying, Fate, Fates, Place},
};
use crate::{
    children::ChildrenReading,
    departing::Departing,
    interval::Requeue,
    memory::Memory,
    observe::{Departure, Remains},
    pipeline::DeletionPolicy,
    proof::{Doubt, Runs},
    trouble::Trouble,
};

/// How soon the next look at something that is under way is worth while.
const SOON: Duration = Duration::from_secs(3);

/// What is to be done about a pipeline that is being deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What to write, in a safe order.
    pub steps: Vec<Step>,
    /// How far it is.
    pub progress: Progress,
    /// What was seen of the queues so far.
    pub runs: Runs,
    /// When to look again.
    pub requeue: Requeue,
}

/// How far a deletion is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Something is still to happen.
    Waiting {
        /// For what.
        on: Waiting,
        /// The same in more words.
        message: String,
    },
    /// Nothing is left to do.
    Released(Leavings),
}

/// What a deletion waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Producers and workers to end their work.
    Draining,
    /// Queues to become empty.
    NotEmpty,
    /// A broker that answers.
    BrokerUnreachable,
    /// Objects to be gone.
    Removing,
}

/// What stays on the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leavings {
    /// Queues that are not, or not provably, empty.
    pub queues: Vec<LeftQueue>,
    /// Exchanges that somebody else's objects are bound to, and which those are.
    pub exchanges: BTreeMap<String, Vec<String>>,
    /// What was given up without having been seen, or without being gone.
    pub orphaned: Option<Orphans>,
}

/// A queue that stays on the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftQueue {
    /// Its name.
    pub name: String,
    /// How many messages it has, as far as it is known.
    pub messages: Option<u64>,
    /// Why it stays.
    pub why: String,
}

/// What was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphans {
    /// Why.
    pub why: String,
    /// The objects.
    pub objects: Vec<String>,
}

/// Everything the plan of a deletion rests on, where the broker answers.
#[derive(Clone, Copy)]
struct Scene<'a> {
    departing: &'a Departing,
    remains: &'a Remains,
    children: &'a ChildrenReading,
    emptying: &'a Emptying,
    place: Place<'a>,
    fates: &'a Fates,
    now: Timestamp,
    /// Until when it is tried.
    deadline: Timestamp,
}

/// What a stage that is not over asks for.
struct Pending {
    steps: Vec<Step>,
    on: Waiting,
    message: String,
}

/// What comes after what; the first stage that is not over is the plan.
const STAGES: [fn(&Scene<'_>) -> Option<Pending>; 7] = [
    stages::producer_stops,
    stages::nothing_gets_in,
    stages::workers_empty_queues,
    stages::workers_stop,
    stages::workers_lose_their_users,
    objects::queues_go,
    objects::the_rest_goes,
];

/// The plan for a deletion; `departure` is absent where the end was ordered, and `memory` says since
/// when it is tried.
pub fn next(
    departing: &Departing,
    departure: Option<&Departure>,
    memory: &Memory,
    now: Timestamp,
) -> Plan {
    let Some(departure) = departure else {
        return Plan::released(orphaned(departing, memory, "its end was ordered"));
    };
    match &departure.broker {
        Ok(remains) => seen(departing, &departure.children, remains, memory, now),
        Err(trouble) => unseen(departing, trouble, memory, now),
    }
}

impl Plan {
    fn released(leavings: Leavings) -> Self {
        Self::giving_up(Vec::new(), leavings)
    }

    /// Released, after a last try.
    fn giving_up(steps: Vec<Step>, leavings: Leavings) -> Self {
        let progress = Progress::Released(leavings);
        Self { steps, progress, runs: Runs::new(), requeue: Requeue::Trouble }
    }

    fn pending(pending: Pending, runs: Runs) -> Self {
        let Pending { steps, on, message } = pending;
        let progress = Progress::Waiting { on, message };
        Self { steps, progress, runs, requeue: Requeue::Within(SOON) }
    }
}

fn seen(
    departing: &Departing,
    children: &ChildrenReading,
    remains: &Remains,
    memory: &Memory,
    now: Timestamp,
) -> Plan {
    let place = Place {
        prefix: &departing.prefix,
        owner: &departing.owner,
        found: &remains.found,
        looks: &remains.looks,
        runs: &memory.runs,
    };
    let emptying = Emptying::of(place);
    let fates = unrouted_last(place, emptying.fates(place));
    let deadline = deadline(departing, memory, now);
    let (emptying, fates) = (&emptying, &fates);
    let scene = Scene { departing, remains, children, emptying, place, fates, now, deadline };
    let pending = match departing.deletion.policy {
        DeletionPolicy::DeleteIfEmpty => STAGES.iter().find_map(|stage| stage(&scene)),
        DeletionPolicy::Retain => stages::users_go(&scene),
        DeletionPolicy::Delete => objects::everything_goes(&scene),
    };
    match pending {
        None => Plan::released(objects::leavings(&scene)),
        Some(pending) if now >= deadline => {
            Plan::giving_up(objects::last_steps(&scene), objects::given_up(&scene, &pending))
        }
        Some(pending) => Plan::pending(pending, emptying.runs.clone()),
    }
}

/// Late publishes land there as long as anything else is left.
fn unrouted_last(place: Place<'_>, mut fates: Fates) -> Fates {
    let is_unrouted = |name: &str| QueueRole::of(place.prefix, name) == Some(QueueRole::Unrouted);
    let other = place.found.own_queues(place.owner).find(|name| !is_unrouted(name));
    if let Some(other) = other {
        let unrouted = fates.iter_mut().filter(|(name, _)| is_unrouted(name));
        unrouted.for_each(|(_, fate)| *fate = Fate::After(other.to_owned()));
    }
    fates
}

/// Until when it is tried where nothing can be proven.
///
/// It counts from the first try of this process: an operator that was away does not give up unseen.
/// A drain that is longer than the time-out does not eat it up.
fn deadline(departing: &Departing, memory: &Memory, now: Timestamp) -> Timestamp {
    let timeout = departing.deletion.timeout;
    let began = memory.began.unwrap_or(now);
    let drained = if departing.deletion.drain < timeout { began } else { drained_by(departing) };
    after(max(began, drained), timeout)
}

/// Until when workers may empty the queues.
fn drained_by(departing: &Departing) -> Timestamp {
    after(departing.since, departing.deletion.drain)
}

/// A broker that cannot be seen is waited for, and not for ever.
fn unseen(departing: &Departing, trouble: &Trouble, memory: &Memory, now: Timestamp) -> Plan {
    let end = after(memory.began.unwrap_or(now), departing.deletion.timeout);
    if now >= end {
        return Plan::released(orphaned(departing, memory, &trouble.message));
    }
    let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
    let progress = Progress::Waiting {
        on: Waiting::BrokerUnreachable,
        message: message::unreachable(trouble, end, departing),
    };
    // What was seen before the broker was lost proves nothing.
    let requeue = Requeue::of(trouble.reason).at_the_latest(left);
    Plan { steps: Vec::new(), progress, runs: Runs::new(), requeue }
}

/// Everything is given up: what was seen last, else what there would be.
fn orphaned(departing: &Departing, memory: &Memory, why: &str) -> Leavings {
    let known = if memory.known.is_empty() { &departing.names } else { &memory.known };
    let orphans = Orphans { why: why.to_owned(), objects: known.clone() };
    Leavings { orphaned: Some(orphans), ..Leavings::default() }
}

/// What a doubt says about how full a queue is.
fn messages_in(doubt: &Doubt) -> Option<u64> {
    match doubt {
        Doubt::Taken { messages } | Doubt::Messages(messages) => Some(*messages),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
