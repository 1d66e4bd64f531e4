//! Conditions: tables of what is known and what is then said.

use std::time::Duration;

use jiff::Timestamp;
use warren_api::conditions::reasons;
use warren_core::{
    names::QueueName,
    scaling::{
        Decision, Doubt, LimitedBy, Observation, Reading, Reason, Replicas, Totals, Why, Zero,
    },
};

use super::*;
use crate::{
    fixtures::{noon, valid, with_spec},
    observe::Stage,
    plan::Compared,
    workers::{QueueReading, Scaling, WorkersReason, WorkersTrouble},
};

const QUEUES: &str = "{name: a, handler: {log: {}}}, {name: b, handler: {log: {}}}";

fn in_sync() -> Plan {
    Plan {
        steps: Vec::new(),
        findings: Findings::Compared(Box::new(Compared {
            objects: 22,
            conflicts: Vec::new(),
            unsupported: None,
            retained: Vec::new(),
            taken: Vec::new(),
            stage: Stage::Declared,
        })),
        requeue: crate::interval::Requeue::Settled,
    }
}

fn reading(ready: u32, current: u32) -> QueueReading {
    QueueReading {
        current: Replicas::new(current),
        ready: Replicas::new(ready),
        trouble: None,
        scaling: None,
    }
}

fn scaled(
    reason: Reason,
    limited_by: Option<LimitedBy>,
    last_change: Option<Timestamp>,
) -> Scaling {
    Scaling {
        decision: Decision {
            desired: Replicas::new(3),
            reason,
            limited_by,
            terms: None,
            zero: Zero::NotProven(Doubt::Ready),
            held_until: None,
        },
        observation: Observation {
            probe: Reading::Unavailable(Why::NeverRead),
            totals: Totals::unavailable(Why::NeverRead),
            current: Replicas::new(3),
            ready_workers: Replicas::new(3),
        },
        at: noon(),
        last_change,
    }
}

fn workers(a: QueueReading, b: QueueReading) -> WorkersReading {
    let name = |name: &str| QueueName::new(name).unwrap();
    WorkersReading { queues: [(name("a"), a), (name("b"), b)].into() }
}

/// A part of `Ready` as `status reason`, with its message.
fn judged(condition: ConditionType, spec: &str, workers: &WorkersReading) -> (String, String) {
    let pipeline = valid(&with_spec(spec, QUEUES));
    let plan = in_sync();
    let evidence = Evidence {
        pipeline: Some(&pipeline),
        observed: None,
        plan: &plan,
        outcome: None,
        workers,
        now: noon(),
    };
    let judgement = part(condition, &evidence).unwrap();
    assert!(reasons(condition, judgement.status).contains(&judgement.reason), "{judgement:?}");
    (format!("{} {}", judgement.status, judgement.reason), judgement.message)
}

#[test]
fn workers_are_available_or_it_is_said_why_not() {
    let just_now = Some(noon() - Duration::from_secs(59));
    let long_ago = Some(noon() - Duration::from_secs(61));
    let changed = |change| QueueReading {
        scaling: Some(scaled(Reason::Waking, None, change)),
        ..reading(0, 2)
    };
    for (a, b, expected) in [
        (reading(0, 0), reading(0, 0), "True ScaledToZero"),
        (reading(0, 0), reading(2, 2), "True Available"),
        (reading(1, 2), reading(2, 2), "True Progressing"),
        (changed(just_now), reading(2, 2), "True Progressing"),
        (changed(long_ago), reading(2, 2), "Unknown Progressing"),
        (reading(0, 1), reading(1, 2), "Unknown Progressing"),
    ] {
        let seen = judged(ConditionType::WorkersAvailable, "", &workers(a.clone(), b.clone()));
        assert_eq!(seen.0, expected, "{a:?} {b:?}");
    }
    let none = WorkersReading::default();
    let seen = judged(ConditionType::WorkersAvailable, "", &none);
    assert_eq!(seen.0, "Unknown WaitingForTopology");
    let seen = judged(ConditionType::WorkersAvailable, "suspend: true", &none);
    assert_eq!(seen.0, "True Suspended");
}

#[test]
fn trouble_of_one_queue_is_named_with_the_queue() {
    let trouble =
        WorkersTrouble { reason: WorkersReason::CrashLooping, message: "exit code 78".to_owned() };
    let sick = QueueReading { trouble: Some(trouble), ..reading(0, 1) };
    let seen = judged(ConditionType::WorkersAvailable, "", &workers(reading(1, 1), sick));
    assert_eq!(seen, ("False CrashLooping".to_owned(), "queue b: exit code 78".to_owned()));
}

#[test]
fn the_worst_queue_says_whether_scaling_is_active() {
    let with = |reason, limited_by| QueueReading {
        scaling: Some(scaled(reason, limited_by, None)),
        ..reading(1, 1)
    };
    let steady = || with(Reason::PerReplica, None);
    for (a, b, expected) in [
        (steady(), steady(), "True ObservationFresh"),
        (steady(), with(Reason::PerReplica, Some(LimitedBy::MaxReplicas)), "True ScalingLimited"),
        (steady(), with(Reason::Steady, Some(LimitedBy::Tolerance)), "True ObservationFresh"),
        (
            steady(),
            with(Reason::Hold, Some(LimitedBy::ObservationUnknown)),
            "Unknown BrokerUnknown",
        ),
        (steady(), reading(1, 1), "Unknown BrokerUnknown"),
    ] {
        let seen = judged(ConditionType::ScalingActive, "", &workers(a, b));
        assert_eq!(seen.0, expected, "{}", seen.1);
    }
}

#[test]
fn ready_borrows_from_the_first_part_that_does_not_hold() {
    let holds = |condition| (condition, Judgement::holds(ConditionReason::InSync, ""));
    let all: Vec<_> = PARTS.into_iter().map(holds).collect();
    assert_eq!(ready(None, &all).reason, ConditionReason::Reconciled);
    let mut broken = all.clone();
    broken[1].1 = Judgement::unknown(ConditionReason::BrokerUnknown, "second");
    broken[2].1 = Judgement::fails(ConditionReason::ImagePull, "third");
    assert_eq!(ready(None, &broken).message, "second");
    assert_eq!(ready(None, &broken).status, ConditionStatus::Unknown);
    let stalled = Judgement::holds(ConditionReason::InvalidSpec, "stalled");
    let seen = ready(Some(&stalled), &all);
    assert_eq!((seen.status, seen.reason), (ConditionStatus::False, ConditionReason::InvalidSpec));
}

#[test]
fn a_message_names_three_and_counts_the_rest() {
    let texts = |count: usize| named((1..=count).map(|n| n.to_string()));
    assert_eq!(texts(3), "1; 2; 3");
    assert_eq!(texts(5), "1; 2; 3; and 2 more");
}
