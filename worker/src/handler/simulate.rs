//! Pretends to work: sleeps, and fails, panics or ends the process as often as told.
//!
//! It drives tests of scaling and of crash safety, without an endpoint that could be at fault.

use std::time::Duration;

use warren_core::{
    config::SimulateHandler,
    headers,
    message::{Incoming, Value},
    outcome::{ErrorClass, Outcome, Report},
};

use super::{Context, Handler};

/// The longest work a message may ask for.
const LONGEST: f64 = 86_400.0;

/// The handler `simulate`.
#[derive(Debug)]
pub struct Simulate {
    settings: SimulateHandler,
}

/// What a throw of the dice leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    Error,
    Panic,
    Exit,
}

impl Simulate {
    /// Works as these settings say.
    pub fn new(settings: SimulateHandler) -> Self {
        Self { settings }
    }

    /// How long this message takes; `dice` lies in 0..=255 and spreads it over the jitter.
    fn work(&self, message: &Incoming, dice: u8) -> Duration {
        let asked = match message.message.headers.get(headers::PROCESSING_TIME) {
            Some(Value::Float(seconds)) => Some(*seconds),
            Some(Value::Text(text)) => text.trim().parse().ok(),
            Some(value) => value.as_int().and_then(|s| u32::try_from(s).ok()).map(f64::from),
            None => None,
        };
        let asked = asked.filter(|seconds| (0.0..=LONGEST).contains(seconds));
        let base = asked.map_or(self.settings.duration, Duration::from_secs_f64);
        let jitter = f64::from(self.settings.jitter_percent) / 100.0;
        let swing = f64::from(dice) / 127.5 - 1.0;
        base.mul_f64((1.0 + jitter * swing).max(0.0))
    }

    /// `dice` lies in 0..100.
    fn fate(&self, dice: u8) -> Fate {
        let error = self.settings.error_percent;
        let panic = error.saturating_add(self.settings.panic_percent);
        let exit = panic.saturating_add(self.settings.exit_percent);
        match dice {
            n if n < error => Fate::Error,
            n if n < panic => Fate::Panic,
            n if n < exit => Fate::Exit,
            _ => Fate::Done,
        }
    }
}

impl Handler for Simulate {
    async fn handle(&self, message: &Incoming, _: &Context) -> Report {
        let [first, second, third, fourth] = random();
        tokio::time::sleep(self.work(message, first)).await;
        // Three bytes make the remainder even enough for percents.
        let percent = (u32::from_be_bytes([0, second, third, fourth]) % 100).to_le_bytes()[0];
        match self.fate(percent) {
            Fate::Done => Outcome::Done.into(),
            Fate::Error => {
                let detail = "simulated error".to_owned();
                Outcome::Retry { class: ErrorClass::Other, after: None, detail }.into()
            }
            #[allow(clippy::panic, reason = "the point of this fate is to panic")]
            Fate::Panic => panic!("simulated panic"),
            Fate::Exit => std::process::exit(137),
        }
    }
}

fn random() -> [u8; 4] {
    getrandom::u32().unwrap_or_default().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::{
        Fate::{Done, Error, Exit, Panic},
        *,
    };
    use warren_core::message::Message;

    fn simulate() -> Simulate {
        Simulate::new(SimulateHandler {
            duration: Duration::from_secs(10),
            jitter_percent: 50,
            error_percent: 10,
            panic_percent: 20,
            exit_percent: 30,
        })
    }

    fn message(asked: Option<Value>) -> Incoming {
        let mut message = Message::default();
        if let Some(value) = asked {
            message.headers.set(headers::PROCESSING_TIME, value);
        }
        let (exchange, routing_key) = (String::new(), String::new());
        Incoming { exchange, routing_key, redelivered: false, message }
    }

    #[test]
    fn percents_add_up_in_the_order_error_panic_exit() {
        let fates = [9, 10, 29, 30, 59, 60, 99].map(|dice| simulate().fate(dice));
        assert_eq!(fates, [Error, Panic, Panic, Exit, Exit, Done, Done]);
    }

    #[test]
    fn jitter_spreads_the_work_evenly_around_the_duration() {
        let work = |dice| simulate().work(&message(None), dice).as_secs();
        assert_eq!((work(0), work(255)), (5, 15));
    }

    #[test]
    fn a_message_may_say_how_long_it_takes_but_not_nonsense() {
        let fixed = Simulate::new(SimulateHandler { jitter_percent: 0, ..simulate().settings });
        let work = |value| fixed.work(&message(Some(value)), 0).as_millis();
        assert_eq!(work(Value::Float(0.25)), 250);
        assert_eq!(work(Value::Int(2)), 2_000);
        assert_eq!(work(Value::from("1.5")), 1_500);
        for hostile in
            [Value::Float(f64::NAN), Value::Float(-1.0), Value::Float(1e300), Value::Int(-5)]
        {
            assert_eq!(work(hostile.clone()), 10_000, "{hostile:?}");
        }
    }
}
