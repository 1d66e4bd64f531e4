//! Which delivery runs now, and how many more the broker may hand out.
//!
//! The dispatcher is a value: deliveries, results and the time go in, decisions come out. It does
//! no I/O, so that the rules below can be tested one by one; the session carries them out.
//!
//! - At most `concurrency` handlers run at once.
//! - While the breaker is open nothing starts; while it is half-open, one message at a time.
//! - A message that has been returned before may be what killed the last worker. It must not take
//!   innocent ones along, so it runs alone: first everything else settles, then it runs, and only
//!   then is more taken from the broker.
//! - A session begins with one message at a time, because the head of the queue is what a crashed
//!   worker gave back.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use warren_core::{
    breaker::{Breaker, BreakerPolicy, Epoch, PauseReason, State},
    config::WorkerConfig,
    copies::identity,
    ledger::Tag,
    message::Incoming,
    outcome::Report,
    retry::RetryPolicy,
    settlement::{self, ArrivalLimits, Settlement},
};

/// From how many returns on a message is suspected of killing workers.
///
/// One return is what every message of a crashed or restarted worker has.
const SUSPECT_FROM: u32 = 2;

/// Which part of the consumer timeout an unstarted message is held while the breaker is open.
const HOLD_PART: u32 = 4;

/// How many deliveries the broker may have in our hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// None: no consumer.
    Closed,
    /// One.
    One,
    /// As many as configured.
    Full,
}

/// What to do with a delivery whose turn it is.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Run the handler.
    Run(Job),
    /// It needs no handler: settle it.
    Settle(Job, Settlement),
}

/// A delivery in our hands.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// What settles it.
    pub(crate) tag: Tag,
    /// What names it in every copy.
    pub(crate) id: String,
    /// The message.
    pub(crate) incoming: Incoming,
}

/// How much the next delivery is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caution {
    /// Nothing is known about what comes next: take one.
    Narrow,
    /// The last first-time delivery was harmless.
    Wide,
    /// A suspect is in our hands: take nothing more until it has settled.
    Clearing,
}

#[derive(Debug)]
struct Waiting {
    job: Job,
    since: Duration,
}

impl Waiting {
    fn is_suspect(&self) -> bool {
        self.job.incoming.message.headers.delivery_count() >= SUSPECT_FROM
    }
}

/// The state of one session's deliveries. Moments are of one monotonic clock.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    concurrency: usize,
    hold_for: Duration,
    retry: RetryPolicy,
    limits: ArrivalLimits,
    breaker: Breaker,
    last_status: Option<u16>,
    caution: Caution,
    waiting: VecDeque<Waiting>,
    running: BTreeMap<Tag, Epoch>,
    settling: usize,
    copies_fail: bool,
    stopped: bool,
}

impl Dispatcher {
    /// For a queue, with a closed breaker and nothing in hand.
    pub(crate) fn new(config: &WorkerConfig) -> Self {
        Self {
            concurrency: usize::from(config.concurrency),
            hold_for: config.consumer_timeout / HOLD_PART,
            retry: config.retry.clone(),
            limits: config.arrival_limits(),
            breaker: Breaker::new(BreakerPolicy::clone(&config.breaker)),
            last_status: None,
            caution: Caution::Narrow,
            waiting: VecDeque::new(),
            running: BTreeMap::new(),
            settling: 0,
            copies_fail: false,
            stopped: false,
        }
    }

    /// Forgets what a session that ended held, and that it was stopped: the broker takes back what
    /// it had, and the next one begins anew. The breaker stays.
    pub(crate) fn begin_session(&mut self) {
        self.waiting.clear();
        self.running.clear();
        self.settling = 0;
        self.caution = Caution::Narrow;
        self.copies_fail = false;
        self.stopped = false;
    }

    /// Takes nothing more and starts nothing more; what runs goes on.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    /// A delivery came in.
    pub(crate) fn delivered(&mut self, tag: Tag, incoming: Incoming, now: Duration) {
        let id = identity(&incoming);
        let waiting = Waiting { job: Job { tag, id, incoming }, since: now };
        self.caution = match (self.caution, waiting.is_suspect()) {
            (Caution::Narrow, true) => Caution::Narrow,
            (Caution::Narrow | Caution::Wide, false) => Caution::Wide,
            (Caution::Wide, true) | (Caution::Clearing, _) => Caution::Clearing,
        };
        self.waiting.push_back(waiting);
    }

