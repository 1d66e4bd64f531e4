//! Plans: rights, places, old brokers, and strangers that look like us.

use crate::children::ChildrenReading;
use warren_broker::login::{Login, Secret};
use warren_core::topology::{BrokerFacts, FoundQueue};

use super::*;
use crate::{
    fixtures::{smallest, valid, with_queue, with_spec},
    observe::UsersReading,
    trouble::TroubleReason,
};

fn state(version: &str, tags: &[&str]) -> BrokerState {
    BrokerState {
        login: Login::new("rabbit", "admin", Secret::new("secret")),
        facts: BrokerFacts { version: version.parse().unwrap() },
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        found: Found::default(),
        users: UsersReading::NotAsked,
        looks: BTreeMap::new(),
    }
}

fn plan_for(pipeline: &Pipeline, state: BrokerState) -> Plan {
    next(
        pipeline,
        &Observed { broker: Ok(state), children: ChildrenReading::NotKept, past: Past::default() },
    )
}

fn denied(plan: &Plan) -> Option<&str> {
    match &plan.findings {
        Findings::Unreachable(trouble) => {
            assert_eq!(trouble.reason, TroubleReason::PermissionDenied);
            assert_eq!(plan.steps, []);
            Some(&trouble.message)
        }
        _ => None,
    }
}

#[test]
fn a_login_needs_the_tags_of_its_mode() {
    let scoped = smallest();
    let shared = Pipeline { users: crate::pipeline::Users::Shared, ..smallest() };
    for (pipeline, tags, lacks) in [
        (&scoped, vec!["administrator"], None),
        (&scoped, vec!["policymaker", "monitoring"], Some("tag administrator")),
        (&scoped, vec![], Some("has no tag")),
        (&shared, vec!["administrator"], None),
        (&shared, vec!["policymaker", "monitoring"], None),
        (&shared, vec!["policymaker"], Some("lacks monitoring")),
        (&shared, vec!["management"], Some("lacks policymaker and monitoring")),
    ] {
        let plan = plan_for(pipeline, state("4.3.6", &tags));
        match (denied(&plan), lacks) {
            (None, None) => assert!(!plan.steps.is_empty()),
            (Some(message), Some(lacks)) => assert!(message.contains(lacks), "{message}"),
            other => panic!("{tags:?}: {other:?}"),
        }
    }
}

#[test]
fn a_pipeline_never_moves_to_another_virtual_host_by_itself() {
    let past = |vhost: &str| Past {
        stage: Stage::Declared,
        vhost: Some(vhost.to_owned()),
        ..Past::default()
    };
    let state = state("4.3.6", &["administrator"]);
    let moved = Observed {
        broker: Ok(state.clone()),
        children: ChildrenReading::NotKept,
        past: past("blue"),
    };
    let plan = next(&smallest(), &moved);
    assert_eq!(plan.steps, []);
    let Findings::Rejected(violations) = plan.findings else { panic!("{plan:?}") };
    assert!(violations.to_string().starts_with("spec.broker.vhost: is / now"), "{violations}");
    let stayed =
        Observed { broker: Ok(state), children: ChildrenReading::NotKept, past: past("/") };
    assert!(!next(&smallest(), &stayed).steps.is_empty());
}

#[test]
fn names_that_do_not_fit_the_virtual_host_of_the_secret_are_refused() {
    let prefix = format!("namePrefix: {}", "x".repeat(150));
    let pipeline = valid(&with_spec(&prefix, "{name: email, handler: {log: {}}}"));
    let mut state = state("4.3.6", &["administrator"]);
    state.login.vhost = "v".repeat(86);
    let plan = plan_for(&pipeline, state);
    assert!(matches!(plan.findings, Findings::Rejected(_)), "{plan:?}");
}

#[test]
fn an_old_broker_is_told_about_what_it_cannot_do_and_nothing_else_is_changed() {
    let cases = [
        ("limits: {consumerTimeout: 20m}", Some("limits.consumerTimeout")),
        ("worker: {taskTimeout: 30m}", Some("worker.taskTimeout of 30m")),
        ("worker: {taskTimeout: 29m}", None),
    ];
    for (lines, complaint) in cases {
        let pipeline = valid(&with_queue(lines));
        for (version, is_old) in [("3.10.8", true), ("3.12.0", false)] {
            let plan = plan_for(&pipeline, state(version, &["administrator"]));
            let Findings::Compared(compared) = &plan.findings else { panic!("{plan:?}") };
            let expected = complaint.filter(|_| is_old);
            assert_eq!(compared.unsupported.is_some(), expected.is_some(), "{lines} {version}");
            assert_eq!(plan.steps.is_empty(), expected.is_some());
            if let (Some(text), Some(expected)) = (&compared.unsupported, expected) {
                assert!(text.contains(expected), "{text}");
            }
        }
    }
}

/// Prefix `a.b.q.retry` with queue `500` has a main queue that looks like a tier of `a.b`.
#[test]
fn the_policy_of_all_tiers_is_left_out_where_a_stranger_has_a_queue_like_one() {
    let has_tier_policy = |name: &str| {
        let mut state = state("4.3.6", &["administrator"]);
        let queue = FoundQueue { durable: true, arguments: Arguments::new() };
        state.found.queues.insert(name.to_owned(), queue);
        let plan = plan_for(&smallest(), state);
        let policy = "put policy shop.orders.internal.retry";
        plan.steps.iter().any(|step| step.to_string() == policy)
    };
    assert!(!has_tier_policy("shop.orders.other.retry.500"));
    assert!(has_tier_policy("shop.orders.other.retry.soon"));
    assert!(has_tier_policy("shop.orders.a.b.retry.500"));
}
