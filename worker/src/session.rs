//! One broker session: deliver, dispatch, settle, until something ends it.
//!
//! It carries out what the dispatcher and the settlement rules decide. Its promise is the order of
//! effects: an acknowledgement is written only after the handler is done, or after the copy is
//! confirmed. What is not settled when the session ends comes back by the broker.

mod draining;
mod settling;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant as TokioInstant, sleep_until},
};
use warren_broker::{
    consumer::{ConsumeSession, Delivery, Ended, SessionEnd, SessionError},
    login::Login,
    publisher::Publisher,
};
use warren_core::{config::WorkerConfig, copies::Copier, ledger::Ledger, settlement::Settled};
use warren_service::{clock, health::Readiness, shutdown::Shutdown};

use crate::{
    copying::Copied,
    dispatch::{Dispatcher, Job, Turn},
    failpoint::{self, Point},
    handler::Handler,
    intake::Intake,
    metrics::WorkerMetrics,
    turn::{Finished, Runner},
    watchdog::Watchdog,
};

/// How many finished deliveries are settled at once without waiting for a flush to be due.
const FLUSH_AT: usize = 64;

/// What all sessions of a worker share.
pub(crate) struct Shell<H> {
    pub(crate) config: Arc<WorkerConfig>,
    pub(crate) pod: String,
    pub(crate) copier: Copier,
    pub(crate) runner: Runner<H>,
    pub(crate) publisher: Publisher,
    pub(crate) metrics: WorkerMetrics,
    pub(crate) readiness: watch::Sender<Readiness>,
    pub(crate) shutdown: Shutdown,
    /// The origin of the monotonic clock that breaker and dispatcher count in.
    pub(crate) started: Instant,
}

/// A copy that ended.
struct CopyEnd {
    job: Job,
    copied: Copied,
    settled: Settled,
}

/// Why a session drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drain {
    Shutdown,
    Credentials,
}

/// The state of one session.
pub(crate) struct Session<'a, H> {
    shell: &'a Shell<H>,
    broker: ConsumeSession,
    dispatcher: &'a mut Dispatcher,
    ledger: Ledger,
    intake: Intake,
    handlers: JoinSet<Finished>,
    copies: JoinSet<CopyEnd>,
    flush_at: Option<TokioInstant>,
    watchdog: Watchdog,
}

impl<'a, H: Handler> Session<'a, H> {
    /// A session on a connection that is open already.
    pub(crate) fn new(
        shell: &'a Shell<H>,
        broker: ConsumeSession,
        dispatcher: &'a mut Dispatcher,
    ) -> Self {
        dispatcher.begin_session();
        let name = format!("{}.{}", shell.config.queue, shell.pod);
        Self {
            ledger: Ledger::new(broker.number()),
            intake: Intake::new(name, shell.config.prefetch),
            handlers: JoinSet::new(),
            copies: JoinSet::new(),
            flush_at: None,
            watchdog: Watchdog::new(TokioInstant::now()),
            shell,
            broker,
            dispatcher,
        }
    }

    /// Works until something ends the session, and says what.
    pub(crate) async fn run(mut self, logins: &mut watch::Receiver<Login>) -> Ended {
        let drain = match self.work(logins).await {
            Ok(drain) => drain,
            Err(error) => {
                self.broker.abandon().await;
                return ended_by(&error);
            }
        };
        match self.drain(drain).await {
            Ok(()) => {
                self.broker.finish().await;
                let detail = "drained".to_owned();
                Ended { end: drain.end(), detail }
            }
            Err(error) => {
                self.broker.abandon().await;
                ended_by(&error)
            }
        }
    }

    /// The main loop: returns when it is time to drain.
    async fn work(&mut self, logins: &mut watch::Receiver<Login>) -> Result<Drain, SessionError> {
        let shutdown = self.shell.shutdown.clone();
        let mut quiet = shutdown.quiet().is_cancelled();
        if quiet {
            self.dispatcher.stop();
        }
        loop {
            self.step().await?;
            self.show(quiet);
            let (alarm, suspicious) = (self.alarm(), self.suspicious_at());
            tokio::select! {
                biased;
                () = shutdown.draining().cancelled() => return Ok(Drain::Shutdown),
                () = shutdown.quiet().cancelled(), if !quiet => {
                    quiet = true;
                    self.dispatcher.stop();
                }
                Ok(()) = logins.changed() => return Ok(Drain::Credentials),
                event = self.next_event() => self.take_in(event?).await?,
                () = until(suspicious) => self.ask_the_queue().await?,
                () = until(alarm) => {}
            }
        }
    }

    /// Waits for the next thing that happens on the broker or in a task.
    async fn next_event(&mut self) -> Result<Event, SessionError> {
        tokio::select! {
            ended = self.broker.ended() => Err(SessionError::Ended(ended)),
            delivery = self.intake.next() => {
                let delivery = delivery.map_err(SessionError::Ended)?;
                Ok(delivery.map_or(Event::RanDry, Event::Delivered))
            }
            Some(finished) = self.handlers.join_next() => {
                finished.map(Event::Finished).map_err(|error| broken(&error))
            }
            Some(end) = self.copies.join_next() => {
                end.map(Event::Copied).map_err(|error| broken(&error))
            }
        }
    }

