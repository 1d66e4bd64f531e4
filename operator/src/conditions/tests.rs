//! Conditions: tables of what is known and what is then said.

use std::time::Duration;

use jiff::Timestamp;
use warren_api::conditions::reasons;
use warren_core::{
    names::QueueName,
    scaling::{
        Authority, Decision, Doubt, LimitedBy, Observation, Reading, Reason, Replicas, Totals, Why,
        Zero,
    },
};

use super::*;
use crate::{
    apply::StepResult,
    children::{ChildError, ChildErrorKind, ChildKey, ChildKind, ChildStep},
    error::StepError,
    fixtures::{noon, valid, with_spec},
    observe::Stage,
    plan::{Compared, Step},
    workers::{EndpointReading, QueueReading, Refusal, Scaling, WorkersReason, WorkersTrouble},
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
            holding: std::collections::BTreeMap::new(),
            runs: crate::proof::Runs::default(),
            removed: std::collections::BTreeMap::new(),
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
        foreign_scaler: None,
        endpoint: None,
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
            expected_consumers: Replicas::new(3),
            authority: Authority::Ours,
        },
        at: noon(),
        last_change,
    }
}

fn workers(a: QueueReading, b: QueueReading) -> WorkersReading {
    let name = |name: &str| QueueName::new(name).unwrap();
    WorkersReading { queues: [(name("a"), a), (name("b"), b)].into(), producer: None }
}

/// A condition as `status reason`, with its message.
fn judged(condition: ConditionType, spec: &str, workers: &WorkersReading) -> (String, String) {
    judged_by(condition, &valid(&with_spec(spec, QUEUES)), &in_sync(), None, workers).unwrap()
}

fn judged_by(
    condition: ConditionType,
    pipeline: &Pipeline,
    plan: &Plan,
    outcome: Option<&Outcome>,
    workers: &WorkersReading,
) -> Option<(String, String)> {
    let pipeline = Some(pipeline);
    let evidence =
        Evidence { pipeline, observed: None, plan, outcome, workers, paused: None, now: noon() };
    let judgement = part(condition, &evidence)?;
    assert!(reasons(condition, judgement.status).contains(&judgement.reason), "{judgement:?}");
    Some((format!("{} {}", judgement.status, judgement.reason), judgement.message))
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
        (
            steady(),
            with(Reason::PerReplica, Some(LimitedBy::ObservationUnknown)),
            "True ScalingLimited",
        ),
        (reading(1, 1), with(Reason::Fallback, None), "False FallbackActive"),
    ] {
        let seen = judged(ConditionType::ScalingActive, "", &workers(a, b));
        assert_eq!(seen.0, expected, "{}", seen.1);
        assert!(expected.ends_with("Fresh") || !seen.1.contains("follows"), "{}", seen.1);
    }
}

#[test]
fn scaling_is_not_judged_before_every_queue_was_read() {
    let seen = |spec: &str, b: QueueReading| {
        let pipeline = valid(&with_spec(spec, QUEUES));
        let read =
            QueueReading { scaling: Some(scaled(Reason::PerReplica, None, None)), ..reading(1, 1) };
        let workers = workers(read, b);
        judged_by(ConditionType::ScalingActive, &pipeline, &in_sync(), None, &workers)
    };
    assert_eq!(seen("", reading(1, 1)), None);
    let (status, message) = seen("suspend: true", reading(1, 1)).unwrap();
    assert_eq!(status, "True ScalingLimited");
    assert!(message.contains("spec.suspend is set"), "{message}");
    let paused =
        QueueReading { scaling: Some(scaled(Reason::Paused, None, None)), ..reading(1, 1) };
    let (_, message) = seen("suspend: true", paused).unwrap();
    assert!(message.contains("paused"), "a pause is the stronger word: {message}");
}

#[test]
fn a_queue_that_is_added_leaves_the_others_available() {
    let only = |a: QueueReading| {
        let mut workers = workers(a, reading(1, 1));
        workers.queues.pop_last();
        judged(ConditionType::WorkersAvailable, "", &workers)
    };
    let (status, message) = only(reading(2, 2));
    assert_eq!(status, "True Progressing");
    assert!(message.ends_with("queue b"), "{message}");
    assert_eq!(only(reading(0, 2)).0, "Unknown Progressing");
}

