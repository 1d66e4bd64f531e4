//! How many messages are ready in a queue, and how many consumers it has, by passive declare.
//!
//! The broker answers from the queue itself, not from statistics that are seconds old. It leaves
//! out unacknowledged messages, and while a leader changes it may say 0 for a moment: one zero
//! proves nothing. A queue that is missing closes the channel, so no two questions share one at a
//! time; on a connection that lasts, a channel that was answered on serves the next, because
//! opening and closing a hundred a second wears a broker out
//! (<https://www.rabbitmq.com/docs/channels#high-channel-churn>).

use std::{
    sync::{Arc, Mutex as PlainMutex, MutexGuard, PoisonError},
    time::Duration,
};

use lapin::{
    Channel, Connection, ErrorKind,
    options::QueueDeclareOptions,
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{FieldTable, ShortString},
};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    connection::{self, ConnectError},
    login::Login,
    wire,
};

/// How long one question may take; the answer is used each second.
pub const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// AMQP's reply code for a wanted end.
const REPLY_SUCCESS: u16 = 200;

/// What a passive declare tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait for a consumer.
    pub ready: u32,
    /// Consumers.
    pub consumers: u32,
}

/// Why the depth is not known.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// There is no connection to ask on.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no such queue.
    #[error("queue {queue:?} does not exist")]
    QueueNotFound {
        /// The queue.
        queue: String,
    },
    /// The user may not see the queue.
    #[error("the broker refuses to tell about queue {queue:?}: {detail}")]
    AccessRefused {
        /// The queue.
        queue: String,
        /// What the broker says.
        detail: String,
    },
    /// No answer in time.
    #[error("the broker did not tell about queue {queue:?} in time")]
    Timeout {
        /// The queue.
        queue: String,
    },
    /// The connection or the channel broke while asking.
    #[error("the broker did not tell about queue {queue:?}: {detail}")]
    Lost {
        /// The queue.
        queue: String,
        /// What the library says.
        detail: String,
    },
    /// It cannot be the name of a queue.
    #[error("{what}")]
    NotAName {
        /// What is wrong with it.
        what: String,
    },
}

/// Asks about queues on one connection of its own, which is opened when it is needed.
pub struct DepthProbe {
    login: Login,
    name: String,
    line: Mutex<Option<Arc<Line>>>,
}

/// A connection that questions can be asked on.
pub struct OpenProbe(Arc<Line>);

/// A connection, and those of its channels on which nobody asks now.
struct Line {
    connection: Connection,
    quiet: PlainMutex<Vec<Channel>>,
}

impl DepthProbe {
    /// A probe that has not connected yet.
    pub fn new(login: Login, name: impl Into<String>) -> Self {
        Self { login, name: name.into(), line: Mutex::new(None) }
    }

    /// Asks about a queue.
    ///
    /// Opening a connection may take up to [`connection::CONNECT_TIMEOUT`]; the question itself
    /// takes at most [`PROBE_TIMEOUT`].
    ///
    /// # Errors
    /// When the answer is not known. That is never the same as zero.
    pub async fn ready(&self, queue: &str) -> Result<Depth, ProbeError> {
        let open = self.open().await?;
        let asked = open.ready(queue).await;
        if matches!(asked, Err(ProbeError::Timeout { .. } | ProbeError::Lost { .. })) {
            self.discard(&open).await;
        }
        asked
    }

    /// The connection for a round of questions: opened where there is none, so that a broker that
    /// does not answer costs one attempt and not one for each question.
    ///
    /// # Errors
    /// When there is no connection to be had.
    pub async fn open(&self) -> Result<OpenProbe, ConnectError> {
        self.connected().await.map(OpenProbe)
    }

    /// Forgets a connection in doubt, unless it has been replaced already.
    pub async fn discard(&self, doubtful: &OpenProbe) {
        let mut present = self.line.lock().await;
        if present.as_ref().is_some_and(|present| Arc::ptr_eq(present, &doubtful.0)) {
            *present = None;
        }
    }

