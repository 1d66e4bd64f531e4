//! Statuses: what changes, what stays, and what is worth a write.

use std::time::Duration;

use warren_api::{Observed, QueueStatus, ScalingStatus};

use super::*;
use crate::{
    children::ChildrenReading,
    fixtures::{noon, smallest, with_queue},
    plan::Plan,
    trouble::{Trouble, TroubleReason},
    validate::Violations,
    workers::WorkersReading,
};

fn unreachable(reason: TroubleReason) -> Plan {
    let observed = crate::observe::Observed {
        broker: Err(Trouble::new(reason, "why")),
        children: ChildrenReading::NotKept,
        past: Past::default(),
    };
    crate::plan::next(&smallest(), &observed)
}

fn after(previous: &MessagePipelineStatus, plan: &Plan, now: Timestamp) -> MessagePipelineStatus {
    let pipeline = smallest();
    let evidence = Evidence {
        pipeline: Some(&pipeline),
        observed: None,
        plan,
        outcome: None,
        workers: &WorkersReading::default(),
        now,
    };
    next(&with_queue(""), previous, &evidence)
}

fn since(status: &MessagePipelineStatus, wanted: ConditionType) -> Timestamp {
    condition(status, wanted).unwrap().last_transition_time.0
}

#[test]
fn the_moment_of_a_transition_stays_until_the_status_of_the_condition_changes() {
    let later = noon() + Duration::from_mins(1);
    let first =
        after(&MessagePipelineStatus::default(), &unreachable(TroubleReason::Timeout), noon());
    let same = after(&first, &unreachable(TroubleReason::DnsFailed), later);
    assert_eq!(since(&same, ConditionType::BrokerReachable), noon());
    let reason = &condition(&same, ConditionType::BrokerReachable).unwrap().reason;
    assert_eq!(reason, "DnsFailed");
    assert!(differs(&first, &same), "another reason is worth a write");

    let mut was_true = first.clone();
    for condition in &mut was_true.conditions {
        condition.status = "True".to_owned();
    }
    let changed = after(&was_true, &unreachable(TroubleReason::Timeout), later);
    assert_eq!(since(&changed, ConditionType::BrokerReachable), later);
}

#[test]
fn time_alone_is_no_difference() {
    let plan = unreachable(TroubleReason::Timeout);
    let first = after(&MessagePipelineStatus::default(), &plan, noon());
    let mut moved = first.clone();
    for condition in &mut moved.conditions {
        condition.last_transition_time = Time(noon() + Duration::from_hours(1));
    }
    assert!(!differs(&first, &moved));
    assert!(!differs(&first, &after(&first, &plan, noon() + Duration::from_mins(1))));
}

#[test]
fn a_stalled_pipeline_keeps_what_was_last_seen_and_loses_it_when_it_moves_again() {
    let seen =
        after(&MessagePipelineStatus::default(), &unreachable(TroubleReason::Timeout), noon());
    let plan = Plan::rejected(Violations::one("spec.x", "is wrong"));
    let evidence = Evidence {
        pipeline: None,
        observed: None,
        plan: &plan,
        outcome: None,
        workers: &WorkersReading::default(),
        now: noon(),
    };
    let stalled = next(&with_queue(""), &seen, &evidence);
    assert!(holds(&stalled, ConditionType::Stalled));
    assert_eq!(
        condition(&stalled, ConditionType::BrokerReachable),
        condition(&seen, ConditionType::BrokerReachable)
    );
    assert_eq!(stalled.queues, seen.queues);
    let moving = after(&stalled, &unreachable(TroubleReason::Timeout), noon());
    assert_eq!(condition(&moving, ConditionType::Stalled), None);
}

#[test]
fn a_spec_that_changed_was_not_declared_yet() {
    let mut object = with_queue("");
    let in_sync = Condition {
        type_: ConditionType::TopologyInSync.as_str().to_owned(),
        status: "True".to_owned(),
        reason: ConditionReason::InSync.as_str().to_owned(),
        message: String::new(),
        last_transition_time: Time(noon()),
        observed_generation: Some(1),
    };
    let status = MessagePipelineStatus {
        observed_generation: Some(1),
        conditions: vec![in_sync],
        ..MessagePipelineStatus::default()
    };
    assert_eq!(past(&object, &status).stage, Stage::Declared);
    object.metadata.generation = Some(2);
    assert_eq!(past(&object, &status).stage, Stage::Declaring);
    assert_eq!(past(&object, &MessagePipelineStatus::default()).stage, Stage::Declaring);
}

fn measured(ready: u64, at: Timestamp) -> MessagePipelineStatus {
    let observed = Observed {
        ready: Some(ready),
        unacked: Some(0),
        at: Some(Time(at)),
        ..Observed::default()
    };
    let scaling = ScalingStatus { observed: Some(observed), ..ScalingStatus::default() };
    let queue =
        QueueStatus { name: "email".to_owned(), scaling: Some(scaling), ..QueueStatus::default() };
    MessagePipelineStatus { queues: vec![queue], ..MessagePipelineStatus::default() }
}

#[test]
fn measurements_are_refreshed_every_half_minute_and_only_while_there_is_work() {
    let at = |seconds| noon() + Duration::from_secs(seconds);
    for (before, after, seconds, expected) in [
        (5, 9, 29, false),
        (5, 9, 30, true),
        (0, 0, 300, false),
        (5, 0, 30, true),
        (0, 5, 30, true),
    ] {
        let differ = differs(&measured(before, noon()), &measured(after, at(seconds)));
        assert_eq!(differ, expected, "{before} → {after} after {seconds} s");
    }
    assert!(differs(&MessagePipelineStatus::default(), &measured(0, noon())), "the first one");
}