#[test]
fn a_suspended_pipeline_says_how_many_workers_still_stop() {
    let told = |a, b| judged(ConditionType::WorkersAvailable, "suspend: true", &workers(a, b)).1;
    assert_eq!(told(reading(0, 0), reading(0, 0)), "spec.suspend is set: no worker runs");
    let still = told(reading(1, 2), reading(0, 1));
    assert_eq!(still, "spec.suspend is set: 3 workers still stop");
}

#[test]
fn only_workers_that_are_not_there_yet_are_a_change_under_way() {
    let with = |workers: Judgement| {
        let in_sync = Judgement::holds(ConditionReason::InSync, "");
        let parts =
            [(ConditionType::TopologyInSync, in_sync), (ConditionType::WorkersAvailable, workers)];
        reconciling(&parts).map(|judgement| judgement.message)
    };
    let first = Judgement::unknown(ConditionReason::Progressing, "no worker is ready yet");
    assert_eq!(with(first).as_deref(), Some("no worker is ready yet"));
    let wake = Judgement::holds(ConditionReason::Progressing, "workers are starting");
    assert_eq!(with(wake), None);
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
    let (first, rest) = (&all[..1], &all[1..]);
    for some in [first, rest] {
        let seen = ready(None, some);
        assert_eq!(seen.status, ConditionStatus::Unknown, "{}", seen.message);
        assert!(reasons(ConditionType::Ready, seen.status).contains(&seen.reason));
    }
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

fn trouble(reason: WorkersReason, message: &str) -> WorkersTrouble {
    WorkersTrouble { reason, message: message.to_owned() }
}

#[test]
fn a_full_cluster_is_trouble_only_where_no_worker_is_ready() {
    for reason in [WorkersReason::Unschedulable, WorkersReason::QuotaExceeded] {
        let full =
            |ready| QueueReading { trouble: Some(trouble(reason, "no room")), ..reading(ready, 2) };
        let seen = |ready| {
            let workers = workers(reading(1, 1), full(ready));
            judged(ConditionType::WorkersAvailable, "", &workers)
        };
        assert_eq!(
            seen(0),
            (format!("False {}", reason.as_condition()), "queue b: no room".into())
        );
        let expected = "workers are starting, queue b: 1/2 (no room)";
        assert_eq!(seen(1), ("True Progressing".to_owned(), expected.to_owned()));
    }
}

#[test]
fn the_worst_trouble_is_told_whichever_queue_has_it() {
    let with = |reason| QueueReading { trouble: Some(trouble(reason, "why")), ..reading(0, 1) };
    let workers = workers(with(WorkersReason::NoConsumers), with(WorkersReason::ImagePull));
    let seen = judged(ConditionType::WorkersAvailable, "", &workers);
    assert_eq!(seen, ("False ImagePull".to_owned(), "queue b: why".to_owned()));
}

#[test]
fn a_producer_that_does_not_work_counts_as_a_worker_that_does_not() {
    let producer = Some(trouble(WorkersReason::ImagePull, "image p:1 cannot be pulled"));
    let workers = WorkersReading { producer, ..workers(reading(1, 1), reading(1, 1)) };
    let seen = judged(ConditionType::WorkersAvailable, "", &workers);
    let expected = "producer: image p:1 cannot be pulled";
    assert_eq!(seen, ("False ImagePull".to_owned(), expected.to_owned()));
}

#[test]
fn a_taken_name_is_told_before_everything_that_follows_from_it() {
    let mut plan = in_sync();
    let Findings::Compared(compared) = &mut plan.findings else { unreachable!() };
    compared.taken = vec![ChildKey::new(ChildKind::Deployment, "orders-a")];
    let pipeline = valid(&with_spec("", QUEUES));
    let none = WorkersReading::default();
    let seen = judged_by(ConditionType::WorkersAvailable, &pipeline, &plan, None, &none).unwrap();
    assert_eq!(seen.0, "False NameConflict");
    assert!(seen.1.starts_with("Deployment orders-a exists and was not made for"), "{}", seen.1);
}

#[test]
fn what_the_api_server_refuses_is_told_in_its_words_and_what_will_pass_is_not() {
    let told = |kind, message: &str| {
        let key = ChildKey::new(ChildKind::Deployment, "orders-a");
        let error = ChildError { kind, message: message.to_owned() };
        let result = StepResult::Failed(StepError::Child(error));
        let outcome = Outcome { results: vec![(Step::Child(ChildStep::Delete(key)), result)] };
        let pipeline = valid(&with_spec("", QUEUES));
        let workers = workers(reading(1, 1), reading(1, 1));
        let condition = ConditionType::WorkersAvailable;
        judged_by(condition, &pipeline, &in_sync(), Some(&outcome), &workers).unwrap()
    };
    let refused = ChildErrorKind::Refused;
    let (status, message) = told(refused, "admission webhook denied it");
    assert_eq!(status, "False Forbidden");
    let said = "delete Deployment orders-a: admission webhook denied it: give the operator's";
    assert!(message.starts_with(said), "{message}");
    assert_eq!(told(refused, "exceeded quota: objects").0, "False QuotaExceeded");
    for passing in [ChildErrorKind::Conflict, ChildErrorKind::Unavailable] {
        assert_eq!(told(passing, "again later").0, "True Available");
    }
}

#[test]
fn another_autoscaler_and_a_long_blindness_end_the_scaling() {
    let foreign = QueueReading {
        foreign_scaler: Some("HorizontalPodAutoscaler mine".to_owned()),
        scaling: Some(scaled(Reason::PerReplica, Some(LimitedBy::ForeignScaler), None)),
        ..reading(1, 1)
    };
    let blind = QueueReading {
        scaling: Some(scaled(Reason::Fallback, Some(LimitedBy::ObservationUnknown), None)),
        ..reading(1, 1)
    };
    let fresh =
        || QueueReading { scaling: Some(scaled(Reason::PerReplica, None, None)), ..reading(1, 1) };
    let seen = |queue| judged(ConditionType::ScalingActive, "", &workers(fresh(), queue));
    let (status, message) = seen(foreign);
    assert_eq!(status, "False ForeignScaler");
    assert!(message.contains("HorizontalPodAutoscaler mine"), "{message}");
    assert!(message.contains("scaling.mode: External"), "{message}");
    let (status, message) = seen(blind);
    assert_eq!(status, "False FallbackActive");
    assert!(message.contains("unknown for over 3m"), "{message}");
}

/// `EndpointAccepting` of two queues with an endpoint, of which so much is known.
fn endpoints(a: Option<EndpointReading>, b: Option<EndpointReading>) -> Option<(String, String)> {
    let queue = |name: &str| {
        format!("{{name: {name}, handler: {{http: {{url: \"https://{name}.example/in?key=1\"}}}}}}")
    };
    let pipeline = valid(&with_spec("", &format!("{}, {}", queue("a"), queue("b"))));
    let with = |endpoint| QueueReading { endpoint, ..reading(1, 1) };
    let workers = workers(with(a), with(b));
    judged_by(ConditionType::EndpointAccepting, &pipeline, &in_sync(), None, &workers)
}

#[test]
fn the_worst_endpoint_is_told_with_what_it_answers_and_nothing_of_a_key_in_its_address() {
    let refusing = |refusal, last_status| Some(EndpointReading::Refusing { refusal, last_status });
    let accepting = Some(EndpointReading::Accepting);
    let down = refusing(Refusal::Unavailable, Some(503));
    let wrong = refusing(Refusal::Rejected, Some(404));
    assert_eq!(endpoints(None, None), None);
    assert_eq!(endpoints(accepting, None).unwrap().0, "True Accepting");
    let (status, message) = endpoints(accepting, down).unwrap();
    assert_eq!(status, "False BreakerOpen");
    let expected = "queue b: b.example answers status 503; messages wait until it is mended";
    assert_eq!(message, expected);
    let (status, message) = endpoints(down, wrong).unwrap();
    assert_eq!(status, "False EndpointRejected");
    assert!(message.starts_with("queue b: b.example answers status 404"), "{message}");
    let unreachable = refusing(Refusal::Unavailable, None);
    let (_, message) = endpoints(unreachable, None).unwrap();
    assert!(message.contains("a.example cannot be reached"), "{message}");
}

#[test]
fn only_pipelines_with_an_endpoint_are_told_about_endpoints() {
    let none = WorkersReading::default();
    let pipeline = valid(&with_spec("", QUEUES));
    let condition = ConditionType::EndpointAccepting;
    assert_eq!(judged_by(condition, &pipeline, &in_sync(), None, &none), None);
    assert!(!has_endpoints(&pipeline));
}
