//! Answers become readings with an age; everything else stays unknown, with its reason.

use warren_core::scaling::FRESH_FOR;

use super::*;

const QUEUE: &str = "shop.orders.email";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn fresh<T>(value: T, age: u64) -> Reading<T> {
    Reading::Fresh { value, age: Duration::from_secs(age) }
}

fn totals_of(ready: Option<u64>, unacknowledged: Option<u64>) -> BTreeMap<String, QueueTotals> {
    let name = QUEUE.to_owned();
    let queue = QueueTotals { name: name.clone(), ready, unacknowledged, total: None };
    BTreeMap::from([(name, queue)])
}

fn statistics_of(state: Option<&str>, published: Option<u64>) -> BTreeMap<String, QueueStatistics> {
    let name = QUEUE.to_owned();
    let queue = QueueStatistics {
        name: name.clone(),
        state: state.map(str::to_owned),
        published,
        ..QueueStatistics::default()
    };
    BTreeMap::from([(name, queue)])
}

fn polls(
    totals: BTreeMap<String, QueueTotals>,
    statistics: BTreeMap<String, QueueStatistics>,
) -> Polls {
    let mut polls = Polls::default();
    polls.totals.take(Ok(totals), at(0));
    polls.statistics.take(Ok(statistics), at(1));
    polls
}

#[test]
fn nothing_asked_is_nothing_known() {
    assert_eq!(probe(None, at(0)), Reading::Unavailable(Why::NeverRead));
    assert_eq!(totals(&Polls::default(), QUEUE, at(0)), Totals::unavailable(Why::NeverRead));
}

#[test]
fn answers_are_passed_on_with_their_age() {
    let answer = Ok(Depth { ready: 120, consumers: 3 });
    let probed = Probed { at: at(2), answer };
    let expected = Probe { ready: 120, consumers: 3 };
    assert_eq!(probe(Some(&probed), at(3)), fresh(expected, 1));
    let polls = polls(totals_of(Some(100), Some(20)), statistics_of(Some("running"), Some(140)));
    let expected = Totals {
        ready: fresh(100, 3),
        unacked: fresh(20, 3),
        state: fresh(QueueState::Running, 2),
        published: fresh(140, 2),
    };
    assert_eq!(totals(&polls, QUEUE, at(3)), expected);
}

#[test]
fn an_absent_field_is_missing_and_not_zero() {
    let polls = polls(totals_of(None, None), statistics_of(None, None));
    assert_eq!(totals(&polls, QUEUE, at(2)), Totals::unavailable(Why::KeyMissing));
    assert_eq!(waiting(&polls, QUEUE, at(2)), None);
}

#[test]
fn a_queue_that_the_broker_does_not_list_is_not_found() {
    let polls = polls(BTreeMap::new(), BTreeMap::new());
    assert_eq!(totals(&polls, QUEUE, at(2)), Totals::unavailable(Why::NotFound));
}

#[test]
fn only_a_queue_that_serves_is_running() {
    for (text, expected) in [
        ("running", QueueState::Running),
        ("flow", QueueState::Running),
        ("down", QueueState::NotRunning),
        ("minority", QueueState::NotRunning),
        ("crashed", QueueState::NotRunning),
        ("something new", QueueState::NotRunning),
    ] {
        let polls = polls(totals_of(None, None), statistics_of(Some(text), None));
        let state = totals(&polls, QUEUE, at(1)).state;
        assert_eq!(state, fresh(expected, 0), "{text}");
    }
}

#[test]
fn a_probe_that_fails_leaves_nothing_of_the_one_before() {
    let probed = Probed { at: at(5), answer: Err(Why::Refused) };
    assert_eq!(probe(Some(&probed), at(5)), Reading::Unavailable(Why::Refused));
}

#[test]
fn a_lost_answer_of_the_management_api_lets_the_last_one_grow_old() {
    let mut polls = polls(totals_of(Some(7), Some(0)), BTreeMap::new());
    for why in [Why::Timeout, Why::Refused] {
        polls.totals.take(Err(why), at(5));
    }
    assert_eq!(totals(&polls, QUEUE, at(10)).ready, fresh(7, 10));
    let late = at(0) + FRESH_FOR + Duration::from_secs(1);
    let ready = totals(&polls, QUEUE, late).ready;
    assert!(matches!(ready, Reading::Stale { value: 7, .. }), "{ready:?}");
    assert_eq!(waiting(&polls, QUEUE, late), None);
}

#[test]
fn an_answer_that_says_no_replaces_the_last_one() {
    for why in [Why::Unauthorized, Why::NotFound, Why::KeyMissing] {
        let mut polls = polls(totals_of(Some(7), Some(0)), BTreeMap::new());
        polls.totals.take(Err(why), at(5));
        let ready = totals(&polls, QUEUE, at(5)).ready;
        assert_eq!(ready, Reading::Unavailable(why));
    }
}

#[test]
fn trouble_that_was_never_preceded_by_an_answer_is_told_as_it_is() {
    let mut polls = Polls::default();
    polls.totals.take(Err(Why::Timeout), at(0));
    let ready = totals(&polls, QUEUE, at(0)).ready;
    assert_eq!(ready, Reading::Unavailable(Why::Timeout));
}

#[test]
fn each_failure_keeps_its_reason() {
    let queue = || QUEUE.to_owned();
    let detail = || "…".to_owned();
    let probes = [
        (ProbeError::QueueNotFound { queue: queue() }, Why::NotFound),
        (ProbeError::Timeout { queue: queue() }, Why::Timeout),
        (ProbeError::AccessRefused { queue: queue(), detail: detail() }, Why::Unauthorized),
        (ProbeError::Lost { queue: queue(), detail: detail() }, Why::Refused),
    ];
    for (error, why) in probes {
        assert_eq!(why_not_probed(&error), why, "{error}");
    }
    let polls = [
        (ApiErrorKind::Unauthorized, Why::Unauthorized),
        (ApiErrorKind::PermissionDenied(detail()), Why::Unauthorized),
        (ApiErrorKind::NotFound, Why::NotFound),
        (ApiErrorKind::Timeout, Why::Timeout),
        (ApiErrorKind::ConnectionRefused, Why::Refused),
        (ApiErrorKind::Transient(detail()), Why::Refused),
    ];
    for (error, why) in polls {
        assert_eq!(why_not_polled(&error), why, "{error:?}");
    }
}
