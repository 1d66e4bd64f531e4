//! I/O in: the broker is asked over AMQP each second and over the management API every five.
//!
//! Each login in a virtual host is watched from one post, with one connection and one poll, however
//! many pipelines want to know: a hundred idle pipelines cost a broker no more than one. A post
//! goes on by itself, so that a slow answer delays no decision and no other post; what it has seen
//! last can be read at any moment. Nothing is concluded here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::{
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use warren_broker::{
    login::Login,
    management::{ApiError, Management},
    probe::{DepthProbe, OpenProbe, ProbeError},
};
use warren_core::scaling::Why;
use warren_service::clock;

use super::observation::{Polls, Probed, why_not_connected, why_not_polled, why_not_probed};
use crate::pass::Context;

/// How often AMQP is asked.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// How often the management API is asked; its statistics are made anew as often
/// (<https://www.rabbitmq.com/docs/management#statistics-interval>).
const POLL_EVERY: Duration = Duration::from_secs(5);

/// How many questions are asked at once on one connection, each on a channel of its own.
const AT_ONCE: usize = 32;

/// Watches the brokers of a process.
pub(crate) struct Observatory {
    /// What the broker lists its connections as.
    name: String,
    context: Arc<Context>,
    posts: Mutex<Vec<Weak<Post>>>,
    tasks: TaskTracker,
}

/// The queues of a pipeline are watched until this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    post: Arc<Post>,
    number: u64,
    probes: watch::Receiver<Probes>,
}

/// The last answers over AMQP, by the queue's full name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Probes {
    /// What is known of each queue.
    pub(crate) queues: BTreeMap<String, Probed>,
    /// How often the broker was lost since this began: what was seen before each time may have
    /// changed unseen.
    pub(crate) losses: u64,
}

/// Where one login in one virtual host is watched from.
#[derive(Debug)]
struct Post {
    login: Login,
    audience: Arc<Mutex<Audience>>,
    polls: watch::Receiver<Polls>,
    _stop: DropGuard,
}

/// Who wants to know about which queues.
#[derive(Debug, Default)]
struct Audience {
    next: u64,
    members: BTreeMap<u64, Member>,
}

#[derive(Debug)]
struct Member {
    queues: Vec<String>,
    show: watch::Sender<Probes>,
    look_again: Arc<Notify>,
}

struct Prober {
    probe: DepthProbe,
    audience: Arc<Mutex<Audience>>,
}

struct Poller {
    management: Management,
    vhost: String,
    show: watch::Sender<Polls>,
}

impl Observatory {
    /// Watches nothing yet; the broker lists its connections under this name.
    pub(crate) fn new(name: impl Into<String>, context: Arc<Context>) -> Self {
        let (posts, tasks) = (Mutex::default(), TaskTracker::new());
        Self { name: name.into(), context, posts, tasks }
    }

    /// Begins to watch these queues; `look_again` is told when the broker answers again, and when
    /// a queue is gone.
    ///
    /// # Errors
    /// When the login gives no client of the management API.
    pub(crate) fn watch(
        &self,
        login: &Login,
        queues: Vec<String>,
        look_again: Arc<Notify>,
    ) -> Result<Watch, ApiError> {
        let post = self.post(login)?;
        let (show, probes) = watch::channel(Probes::default());
        let number = lock(&post.audience).add(Member { queues, show, look_again });
        Ok(Watch { post, number, probes })
    }

    /// The post for a login: the one there is, or a new one.
    fn post(&self, login: &Login) -> Result<Arc<Post>, ApiError> {
        let mut posts = lock(&self.posts);
        posts.retain(|post| post.strong_count() > 0);
        let known = posts.iter().filter_map(Weak::upgrade).find(|post| post.login == *login);
        if let Some(post) = known {
            return Ok(post);
        }
        let post = Arc::new(self.open(login)?);
        posts.push(Arc::downgrade(&post));
        Ok(post)
    }

    fn open(&self, login: &Login) -> Result<Post, ApiError> {
        let management = self.context.brokers.client(login)?;
        let stop = CancellationToken::new();
        let audience = Arc::default();
        let (show, polls) = watch::channel(Polls::default());
        let prober = Prober {
            probe: DepthProbe::new(login.clone(), &*self.name),
            audience: Arc::clone(&audience),
        };
        let poller = Poller { management, vhost: login.vhost.clone(), show };
        self.tasks.spawn(prober.run(stop.clone()));
        self.tasks.spawn(stop.clone().run_until_cancelled_owned(poller.run()));
        Ok(Post { login: login.clone(), audience, polls, _stop: stop.drop_guard() })
    }

    /// Waits until the connections of all watches that were dropped are closed.
    pub(crate) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Watch {
    /// What AMQP said last about the queues of this watch.
    pub(crate) fn probes(&self) -> watch::Ref<'_, Probes> {
        self.probes.borrow()
    }

