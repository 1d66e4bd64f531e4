//! Statuses: what changes, what stays, and what is worth a write.

use std::time::Duration;

use warren_api::{Observed, QueueStatus, ScalingStatus};
use warren_broker::login::{Login, Secret};
use warren_core::{
    scaling::Replicas,
    topology::{BrokerFacts, Found as Objects},
};

use super::*;
use crate::{
    apply::Outcome,
    children::ChildrenReading,
    events::Event,
    fixtures::{noon, smallest, valid, with_queue, with_spec},
    memory::Memory,
    observe::{BrokerState, UsersReading},
    pass::{Found, Pass, Request, Shown},
    pause::Pause,
    plan::Plan,
    trouble::{Trouble, TroubleReason},
    validate::Violations,
    workers::{QueueReading, WorkersReading},
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
        paused: None,
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
        paused: None,
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
    let memory = Memory::default();
    assert_eq!(past(&object, &status, &memory).stage, Stage::Declared);
    object.metadata.generation = Some(2);
    assert_eq!(past(&object, &status, &memory).stage, Stage::Declaring);
    assert_eq!(past(&object, &MessagePipelineStatus::default(), &memory).stage, Stage::Declaring);
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

fn in_vhost(vhost: &str) -> BrokerState {
    let login = Login::new("rabbit", "admin", Secret::new("secret"));
    BrokerState {
        login: Login { vhost: vhost.to_owned(), ..login },
        facts: BrokerFacts { version: "4.3.6".parse().unwrap() },
        tags: vec!["administrator".to_owned()],
        found: Objects::default(),
        users: UsersReading::NotAsked,
        looks: BTreeMap::new(),
    }
}

fn pass(previous: &MessagePipelineStatus, vhost: &str) -> Pass {
    pass_with(previous, vhost, &WorkersReading::default())
}

/// A pass whose Secret names this virtual host, and which nothing keeps from its writes.
fn pass_with(previous: &MessagePipelineStatus, vhost: &str, workers: &WorkersReading) -> Pass {
    let (object, memory) = (with_queue(""), Memory::default());
    let request = Request { object: &object, previous, workers, memory: &memory, now: noon() };
    pass_of(request, vhost, None)
}

fn pass_of(request: Request<'_>, vhost: &str, paused: Option<Pause>) -> Pass {
    let Request { object, previous, memory, .. } = request;
    let observed = crate::observe::Observed {
        broker: Ok(in_vhost(vhost)),
        children: ChildrenReading::NotKept,
        past: past(object, previous, memory),
    };
    let pipeline = smallest();
    let plan = crate::plan::next(&pipeline, &observed);
    let found = Found::of(pipeline, observed, plan).paused(paused);
    let outcome = Outcome::default();
    let status = next(object, previous, &Evidence::after(&found, request, &outcome));
    Pass::of(found, &outcome, request, Shown { status, published: true })
}

#[test]
fn a_pipeline_whose_secret_names_another_virtual_host_stays_where_it_lives() {
    let vhost_of = |pass: &Pass| pass.status.broker.as_ref().unwrap().vhost.clone().unwrap();
    let before = pass(&MessagePipelineStatus::default(), "blue");
    assert_eq!(vhost_of(&before), "blue");
    assert!(before.ready.is_some());
    let mut previous = before.status;
    for attempt in 1..=2 {
        let moved = pass(&previous, "green");
        assert!(moved.invalid.is_some(), "pass {attempt}");
        assert!(holds(&moved.status, ConditionType::Stalled), "pass {attempt}");
        assert_eq!(vhost_of(&moved), "blue", "pass {attempt}");
        assert_eq!(
            moved.ready, None,
            "queues of the same names would be scaled by, pass {attempt}"
        );
        assert_eq!(moved.memory.login, None, "pass {attempt}");
        previous = moved.status;
    }
    assert!(pass(&previous, "blue").invalid.is_none());
}

/// A queue whose workers are known, and of which nothing was read.
fn idle() -> QueueReading {
    QueueReading {
        current: Replicas::ZERO,
        ready: Replicas::ZERO,
        trouble: None,
        scaling: None,
        foreign_scaler: None,
        endpoint: None,
    }
}

#[test]
fn who_has_a_producer_is_told_where_it_is_reached() {
    let object = with_spec("producer: {}", "{name: email, handler: {log: {}}}");
    let pipeline = valid(&object);
    let told = |children: ChildrenReading| {
        let observed =
            crate::observe::Observed { broker: Ok(in_vhost("/")), children, past: Past::default() };
        let plan = crate::plan::next(&pipeline, &observed);
        let evidence = Evidence {
            pipeline: Some(&pipeline),
            observed: Some(&observed),
            plan: &plan,
            outcome: None,
            workers: &WorkersReading::default(),
            paused: None,
            now: noon(),
        };
        next(&object, &MessagePipelineStatus::default(), &evidence).producer_url
    };
    let expected = "http://orders-producer.shop.svc:5000";
    assert_eq!(told(ChildrenReading::Seen(BTreeMap::new())).as_deref(), Some(expected));
    assert_eq!(told(ChildrenReading::NotKept), None, "there is no cluster");
    assert_eq!(pass(&MessagePipelineStatus::default(), "/").status.producer_url, None);
}

#[test]
fn a_secret_that_could_not_be_read_changes_no_condition() {
    let conditions = |status: &MessagePipelineStatus| {
        let told = status.conditions.iter();
        told.map(|it| (it.type_.clone(), it.status.clone(), it.reason.clone())).collect::<Vec<_>>()
    };
    let before = pass(&MessagePipelineStatus::default(), "/").status;
    let unread = after(&before, &unreachable(TroubleReason::SecretUnread), noon());
    assert_eq!(conditions(&unread), conditions(&before));
    let missing = after(&before, &unreachable(TroubleReason::SecretNotFound), noon());
    assert_ne!(conditions(&missing), conditions(&before));
}

#[test]
fn what_was_not_read_since_the_start_keeps_the_condition_of_before() {
    let mut before = pass(&MessagePipelineStatus::default(), "/").status;
    assert_eq!(condition(&before, ConditionType::ScalingActive), None, "never judged");
    let judged = Judgement {
        status: ConditionStatus::False,
        reason: ConditionReason::FallbackActive,
        message: "queue email: unknown".to_owned(),
    };
    let object = with_queue("");
    before.conditions.push(render(ConditionType::ScalingActive, &judged, None, &object, noon()));
    let again = pass(&before, "/").status;
    let kept = condition(&again, ConditionType::ScalingActive).unwrap();
    assert_eq!((&*kept.reason, &*kept.message), ("FallbackActive", "queue email: unknown"));
    let started =
        WorkersReading { queues: [("email".parse().unwrap(), idle())].into(), producer: None };
    let ready = pass_with(&again, "/", &started).status;
    assert_eq!(condition(&ready, ConditionType::Ready).unwrap().reason, "FallbackActive");
}

#[test]
fn a_pause_is_told_once_also_where_the_operator_starts_meanwhile() {
    let object = with_queue("");
    let workers = WorkersReading::default();
    let begin = |previous: &MessagePipelineStatus, memory: &Memory, paused: bool| {
        let request = Request { object: &object, previous, workers: &workers, memory, now: noon() };
        let pause = Pause { reason: None, until: None, unread: Some("soon".to_owned()) };
        let pass = pass_of(request, "/", paused.then_some(pause));
        let is_pause = |event: &&Event| matches!(event, Event::Paused(_) | Event::Resumed);
        let told = pass.events.iter().find(is_pause).map(|event| event.reason().to_string());
        (pass.status, pass.memory, told)
    };
    let new = Memory::default();
    let (status, memory, told) = begin(&MessagePipelineStatus::default(), &new, true);
    assert_eq!(told.as_deref(), Some("Paused"));
    let message = &condition(&status, ConditionType::TopologyInSync).unwrap().message;
    assert!(message.contains("\"soon\" and must be like"), "{message}");
    assert_eq!(begin(&status, &memory, true).2, None);
    assert_eq!(begin(&status, &new, true).2, None, "the operator was restarted");
    let (resumed, _, told) = begin(&status, &new, false);
    assert_eq!(told.as_deref(), Some("Resumed"), "it ended while the operator was down");
    assert_eq!(begin(&resumed, &new, false).2, None);
}
