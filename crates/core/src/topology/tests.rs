//! What is declared, repaired, removed and left alone.

use std::{collections::BTreeSet, time::Duration};

use super::*;
use crate::{
    config::Unrouted,
    names::{Prefix, QueueName},
    owner::{self, Owner},
};

fn facts(version: &str) -> BrokerFacts {
    BrokerFacts { version: version.parse().unwrap() }
}

fn owner_of(name: &str) -> Owner {
    format!("c1/shop/{name}/u1").parse().unwrap()
}

fn limits() -> QueueLimits {
    QueueLimits {
        delivery_limit: 20,
        max_length: None,
        max_length_bytes: None,
        message_ttl: None,
        consumer_timeout: Duration::from_mins(30),
        dead_max_length_bytes: None,
        dead_retention: None,
    }
}

fn queue(name: &str) -> QueueLayout {
    let rule = BindingRule { routing_key: "order.*".to_owned(), arguments: Arguments::new() };
    QueueLayout {
        name: QueueName::new(name).unwrap(),
        bindings: vec![rule],
        tiers: [1, 5].map(Duration::from_secs).to_vec(),
        limits: limits(),
    }
}

fn layout() -> Layout {
    Layout {
        prefix: Prefix::new("shop.orders").unwrap(),
        owner: owner_of("orders"),
        exchange: ExchangeKind::Topic,
        unrouted: Unrouted::Capture,
        queues: vec![queue("email"), queue("audit")],
    }
}

/// The broker after every change was carried out.
fn applied(topology: &Topology) -> Found {
    let exchange = |e: &Exchange| FoundExchange {
        kind: e.kind.as_str().to_owned(),
        durable: true,
        arguments: e.arguments.clone(),
    };
    let policy = |p: &Policy| FoundPolicy {
        pattern: p.pattern.clone(),
        apply_to: p.apply_to.to_owned(),
        priority: POLICY_PRIORITY,
        definition: p.definition.clone(),
    };
    let queue = |q: &Queue| FoundQueue { durable: true, arguments: q.arguments.clone() };
    let binding = |b: &Binding| FoundBinding { binding: b.clone(), properties_key: "k".to_owned() };
    Found {
        exchanges: topology.exchanges.iter().map(|e| (e.name.clone(), exchange(e))).collect(),
        queues: topology.queues.iter().map(|q| (q.name.clone(), queue(q))).collect(),
        bindings: topology.bindings.iter().map(binding).collect(),
        policies: topology.policies.iter().map(|p| (p.name.clone(), policy(p))).collect(),
        ..Found::default()
    }
}

fn compared(found: &Found) -> Comparison {
    compare(&desired(&layout(), facts("4.3.6")), found, &owner_of("orders"))
}

#[test]
fn every_object_carries_the_marker() {
    let topology = desired(&layout(), facts("4.3.6"));
    let marker = Argument::from("c1/shop/orders/u1");
    let exchanges = topology.exchanges.iter().map(|e| &e.arguments);
    let queues = topology.queues.iter().map(|q| &q.arguments);
    for arguments in exchanges.chain(queues) {
        assert_eq!(arguments.get(owner::ARGUMENT), Some(&marker));
    }
    assert!(topology.bindings.iter().all(|b| b.arguments.is_empty()));
}

#[test]
fn names_are_unique_and_every_queue_has_exactly_one_policy() {
    let topology = desired(&layout(), facts("4.3.6"));
    let names: BTreeSet<&str> = topology.queues.iter().map(|q| q.name.as_str()).collect();
    assert_eq!(names.len(), topology.queues.len());
    assert_eq!(names.len(), 2 * (2 + 2) + 1);
    assert_eq!(topology.policies.len(), 2 * 2 + 2);
}

/// A cycle main → tier → main made by the broker itself loses messages or holds them for ever, so
/// the only automatic ways are tier → main and main → dead.
#[test]
fn the_brokers_own_dead_lettering_has_no_cycle() {
    let topology = desired(&layout(), facts("4.3.6"));
    let target = |queue: &Queue| {
        let key = queue.arguments.get("x-dead-letter-routing-key")?.as_text()?.to_owned();
        let through = |b: &&Binding| b.source == "shop.orders.internal" && b.routing_key == key;
        topology.bindings.iter().find(through).map(|b| b.queue.clone())
    };
    for start in &topology.queues {
        let mut at = start.clone();
        let mut steps = 0;
        while let Some(next) = target(&at) {
            at = topology.queues.iter().find(|q| q.name == next).cloned().unwrap();
            steps += 1;
            assert!(steps <= 2, "{} never comes to rest", start.name);
        }
        let rests = at.name.strip_suffix(".dead").is_some() || at.name == "shop.orders.unrouted";
        assert!(rests, "{} ends in {}", start.name, at.name);
    }
}

#[test]
fn a_policy_says_nothing_the_broker_is_too_old_for() {
    let definition = |version, name: &str| {
        let topology = desired(&layout(), facts(version));
        let policy = topology.policies.into_iter().find(|p| p.name == name).unwrap();
        let keys: Vec<String> = policy.definition.into_keys().collect();
        (policy.apply_to, keys.join(" "))
    };
    let main = "shop.orders.email";
    assert_eq!(definition("3.10.8", main), ("queues", "delivery-limit overflow".to_owned()));
    let new = ("quorum_queues", "consumer-timeout delivery-limit overflow".to_owned());
    assert_eq!(definition("4.0.5", main), new);
    let dead = "shop.orders.email.dead";
    assert_eq!(definition("3.10.8", dead), ("queues", "overflow".to_owned()));
    let kept = ("quorum_queues", "delivery-limit overflow".to_owned());
    assert_eq!(definition("4.0.5", dead), kept);
}

