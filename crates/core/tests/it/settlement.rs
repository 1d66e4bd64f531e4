//! No message is lost or doubled beyond the promise, whatever fails when.
//!
//! A model of the broker with a main queue, tiers and a dead-letter queue, and a worker that
//! follows the order of effects (copy, then acknowledge) and may end between any two of them.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use proptest::prelude::*;
use warren_core::{
    copies::Copier,
    headers,
    message::{Incoming, Message, Publication},
    names::{Prefix, QueueName},
    outcome::{ErrorClass, Outcome, Report},
    retry::{Backoff, RetryPolicy},
    settlement::{ArrivalLimits, Gate, Settlement, on_arrival, on_report},
};

const ATTEMPTS: u32 = 3;
const DELIVERY_LIMIT: u32 = 20;

/// What goes wrong with one delivery.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    /// The handler says it failed.
    Fails,
    /// The worker ends in the handler.
    CrashRunning,
    /// The worker ends after the effect, before the acknowledgement.
    CrashBeforeAck,
    /// The copy is not confirmed: nacked, returned or timed out.
    CopyRefused,
}

#[derive(Default)]
struct Model {
    main: Vec<Incoming>,
    dead: Vec<Incoming>,
    done: BTreeMap<String, u32>,
    runs: BTreeMap<(String, u32), u32>,
    crashes: u32,
}

impl Model {
    fn publish(&mut self, id: usize) {
        let mut message = Message::default();
        message.properties.message_id = Some(id.to_string());
        let (exchange, routing_key) = ("shop.orders".to_owned(), "order.new".to_owned());
        self.main.push(Incoming { exchange, routing_key, redelivered: false, message });
    }

    /// The broker routes a copy; a tier is passed at once, since only order could tell the time.
    fn route(&mut self, copy: &Publication) {
        let exchange = copy.exchange.clone();
        let incoming = |routing_key: &str| Incoming {
            exchange: exchange.clone(),
            routing_key: routing_key.to_owned(),
            redelivered: false,
            message: copy.message.clone(),
        };
        if copy.routing_key == "email.dead" {
            self.dead.push(incoming("email.dead"));
        } else {
            assert!(copy.routing_key.starts_with("email.retry."), "{}", copy.routing_key);
            self.main.push(incoming("email"));
        }
    }

    /// The broker takes a delivery back, and counts it.
    fn take_back(&mut self, mut delivery: Incoming) {
        let returns = delivery.message.headers.delivery_count() + 1;
        delivery.redelivered = true;
        delivery.message.headers.set(headers::DELIVERY_COUNT, returns);
        self.main.insert(0, delivery);
    }

    fn deliver(&mut self, fault: Fault) {
        let delivery = self.main.remove(0);
        let id = delivery.message.properties.message_id.clone().unwrap();
        let attempt = delivery.message.headers.attempt();
        let limits = ArrivalLimits::new(DELIVERY_LIMIT, 1024);
        let now = Timestamp::UNIX_EPOCH;
        let settlement = on_arrival(&delivery, limits, &policy(), now).unwrap_or_else(|| {
            *self.runs.entry((id.clone(), attempt)).or_default() += 1;
            let outcome = match fault {
                Fault::Fails | Fault::CopyRefused => Outcome::Retry {
                    class: ErrorClass::Other,
                    after: None,
                    detail: "no".to_owned(),
                },
                Fault::None | Fault::CrashRunning | Fault::CrashBeforeAck => Outcome::Done,
            };
            on_report(&Report::from(outcome), attempt, &policy(), Gate::Open)
        });
        if matches!(fault, Fault::CrashRunning) {
            self.crashes += 1;
            return self.take_back(delivery);
        }
        let copy = match &settlement {
            Settlement::Ack => None,
            Settlement::Retry { tier, attempt, failure } => {
                Some(copier().retry(&delivery, *tier, *attempt, failure.as_ref(), now))
            }
            Settlement::Dead { reason, failure } => {
                Some(copier().dead(&delivery, *reason, failure, now))
            }
        };
        if copy.is_some() && matches!(fault, Fault::CopyRefused) {
            return self.take_back(delivery);
        }
        match copy {
            None => *self.done.entry(id).or_default() += 1,
            Some(copy) => self.route(&copy),
        }
        if matches!(fault, Fault::CrashBeforeAck) {
            self.crashes += 1;
            self.take_back(delivery);
        }
    }

    fn ends(&self, id: &str) -> usize {
        let of = |m: &Incoming| m.message.properties.message_id.as_deref() == Some(id);
        let done = usize::try_from(self.done.get(id).copied().unwrap_or(0)).unwrap();
        done + self.dead.iter().filter(|m| of(m)).count()
    }
}

fn policy() -> RetryPolicy {
    let initial = Duration::from_secs(1);
    RetryPolicy::new(ATTEMPTS, Backoff::Fixed { initial }).unwrap()
}

fn copier() -> Copier {
    Copier {
        prefix: Prefix::new("shop.orders").unwrap(),
        queue: QueueName::new("email").unwrap(),
        worker: "w".to_owned(),
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        4 => Just(Fault::Fails),
        1 => Just(Fault::CrashRunning),
        1 => Just(Fault::CrashBeforeAck),
        1 => Just(Fault::CopyRefused),
    ]
}

proptest! {
    #[test]
    fn every_message_ends_and_duplicates_are_bounded_by_crashes(
        messages in 1_usize..8,
        faults in prop::collection::vec(fault(), 0..120),
    ) {
        let mut model = Model::default();
        for id in 0..messages {
            model.publish(id);
        }
        let mut faults = faults.into_iter();
        let mut steps = 0;
        while !model.main.is_empty() {
            model.deliver(faults.next().unwrap_or(Fault::None));
            steps += 1;
            prop_assert!(steps < 10_000, "never comes to rest");
        }
        for id in 0..messages {
            let id = id.to_string();
            prop_assert!(model.ends(&id) >= 1, "message {id} is lost");
        }
        let ends: usize = (0..messages).map(|id| model.ends(&id.to_string())).sum();
        let crashes = usize::try_from(model.crashes).unwrap();
        prop_assert!(ends - messages <= crashes, "{ends} ends, {messages} messages, {crashes} crashes");
        for ((id, attempt), runs) in &model.runs {
            prop_assert!((1..=ATTEMPTS).contains(attempt), "message {id} ran attempt {attempt}");
            prop_assert!(*runs <= (DELIVERY_LIMIT + 1) * (1 + model.crashes), "{runs} runs");
        }
        for dead in &model.dead {
            prop_assert!(dead.message.headers.get(headers::DEAD_REASON).is_some());
        }
    }
}
