//! What becomes of what the spec no longer asks for: queues, their policies and their users.
//!
//! They are found by their marker and looked at in every pass, so it does not matter when, or by
//! which operator, they were left. Workers may empty a queue for as long as in a deletion; what has
//! messages then stays until somebody has emptied it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use warren_core::{
    names::QueueName,
    topology::{FoundBinding, QueueRole, Topology},
};

use super::{
    Removal, Step, after,
    emptying::{Emptying, Fate, Fates, Place},
    leads_home,
};
use crate::{
    accounts,
    observe::{BrokerState, Past, UsersReading},
    pipeline::{Holder, Pipeline},
    proof::{Doubt, Look, Runs, Verdict},
};

/// What becomes of what the spec no longer asks for.
#[derive(Debug, Default)]
pub(super) struct Removed {
    /// What to take away, in a safe order.
    pub(super) steps: Vec<Step>,
    /// Queues that are proven to have messages, and how many.
    pub(super) holding: BTreeMap<String, u64>,
    /// What was seen so far.
    pub(super) runs: Runs,
    /// Since when it is known that a main queue is not wanted.
    pub(super) since: BTreeMap<String, Timestamp>,
    /// The queues whose workers may still empty them.
    pub(super) draining: BTreeSet<String>,
    /// Whether the next look is likely to find something to do.
    pub(super) is_moving: bool,
}

/// What to take away next; nothing is proven at first sight.
pub(super) fn next(
    pipeline: &Pipeline,
    state: &BrokerState,
    wanted: &Topology,
    past: &Past,
) -> Removed {
    let BrokerState { found, looks, .. } = state;
    let (prefix, runs) = (&pipeline.prefix, &past.runs);
    let place = Place { prefix, owner: &pipeline.owner, found, looks, runs };
    let emptying = Emptying::of(place);
    let mut fates = emptying.fates(place);
    let Drain { since, draining, busy } = Drain::of(pipeline, place, &emptying, &past.removed);
    // What a worker still has in hand may need its tiers and its dead-letter queue.
    fates.retain(|name, _| !QueueRole::of(prefix, name).is_some_and(|role| is_of(role, &busy)));
    let is_wanted = |name: &str| wanted.policies.iter().any(|policy| policy.name == name);
    let policies = found.idle_policies(&pipeline.prefix).filter(|name| !is_wanted(name));
    let policies = policies.map(|name| Removal::Policy(name.to_owned()));
    let users = former_users(pipeline, state, &draining).map(Removal::User);
    let removals: Vec<Removal> = users.chain(of_queues(pipeline, &fates)).chain(policies).collect();
    let moves = |fate: &Fate| {
        matches!(
            fate,
            Fate::Unbind(_) | Fate::Delete | Fate::Unproven(Doubt::TooSoon | Doubt::Messages(_))
        )
    };
    Removed {
        is_moving: !removals.is_empty() || !draining.is_empty() || fates.values().any(moves),
        steps: removals.into_iter().map(Step::Remove).collect(),
        holding: fates.iter().filter_map(holding).collect(),
        runs: emptying.runs,
        since,
        draining,
    }
}

/// How far workers are with the queues that nobody wants any more.
struct Drain {
    /// Since when it is known that a main queue is not wanted.
    since: BTreeMap<String, Timestamp>,
    /// The queues that workers may still empty.
    draining: BTreeSet<String>,
    /// Those, and the ones that somebody still works on.
    busy: BTreeSet<String>,
}

impl Drain {
    fn of(
        pipeline: &Pipeline,
        place: Place<'_>,
        emptying: &Emptying,
        known: &BTreeMap<String, Timestamp>,
    ) -> Self {
        let mut drain =
            Self { since: BTreeMap::new(), draining: BTreeSet::new(), busy: BTreeSet::new() };
        for (name, look) in place.looks {
            let Some(QueueRole::Main(queue)) = QueueRole::of(place.prefix, name) else {
                continue;
            };
            let since = known.get(name).copied().unwrap_or(look.at);
            let is_drained = emptying.verdicts.get(name).is_some_and(Verdict::is_drained);
            let is_draining = !is_drained && look.at < after(since, pipeline.deletion.drain);
            drain.draining.extend(is_draining.then(|| queue.to_owned()));
            drain.busy.extend((is_draining || !look.is_at_rest()).then(|| queue.to_owned()));
            drain.since.insert(name.clone(), since);
        }
        drain
    }
}

fn is_of(role: QueueRole<'_>, queues: &BTreeSet<String>) -> bool {
    match role {
        QueueRole::Main(queue) | QueueRole::Tier(queue) | QueueRole::Dead(queue) => {
            queues.contains(queue)
        }
        QueueRole::Unrouted => false,
    }
}

fn holding((name, fate): (&String, &Fate)) -> Option<(String, u64)> {
    match fate {
        Fate::Holds(messages) => Some((name.clone(), *messages)),
        _ => None,
    }
}

/// The comparison has already taken away what leads to them from outside; what is left are the ways
/// by which their own messages come home.
fn of_queues(pipeline: &Pipeline, fates: &Fates) -> Vec<Removal> {
    let of_queue = |(name, fate): (&String, &Fate)| match fate {
        Fate::Delete => vec![Removal::Queue(name.clone())],
        Fate::Unbind(bindings) => {
            let home = |found: &&FoundBinding| leads_home(found, pipeline);
            bindings.iter().filter(home).cloned().map(Removal::Binding).collect()
        }
        Fate::After(_) | Fate::Drains(_) | Fate::Holds(_) | Fate::Unproven(_) => Vec::new(),
    };
    fates.iter().flat_map(of_queue).collect()
}

/// The users of queues that the spec no longer has, once nobody works as them: the broker closes a
/// user's connections when it deletes the user, and what a worker holds would be delivered twice.
fn former_users<'a>(
    pipeline: &'a Pipeline,
    state: &'a BrokerState,
    draining: &'a BTreeSet<String>,
) -> impl Iterator<Item = String> + 'a {
    let scope = pipeline.user_scope(&state.login.vhost);
    let found = match &state.users {
        UsersReading::Found(found) => Some(found),
        UsersReading::NotAsked => None,
    };
    found.into_iter().flat_map(BTreeMap::keys).filter_map(move |user| {
        let Holder::Worker(queue) = accounts::holder_of(&pipeline.prefix, &scope, user)? else {
            return None;
        };
        let is_former = !pipeline.queues.iter().any(|wanted| wanted.name == queue);
        let has_ended = !draining.contains(queue.as_str()) && is_idle(pipeline, state, &queue);
        (is_former && has_ended).then(|| user.clone())
    })
}

fn is_idle(pipeline: &Pipeline, state: &BrokerState, queue: &QueueName) -> bool {
    let main = pipeline.prefix.main(queue);
    !state.found.queues.contains_key(&main) || state.looks.get(&main).is_some_and(Look::is_at_rest)
}

#[cfg(test)]
mod tests;
