//! What becomes of a delivery, case by case.

use super::*;
use crate::{
    message::{Message, Value},
    retry::Backoff,
};

fn policy() -> RetryPolicy {
    let initial = Duration::from_secs(1);
    let max = Duration::from_secs(100);
    RetryPolicy::new(3, Backoff::Exponential { initial, max, factor: 5 }).unwrap()
}

fn failed(class: ErrorClass, after: Option<Duration>) -> Report {
    Outcome::Retry { class, after, detail: "no".to_owned() }.into()
}

fn retry_of(settlement: Settlement) -> (u64, u32) {
    match settlement {
        Settlement::Retry { tier, attempt, .. } => (tier.as_secs(), attempt),
        other @ (Settlement::Ack | Settlement::Dead { .. }) => panic!("{other:?} is no retry"),
    }
}

fn delivery(name: &str, value: impl Into<Value>) -> Incoming {
    let mut message = Message { body: "12345".into(), ..Message::default() };
    message.headers.set(name, value);
    Incoming { exchange: String::new(), routing_key: String::new(), redelivered: false, message }
}

fn arrival(source: &Incoming) -> Option<Settlement> {
    let now = Timestamp::from_second(1_000).unwrap();
    on_arrival(source, ArrivalLimits::new(20, 5), &policy(), now)
}

#[test]
fn done_is_acknowledged_even_while_the_breaker_is_open() {
    let report = Report::from(Outcome::Done);
    assert_eq!(on_report(&report, 1, &policy(), Gate::Shut), Settlement::Ack);
}

#[test]
fn each_failure_waits_longer_and_the_last_one_is_dead() {
    let settle = |n| on_report(&failed(ErrorClass::Http5xx, None), n, &policy(), Gate::Open);
    assert_eq!(retry_of(settle(1)), (1, 2));
    assert_eq!(retry_of(settle(2)), (5, 3));
    for attempt in [3, 4, u32::MAX] {
        let Settlement::Dead { reason, failure } = settle(attempt) else { panic!("{attempt}") };
        assert_eq!((reason, failure.class), (DeadReason::AttemptsExhausted, ErrorClass::Http5xx));
    }
}

#[test]
fn a_failure_while_the_breaker_is_open_uses_no_attempt_not_even_the_last() {
    let report = failed(ErrorClass::Connect, None);
    assert_eq!(retry_of(on_report(&report, 3, &policy(), Gate::Shut)), (5, 3));
}

#[test]
fn an_asked_wait_is_kept_up_to_the_largest_tier() {
    let report = failed(ErrorClass::RateLimited, Some(Duration::from_secs(3)));
    assert_eq!(retry_of(on_report(&report, 1, &policy(), Gate::Open)), (5, 2));
}

#[test]
fn deferring_and_pausing_use_no_attempt() {
    let after = Duration::from_secs(2);
    let defer = Report::from(Outcome::Defer { after });
    assert_eq!(retry_of(on_report(&defer, 3, &policy(), Gate::Open)), (5, 3));
    let pause = Report::from(Outcome::Pause { after, detail: "closed".to_owned() });
    assert_eq!(retry_of(on_report(&pause, 3, &policy(), Gate::Shut)), (5, 3));
}

#[test]
fn a_permanent_failure_is_dead_at_once_and_keeps_its_status() {
    let outcome = Outcome::Dead { reason: DeadReason::Permanent, detail: "sku missing".to_owned() };
    let report = Report { outcome, status: Some(422), health: crate::outcome::Health::Neutral };
    let Settlement::Dead { reason, failure } = on_report(&report, 1, &policy(), Gate::Open) else {
        panic!("not dead");
    };
    assert_eq!(reason, DeadReason::Permanent);
    assert_eq!((failure.class, failure.status), (ErrorClass::Http4xx, Some(422)));
}

#[test]
fn an_ordinary_delivery_runs() {
    assert_eq!(arrival(&delivery("tenant", "t")), None);
    assert_eq!(arrival(&delivery(headers::DELIVERY_COUNT, 9_u32)), None);
    assert_eq!(arrival(&delivery(headers::NOT_BEFORE, 1_000_000_i64)), None);
}

#[test]
fn a_message_that_kills_workers_is_dead_before_it_runs_again() {
    let poison = arrival(&delivery(headers::DELIVERY_COUNT, 10_u32));
    assert!(matches!(poison, Some(Settlement::Dead { reason: DeadReason::PoisonCrash, .. })));
}

#[test]
fn a_small_delivery_limit_lowers_the_poison_limit() {
    assert_eq!(ArrivalLimits::new(3, 1).poison, 3);
    assert_eq!(ArrivalLimits::new(100, 1).poison, 10);
}

#[test]
fn a_body_over_the_limit_is_dead_and_says_both_sizes() {
    let mut source = delivery("tenant", "t");
    source.message.body = "123456".into();
    let Some(Settlement::Dead { reason: DeadReason::TooLarge, failure }) = arrival(&source) else {
        panic!("not too large");
    };
    assert_eq!(failure.detail, "the body has 6 bytes, limits.maxMessageBytes is 5");
}

#[test]
fn a_message_for_later_goes_to_the_tier_that_covers_the_rest() {
    let settlement = arrival(&delivery(headers::NOT_BEFORE, 1_003_000_i64)).unwrap();
    assert_eq!(retry_of(settlement), (5, 1));
}
