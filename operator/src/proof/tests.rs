//! The proof of empty: everything that must be there, each thing missing alone, and how it stands.

use super::*;

fn noon() -> Timestamp {
    crate::fixtures::noon()
}

fn three_nodes() -> QueueStatistics {
    let nodes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    QueueStatistics {
        state: Some("running".to_owned()),
        total: Some(0),
        consumers: Some(0),
        leader: Some("a".to_owned()),
        members: nodes(&["a", "b", "c"]),
        online: nodes(&["a", "b"]),
        ..QueueStatistics::default()
    }
}

fn told(ready: u32, consumers: u32) -> Answer {
    Answer::Told(Depth { ready, consumers })
}

fn empty() -> Look {
    Look { at: noon(), statistics: Some(three_nodes()), answer: told(0, 0) }
}

/// An empty queue, but for this in its statistics.
fn but(change: impl FnOnce(&mut QueueStatistics)) -> Look {
    let mut statistics = three_nodes();
    change(&mut statistics);
    Look { statistics: Some(statistics), ..empty() }
}

/// Looks at the same thing again and again; the last verdict.
fn looked(look: &Look, sources: &[&str], seconds: &[i64]) -> Verdict {
    let mut run = None;
    let mut verdict = None;
    for after in seconds {
        let at = noon() + jiff::SignedDuration::from_secs(*after);
        let (next, next_run) = judge(run.as_ref(), &Look { at, ..look.clone() }, sources);
        (verdict, run) = (Some(next), next_run);
    }
    verdict.unwrap()
}

#[test]
fn an_empty_queue_is_proven_when_it_is_seen_again_and_not_before() {
    assert!(!looked(&empty(), &[], &[0]).is_proven_empty());
    assert!(!looked(&empty(), &[], &[0, 5, 14]).is_proven_empty());
    assert!(looked(&empty(), &[], &[0, 5, 15]).is_proven_empty());
    assert!(!looked(&empty(), &[], &[0, -60]).is_proven_empty(), "a clock that was set back");
}

#[test]
fn whatever_is_missing_alone_keeps_a_queue_from_being_deleted() {
    let not_running = |state: Option<&str>| but(|s| s.state = state.map(str::to_owned));
    let cases = [
        ("no statistics", Look { statistics: None, ..empty() }),
        ("state unknown", not_running(None)),
        ("state down", not_running(Some("down"))),
        ("state minority", not_running(Some("minority"))),
        ("no leader", but(|s| s.leader = None)),
        ("a leader that is away", but(|s| s.leader = Some("c".to_owned()))),
        ("nobody online", but(|s| s.online.clear())),
        ("a minority online", but(|s| s.online.truncate(1))),
        ("half of four online", but(|s| s.members.push("d".to_owned()))),
        ("members unknown", but(|s| s.members.clear())),
        ("messages unknown", but(|s| s.total = None)),
        ("a message", but(|s| s.total = Some(1))),
        ("consumers unknown", but(|s| s.consumers = None)),
        ("a consumer", but(|s| s.consumers = Some(1))),
        ("a message that the queue itself tells", Look { answer: told(1, 0), ..empty() }),
        ("a consumer that the queue itself tells", Look { answer: told(0, 1), ..empty() }),
        ("no answer of the queue itself", Look { answer: Answer::None, ..empty() }),
    ];
    for (what, look) in cases {
        assert!(!looked(&look, &[], &[0, 60, 120]).is_proven_empty(), "{what}");
    }
    assert!(!looked(&empty(), &["orders"], &[0, 60]).is_proven_empty(), "a binding");
    assert!(looked(&empty(), &[], &[0, 60]).is_proven_empty(), "all else is as it must be");
}