#[test]
fn an_empty_broker_gets_everything_in_a_safe_order() {
    let changes = compared(&Found::default()).changes;
    let text: Vec<String> = changes.iter().map(Change::to_string).collect();
    assert_eq!(changes.len(), desired(&layout(), facts("4.3.6")).len());
    let place = |line: &str| text.iter().position(|l| l == line).unwrap();
    let order = [
        place("put policy shop.orders.email"),
        place("declare exchange shop.orders.internal"),
        place("declare queue shop.orders.email.dead"),
        place("declare queue shop.orders.email"),
        place("declare exchange shop.orders"),
        place("bind shop.orders.internal -[email]-> shop.orders.email"),
        place("bind shop.orders -[order.*]-> shop.orders.email"),
    ];
    assert!(order.is_sorted(), "{text:#?}");
    let first_ingress = text.iter().position(|l| l.starts_with("bind shop.orders -[")).unwrap();
    let rest = text.get(first_ingress..).unwrap();
    assert!(rest.iter().all(|l| l.starts_with("bind shop.orders -[")), "{rest:#?}");
}

#[test]
fn what_was_applied_needs_no_change() {
    let found = applied(&desired(&layout(), facts("4.3.6")));
    assert_eq!(compared(&found), Comparison::default());
}

#[test]
fn what_somebody_deleted_or_edited_is_written_again() {
    let mut found = applied(&desired(&layout(), facts("4.3.6")));
    found.queues.remove("shop.orders.email.retry.1000");
    found.exchanges.remove("shop.orders.internal");
    found.bindings.retain(|b| b.binding.routing_key != "email.dead");
    found.policies.get_mut("shop.orders.audit").unwrap().priority = 0;
    let text: Vec<String> = compared(&found).changes.iter().map(Change::to_string).collect();
    assert_eq!(
        text,
        [
            "put policy shop.orders.audit",
            "declare exchange shop.orders.internal",
            "declare queue shop.orders.email.retry.1000",
            "bind shop.orders.internal -[email.dead]-> shop.orders.email.dead",
        ]
    );
}

#[test]
fn a_binding_of_ours_that_is_no_longer_wanted_goes_and_a_strangers_stays() {
    let mut found = applied(&desired(&layout(), facts("4.3.6")));
    let stale = Binding {
        source: "shop.orders".to_owned(),
        queue: "shop.orders.email".to_owned(),
        routing_key: "old.*".to_owned(),
        arguments: Arguments::new(),
    };
    let foreign = Binding { queue: "their.queue".to_owned(), ..stale.clone() };
    for binding in [&stale, &foreign] {
        let properties_key = "old.*".to_owned();
        found.bindings.push(FoundBinding { binding: binding.clone(), properties_key });
    }
    let result = compared(&found);
    let text: Vec<String> = result.changes.iter().map(Change::to_string).collect();
    assert_eq!(text, ["unbind shop.orders -[old.*]-> shop.orders.email"]);
    assert_eq!(result.foreign_bindings, [foreign]);
}

#[test]
fn an_object_of_somebody_else_is_never_touched() {
    let mut found = applied(&desired(&layout(), facts("4.3.6")));
    for (marker, says) in [
        (Some("c1/shop/invoices/u9"), "belongs to c1/shop/invoices/u9"),
        (Some("c2/shop/orders/u1"), "belongs to c2/shop/orders/u1"),
        (None, "exists without Warren's owner marker"),
    ] {
        let queue = found.queues.get_mut("shop.orders.email").unwrap();
        queue.arguments.remove(owner::ARGUMENT);
        queue.arguments.extend(marker.map(|m| (owner::ARGUMENT.to_owned(), m.into())));
        found.policies.remove("shop.orders.email");
        found.bindings.retain(|b| b.binding.queue != "shop.orders.email");
        let result = compared(&found);
        assert_eq!(result.changes, []);
        let [conflict] = result.conflicts.as_slice() else { panic!("{:?}", result.conflicts) };
        assert!(conflict.to_string().contains(says), "{conflict}");
    }
}

#[test]
fn other_arguments_are_named_one_by_one() {
    let mut found = applied(&desired(&layout(), facts("4.3.6")));
    let queue = found.queues.get_mut("shop.orders.email.retry.1000").unwrap();
    queue.arguments.insert("x-message-ttl".to_owned(), 2_000.into());
    queue.arguments.insert("x-max-length".to_owned(), 5.into());
    let conflict = compared(&found).conflicts.pop().unwrap().to_string();
    assert!(conflict.contains("x-message-ttl: is 2000, should be 1000"), "{conflict}");
    assert!(conflict.contains("x-max-length: is 5, should be absent"), "{conflict}");
}

#[test]
fn dropping_what_is_not_routed_needs_no_queue_but_keeps_the_exchange() {
    let drop = Layout { unrouted: Unrouted::Drop, ..layout() };
    let topology = desired(&drop, facts("4.3.6"));
    assert!(topology.exchanges.iter().any(|e| e.name == "shop.orders.unrouted"));
    assert!(topology.queues.iter().all(|q| q.name != "shop.orders.unrouted"));
    assert!(topology.bindings.iter().all(|b| b.source != "shop.orders.unrouted"));
}
