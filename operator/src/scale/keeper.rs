//! The loop of one pipeline in a cluster: each second what is seen of its queues becomes numbers of
//! workers, and those are written.
//!
//! Nothing here waits: writes and questions are errands, whose results come back as they end. It
//! never writes a status; it tells what is known, and asks for a pass when that is news.

use std::{
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ObjectReference};
use tokio::{
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval, interval_at},
};
use tokio_util::sync::CancellationToken;
use warren_broker::{login::Login, management::ApiError};
use warren_core::names::QueueName;
use warren_service::clock;

use super::{
    alarm::Alarm,
    errands::{Errand, Errands},
    figures::{self, Figures},
    foreign,
    observation::Polls,
    observatory::{Probes, Watch},
    order::{Order, Written},
    queue::{QueueKeeper, Seen},
    rounds::Ward,
    scalers::{Kept, LastChanges, Office},
    secrets::{self, Lookout},
    staff,
    victims::Staff,
    wanted::Wanted,
    writer::{Holdings, Writer},
};
use crate::{
    pipeline::{Holder, Pipeline},
    workers::WorkersReading,
};

/// How often numbers are decided, and the least time between two writes for a queue.
const TICK: Duration = Duration::from_secs(1);

/// How often workers are asked how they are.
const ROUND: Duration = Duration::from_secs(5);

/// The loop of one pipeline.
pub(super) struct Keeper {
    office: Arc<Office>,
    wanted: watch::Receiver<Wanted>,
    shown: watch::Sender<Option<WorkersReading>>,
    pipeline: Arc<Pipeline>,
    uid: String,
    object: ObjectReference,
    paused: bool,
    login: Option<Login>,
    watch: Option<Watch>,
    losses: u64,
    repairs: u64,
    queues: Vec<(QueueKeeper, Figures)>,
    secrets: Lookout,
    /// Whether workers are being asked how they are.
    is_asking: bool,
    alarm: Alarm,
    look_again: Arc<Notify>,
    errands: Errands,
}

impl Keeper {
    /// Has looked at nothing yet.
    pub(super) fn new(
        office: Arc<Office>,
        wanted: watch::Receiver<Wanted>,
        shown: watch::Sender<Option<WorkersReading>>,
    ) -> Self {
        let Wanted { kept, repairs } = wanted.borrow().clone();
        let mut keeper = Self {
            office,
            wanted,
            shown,
            pipeline: Arc::new(kept.pipeline.clone()),
            uid: kept.uid.clone(),
            object: kept.object.clone(),
            paused: kept.paused,
            login: kept.login.clone(),
            watch: None,
            losses: 0,
            repairs,
            queues: Vec::new(),
            secrets: Lookout::default(),
            is_asking: false,
            alarm: Alarm::default(),
            look_again: Arc::default(),
            errands: Errands::default(),
        };
        keeper.equip(kept);
        keeper
    }

