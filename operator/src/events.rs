//! The events of a pipeline: what changed from one pass to the next, never what merely is.

use std::collections::BTreeMap;

use warren_api::{
    MessagePipelineStatus,
    conditions::{ConditionReason, ConditionType},
    events::EventReason,
};

use crate::{
    apply::Outcome,
    observe::Stage,
    plan::{Findings, Kind, Plan, Step},
    status::{condition, holds},
};

/// Something that happened to a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Its broker objects were declared.
    Declared {
        /// How many there are.
        objects: usize,
    },
    /// What somebody changed or took away was written again.
    DriftRepaired {
        /// How many objects of which kind.
        repaired: BTreeMap<Kind, u32>,
    },
    /// An object belongs to somebody else.
    OwnershipConflict {
        /// Which, and whose.
        message: String,
    },
    /// The broker cannot be used any more.
    BrokerLost {
        /// Why.
        message: String,
    },
    /// The broker can be used again.
    BrokerRecovered,
}

/// Whether an event is worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Things went as they should.
    Normal,
    /// Things did not.
    Warning,
}

impl Event {
    /// The reason, from the closed set of the API.
    pub const fn reason(&self) -> EventReason {
        match self {
            Event::Declared { .. } => EventReason::Declared,
            Event::DriftRepaired { .. } => EventReason::DriftRepaired,
            Event::OwnershipConflict { .. } => EventReason::OwnershipConflict,
            Event::BrokerLost { .. } => EventReason::BrokerLost,
            Event::BrokerRecovered => EventReason::BrokerRecovered,
        }
    }

    /// Whether it is worth a look.
    pub const fn weight(&self) -> Weight {
        match self {
            Event::Declared { .. } | Event::BrokerRecovered => Weight::Normal,
            Event::DriftRepaired { .. }
            | Event::OwnershipConflict { .. }
            | Event::BrokerLost { .. } => Weight::Warning,
        }
    }

    /// What happened, for people.
    pub fn note(&self) -> String {
        match self {
            Event::Declared { objects } => format!("declared {objects} objects on the broker"),
            Event::DriftRepaired { repaired } => {
                let kinds = repaired.iter().map(|(kind, count)| format!("{count} {kind}"));
                let kinds: Vec<String> = kinds.collect();
                format!("repaired what was changed on the broker: {}", kinds.join(", "))
            }
            Event::OwnershipConflict { message } => message.clone(),
            Event::BrokerLost { message } => format!("the broker cannot be used: {message}"),
            Event::BrokerRecovered => "the broker can be used again".to_owned(),
        }
    }
}

/// What happened in a pass.
pub fn between(
    old: &MessagePipelineStatus,
    new: &MessagePipelineStatus,
    plan: &Plan,
    outcome: &Outcome,
) -> Vec<Event> {
    let declared = declared(plan, outcome, new);
    let repaired = repaired(plan, outcome);
    let events = [
        broker(old, new),
        declared,
        (!repaired.is_empty()).then_some(Event::DriftRepaired { repaired }),
        ownership(old, new),
    ];
    events.into_iter().flatten().collect()
}

/// What was repaired, by kind; nothing of it is new.
pub fn repaired(plan: &Plan, outcome: &Outcome) -> BTreeMap<Kind, u32> {
    let mut repaired = BTreeMap::new();
    if stage(plan) == Some(Stage::Declared) {
        for kind in outcome.done().map(Step::kind).filter(|kind| kind.is_of_broker()) {
            *repaired.entry(kind).or_insert(0) += 1;
        }
    }
    repaired
}

fn stage(plan: &Plan) -> Option<Stage> {
    match &plan.findings {
        Findings::Compared(compared) => Some(compared.stage),
        Findings::Rejected(_) | Findings::Unreachable(_) => None,
    }
}

fn declared(plan: &Plan, outcome: &Outcome, new: &MessagePipelineStatus) -> Option<Event> {
    let Findings::Compared(compared) = &plan.findings else {
        return None;
    };
    let is_new = compared.stage == Stage::Declaring && outcome.done().next().is_some();
    let complete = holds(new, ConditionType::TopologyInSync);
    (is_new && complete).then_some(Event::Declared { objects: compared.objects })
}

fn broker(old: &MessagePipelineStatus, new: &MessagePipelineStatus) -> Option<Event> {
    let reachable = ConditionType::BrokerReachable;
    let (before, after) = (condition(old, reachable)?, condition(new, reachable)?);
    match (holds(old, reachable), holds(new, reachable)) {
        (true, false) => Some(Event::BrokerLost { message: after.message.clone() }),
        (false, true) if before.status != after.status => Some(Event::BrokerRecovered),
        _ => None,
    }
}

fn ownership(old: &MessagePipelineStatus, new: &MessagePipelineStatus) -> Option<Event> {
    let conflict = |status| {
        let topology = condition(status, ConditionType::TopologyInSync)?;
        let owned = topology.reason == ConditionReason::OwnershipConflict.as_str();
        owned.then(|| topology.message.clone())
    };
    let message = conflict(new)?;
    conflict(old).is_none().then_some(Event::OwnershipConflict { message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_says_how_much_of_what() {
        let repaired = BTreeMap::from([(Kind::Queue, 1), (Kind::Binding, 2)]);
        let event = Event::DriftRepaired { repaired };
        assert_eq!(event.note(), "repaired what was changed on the broker: 1 Queue, 2 Binding");
        assert_eq!((event.reason(), event.weight()), (EventReason::DriftRepaired, Weight::Warning));
    }
}
