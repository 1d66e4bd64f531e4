//! What becomes of queues that nobody wants any more: in which order they go, and that none goes
//! before it is proven to be empty.
//!
//! A tier empties into its main queue and a main queue into its dead-letter queue, so each is left
//! alone, and bound, until those that lead to it are gone. No message is destroyed by what is
//! decided here.

use std::{collections::BTreeMap, fmt};

use warren_core::{
    names::Prefix,
    owner::Owner,
    topology::{Found, FoundBinding, QueueRole},
};

use crate::proof::{self, Doubt, Finding, Look, Runs, Verdict};

/// Where queues are that shall go, and what is known of them.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) prefix: &'a Prefix,
    pub(super) owner: &'a Owner,
    pub(super) found: &'a Found,
    pub(super) looks: &'a BTreeMap<String, Look>,
    pub(super) runs: &'a Runs,
}

/// What is known of queues that shall go.
#[derive(Debug, Default)]
pub(super) struct Emptying {
    /// What each is, by name.
    pub(super) verdicts: BTreeMap<String, Verdict>,
    /// For how long each has been it.
    pub(super) runs: Runs,
}

/// What becomes of a queue next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Another queue goes before it.
    After(String),
    /// It looks empty, and these shall lead to it no more.
    Unbind(Vec<FoundBinding>),
    /// It is proven to be empty.
    Delete,
    /// Its messages leave it by themselves.
    Drains(u64),
    /// It is proven to have messages that nobody takes: it stays.
    Holds(u64),
    /// Nothing is proven yet.
    Unproven(Doubt),
}

/// What becomes of each queue next, by name.
pub(super) type Fates = BTreeMap<String, Fate>;

impl Emptying {
    /// Judges the queues that were looked at.
    pub(super) fn of(place: Place<'_>) -> Self {
        let mut emptying = Self::default();
        for (name, look) in place.looks {
            let to_it = place.found.bindings.iter().filter(|found| found.binding.queue == *name);
            let sources: Vec<&str> = to_it.map(|found| found.binding.source.as_str()).collect();
            let (verdict, run) = proof::judge(place.runs.get(name), look, &sources);
            emptying.verdicts.insert(name.clone(), verdict);
            emptying.runs.extend(run.map(|run| (name.clone(), run)));
        }
        emptying
    }

    /// What becomes of each queue that was looked at.
    pub(super) fn fates(&self, place: Place<'_>) -> Fates {
        let fate =
            |(name, verdict): (&String, &Verdict)| (name.clone(), fate(place, name, verdict));
        self.verdicts.iter().map(fate).collect()
    }
}

fn fate(place: Place<'_>, name: &str, verdict: &Verdict) -> Fate {
    let role = QueueRole::of(place.prefix, name);
    if let Some(before) = before(place, role) {
        return Fate::After(before);
    }
    let ours = own_bindings(place, name);
    let is_tier = matches!(role, Some(QueueRole::Tier(_)));
    match &verdict.finding {
        Finding::Empty if verdict.stands => Fate::Delete,
        Finding::Empty => Fate::Unproven(Doubt::TooSoon),
        Finding::Quiet(_) if !ours.is_empty() => Fate::Unbind(ours),
        Finding::Holds(messages) if is_tier => Fate::Drains(*messages),
        Finding::Holds(messages) if verdict.stands => Fate::Holds(*messages),
        Finding::Holds(messages) => Fate::Unproven(Doubt::Messages(*messages)),
        Finding::Quiet(doubt) | Finding::Unknown(doubt) => Fate::Unproven(doubt.clone()),
    }
}

/// A queue of ours that empties into one with this role.
fn before(place: Place<'_>, role: Option<QueueRole<'_>>) -> Option<String> {
    let goes_first = |other: QueueRole<'_>| match (role, other) {
        (Some(QueueRole::Main(queue)), QueueRole::Tier(other))
        | (Some(QueueRole::Dead(queue)), QueueRole::Tier(other) | QueueRole::Main(other)) => {
            queue == other
        }
        _ => false,
    };
    let mut ours = place.found.own_queues(place.owner);
    let first = ours.find(|name| QueueRole::of(place.prefix, name).is_some_and(goes_first));
    first.map(str::to_owned)
}

fn own_bindings(place: Place<'_>, queue: &str) -> Vec<FoundBinding> {
    let is_ours = |name: &str| place.found.own_exchanges(place.owner).any(|own| own == name);
    let to_it = place.found.bindings.iter().filter(|found| found.binding.queue == queue);
    to_it.filter(|found| is_ours(&found.binding.source)).cloned().collect()
}

/// Whether nothing will change about a queue: it stays, or what it waits for does.
pub(super) fn is_settled(fates: &Fates, name: &str) -> bool {
    match fates.get(name) {
        Some(Fate::Holds(_)) => true,
        Some(Fate::After(other)) => is_settled(fates, other),
        Some(Fate::Unbind(_) | Fate::Delete | Fate::Drains(_) | Fate::Unproven(_)) | None => false,
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::After(other) => write!(f, "{other} goes first"),
            Fate::Unbind(_) | Fate::Delete => f.write_str("it is empty"),
            Fate::Drains(messages) => {
                write!(f, "its {messages} messages return to their queue in time")
            }
            Fate::Holds(messages) => write!(f, "it has {messages} messages"),
            Fate::Unproven(doubt) => doubt.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
