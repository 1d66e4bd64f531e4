//! Publishing that is only over once the broker has said what became of the message.
//!
//! Group commit: what waits is taken as one closed batch, published on one channel with the
//! mandatory flag, and all confirms are awaited before any caller is answered, because only then
//! can returned messages be told from stored ones. A few channels work side by side on one
//! connection; one task looks after the connection, replaces it at any doubt, and follows a login
//! that changes.
//!
//! Nothing here repeats a message whose outcome is unknown: that is the caller's decision, and a
//! repeat must carry the same id.

mod batch;
mod error;
mod lane;
mod supervisor;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use warren_core::message::Publication;

use self::batch::{Shape, Shaped, Waiting};
pub use self::error::{FailureReason, PublishError};
use crate::login::Login;

/// How a publisher works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of the connection, as the broker lists it.
    pub name: String,
    /// How many batches may be under way at the same time. One keeps the order of messages.
    pub channels: usize,
    /// How long a publish may take before its outcome counts as unknown.
    pub deadline: Duration,
    /// The most messages that wait or are under way.
    pub max_messages: usize,
    /// The most bytes of bodies that wait or are under way.
    pub max_bytes: usize,
    /// How long a publish may wait for its place among those.
    pub place_wait: Duration,
}

impl Settings {
    /// For a program that publishes for others: four channels.
    pub fn producer(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            channels: 4,
            deadline: Duration::from_secs(5),
            max_messages: 2048,
            max_bytes: 64 * 1024 * 1024,
            place_wait: Duration::from_millis(250),
        }
    }

    /// For the copies a worker makes: one channel.
    pub fn worker(name: impl Into<String>) -> Self {
        Self { channels: 1, ..Self::producer(name) }
    }
}

/// What became of a publisher's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublisherState {
    /// There is none, and one is sought.
    Connecting {
        /// Why the last one could not be opened, or ended.
        last_error: Option<Trouble>,
    },
    /// It works.
    Up,
    /// It is open, but the broker takes no publishes for now.
    Blocked {
        /// What the broker says.
        reason: String,
    },
    /// The publisher was closed.
    Closed,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The reason as the condition `BrokerReachable` spells it.
    pub reason: &'static str,
    /// For people.
    pub detail: String,
}

impl PublisherState {
    /// Whether there is a connection, blocked or not.
    pub const fn is_up(&self) -> bool {
        matches!(self, PublisherState::Up | PublisherState::Blocked { .. })
    }

    /// Whether the broker takes no publishes for now.
    pub const fn is_blocked(&self) -> bool {
        matches!(self, PublisherState::Blocked { .. })
    }
}

/// Publishes with confirms. Clones share one connection, which ends with the last of them.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
    _end: Arc<DropGuard>,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher")
            .field("name", &self.shared.settings.name)
            .field("state", &*self.shared.state.borrow())
            .finish_non_exhaustive()
    }
}

impl Publisher {
    /// Starts a publisher, which connects by itself and keeps trying for ever.
    ///
    /// Must be called in a tokio runtime. When the login changes, a connection with the new one is
    /// opened first, and the old one is closed after its last confirm.
    pub fn start(login: watch::Receiver<Login>, settings: Settings) -> Self {
        let shared = Arc::new(Shared::new(settings));
        tokio::spawn(supervisor::run(Arc::clone(&shared), login));
        let end = Arc::new(shared.ended.clone().drop_guard());
        Self { shared, _end: end }
    }

    /// Publishes a message and waits until the broker has it in every queue that it matches.
    ///
    /// Once the message has found its place, dropping this future does not take it back.
    ///
    /// # Errors
    /// What became of it instead; see [`PublishError::outcome_unknown`].
    pub async fn publish(&self, publication: Publication) -> Result<(), PublishError> {
        let expires = Instant::now() + self.shared.settings.deadline;
        let shape = shape(&publication)?;
        self.shared.accepts()?;
        let place = self.shared.place(shape.bytes).await?;
        self.shared.accepts()?;
        let (answer, answered) = oneshot::channel();
        self.shared.add(Ticket { shape, publication, answer, expires, place });
        match timeout_at(expires, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(PublishError::Disconnected {
                detail: "the connection was lost before the confirm came".to_owned(),
                sent: true,
            }),
            Err(_) => Err(PublishError::Timeout),
        }
    }

    /// The state of the connection, now and whenever it changes.
    pub fn state(&self) -> watch::Receiver<PublisherState> {
        self.shared.state.subscribe()
    }

    /// How many messages wait or are under way.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight()
    }

    /// Takes no more messages, waits for the outcome of those it has, and closes the connection.
    ///
    /// Gives the number of messages whose outcome was still unknown when the time was over.
    pub async fn close(&self, within: Duration) -> usize {
        self.shared.closing.cancel();
        let most = u32::try_from(self.shared.settings.max_messages).unwrap_or(u32::MAX);
        let idle = self.shared.messages.acquire_many(most);
        let left = match timeout(within, idle).await {
            Ok(_) => 0,
            Err(_) => self.shared.in_flight(),
        };
        self.shared.ended.cancel();
        let mut state = self.state();
        let closed = state.wait_for(|state| *state == PublisherState::Closed);
        // The supervisor has deadlines of its own; this one guards against its panic.
        let _ = timeout(supervisor::CLOSE_TIMEOUT, closed).await;
        left
    }
}