    /// Keeps the numbers until it is told to stop.
    ///
    /// It decides as soon as AMQP has answered, and by what is known while that takes long.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = interval_at(tokio::time::Instant::now() + TICK, TICK);
        let mut rounds = interval(ROUND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                errand = self.errands.next() => self.take(errand, clock::now()),
                changed = self.wanted.changed() => match changed {
                    Ok(()) => self.follow(),
                    Err(_) => break,
                },
                () = self.look_again.notified() => self.look_again(),
                () = news(&mut self.watch) => {
                    ticks.reset();
                    self.tick(clock::now());
                }
                _ = ticks.tick() => self.tick(clock::now()),
                _ = rounds.tick() => self.look_round(),
            }
        }
        for (order, written) in self.errands.end().await {
            self.wrote(&order, &written, clock::now());
        }
        let metrics = &self.office.surroundings.metrics;
        self.queues.iter().for_each(|(_, figures)| figures.forget(metrics, &self.pipeline.id));
        figures::forget_unrouted(metrics, &self.pipeline.id);
    }

    /// Takes over what the last pass wants.
    fn follow(&mut self) {
        let Wanted { kept, repairs } = self.wanted.borrow_and_update().clone();
        if repairs != self.repairs {
            // A queue may have been made anew, and what was seen before was about the old one.
            self.repairs = repairs;
            self.forget_zero_proofs();
        }
        self.equip(kept);
    }

    fn equip(&mut self, kept: Kept) {
        let Kept { pipeline, login, object, paused, last_changes, .. } = kept;
        let names = pipeline.queues.iter().map(|queue| queue.name.clone());
        let is_same_view = self.queue_names() == names.collect::<Vec<_>>() && self.login == login;
        self.object = object;
        self.paused = paused;
        self.login = login;
        self.secrets.follow(&pipeline);
        self.keep_queues(&pipeline, &last_changes);
        self.pipeline = Arc::new(pipeline);
        if !is_same_view || self.watch.is_none() {
            self.open_watch();
        }
    }

    /// Queues that stay keep what is known of them.
    fn keep_queues(&mut self, pipeline: &Pipeline, last_changes: &LastChanges) {
        let mut present = std::mem::take(&mut self.queues);
        for queue in &pipeline.queues {
            let known = present.iter().position(|(keeper, _)| *keeper.queue() == queue.name);
            let mut keeper = match known {
                Some(index) => present.swap_remove(index).0,
                None => QueueKeeper::new(pipeline, queue),
            };
            if let (None, Some(at)) = (known, last_changes.get(&queue.name)) {
                keeper.was_changed(*at);
            }
            keeper.follow(queue);
            self.queues.push((keeper, Figures::of(pipeline, queue)));
        }
        for (_, figures) in present {
            figures.forget(&self.office.surroundings.metrics, &pipeline.id);
        }
    }

    fn open_watch(&mut self) {
        let main = |queue: &crate::pipeline::Queue| self.pipeline.prefix.main(&queue.name);
        let queues = self.pipeline.queues.iter().map(main).collect();
        let look_again = Arc::clone(&self.look_again);
        let observatory = &self.office.observatory;
        let open = |login: &Login| observatory.watch(login, queues, look_again);
        let id = &self.pipeline.id;
        let failed = |error: ApiError| tracing::warn!(pipeline = %id, %error, "queues not watched");
        self.watch = self.login.as_ref().and_then(|login| open(login).map_err(failed).ok());
        self.losses = 0;
        self.forget_zero_proofs();
    }

    /// Looks at everything, decides, and sends out what is to be written.
    fn tick(&mut self, now: Timestamp) {
        let losses = self.watch.as_ref().map_or(0, |watch| watch.probes().losses);
        if losses != self.losses {
            self.losses = losses;
            self.forget_zero_proofs();
        }
        for order in self.decide(now) {
            self.send(order);
        }
        for (queue, _) in self.queues.iter().filter(|(queue, _)| queue.is_outgrown()) {
            self.errands.withdraw(queue.queue());
        }
        self.tell(now);
    }

    /// Orders hold where nothing is seen.
    fn decide(&mut self, now: Timestamp) -> Vec<Order> {
        let nothing = (Probes::default(), Polls::default());
        let seen = self.watch.as_ref().map(|watch| (watch.probes(), watch.polls()));
        let (probes, polls) = seen.as_ref().map_or((&nothing.0, &nothing.1), |(a, b)| (a, b));
        let surroundings = &self.office.surroundings;
        let (stores, metrics) = (&surroundings.stores, &surroundings.metrics);
        let id = &self.pipeline.id;
        let autoscalers = stores.autoscalers(id.namespace());
        let mut orders = Vec::new();
        for (queue, figures) in &mut self.queues {
            let deployment = staff::deployment(stores, id, &self.uid, queue.deployment());
            let foreign = foreign::scaler(&autoscalers, queue.deployment());
            let seen = Seen {
                probes,
                polls,
                deployment: deployment.as_deref() as Option<&Deployment>,
                pods: &stores.pods(id, queue.queue().as_str()),
                foreign: foreign.as_deref(),
                paused: self.paused,
                now,
            };
            let began = Instant::now();
            orders.extend(queue.tick(&seen));
            metrics.scaler_decision(began.elapsed());
            figures.show_decision(metrics, id, queue.reading());
            figures.show_depths(metrics, id, polls, now);
        }
        figures::show_unrouted(metrics, &self.pipeline, polls, now);
        orders
    }

    fn send(&mut self, order: Order) {
        let surroundings = &self.office.surroundings;
        let id = &self.pipeline.id;
        let staff = Staff::of(&surroundings.stores.pods(id, order.queue.as_str()));
        let holdings = |login: &Login| {
            let management = surroundings.context.brokers.client(login).ok()?;
            Some(Holdings { management, vhost: login.vhost.clone() })
        };
        let writer = Writer {
            client: surroundings.client.clone(),
            stores: surroundings.stores.clone(),
            pipeline: id.clone(),
            uid: self.uid.clone(),
            broker: self.login.as_ref().and_then(holdings),
            prefix: self.pipeline.prefix.clone(),
        };
        self.errands.write(order.clone(), |withdrawn| async move {
            writer.write(order, &staff, &withdrawn).await
        });
    }

    /// Shows what is known, and asks for a pass when it is news.
    fn tell(&mut self, now: Timestamp) {
        let namespace = self.pipeline.id.namespace();
        let queues = self.queues.iter().filter_map(|(queue, _)| {
            let mut reading = queue.reading()?.clone();
            let holder = Holder::Worker(queue.queue().clone());
            reading.trouble = self.secrets.trouble(&holder, namespace).or(reading.trouble);
            Some((queue.queue().clone(), reading))
        });
        let queues = queues.collect();
        let stores = &self.office.surroundings.stores;
        let has_producer = self.pipeline.producer.server.is_some();
        let producer = has_producer
            .then(|| staff::producer(stores, &self.pipeline.id, &self.uid, now))
            .flatten();
        let producer = self.secrets.trouble(&Holder::Producer, namespace).or(producer);
        let reading = WorkersReading { queues, producer };
        let rings = self.alarm.rings(&reading, now);
        self.shown.send_replace(Some(reading));
        if rings {
            self.wake();
        }
    }

    /// Asks workers how they are, and whether their Secrets exist.
    fn look_round(&mut self) {
        let ward: Ward = self
            .queues
            .iter()
            .map(|(queue, _)| (queue.queue().clone(), queue.to_ask().to_vec()))
            .filter(|(_, pods)| !pods.is_empty())
            .collect();
        if !ward.is_empty() && !self.is_asking {
            self.is_asking = true;
            let rounds = self.office.rounds.clone();
            self.errands.ask(rounds.make(ward));
        }
        let mut readings = self.queues.iter().filter_map(|(queue, _)| queue.reading());
        let is_starting = readings.any(|reading| reading.ready < reading.current);
        if let Some(needed) = self.secrets.begin(is_starting, Instant::now()) {
            let client = self.office.surroundings.client.clone();
            let namespace = self.pipeline.id.namespace().to_owned();
            self.errands.look(secrets::absent(client, namespace, needed));
        }
    }

    fn take(&mut self, errand: Errand, now: Timestamp) {
        match errand {
            Errand::Wrote(order, written) => self.wrote(&order, &written, now),
            Errand::Asked(answers) => {
                self.is_asking = false;
                for (name, answers) in answers {
                    let mut queues = self.queues.iter_mut().map(|(queue, _)| queue);
                    if let Some(queue) = queues.find(|queue| *queue.queue() == name) {
                        queue.answered(answers);
                    }
                }
            }
            Errand::Looked(absent) => self.secrets.found(absent.as_ref()),
        }
    }

    fn wrote(&mut self, order: &Order, written: &Written, now: Timestamp) {
        log(&self.pipeline, order, written);
        let mut queues = self.queues.iter_mut().map(|(queue, _)| queue);
        let keeper = queues.find(|keeper| *keeper.queue() == order.queue);
        let event = keeper.and_then(|keeper| keeper.written(order, written, now));
        if let Some(event) = event {
            self.office.surroundings.announcer.tell(&self.object, &event);
        }
    }

    fn forget_zero_proofs(&mut self) {
        self.queues.iter_mut().for_each(|(queue, _)| queue.forget_zero_proof());
    }

    fn queue_names(&self) -> Vec<QueueName> {
        self.queues.iter().map(|(queue, _)| queue.queue().clone()).collect()
    }

    /// What passes have read of the broker is from before.
    fn look_again(&self) {
        if let Some(login) = &self.login {
            self.office.surroundings.context.brokers.doubt(login);
        }
        self.wake();
    }

    fn wake(&self) {
        self.office.surroundings.wakes.wake(&self.pipeline.id);
    }
}

/// Waits until AMQP has said something again; for ever, where nobody asks.
async fn news(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.news().await,
        None => pending().await,
    }
}

/// What was carried out is told as an event, and what was overtaken is decided anew.
fn log(pipeline: &Pipeline, order: &Order, written: &Written) {
    if let Written::Refused(said) | Written::Unanswered(said) = written {
        tracing::warn!(pipeline = %pipeline.id, %order, said, "number of workers not written");
    }
}
