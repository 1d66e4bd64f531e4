//! Which delivery runs when, rule by rule.

use std::collections::BTreeSet;

use proptest::prelude::*;
use warren_core::{
    headers,
    ledger::SessionNumber,
    message::Message,
    outcome::{ErrorClass, Health, Outcome},
};

use super::*;

fn config(concurrency: u16) -> WorkerConfig {
    let text = format!(
        "
pipeline: shop/orders
prefix: shop.orders
queue: email
retry: {{attempts: 3, backoff: {{type: Fixed, initial: 1s}}}}
handler: {{simulate: {{}}}}
concurrency: {concurrency}
prefetch: {concurrency}
taskTimeout: 60s
drainTimeout: 60s
consumerTimeout: 40m
"
    );
    serde_saphyr::from_str(&text).unwrap()
}

struct Bench {
    dispatcher: Dispatcher,
    now: Duration,
    next: u64,
}

impl Bench {
    fn new(concurrency: u16) -> Self {
        let dispatcher = Dispatcher::new(&config(concurrency));
        Self { dispatcher, now: Duration::ZERO, next: 0 }
    }

    /// A bench whose session has already seen a harmless message.
    fn wide(concurrency: u16) -> Self {
        let mut bench = Self::new(concurrency);
        bench.deliver(0);
        let job = bench.run().unwrap();
        bench.end(&job, &Outcome::Done.into());
        bench
    }

    fn deliver(&mut self, returns: u32) {
        self.next += 1;
        let mut message = Message::default();
        message.properties.message_id = Some(self.next.to_string());
        message.headers.set(headers::DELIVERY_COUNT, returns);
        let incoming = Incoming {
            exchange: String::new(),
            routing_key: String::new(),
            redelivered: returns > 0,
            message,
        };
        let tag = Tag { session: SessionNumber(1), number: self.next };
        self.dispatcher.delivered(tag, incoming, self.now);
    }

    fn turn(&mut self) -> Option<Turn> {
        self.dispatcher.next_turn(Timestamp::UNIX_EPOCH)
    }

    fn run(&mut self) -> Option<Job> {
        match self.turn()? {
            Turn::Run(job) => Some(job),
            Turn::Settle(..) => None,
        }
    }

    fn end(&mut self, job: &Job, report: &Report) -> Settlement {
        let settlement = self.dispatcher.finished(job, report, self.now);
        self.dispatcher.settled();
        settlement
    }

    fn fail_five(&mut self, health: Health) {
        for _ in 0..5 {
            self.deliver(0);
            let job = self.run().unwrap();
            self.end(&job, &failed(health));
        }
    }
}

fn failed(health: Health) -> Report {
    let class = ErrorClass::Connect;
    let outcome = Outcome::Retry { class, after: None, detail: String::new() };
    Report { outcome, status: None, health }
}

#[test]
fn no_more_than_concurrency_run_at_once() {
    let mut bench = Bench::wide(2);
    for _ in 0..3 {
        bench.deliver(0);
    }
    let first = bench.run().unwrap();
    assert!(bench.run().is_some() && bench.run().is_none());
    bench.end(&first, &Outcome::Done.into());
    assert!(bench.run().is_some());
}

#[test]
fn a_session_takes_one_message_until_it_has_met_a_harmless_one() {
    let mut bench = Bench::new(5);
    assert_eq!(bench.dispatcher.window(), Window::One);
    bench.deliver(2);
    assert_eq!(bench.dispatcher.window(), Window::One);
    let suspect = bench.run().unwrap();
    bench.end(&suspect, &Outcome::Done.into());
    assert_eq!(bench.dispatcher.window(), Window::One);
    bench.deliver(1);
    assert_eq!(bench.dispatcher.window(), Window::Full);
}

#[test]
fn a_suspect_runs_alone_after_everything_else_has_settled() {
    let mut bench = Bench::wide(5);
    bench.deliver(0);
    bench.deliver(2);
    bench.deliver(0);
    assert_eq!(bench.dispatcher.window(), Window::Closed);
    let (first, second) = (bench.run().unwrap(), bench.run().unwrap());
    assert_eq!((first.id.as_str(), second.id.as_str()), ("2", "4"));
    assert!(bench.run().is_none());
    bench.end(&first, &Outcome::Done.into());
    assert!(bench.run().is_none());
    bench.end(&second, &Outcome::Done.into());
    let suspect = bench.run().unwrap();
    assert_eq!(suspect.id, "3");
    assert_eq!(bench.dispatcher.window(), Window::Closed);
    bench.end(&suspect, &Outcome::Done.into());
    assert_eq!(bench.dispatcher.window(), Window::One);
}

#[test]
fn a_message_at_the_poison_limit_is_settled_without_running() {
    let mut bench = Bench::new(5);
    bench.deliver(10);
    assert!(matches!(bench.turn(), Some(Turn::Settle(_, Settlement::Dead { .. }))));
}