    /// Closes the connection; the next question would open another.
    pub async fn close(&self) {
        let line = self.line.lock().await.take();
        if let Some(line) = line {
            connection::close(&line.connection).await;
        }
    }

    async fn connected(&self) -> Result<Arc<Line>, ConnectError> {
        let mut present = self.line.lock().await;
        if let Some(line) = present.as_ref()
            && line.connection.status().connected()
        {
            return Ok(Arc::clone(line));
        }
        let connection = connection::connect(&self.login, &self.name).await?;
        let opened = Arc::new(Line { connection, quiet: PlainMutex::default() });
        *present = Some(Arc::clone(&opened));
        Ok(opened)
    }
}

impl OpenProbe {
    /// Asks about a queue, for at most [`PROBE_TIMEOUT`].
    ///
    /// # Errors
    /// When the answer is not known. That is never the same as zero.
    pub async fn ready(&self, queue: &str) -> Result<Depth, ProbeError> {
        self.ready_within(PROBE_TIMEOUT, queue).await
    }

    /// The same for whoever has more time than the next second.
    ///
    /// # Errors
    /// When the answer is not known. That is never the same as zero.
    pub async fn ready_within(&self, limit: Duration, queue: &str) -> Result<Depth, ProbeError> {
        within(limit, queue, async |name| self.0.ask(name).await).await
    }
}

impl Line {
    /// A channel that was not answered on, or with a refusal, is not used again.
    async fn ask(&self, queue: ShortString) -> lapin::Result<Depth> {
        let quiet = self.quiet().pop().filter(|channel| channel.status().connected());
        let channel = match quiet {
            Some(channel) => channel,
            None => self.connection.create_channel().await?,
        };
        let depth = declare(&channel, queue).await?;
        self.quiet().push(channel);
        Ok(depth)
    }

    fn quiet(&self) -> MutexGuard<'_, Vec<Channel>> {
        // It is whole between any two statements, so a panic elsewhere spoils nothing.
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for DepthProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DepthProbe")
            .field("login", &self.login)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Asks about a queue on a channel that is thrown away, for at most `limit`.
pub(crate) async fn ask(
    connection: &Connection,
    queue: &str,
    limit: Duration,
) -> Result<Depth, ProbeError> {
    let asking = async |name| {
        let channel = connection.create_channel().await?;
        let depth = declare(&channel, name).await?;
        // Awaited: the library gives up a connection that is closed while one of its channels is.
        channel.close(REPLY_SUCCESS, "OK".into()).await?;
        Ok(depth)
    };
    within(limit, queue, asking).await
}

async fn within(
    limit: Duration,
    queue: &str,
    ask: impl AsyncFnOnce(ShortString) -> lapin::Result<Depth>,
) -> Result<Depth, ProbeError> {
    let name = wire::short("the queue name", queue)
        .map_err(|malformed| ProbeError::NotAName { what: malformed.0 })?;
    match timeout(limit, ask(name)).await {
        Ok(told) => told.map_err(|error| classify(&error, queue)),
        Err(_) => Err(ProbeError::Timeout { queue: queue.to_owned() }),
    }
}

async fn declare(channel: &Channel, queue: ShortString) -> lapin::Result<Depth> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let told = channel.queue_declare(queue, passive, FieldTable::default()).await?;
    Ok(Depth { ready: told.message_count(), consumers: told.consumer_count() })
}

fn classify(error: &lapin::Error, queue: &str) -> ProbeError {
    let queue = queue.to_owned();
    if let ErrorKind::ProtocolError(amqp) = error.kind() {
        match amqp.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => {
                return ProbeError::QueueNotFound { queue };
            }
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                let detail = amqp.get_message().to_string();
                return ProbeError::AccessRefused { queue, detail };
            }
            _ => {}
        }
    }
    ProbeError::Lost { queue, detail: error.to_string() }
}