#[test]
fn a_queue_is_at_rest_once_nobody_consumes_it_and_nobody_has_a_message_in_hand() {
    let resting = but(|s| s.unacknowledged = Some(0));
    let worked = |held| but(|s| s.unacknowledged = held);
    for (what, look) in [
        ("a message in hand", worked(Some(1))),
        ("nobody knows what is in hand", worked(None)),
        ("a consumer", but(|s| (s.consumers, s.unacknowledged) = (Some(1), Some(0)))),
        ("a consumer that is new", Look { answer: told(7, 1), ..resting.clone() }),
        ("no answer of the queue itself", Look { answer: Answer::None, ..resting.clone() }),
        ("no statistics", Look { statistics: None, ..resting.clone() }),
    ] {
        assert!(!look.is_at_rest(), "{what}");
    }
    assert!(Look { answer: told(7, 0), ..resting.clone() }.is_at_rest(), "whatever is left in it");
    assert!(Look { answer: Answer::NoConnection, ..resting }.is_at_rest());
}

#[test]
fn without_an_amqp_connection_a_proof_takes_twice_as_long() {
    let blind = Look { answer: Answer::NoConnection, ..empty() };
    assert!(!looked(&blind, &[], &[0, 29]).is_proven_empty());
    assert!(looked(&blind, &[], &[0, 30]).is_proven_empty());
    // One blind look among others makes the whole run blind.
    let (_, run) = judge(None, &blind, &[]);
    let later =
        |seconds: i64| Look { at: noon() + jiff::SignedDuration::from_secs(seconds), ..empty() };
    assert!(!judge(run.as_ref(), &later(20), &[]).0.is_proven_empty());
    assert!(judge(run.as_ref(), &later(30), &[]).0.is_proven_empty());
}

#[test]
fn anything_else_in_between_begins_the_proof_anew() {
    let at = |seconds: i64, look: Look| Look {
        at: noon() + jiff::SignedDuration::from_secs(seconds),
        ..look
    };
    let other_leader = but(|s| s.leader = Some("b".to_owned()));
    let unknown = Look { statistics: None, ..empty() };
    let full = but(|s| s.total = Some(3));
    for between in [other_leader, unknown, full] {
        let (_, run) = judge(None, &at(0, empty()), &[]);
        let (_, run) = judge(run.as_ref(), &at(10, between.clone()), &[]);
        let (verdict, run) = judge(run.as_ref(), &at(20, empty()), &[]);
        assert!(!verdict.is_proven_empty(), "{between:?}");
        assert!(judge(run.as_ref(), &at(35, empty()), &[]).0.is_proven_empty());
    }
}

#[test]
fn messages_that_nobody_takes_are_held_and_those_that_somebody_takes_are_not() {
    let told_by_itself = Look { answer: told(2, 0), ..but(|s| s.total = Some(5)) };
    assert_eq!(looked(&told_by_itself, &[], &[0]).held(), Some(5), "the queue itself is sure");
    let broken = Look { statistics: None, answer: told(2, 0), ..empty() };
    assert_eq!(looked(&broken, &[], &[0]).held(), Some(2));

    let by_statistics = Look { answer: Answer::None, ..but(|s| s.total = Some(5)) };
    assert_eq!(looked(&by_statistics, &[], &[0, 14]).held(), None, "they may be late");
    assert_eq!(looked(&by_statistics, &[], &[0, 15]).held(), Some(5));

    let taken = but(|s| (s.total, s.consumers) = (Some(5), Some(1)));
    assert_eq!(
        looked(&taken, &[], &[0, 60]).finding,
        Finding::Unknown(Doubt::Taken { messages: 5 })
    );
    let taken = Look { answer: told(2, 1), ..empty() };
    assert_eq!(looked(&taken, &[], &[0, 60]).held(), None);
}

#[test]
fn a_queue_with_workers_is_drained_when_it_has_been_empty_for_as_long_as_statistics_are_late() {
    let working = but(|s| s.consumers = Some(2));
    assert!(!looked(&working, &["orders.internal"], &[0, 14]).is_drained());
    assert!(looked(&working, &["orders.internal"], &[0, 15]).is_drained());
    assert!(looked(&empty(), &[], &[0, 15]).is_drained());
    assert!(!looked(&but(|s| s.total = Some(1)), &[], &[0, 60]).is_drained());
}