    /// Waits until AMQP has said something again.
    pub(crate) async fn news(&mut self) {
        if self.probes.changed().await.is_err() {
            // Only the watch itself can end the other half.
            std::future::pending::<()>().await;
        }
    }

    /// What the management API said last about all queues of the virtual host.
    pub(crate) fn polls(&self) -> watch::Ref<'_, Polls> {
        self.post.polls.borrow()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.post.audience).members.remove(&self.number);
    }
}

impl Probes {
    /// Takes a round of answers in; whether it is a reason for a pass, because the broker is back
    /// or a queue is gone.
    fn take(&mut self, round: BTreeMap<String, Probed>) -> bool {
        let was_lost = self.is_lost();
        let before = std::mem::replace(&mut self.queues, round);
        self.losses += u64::from(self.is_lost() && !was_lost);
        let was_missing = |queue: &String| before.get(queue).is_some_and(Probed::is_missing);
        let missing = self.queues.iter().filter(|(_, probed)| probed.is_missing());
        let is_more_missing = missing.map(|(queue, _)| queue).any(|queue| !was_missing(queue));
        (was_lost && !self.is_lost()) || is_more_missing
    }

    fn is_lost(&self) -> bool {
        let mut probed = self.queues.values();
        !self.queues.is_empty() && probed.all(|probed| probed.answer.is_err())
    }
}

impl Audience {
    fn add(&mut self, member: Member) -> u64 {
        self.next += 1;
        self.members.insert(self.next, member);
        self.next
    }

    /// The queues that anybody wants to know about, each once.
    fn queues(&self) -> BTreeSet<String> {
        self.members.values().flat_map(|member| member.queues.iter().cloned()).collect()
    }

    /// Tells everybody what the round says about their queues.
    ///
    /// Who came after its questions were asked hears the next one.
    fn tell(&self, round: &BTreeMap<String, Probed>) {
        for member in self.members.values() {
            let answer = |queue: &String| Some((queue.clone(), *round.get(queue)?));
            let own: BTreeMap<String, Probed> = member.queues.iter().filter_map(answer).collect();
            if own.len() < member.queues.len() {
                continue;
            }
            let mut has_reason = false;
            member.show.send_modify(|probes| has_reason = probes.take(own));
            if has_reason {
                member.look_again.notify_one();
            }
        }
    }
}

impl Prober {
    async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.keep_asking()).await;
        self.probe.close().await;
    }

    async fn keep_asking(&self) {
        let mut ticks = every(PROBE_EVERY);
        loop {
            ticks.tick().await;
            let queues = lock(&self.audience).queues();
            let round = self.round(queues).await;
            lock(&self.audience).tell(&round);
        }
    }

    /// Asks about each queue once, on one connection.
    async fn round(&self, queues: BTreeSet<String>) -> BTreeMap<String, Probed> {
        let at = clock::now();
        let open = match self.probe.open().await {
            Ok(open) => open,
            Err(error) => {
                tracing::debug!(%error, "no connection for probes");
                let answer = Err(why_not_connected(&error));
                return queues.into_iter().map(|queue| (queue, Probed { at, answer })).collect();
            }
        };
        let questions = queues.into_iter().map(|queue| ask(&open, queue));
        let answers: Vec<Answer> =
            stream::iter(questions).buffer_unordered(AT_ONCE).collect().await;
        if puts_in_doubt(answers.iter().map(|answer| answer.said.as_ref().err())) {
            self.probe.discard(&open).await;
        }
        answers.into_iter().map(Answer::probed).collect()
    }
}

struct Answer {
    queue: String,
    at: jiff::Timestamp,
    said: Result<warren_broker::probe::Depth, ProbeError>,
}

impl Answer {
    fn probed(self) -> (String, Probed) {
        let Self { queue, at, said } = self;
        let answer = said.map_err(|error| {
            tracing::debug!(queue, %error, "queue not probed");
            why_not_probed(&error)
        });
        (queue, Probed { at, answer })
    }
}

async fn ask(open: &OpenProbe, queue: String) -> Answer {
    let at = clock::now();
    let said = open.ready(&queue).await;
    Answer { queue, at, said }
}

/// Whether a round's answers say that the connection is no good: it broke, or nobody got an answer.
///
/// A single queue without an answer, such as one that lost its majority, is no reason to leave the
/// connection that all others are answered on.
fn puts_in_doubt<'a>(errors: impl Iterator<Item = Option<&'a ProbeError>>) -> bool {
    let (mut answered, mut late, mut lost) = (0, 0, 0);
    for error in errors {
        match error {
            Some(ProbeError::Timeout { .. }) => late += 1,
            Some(ProbeError::Lost { .. } | ProbeError::Connect(_)) => lost += 1,
            Some(
                ProbeError::QueueNotFound { .. }
                | ProbeError::AccessRefused { .. }
                | ProbeError::NotAName { .. },
            )
            | None => answered += 1,
        }
    }
    lost > 0 || (late > 0 && answered == 0)
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

/// What is kept here is whole between any two statements, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
