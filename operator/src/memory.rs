//! What the operator remembers of a pipeline from one pass to the next, beside its status.
//!
//! It ends with the process, so nothing may depend on it but how soon something is done: a proof
//! begins anew, and an event is told once more.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use warren_broker::login::Login;
use warren_core::{
    names::Prefix,
    owner::Owner,
    topology::{Found, PolicyReach},
};

use crate::{
    departing::Departing,
    observe::{BrokerState, Remains},
    pipeline::Pipeline,
    plan::{Findings, Plan, deletion},
    proof::Runs,
};

/// What the operator remembers of a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// The login that reached the broker last, for when its Secret goes before the pipeline.
    pub login: Option<Login>,
    /// What looks at queues that nobody wants have said.
    pub runs: Runs,
    /// The broker's objects as they were seen last.
    pub known: Vec<String>,
    /// Since when it is known that a main queue is no longer in the spec.
    pub removed: BTreeMap<String, Timestamp>,
    /// The removed queues of which it was told that they stay.
    pub told: BTreeSet<String>,
    /// When the deletion was first tried.
    pub began: Option<Timestamp>,
    /// Whether the last pass found it paused; nothing before the first.
    pub paused: Option<bool>,
}

impl Memory {
    /// After a pass that saw this of the broker, or nothing, and found this out.
    pub(crate) fn after(&self, seen: Option<(&Pipeline, &BrokerState)>, plan: &Plan) -> Self {
        let mut next = Self { runs: Runs::new(), began: None, ..self.clone() };
        if let Some((pipeline, state)) = seen {
            next.login = Some(state.login.clone());
            next.known = known(&state.found, &pipeline.owner, &pipeline.prefix);
        }
        if let Findings::Compared(compared) = &plan.findings {
            next.runs.clone_from(&compared.runs);
            next.removed.clone_from(&compared.removed);
            next.told.retain(|queue| compared.retained.contains(queue));
            next.told.extend(compared.holding.keys().cloned());
        }
        next
    }

    /// In a deletion, whose first try is now unless there was one before.
    pub(crate) fn departing(&self, now: Timestamp) -> Self {
        Self { began: self.began.or(Some(now)), ..self.clone() }
    }

    /// After a pass of a deletion that saw this of the broker, or nothing.
    pub(crate) fn after_deletion(
        self,
        departing: &Departing,
        seen: Option<&Remains>,
        plan: &deletion::Plan,
    ) -> Self {
        let mut next = Self { runs: plan.runs.clone(), ..self };
        if let Some(remains) = seen {
            next.login = Some(remains.login.clone());
            next.known = known(&remains.found, &departing.owner, &departing.prefix);
            next.known.extend(remains.users.keys().map(|user| format!("user {user}")));
        }
        next
    }
}

/// The pipeline's objects among those that were found, each with its kind.
fn known(found: &Found, owner: &Owner, prefix: &Prefix) -> Vec<String> {
    let queues = found.own_queues(owner).map(|name| format!("queue {name}"));
    let exchanges = found.own_exchanges(owner).map(|name| format!("exchange {name}"));
    let policies = found.policies.iter();
    let policies =
        policies.filter(|(name, policy)| PolicyReach::of(prefix, name, policy).is_some());
    let policies = policies.map(|(name, _)| format!("policy {name}"));
    queues.chain(exchanges).chain(policies).collect()
}
