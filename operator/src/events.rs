//! The events of a pipeline: what changed from one pass to the next, never what merely is.

use std::collections::{BTreeMap, BTreeSet};

use warren_api::{
    MessagePipelineStatus,
    conditions::{ConditionReason, ConditionStatus, ConditionType},
    events::EventReason,
};
use warren_core::{names::QueueName, scaling::Replicas};

use crate::{
    apply::Outcome,
    observe::Stage,
    pause::Pause,
    plan::{
        Findings, Kind, Plan, Step,
        deletion::{Leavings, LeftQueue, Orphans, Progress},
    },
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
    /// The number of a queue's workers was changed.
    Scaled {
        /// The queue.
        queue: QueueName,
        /// How many there were.
        from: Replicas,
        /// How many there are now.
        to: Replicas,
        /// The numbers that led to it.
        why: String,
    },
    /// Workers have stopped calling their endpoint.
    BreakerOpened {
        /// Which, and why.
        message: String,
    },
    /// Workers call their endpoint again.
    BreakerClosed,
    /// A queue that the spec no longer has is kept, because it is not empty.
    RemovedQueueKept {
        /// Its name.
        queue: String,
        /// How many messages it has.
        messages: u64,
    },
    /// A deletion left queues.
    QueuesRetained {
        /// Which.
        queues: Vec<LeftQueue>,
    },
    /// A deletion left an exchange, because somebody else's objects are bound to it.
    ExchangeRetained {
        /// Its name.
        exchange: String,
        /// What is bound to it.
        bound: Vec<String>,
    },
    /// A deletion left objects without having seen them go.
    Orphaned(Orphans),
    /// Somebody asked for a pause.
    Paused(Pause),
    /// The pause is over.
    Resumed,
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
            Event::Scaled { from, to, .. } => match (from.get(), to.get()) {
                (_, 0) => EventReason::ScaledToZero,
                (0, _) => EventReason::WokenUp,
                (from, to) if to > from => EventReason::ScaledUp,
                _ => EventReason::ScaledDown,
            },
            Event::BreakerOpened { .. } => EventReason::BreakerOpened,
            Event::BreakerClosed => EventReason::BreakerClosed,
            Event::RemovedQueueKept { .. } | Event::QueuesRetained { .. } => {
                EventReason::QueueRetained
            }
            Event::ExchangeRetained { .. } => EventReason::ExchangeRetained,
            Event::Orphaned(_) => EventReason::Orphaned,
            Event::Paused(_) => EventReason::Paused,
            Event::Resumed => EventReason::Resumed,
        }
    }

    /// Whether it is worth a look.
    pub const fn weight(&self) -> Weight {
        match self {
            Event::Declared { .. }
            | Event::BrokerRecovered
            | Event::Scaled { .. }
            | Event::BreakerClosed
            | Event::Paused(_)
            | Event::Resumed => Weight::Normal,
            Event::DriftRepaired { .. }
            | Event::OwnershipConflict { .. }
            | Event::BrokerLost { .. }
            | Event::BreakerOpened { .. }
            | Event::RemovedQueueKept { .. }
            | Event::QueuesRetained { .. }
            | Event::ExchangeRetained { .. }
            | Event::Orphaned(_) => Weight::Warning,
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
            Event::OwnershipConflict { message } | Event::BreakerOpened { message } => {
                message.clone()
            }
            Event::BrokerLost { message } => format!("the broker cannot be used: {message}"),
            Event::BrokerRecovered => "the broker can be used again".to_owned(),
            Event::Scaled { queue, from, to, why } => format!("{queue} {from} → {to}: {why}"),
            Event::BreakerClosed => "the endpoint takes messages again".to_owned(),
            Event::RemovedQueueKept { queue, messages } => format!(
                "queue {queue} is no longer in the spec and has {messages} messages, so it stays \
                 until somebody has emptied it, or put it back into the spec"
            ),
            Event::QueuesRetained { queues } => {
                let queues: Vec<String> = queues.iter().map(ToString::to_string).collect();
                format!(
                    "left on the broker, with the exchanges that lead to them: {}; make the \
                     pipeline again to go on with them, or delete them yourself",
                    queues.join(", ")
                )
            }
            Event::ExchangeRetained { exchange, bound } => format!(
                "exchange {exchange} stays on the broker, because {} bound to it",
                match bound.as_slice() {
                    [one] => format!("{one} is"),
                    many => format!("{} are", many.join(", ")),
                }
            ),
            Event::Orphaned(orphans) => orphans.to_string(),
            Event::Paused(pause) => pause.to_string(),
            Event::Resumed => "the operator writes again".to_owned(),
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
        endpoint(old, new),
    ];
    events.into_iter().flatten().collect()
}