    /// The delivery whose turn it is, if one may start now.
    pub(crate) fn next_turn(&mut self, wall: Timestamp) -> Option<Turn> {
        if self.stopped || self.running.len() >= self.concurrency || !self.may_start() {
            return None;
        }
        let job = self.take_next()?;
        let limits = self.limits;
        if let Some(settlement) = settlement::on_arrival(&job.incoming, limits, &self.retry, wall) {
            self.settling += 1;
            return Some(Turn::Settle(job, settlement));
        }
        self.running.insert(job.tag, self.breaker.epoch());
        Some(Turn::Run(job))
    }

    /// A handler ended: hears what it says of the endpoint, and decides about the message.
    pub(crate) fn finished(&mut self, job: &Job, report: &Report, now: Duration) -> Settlement {
        if let Some(epoch) = self.running.remove(&job.tag) {
            self.breaker.record(&job.id, report.health, epoch, now);
        }
        if report.status.is_some() {
            self.last_status = report.status;
        }
        self.settling += 1;
        let attempt = job.incoming.message.headers.attempt();
        settlement::on_report(report, attempt, &self.retry, self.breaker.gate())
    }

    /// A delivery is settled, one way or the other.
    pub(crate) fn settled(&mut self) {
        self.settling = self.settling.saturating_sub(1);
        let empty = self.waiting.is_empty() && self.running.is_empty() && self.settling == 0;
        if self.caution == Caution::Clearing && empty {
            self.caution = Caution::Narrow;
        }
    }

    /// A delivery has reached its end: whatever kept deliveries from it is over.
    pub(crate) fn acknowledged(&mut self) {
        self.copies_fail = false;
        self.settled();
    }

    /// A copy was given up: until a delivery reaches its end, take one message at a time.
    pub(crate) fn copy_given_up(&mut self) {
        self.copies_fail = true;
    }

    /// How many deliveries the broker may have in our hands.
    pub(crate) fn window(&self) -> Window {
        match (self.breaker.state(), self.caution) {
            _ if self.stopped => Window::Closed,
            (State::Open { .. }, _) | (_, Caution::Clearing) => Window::Closed,
            // What is held already serves as the probe.
            (State::HalfOpen { .. }, _) if !self.waiting.is_empty() => Window::Closed,
            (State::HalfOpen { .. }, _) | (_, Caution::Narrow) => Window::One,
            (State::Closed, Caution::Wide) if self.copies_fail => Window::One,
            (State::Closed, Caution::Wide) => Window::Full,
        }
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, now: Duration) {
        self.breaker.tick(now);
    }

    /// When [`tick`](Self::tick) would change something by itself.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        let opening = match self.breaker.state() {
            State::Open { until, .. } => Some(until),
            State::Closed | State::HalfOpen { .. } => None,
        };
        let overdue = self.waiting.front().map(|first| first.since + self.hold_for);
        opening.into_iter().chain(overdue).min()
    }

    /// Unstarted deliveries that go back to the broker: all when stopped, else those held too long.
    pub(crate) fn hand_backs(&mut self, now: Duration) -> Vec<Tag> {
        let (stopped, hold_for) = (self.stopped, self.hold_for);
        let (back, kept): (VecDeque<_>, VecDeque<_>) =
            self.waiting.drain(..).partition(|held| stopped || now >= held.since + hold_for);
        self.waiting = kept;
        self.settling += back.len();
        back.into_iter().map(|held| held.job.tag).collect()
    }

    /// Why nothing is consumed on purpose.
    pub(crate) fn pause(&self) -> Option<PauseReason> {
        match self.breaker.state() {
            State::Closed => None,
            State::Open { reason, .. } | State::HalfOpen { reason } => Some(reason),
        }
    }

    /// The last HTTP status a handler got.
    pub(crate) fn last_status(&self) -> Option<u16> {
        self.last_status
    }

    /// How many handlers run.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Whether nothing runs and nothing waits for its settlement.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.settling == 0
    }

    fn may_start(&self) -> bool {
        match self.breaker.state() {
            State::Open { .. } => false,
            State::HalfOpen { .. } => !self.running.values().any(|e| *e == self.breaker.epoch()),
            State::Closed => true,
        }
    }

    /// Unsuspected messages first; a suspect only when nothing else is in our hands.
    fn take_next(&mut self) -> Option<Job> {
        let harmless = self.waiting.iter().position(|held| !held.is_suspect());
        let alone = self.running.is_empty() && self.settling == 0;
        let index = harmless.or_else(|| alone.then_some(0))?;
        self.waiting.remove(index).map(|held| held.job)
    }
}

#[cfg(test)]
mod tests;
