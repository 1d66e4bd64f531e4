//! I/O in: the broker is asked over AMQP each second and over the management API every five.
//!
//! Both go on by themselves, so that a slow answer delays no decision; what they have seen last can
//! be read at any moment. Nothing is concluded here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, sync::DropGuard};
use warren_broker::{
    login::Login,
    management::{ApiError, Management},
    probe::DepthProbe,
};
use warren_core::scaling::Why;
use warren_service::clock;

use super::observation::{Polls, Probed, why_not_polled, why_not_probed};

/// How often AMQP is asked.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// How often the management API is asked; its statistics are made anew as often
/// (<https://www.rabbitmq.com/docs/management#statistics-interval>).
const POLL_EVERY: Duration = Duration::from_secs(5);

/// Watches the queues of a pipeline, until it is dropped.
#[derive(Debug)]
pub(super) struct Eyes {
    probes: watch::Receiver<Probes>,
    polls: watch::Receiver<Polls>,
    _stop: DropGuard,
}

/// The last answers over AMQP, by the queue's full name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Probes {
    /// What is known of each queue.
    pub(super) queues: BTreeMap<String, Probed>,
    /// How often the broker was lost since this began: what was seen before each time may have
    /// changed unseen.
    pub(super) losses: u64,
}

impl Probes {
    /// Takes a round of answers in; whether it is a reason for a pass, because the broker is back
    /// or a queue is gone.
    fn take(&mut self, round: BTreeMap<String, Probed>) -> bool {
        let (was_lost, was_missing) = (self.is_lost(), self.is_missing());
        self.queues = round;
        self.losses += u64::from(self.is_lost() && !was_lost);
        (was_lost && !self.is_lost()) || (self.is_missing() && !was_missing)
    }

    fn is_lost(&self) -> bool {
        let mut probed = self.queues.values();
        !self.queues.is_empty() && probed.all(|probed| probed.answer.is_err())
    }

    fn is_missing(&self) -> bool {
        self.queues.values().any(|probed| probed.answer == Err(Why::NotFound))
    }
}

impl Eyes {
    /// Begins to watch these queues; `look_again` is told when the broker answers again, and when
    /// a queue is gone.
    ///
    /// # Errors
    /// When the login gives no client of the management API.
    pub(super) fn open(
        login: &Login,
        name: &str,
        queues: Vec<String>,
        look_again: Arc<Notify>,
    ) -> Result<Self, ApiError> {
        let management = Management::new(login)?;
        let stop = CancellationToken::new();
        let (show_probes, probes_seen) = watch::channel(Probes::default());
        let (show_polls, polls_seen) = watch::channel(Polls::default());
        let prober = Prober {
            probe: DepthProbe::new(login.clone(), name),
            queues,
            show: show_probes,
            look_again,
        };
        let poller = Poller { management, vhost: login.vhost.clone(), show: show_polls };
        tokio::spawn(stop.clone().run_until_cancelled_owned(prober.run()));
        tokio::spawn(stop.clone().run_until_cancelled_owned(poller.run()));
        Ok(Self { probes: probes_seen, polls: polls_seen, _stop: stop.drop_guard() })
    }

    /// What AMQP said last.
    pub(super) fn probes(&self) -> Probes {
        self.probes.borrow().clone()
    }

    /// What the management API said last.
    pub(super) fn polls(&self) -> Polls {
        self.polls.borrow().clone()
    }
}

struct Prober {
    probe: DepthProbe,
    queues: Vec<String>,
    show: watch::Sender<Probes>,
    look_again: Arc<Notify>,
}

impl Prober {
    async fn run(self) {
        let mut ticks = every(PROBE_EVERY);
        loop {
            ticks.tick().await;
            let answers = join_all(self.queues.iter().map(|queue| self.ask(queue))).await;
            let round = self.queues.iter().cloned().zip(answers).collect();
            let mut has_reason = false;
            self.show.send_modify(|probes| has_reason = probes.take(round));
            if has_reason {
                self.look_again.notify_one();
            }
        }
    }

    async fn ask(&self, queue: &str) -> Probed {
        let at = clock::now();
        let answer = self.probe.ready(queue).await;
        let answer = answer.map_err(|error| {
            tracing::debug!(queue, %error, "queue not probed");
            why_not_probed(&error)
        });
        Probed { at, answer }
    }
}

struct Poller {
    management: Management,
    vhost: String,
    show: watch::Sender<Polls>,
}

impl Poller {
    async fn run(self) {
        let mut ticks = every(POLL_EVERY);
        loop {
            ticks.tick().await;
            let at = clock::now();
            let totals = self.management.queue_totals(&self.vhost).await;
            let totals = named(totals, |queue| queue.name.clone());
            self.show.send_modify(|polls| polls.totals.take(totals, at));
            let at = clock::now();
            let statistics = self.management.queues(&self.vhost).await;
            let statistics = named(statistics, |queue| queue.name.clone());
            self.show.send_modify(|polls| polls.statistics.take(statistics, at));
        }
    }
}

fn named<T>(
    answer: Result<Vec<T>, ApiError>,
    name: fn(&T) -> String,
) -> Result<BTreeMap<String, T>, Why> {
    match answer {
        Ok(list) => Ok(list.into_iter().map(|item| (name(&item), item)).collect()),
        Err(error) => {
            tracing::debug!(%error, "queues not polled");
            Err(why_not_polled(&error.kind))
        }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests {
    use warren_broker::probe::Depth;

    use super::*;

    const HERE: Result<Depth, Why> = Ok(Depth { ready: 0, consumers: 0 });
    const AWAY: Result<Depth, Why> = Err(Why::Refused);
    const GONE: Result<Depth, Why> = Err(Why::NotFound);

    /// After each round of two queues' answers: is it a reason for a pass, and how many losses.
    fn after(rounds: &[[Result<Depth, Why>; 2]]) -> Vec<(bool, u64)> {
        let mut probes = Probes::default();
        let probed = |answer| Probed { at: jiff::Timestamp::UNIX_EPOCH, answer };
        let mut seen = Vec::new();
        for answers in rounds {
            let names = ["a", "b"].map(str::to_owned).into_iter();
            let reason = probes.take(names.zip(answers.map(probed)).collect());
            seen.push((reason, probes.losses));
        }
        seen
    }

    #[test]
    fn a_broker_that_is_back_is_a_reason_to_look_again_and_was_lost_once() {
        let rounds = [[HERE, HERE], [AWAY, AWAY], [AWAY, AWAY], [HERE, AWAY], [HERE, HERE]];
        let expected = [(false, 0), (false, 1), (false, 1), (true, 1), (false, 1)];
        assert_eq!(after(&rounds), expected);
    }

    #[test]
    fn a_queue_that_is_gone_is_a_reason_once() {
        let rounds = [[HERE, HERE], [HERE, GONE], [HERE, GONE], [HERE, HERE], [GONE, HERE]];
        let reasons: Vec<bool> = after(&rounds).into_iter().map(|(reason, _)| reason).collect();
        assert_eq!(reasons, [false, true, false, false, true]);
    }

    #[test]
    fn one_queue_without_an_answer_is_no_lost_broker() {
        assert_eq!(after(&[[HERE, HERE], [HERE, AWAY], [HERE, HERE]]), [(false, 0); 3]);
    }
}
