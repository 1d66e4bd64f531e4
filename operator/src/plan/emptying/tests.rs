//! The order in which queues go, and what each of them waits for.

use warren_broker::{management::QueueStatistics, probe::Depth};
use warren_core::topology::{Argument, Arguments, Binding, FoundExchange, FoundQueue};

use super::*;
use crate::{
    fixtures::{noon, smallest},
    proof::{Answer, Run},
};

const TIER: &str = "shop.orders.email.retry.1000";
const MAIN: &str = "shop.orders.email";
const DEAD: &str = "shop.orders.email.dead";

/// Queues of ours with so many messages, each bound to `P.internal` where that is said.
fn fates(queues: &[(&str, u64, bool)], again: bool) -> Fates {
    let pipeline = smallest();
    let marker = Argument::from(pipeline.owner.to_string());
    let marked: Arguments = [(warren_core::owner::ARGUMENT.to_owned(), marker)].into();
    let internal = pipeline.prefix.internal();
    let mut found = Found::default();
    let exchange =
        FoundExchange { kind: "direct".to_owned(), durable: true, arguments: marked.clone() };
    found.exchanges.insert(internal.clone(), exchange);
    let mut looks = BTreeMap::new();
    for (name, messages, is_bound) in queues {
        let queue = FoundQueue { durable: true, arguments: marked.clone() };
        found.queues.insert((*name).to_owned(), queue);
        looks.insert((*name).to_owned(), look(*messages));
        found.bindings.extend(is_bound.then(|| FoundBinding {
            binding: Binding {
                source: internal.clone(),
                queue: (*name).to_owned(),
                routing_key: "key".to_owned(),
                arguments: Arguments::new(),
            },
            properties_key: "key".to_owned(),
        }));
    }
    let place = |looks, runs| Place {
        prefix: &pipeline.prefix,
        owner: &pipeline.owner,
        found: &found,
        looks,
        runs,
    };
    let none = Runs::new();
    let first = Emptying::of(place(&looks, &none));
    if !again {
        return first.fates(place(&looks, &none));
    }
    let mut later = looks.clone();
    for look in later.values_mut() {
        look.at += proof::AGAIN;
    }
    let runs: &BTreeMap<String, Run> = &first.runs;
    Emptying::of(place(&later, runs)).fates(place(&later, runs))
}

fn look(messages: u64) -> Look {
    let node = || "a".to_owned();
    let statistics = QueueStatistics {
        state: Some("running".to_owned()),
        total: Some(messages),
        consumers: Some(0),
        leader: Some(node()),
        members: vec![node()],
        online: vec![node()],
        ..QueueStatistics::default()
    };
    let answer = match messages {
        0 => Answer::Told(Depth { ready: 0, consumers: 0 }),
        _ => Answer::None,
    };
    Look { at: noon(), statistics: Some(statistics), answer }
}

fn told(fates: &Fates) -> Vec<(&str, String)> {
    let kind = |fate: &Fate| match fate {
        Fate::After(other) => format!("after {other}"),
        Fate::Unbind(bindings) => format!("unbind {}", bindings.len()),
        Fate::Delete => "delete".to_owned(),
        Fate::Drains(messages) => format!("drains {messages}"),
        Fate::Holds(messages) => format!("holds {messages}"),
        Fate::Unproven(doubt) => format!("unproven: {doubt}"),
    };
    fates.iter().map(|(name, fate)| (name.as_str(), kind(fate))).collect()
}

#[test]
fn each_kind_of_queue_waits_until_those_that_empty_into_it_are_gone() {
    let all = [(TIER, 0, true), (MAIN, 0, true), (DEAD, 0, true)];
    let expected = [
        (MAIN, format!("after {TIER}")),
        (DEAD, format!("after {MAIN}")),
        (TIER, "unbind 1".to_owned()),
    ];
    let fates = fates(&all, true);
    let mut told = told(&fates);
    told.sort_by_key(|(name, _)| name.len());
    assert_eq!(told, expected.clone().map(|(name, text)| (name, text)));

    let without_tier = super::tests::fates(&[(MAIN, 0, true), (DEAD, 0, true)], true);
    let expected = [(MAIN, "unbind 1".to_owned()), (DEAD, format!("after {MAIN}"))];
    assert_eq!(super::tests::told(&without_tier), expected);
    let dead_alone = super::tests::fates(&[(DEAD, 0, true)], true);
    assert_eq!(super::tests::told(&dead_alone), [(DEAD, "unbind 1".to_owned())]);
}

#[test]
fn a_queue_is_cut_off_first_and_deleted_when_it_was_seen_empty_twice_since() {
    let first = fates(&[(MAIN, 0, false)], false);
    assert_eq!(told(&first)[0].1, "unproven: it has to be seen the same once more");
    assert_eq!(told(&fates(&[(MAIN, 0, false)], true)), [(MAIN, "delete".to_owned())]);
    assert_eq!(told(&fates(&[(MAIN, 0, true)], true)), [(MAIN, "unbind 1".to_owned())]);
}

#[test]
fn a_queue_with_messages_is_neither_cut_off_nor_deleted() {
    let first = fates(&[(MAIN, 3, true)], false);
    assert_eq!(told(&first), [(MAIN, "unproven: it seems to have 3 messages".to_owned())]);
    let fates = fates(&[(MAIN, 3, true), (DEAD, 0, true)], true);
    let expected = [(MAIN, "holds 3".to_owned()), (DEAD, format!("after {MAIN}"))];
    assert_eq!(told(&fates), expected);
    assert!(is_settled(&fates, MAIN) && is_settled(&fates, DEAD));
}

#[test]
fn a_tier_with_messages_is_waited_for_and_so_is_what_it_empties_into() {
    let fates = fates(&[(TIER, 2, true), (MAIN, 3, true)], true);
    let expected = [(MAIN, format!("after {TIER}")), (TIER, "drains 2".to_owned())];
    assert_eq!(told(&fates), expected);
    assert!(!is_settled(&fates, TIER) && !is_settled(&fates, MAIN));
}

#[test]
fn queues_of_other_names_do_not_wait_for_each_other() {
    let sms = "shop.orders.sms";
    let fates = fates(&[(TIER, 2, false), (sms, 0, false)], true);
    assert_eq!(fates[sms], Fate::Delete);
}