#[test]
fn an_open_breaker_stops_the_intake_and_half_open_lets_one_held_message_through() {
    let mut bench = Bench::wide(5);
    bench.fail_five(Health::Unreachable);
    bench.deliver(0);
    bench.deliver(0);
    assert_eq!(bench.dispatcher.window(), Window::Closed);
    assert_eq!(bench.dispatcher.pause(), Some(PauseReason::Endpoint));
    assert!(bench.run().is_none());
    bench.now = Duration::from_secs(5);
    bench.dispatcher.tick(bench.now);
    let probe = bench.run().unwrap();
    assert!(bench.run().is_none());
    bench.end(&probe, &Outcome::Done.into());
    assert_eq!((bench.dispatcher.pause(), bench.dispatcher.window()), (None, Window::Full));
}

#[test]
fn a_failing_probe_uses_no_attempt() {
    let mut bench = Bench::wide(5);
    bench.fail_five(Health::Misconfigured);
    bench.now = Duration::from_secs(5);
    bench.dispatcher.tick(bench.now);
    assert_eq!(bench.dispatcher.window(), Window::One);
    bench.deliver(0);
    let probe = bench.run().unwrap();
    let settlement = bench.end(&probe, &failed(Health::Misconfigured));
    assert!(matches!(settlement, Settlement::Retry { attempt: 1, .. }), "{settlement:?}");
    assert_eq!(bench.dispatcher.window(), Window::Closed);
}

#[test]
fn what_is_held_for_a_quarter_of_the_consumer_timeout_goes_back() {
    let mut bench = Bench::wide(5);
    bench.fail_five(Health::Unreachable);
    bench.deliver(0);
    assert!(bench.dispatcher.hand_backs(Duration::from_secs(599)).is_empty());
    assert_eq!(bench.dispatcher.hand_backs(Duration::from_secs(600)).len(), 1);
}

#[test]
fn stopping_gives_back_what_has_not_started_and_lets_the_rest_finish() {
    let mut bench = Bench::wide(1);
    bench.deliver(0);
    bench.deliver(0);
    let job = bench.run().unwrap();
    bench.dispatcher.stop();
    assert_eq!(bench.dispatcher.window(), Window::Closed);
    assert_eq!(bench.dispatcher.hand_backs(Duration::ZERO).len(), 1);
    bench.dispatcher.settled();
    assert!(!bench.dispatcher.is_idle());
    assert_eq!(bench.end(&job, &Outcome::Done.into()), Settlement::Ack);
    assert!(bench.dispatcher.is_idle());
}

#[test]
fn the_session_after_a_drain_takes_messages_again() {
    let mut bench = Bench::wide(1);
    bench.dispatcher.stop();
    bench.dispatcher.begin_session();
    assert_eq!(bench.dispatcher.window(), Window::One);
    bench.deliver(0);
    assert!(bench.run().is_some());
}

#[test]
fn while_copies_fail_one_message_at_a_time_is_taken() {
    let mut bench = Bench::wide(5);
    bench.dispatcher.copy_given_up();
    assert_eq!(bench.dispatcher.window(), Window::One);
    bench.deliver(0);
    let job = bench.run().unwrap();
    bench.dispatcher.finished(&job, &Outcome::Done.into(), bench.now);
    bench.dispatcher.acknowledged();
    assert_eq!(bench.dispatcher.window(), Window::Full);
}

proptest! {
    /// Whatever comes in and however it ends, every delivery is run or handed back exactly once,
    /// and never more run than allowed.
    #[test]
    fn every_delivery_is_dealt_with_exactly_once(
        steps in prop::collection::vec((0_u8..6, 0_u32..4), 1..200),
    ) {
        let mut bench = Bench::new(3);
        let mut running: Vec<Job> = Vec::new();
        let mut dealt: BTreeSet<u64> = BTreeSet::new();
        for (step, number) in steps {
            match step {
                0 | 1 => bench.deliver(number),
                2 => {
                    while let Some(job) = bench.run() {
                        prop_assert!(dealt.insert(job.tag.number));
                        running.push(job);
                    }
                    prop_assert!(running.len() <= 3);
                }
                3 | 4 if !running.is_empty() => {
                    let job = running.remove(number as usize % running.len());
                    let health = [Health::Healthy, Health::Unreachable, Health::Neutral]
                        [number as usize % 3];
                    bench.end(&job, &failed(health));
                }
                _ => {
                    bench.now += Duration::from_secs(1 + u64::from(number) * 300);
                    bench.dispatcher.tick(bench.now);
                    for tag in bench.dispatcher.hand_backs(bench.now) {
                        prop_assert!(dealt.insert(tag.number));
                        bench.dispatcher.settled();
                    }
                }
            }
        }
        for job in std::mem::take(&mut running) {
            bench.end(&job, &Outcome::Done.into());
        }
        bench.dispatcher.stop();
        for tag in bench.dispatcher.hand_backs(bench.now) {
            prop_assert!(dealt.insert(tag.number));
            bench.dispatcher.settled();
        }
        prop_assert_eq!(dealt.len() as u64, bench.next);
        prop_assert!(bench.dispatcher.is_idle());
    }
}