/// What happened in a pass over a pipeline that is being deleted.
pub fn of_deletion(
    old: &MessagePipelineStatus,
    new: &MessagePipelineStatus,
    progress: &Progress,
) -> Vec<Event> {
    let mut events: Vec<Event> = broker(old, new).into_iter().collect();
    let Progress::Released(leavings) = progress else {
        return events;
    };
    let Leavings { queues, exchanges, orphaned } = leavings.clone();
    events.extend((!queues.is_empty()).then_some(Event::QueuesRetained { queues }));
    let exchanges = exchanges.into_iter();
    events.extend(exchanges.map(|(exchange, bound)| Event::ExchangeRetained { exchange, bound }));
    events.extend(orphaned.map(Event::Orphaned));
    events
}

/// The removed queues that are now known to stay, and were not before.
pub fn kept(plan: &Plan, told: &BTreeSet<String>) -> Vec<Event> {
    let Findings::Compared(compared) = &plan.findings else {
        return Vec::new();
    };
    let new = compared.holding.iter().filter(|(queue, _)| !told.contains(*queue));
    let event = |(queue, messages): (&String, &u64)| Event::RemovedQueueKept {
        queue: queue.clone(),
        messages: *messages,
    };
    new.map(event).collect()
}

/// The beginning or the end of a pause.
pub(crate) fn pause(was_paused: bool, now: Option<&Pause>) -> Option<Event> {
    match (was_paused, now) {
        (false, Some(pause)) => Some(Event::Paused(pause.clone())),
        (true, None) => Some(Event::Resumed),
        (true, Some(_)) | (false, None) => None,
    }
}

/// What was repaired, by kind; nothing of it is new.
pub fn repaired(plan: &Plan, outcome: &Outcome) -> BTreeMap<Kind, u32> {
    let mut repaired = BTreeMap::new();
    if stage(plan) == Some(Stage::Declared) {
        for kind in outcome.done().filter(|step| step.is_repair()).map(Step::kind) {
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
    let is_new = compared.stage == Stage::Declaring && outcome.done().any(Step::is_repair);
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

/// A pause that was never seen to begin is told when it is first seen; the end is one only of a
/// pause that was.
fn endpoint(old: &MessagePipelineStatus, new: &MessagePipelineStatus) -> Option<Event> {
    let accepts = |status| {
        let condition = condition(status, ConditionType::EndpointAccepting)?;
        Some((condition.status == ConditionStatus::True.as_str(), condition.message.clone()))
    };
    let before = accepts(old).map(|(accepts, _)| accepts);
    match (before, accepts(new)?) {
        (Some(true) | None, (false, message)) => Some(Event::BreakerOpened { message }),
        (Some(false), (true, _)) => Some(Event::BreakerClosed),
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
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

    use super::*;

    #[test]
    fn a_repair_says_how_much_of_what() {
        let repaired = BTreeMap::from([(Kind::Queue, 1), (Kind::Binding, 2)]);
        let event = Event::DriftRepaired { repaired };
        assert_eq!(event.note(), "repaired what was changed on the broker: 1 Queue, 2 Binding");
        assert_eq!((event.reason(), event.weight()), (EventReason::DriftRepaired, Weight::Warning));
    }

    fn scaled(from: u32, to: u32) -> Event {
        Event::Scaled {
            queue: QueueName::new("email").unwrap(),
            from: Replicas::new(from),
            to: Replicas::new(to),
            why: "812 ready, 0 unacked, 20 per replica".to_owned(),
        }
    }

    #[test]
    fn a_change_of_the_number_of_workers_has_the_name_of_its_direction() {
        for (from, to, expected) in [
            (0, 7, EventReason::WokenUp),
            (7, 9, EventReason::ScaledUp),
            (9, 2, EventReason::ScaledDown),
            (2, 0, EventReason::ScaledToZero),
        ] {
            assert_eq!(scaled(from, to).reason(), expected, "{from} → {to}");
        }
        let note = scaled(0, 7).note();
        assert_eq!(note, "email 0 → 7: 812 ready, 0 unacked, 20 per replica");
    }

    #[test]
    fn a_breaker_is_told_when_it_opens_and_when_it_closes() {
        let with = |accepting: Option<&str>| {
            let condition = accepting.map(|status| Condition {
                type_: ConditionType::EndpointAccepting.to_string(),
                status: status.to_owned(),
                reason: String::new(),
                message: "queue email: 503".to_owned(),
                last_transition_time: Time(Timestamp::UNIX_EPOCH),
                observed_generation: None,
            });
            let conditions = condition.into_iter().collect();
            MessagePipelineStatus { conditions, ..MessagePipelineStatus::default() }
        };
        let told = |old, new| endpoint(&with(old), &with(new)).map(|event| event.reason());
        let (yes, no) = (Some("True"), Some("False"));
        assert_eq!(told(yes, no), Some(EventReason::BreakerOpened));
        assert_eq!(told(None, no), Some(EventReason::BreakerOpened));
        assert_eq!(told(no, yes), Some(EventReason::BreakerClosed));
        for same in [(yes, yes), (no, no), (None, yes), (no, None), (None, None)] {
            assert_eq!(told(same.0, same.1), None, "{same:?}");
        }
    }
}