    async fn take_in(&mut self, event: Event) -> Result<(), SessionError> {
        match event {
            Event::RanDry => {}
            Event::Delivered(delivery) => self.delivered(delivery),
            Event::Finished(finished) => self.finished(finished),
            Event::Copied(end) => self.copied(end).await?,
        }
        Ok(())
    }

    /// Brings everything in line with what the dispatcher wants now.
    async fn step(&mut self) -> Result<(), SessionError> {
        let now = self.now();
        self.dispatcher.tick(now);
        for tag in self.dispatcher.hand_backs(now) {
            self.hand_back(tag).await?;
        }
        while let Some(turn) = self.dispatcher.next_turn(clock::now()) {
            match turn {
                Turn::Run(job) => {
                    let run = self.shell.runner.clone().run(job);
                    self.handlers.spawn(run);
                }
                Turn::Settle(job, settlement) => self.settle(job, &settlement),
            }
        }
        if self.intake.set(&self.broker, self.dispatcher.window()).await? {
            self.watchdog.calm(TokioInstant::now());
        }
        if self.flush_at.is_some_and(|at| at <= TokioInstant::now())
            || self.ledger.pending() >= FLUSH_AT
        {
            self.flush().await?;
        }
        Ok(())
    }

    fn delivered(&mut self, delivery: Delivery) {
        self.watchdog.calm(TokioInstant::now());
        if self.dispatcher.is_idle() {
            self.shell.metrics.touch();
        }
        let tag = self.ledger.delivered(delivery.tag.number);
        self.dispatcher.delivered(tag, delivery.incoming, self.now());
        failpoint::pass(Point::Delivered);
    }

    fn finished(&mut self, Finished { job, report }: Finished) {
        let settlement = self.dispatcher.finished(&job, &report, self.now());
        self.settle(job, &settlement);
    }

    /// Asks for the depth after a long silence: messages that wait prove that the consumer is dead.
    async fn ask_the_queue(&mut self) -> Result<(), SessionError> {
        self.watchdog.calm(TokioInstant::now());
        match self.broker.depth().await {
            Ok(depth) if depth.ready > 0 => {
                let waiting = depth.ready;
                let detail = format!("{waiting} messages wait, but none was delivered for 60 s");
                Err(SessionError::Ended(Ended { end: SessionEnd::Watchdog, detail }))
            }
            // A slow answer is no answer: real losses show on the connection.
            Ok(_) | Err(SessionError::Timeout { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// When a flush is due or the dispatcher's own time has come.
    fn alarm(&self) -> Option<TokioInstant> {
        let woken = self.dispatcher.wake_at().map(|at| self.shell.started + at);
        woken.map(TokioInstant::from_std).into_iter().chain(self.flush_at).min()
    }

    /// When a listening consumer has been silent for too long.
    fn suspicious_at(&self) -> Option<TokioInstant> {
        let unsettled = self.ledger.outstanding() + self.ledger.pending();
        self.watchdog.due(self.intake.capacity(), unsettled)
    }

    fn now(&self) -> Duration {
        self.shell.started.elapsed()
    }

    /// Shows on `/readyz` and in the metrics what the session does.
    fn show(&self, quiet: bool) {
        let pause = self.dispatcher.pause();
        let readiness = match pause {
            _ if quiet => Readiness::not_ready("quiet"),
            Some(reason) => {
                let paused = Readiness::ready("paused").because(reason.as_str());
                match self.dispatcher.last_status() {
                    Some(status) => paused.last_status(status),
                    None => paused,
                }
            }
            None if self.intake.is_registered() => Readiness::ready("consuming"),
            // A suspect is being handled alone.
            None => Readiness::ready("isolating"),
        };
        self.shell.metrics.paused(pause.is_some());
        self.shell.metrics.consumer_registered(self.intake.is_registered());
        show(&self.shell.readiness, readiness);
    }
}

/// What wakes a session.
enum Event {
    Delivered(Delivery),
    RanDry,
    Finished(Finished),
    Copied(CopyEnd),
}

impl Drain {
    const fn end(self) -> SessionEnd {
        match self {
            Drain::Shutdown => SessionEnd::Shutdown,
            Drain::Credentials => SessionEnd::Credentials,
        }
    }
}

/// Publishes a readiness if it is another one.
pub(crate) fn show(sender: &watch::Sender<Readiness>, readiness: Readiness) {
    sender.send_if_modified(|shown| {
        let differs = *shown != readiness;
        if differs {
            *shown = readiness;
        }
        differs
    });
}

/// Waits for a moment, or for ever where there is none.
async fn until(moment: Option<TokioInstant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// A task of ours ended without a result: what it held must come back by the broker.
fn broken(error: &tokio::task::JoinError) -> SessionError {
    let detail = format!("a task ended without a result: {error}");
    SessionError::Ended(Ended { end: SessionEnd::StreamError, detail })
}

fn ended_by(error: &SessionError) -> Ended {
    Ended { end: error.end(), detail: error.to_string() }
}
