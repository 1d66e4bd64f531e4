//! Carrying out: what is tried after a failure, and what is not.

use warren_broker::management::{ApiError, ApiErrorKind};
use warren_core::{
    names::Prefix,
    topology::{Change, Found, Permissions},
};

use super::*;
use crate::{
    children::{ChildError, ChildErrorKind, ChildrenReading},
    fixtures::{smallest, valid, with_spec},
    observe::{Observed, Past},
    plan::{self, UserGap},
    resources,
};

fn failed(step: Step, kind: ApiErrorKind) -> Outcome {
    let error = ApiError { call: "PUT /api/x".to_owned(), kind };
    Outcome { results: vec![(step, StepResult::Failed(StepError::Broker(error)))] }
}

fn invalid() -> ApiErrorKind {
    ApiErrorKind::Invalid("no".to_owned())
}

/// The first step of an empty broker's plan that this text begins.
fn step(text: &str) -> Step {
    let pipeline = smallest();
    let state = crate::observe::BrokerState {
        login: warren_broker::login::Login::new("rabbit", "admin", Secret::new("secret")),
        facts: warren_core::topology::BrokerFacts { version: "4.3.6".parse().unwrap() },
        tags: vec!["administrator".to_owned()],
        found: Found::default(),
        users: crate::observe::UsersReading::Found([].into()),
        looks: [].into(),
    };
    let plan = plan::next(
        &pipeline,
        &Observed { broker: Ok(state), children: ChildrenReading::NotKept, past: Past::default() },
    );
    plan.steps.into_iter().find(|step| step.to_string().starts_with(text)).unwrap()
}

#[test]
fn what_stands_on_a_failed_declaration_is_not_tried() {
    for text in ["put policy", "declare exchange", "declare queue"] {
        let outcome = failed(step(text), invalid());
        assert!(!outcome.permits(&step("bind shop.orders -")), "{text}");
        assert!(!outcome.permits(&step("declare exchange")), "{text}");
        assert!(outcome.permits(&step("make user")), "{text}");
    }
}

#[test]
fn bindings_and_users_fail_one_by_one() {
    let outcome = failed(step("bind shop.orders.internal"), invalid());
    assert!(outcome.permits(&step("bind shop.orders -")));
    let user = |user: &str| Step::PutUser {
        holder: Holder::Producer,
        user: user.to_owned(),
        gap: UserGap::Missing,
    };
    let permit = |user: &str| Step::Permit {
        user: user.to_owned(),
        permissions: Permissions {
            configure: "^$".to_owned(),
            write: "^$".to_owned(),
            read: "^$".to_owned(),
        },
    };
    let outcome = failed(user("a"), invalid());
    assert!(!outcome.permits(&permit("a")));
    assert!(outcome.permits(&user("b")) && outcome.permits(&permit("b")));
}

#[test]
fn nothing_is_tried_on_a_broker_in_trouble() {
    for kind in [
        ApiErrorKind::Timeout,
        ApiErrorKind::ConnectionRefused,
        ApiErrorKind::Unauthorized,
        ApiErrorKind::PermissionDenied("no".to_owned()),
        ApiErrorKind::Transient("the metadata store operation timed out".to_owned()),
    ] {
        let outcome = failed(step("bind shop.orders.internal"), kind);
        assert!(outcome.trouble().is_some());
        assert!(!outcome.permits(&step("make user")), "{outcome:?}");
    }
}

#[test]
fn pods_start_when_everything_of_their_queue_stands_and_queues_are_independent() {
    let queues = "{name: email, handler: {log: {}}}, {name: invoice, handler: {log: {}}}";
    let manifests = resources::manifests(&valid(&with_spec("", queues)));
    let apply = |text: &str| {
        let found = manifests.iter().find(|manifest| manifest.key().to_string() == text);
        Step::Child(ChildStep::Apply(found.unwrap_or_else(|| panic!("no {text}")).clone()))
    };
    let refused = |step: Step| {
        let kind = ChildErrorKind::Refused;
        let error = StepError::Child(ChildError { kind, message: "no".to_owned() });
        Outcome { results: vec![(step, StepResult::Failed(error))] }
    };
    let (email, invoice) = (apply("Deployment orders-email"), apply("Deployment orders-invoice"));
    let outcome = refused(apply("ConfigMap orders-email"));
    assert!(!outcome.permits(&email) && outcome.permits(&invoice));
    assert!(outcome.permits(&apply("PodDisruptionBudget orders-email")));
    let outcome = refused(apply("ServiceAccount orders-worker"));
    assert!(!outcome.permits(&email) && !outcome.permits(&invoice));
    assert!(refused(email.clone()).permits(&invoice));

    let holder = Holder::Worker(warren_core::names::QueueName::new("email").unwrap());
    let user = Step::PutUser { holder, user: "u".to_owned(), gap: UserGap::Missing };
    let outcome = failed(user, invalid());
    assert!(!outcome.permits(&email) && outcome.permits(&invoice));
    assert!(!failed(step("bind shop.orders -"), invalid()).permits(&email));
}

#[test]
fn the_config_map_that_tells_of_a_secret_goes_after_the_secret() {
    let delete = |kind, name: &str| {
        Step::Child(ChildStep::Delete(crate::children::ChildKey::new(kind, name)))
    };
    let kind = ChildErrorKind::Unavailable;
    let error = StepError::Child(ChildError { kind, message: "no answer".to_owned() });
    let secret = delete(ChildKind::Secret, "orders-invoice-broker");
    let outcome = Outcome { results: vec![(secret, StepResult::Failed(error))] };
    assert!(!outcome.permits(&delete(ChildKind::ConfigMap, "orders-invoice")));
    assert!(outcome.permits(&delete(ChildKind::ServiceAccount, "orders-worker")));
}

#[test]
fn a_password_has_32_random_bytes() {
    let password = random_password("a").unwrap();
    assert_eq!(password.reveal().len(), 64);
    assert_ne!(password, random_password("a").unwrap());
    assert!(!format!("{password:?}").contains(password.reveal()));
}

#[test]
fn an_outcome_tells_what_was_done_and_what_was_not() {
    let mut outcome = failed(step("declare queue"), invalid());
    outcome.results.insert(0, (step("put policy"), StepResult::Done));
    outcome.results.push((step("bind"), StepResult::Skipped));
    assert_eq!(outcome.done().count(), 1);
    assert_eq!(outcome.undone().count(), 2);
    assert_eq!(outcome.failures().count(), 1);
    let Step::Broker(Change::PutPolicy(policy)) = outcome.done().next().unwrap() else {
        panic!("a policy");
    };
    assert!(Prefix::new(policy.name.as_str()).is_ok());
}