/// What callers, channels and supervisor share.
struct Shared {
    settings: Settings,
    /// One permit for each message that wait or are under way.
    messages: Arc<Semaphore>,
    /// One permit for each byte of their bodies.
    bytes: Arc<Semaphore>,
    waiting: Mutex<Waiting<Ticket>>,
    /// Told once for each arrival, and again by whoever leaves something behind.
    arrived: Notify,
    state: watch::Sender<PublisherState>,
    /// No more messages are taken.
    closing: CancellationToken,
    /// The connection ends now.
    ended: CancellationToken,
}

/// A message with its caller.
struct Ticket {
    shape: Shape,
    publication: Publication,
    /// Dropped without an answer, it says that the outcome is unknown.
    answer: oneshot::Sender<Result<(), PublishError>>,
    /// When the caller stops waiting.
    expires: Instant,
    place: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Ticket {
    /// Frees the place first: a caller that has its answer is no longer in flight.
    fn answer(self, result: Result<(), PublishError>) {
        drop(self.place);
        // A caller that has gone away does not need it.
        let _ = self.answer.send(result);
    }
}

impl Shaped for Ticket {
    fn shape(&self) -> &Shape {
        &self.shape
    }
}

impl Shared {
    fn new(settings: Settings) -> Self {
        Self {
            messages: Arc::new(Semaphore::new(settings.max_messages)),
            bytes: Arc::new(Semaphore::new(settings.max_bytes)),
            waiting: Mutex::new(Waiting::new()),
            arrived: Notify::new(),
            state: watch::Sender::new(PublisherState::Connecting { last_error: None }),
            closing: CancellationToken::new(),
            ended: CancellationToken::new(),
            settings,
        }
    }

    /// Whether a message may be taken now.
    fn accepts(&self) -> Result<(), PublishError> {
        let refuse = |detail: &str| {
            let detail = detail.to_owned();
            Err(PublishError::Disconnected { detail, sent: false })
        };
        if self.closing.is_cancelled() {
            return refuse("this program is shutting down");
        }
        match &*self.state.borrow() {
            PublisherState::Up => Ok(()),
            PublisherState::Blocked { reason } => {
                Err(PublishError::Blocked { detail: reason.clone() })
            }
            PublisherState::Connecting { last_error: Some(trouble) } => refuse(&trouble.detail),
            PublisherState::Connecting { last_error: None } => refuse("still connecting"),
            PublisherState::Closed => refuse("the publisher is closed"),
        }
    }

    /// A place for a message with a body of this size.
    async fn place(
        &self,
        bytes: usize,
    ) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), PublishError> {
        let limit = self.settings.max_bytes;
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        if bytes > limit {
            let detail = format!("at most {limit} bytes may be under way");
            return Err(PublishError::TooLarge { bytes, detail });
        }
        let at_once = || {
            let message = Arc::clone(&self.messages).try_acquire_owned().ok()?;
            let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(permits).ok()?;
            Some((message, bytes))
        };
        // A free place needs no timer: a task that publishes hundreds at a time may let one run
        // out before it comes round to take what is free.
        if let Some(place) = at_once() {
            return Ok(place);
        }
        let both = async {
            let message = Arc::clone(&self.messages).acquire_owned().await;
            let bytes = Arc::clone(&self.bytes).acquire_many_owned(permits).await;
            message.and_then(|message| Ok((message, bytes?)))
        };
        match timeout(self.settings.place_wait, both).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(PublishError::Overloaded),
        }
    }

    fn in_flight(&self) -> usize {
        let free = self.messages.available_permits();
        self.settings.max_messages.saturating_sub(free)
    }

    fn add(&self, ticket: Ticket) {
        self.waiting().push(ticket);
        self.arrived.notify_one();
    }

    /// Puts back what must be tried again, ahead of everything else.
    fn put_back(&self, tickets: Vec<Ticket>) {
        self.waiting().put_back(tickets);
        self.arrived.notify_one();
    }

    /// The next batch, when there is one. May be dropped while it waits.
    async fn next_batch(&self) -> Vec<Ticket> {
        loop {
            let (batch, more) = {
                let mut waiting = self.waiting();
                (waiting.take_batch(), !waiting.is_empty())
            };
            if more {
                self.arrived.notify_one();
            }
            if !batch.is_empty() {
                return batch;
            }
            self.arrived.notified().await;
        }
    }

    /// Answers everything that waits and has not been sent.
    fn refuse_waiting(&self, error: &PublishError) {
        let waiting = self.waiting().take_all();
        for ticket in waiting {
            ticket.answer(Err(error.clone()));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<Ticket>> {
        // A queue of messages is whole after every statement that touches it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shape(publication: &Publication) -> Result<Shape, PublishError> {
    let id = publication.message.properties.message_id.clone();
    let id = id.ok_or_else(|| PublishError::Malformed {
        what: "it has no message id, by which a return would be matched".to_owned(),
    })?;
    Ok(Shape {
        id,
        exchange: publication.exchange.clone(),
        bytes: publication.message.body.len(),
        alone: false,
    })
}
