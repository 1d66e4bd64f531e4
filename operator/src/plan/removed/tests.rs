//! What the spec no longer asks for: users and policies of queues that are gone, and of those that
//! stay.

use std::time::Duration;

use warren_broker::{
    login::{Login, Secret},
    management::QueueStatistics,
    probe::Depth,
};
use warren_core::topology::{BrokerFacts, Found, FoundPolicy, FoundQueue, desired};

use super::*;
use crate::{
    fixtures::{noon, smallest},
    observe::{FoundUser, PasswordState},
    proof::Answer,
};

const AUDIT: &str = "shop.orders.audit";
const TIER: &str = "shop.orders.audit.retry.1000";

/// The queue `audit`, which the pipeline has no more.
#[derive(Clone, Copy)]
enum Audit {
    Gone,
    There { messages: u64, consumers: Option<u64>, held: Option<u64> },
}

/// A broker that still has the user and the policy of `audit`, and the pipeline.
struct World {
    pipeline: Pipeline,
    state: BrokerState,
    past: Past,
}

fn world(queue: Audit) -> World {
    let pipeline = smallest();
    let mut found = Found::default();
    let mut looks = BTreeMap::new();
    if let Audit::There { messages, consumers, held } = queue {
        let marker = (warren_core::owner::ARGUMENT.to_owned(), pipeline.owner.to_string().into());
        let queue = FoundQueue { durable: true, arguments: [marker].into() };
        for name in [AUDIT, TIER] {
            found.queues.insert(name.to_owned(), queue.clone());
        }
        looks.insert(AUDIT.to_owned(), look(messages, consumers, held));
        looks.insert(TIER.to_owned(), look(0, Some(0), Some(0)));
    }
    for (name, pattern) in [
        (AUDIT, r"^shop\.orders\.audit(\.r[0-9]+)?$"),
        ("shop.orders.email", r"^shop\.orders\.email(\.r[0-9]+)?$"),
    ] {
        let policy = FoundPolicy {
            pattern: pattern.to_owned(),
            apply_to: "queues".to_owned(),
            priority: 100,
            definition: [].into(),
        };
        found.policies.insert(name.to_owned(), policy);
    }
    let audit = QueueName::new("audit").unwrap();
    let user = || FoundUser { password: PasswordState::Kept, tags: Vec::new(), permissions: None };
    let mut users: BTreeMap<String, FoundUser> =
        pipeline.holders().map(|holder| (pipeline.user_of(&holder, "/"), user())).collect();
    users.insert(pipeline.worker_user(&audit, "/"), user());
    let state = BrokerState {
        login: Login::new("rabbit", "admin", Secret::new("secret")),
        facts: BrokerFacts { version: "4.3.6".parse().unwrap() },
        tags: Vec::new(),
        found,
        users: UsersReading::Found(users),
        looks,
    };
    World { pipeline, state, past: Past::default() }
}

fn look(messages: u64, consumers: Option<u64>, held: Option<u64>) -> Look {
    let statistics = QueueStatistics {
        state: Some("running".to_owned()),
        total: Some(messages),
        unacknowledged: held,
        consumers,
        leader: Some("a".to_owned()),
        members: vec!["a".to_owned()],
        online: vec!["a".to_owned()],
        ..QueueStatistics::default()
    };
    let consumers = consumers.unwrap_or_default().try_into().unwrap();
    let depth = Depth { ready: messages.try_into().unwrap(), consumers };
    Look { at: noon(), statistics: Some(statistics), answer: Answer::Told(depth) }
}

impl World {
    /// What is done after this long.
    fn after(&mut self, seconds: u64) -> Removed {
        for look in self.state.looks.values_mut() {
            look.at = noon() + Duration::from_secs(seconds);
        }
        let wanted = desired(&self.pipeline.layout(), self.state.facts);
        let removed = next(&self.pipeline, &self.state, &wanted, &self.past);
        self.past.runs.clone_from(&removed.runs);
        self.past.removed.clone_from(&removed.since);
        removed
    }
}

fn told(removed: &Removed) -> Vec<String> {
    removed.steps.iter().map(ToString::to_string).collect()
}

/// What is done once the time is over in which workers may empty the queue.
fn steps(queue: Audit) -> Vec<String> {
    let mut world = world(queue);
    assert!(!told(&world.after(0)).iter().any(|step| step.contains(".retry.")));
    told(&world.after(60))
}

#[test]
fn the_user_and_policies_of_a_queue_that_is_gone_go_and_those_of_others_stay() {
    let steps = steps(Audit::Gone);
    assert_eq!(steps.len(), 2, "{steps:?}");
    assert!(steps[0].starts_with("delete user shop.orders.audit."), "{steps:?}");
    assert_eq!(steps[1], "delete policy shop.orders.audit");
}

#[test]
fn the_user_of_a_queue_that_stays_goes_once_nobody_works_as_it() {
    let with = |consumers, held| steps(Audit::There { messages: 0, consumers, held });
    assert_eq!(with(Some(2), Some(0)), [""; 0]);
    assert_eq!(with(None, Some(0)), [""; 0], "nobody knows whether somebody consumes");
    assert_eq!(with(Some(0), Some(1)), [""; 0], "a worker that ends has a message in hand");
    assert_eq!(with(Some(0), None), [""; 0], "nobody knows what is in hand");
    let idle = with(Some(0), Some(0));
    assert!(idle[0].starts_with("delete user shop.orders.audit."), "{idle:?}");
}

#[test]
fn workers_may_empty_a_removed_queue_for_as_long_as_in_a_deletion() {
    let mut full = world(Audit::There { messages: 3, consumers: Some(1), held: Some(1) });
    for seconds in [0, 30, 59] {
        let removed = full.after(seconds);
        assert_eq!(removed.draining, ["audit".to_owned()].into(), "{seconds} s");
        assert_eq!(told(&removed), [""; 0], "tiers and dead-letter queue are still needed");
        assert!(removed.is_moving);
    }
    let removed = full.after(60);
    assert!(removed.draining.is_empty(), "a minute is over");
    assert_eq!(told(&removed), [""; 0], "a worker that ends settles what it has in hand");
    full.state.looks.insert(AUDIT.to_owned(), look(2, Some(0), Some(0)));
    let removed = full.after(61);
    assert!(told(&removed)[0].starts_with("delete user shop.orders.audit."));
    let removed = full.after(80);
    assert!(told(&removed).contains(&format!("delete queue {TIER}")), "{:?}", removed.steps);
    full.state.found.queues.remove(TIER);
    full.state.looks.remove(TIER);
    assert_eq!(full.after(81).holding, [(AUDIT.to_owned(), 2)].into());
}

#[test]
fn a_worker_that_the_statistics_do_not_know_yet_keeps_its_user() {
    let mut new = world(Audit::There { messages: 3, consumers: Some(0), held: Some(0) });
    let consumed = Answer::Told(Depth { ready: 0, consumers: 1 });
    new.state.looks.get_mut(AUDIT).unwrap().answer = consumed;
    assert_eq!(told(&new.after(0)), [""; 0]);
    assert_eq!(told(&new.after(60)), [""; 0]);
}

#[test]
fn workers_of_a_removed_queue_that_stays_empty_stop_sooner() {
    let mut empty = world(Audit::There { messages: 0, consumers: Some(1), held: Some(0) });
    assert_eq!(empty.after(0).draining.len(), 1);
    assert_eq!(empty.after(16).draining.len(), 0);
}
