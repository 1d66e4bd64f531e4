//! How many messages are ready in a queue, and how many consumers it has, by passive declare.
//!
//! The broker answers from the queue itself, not from statistics that are seconds old. It leaves
//! out unacknowledged messages, and while a leader changes it may say 0 for a moment: one zero
//! proves nothing. A queue that is missing closes the channel, so each question has its own.

use std::{sync::Arc, time::Duration};

use lapin::{
    Connection, ErrorKind,
    options::QueueDeclareOptions,
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::FieldTable,
};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    connection::{self, ConnectError},
    login::Login,
    wire,
};

/// How long one question may take; the answer is used each second.
pub const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

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
    #[error("the broker did not tell about queue {queue:?} within {PROBE_TIMEOUT:?}")]
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
    connection: Mutex<Option<Arc<Connection>>>,
}

impl DepthProbe {
    /// A probe that has not connected yet.
    pub fn new(login: Login, name: impl Into<String>) -> Self {
        Self { login, name: name.into(), connection: Mutex::new(None) }
    }

    /// Asks about a queue.
    ///
    /// Opening a connection may take up to [`connection::CONNECT_TIMEOUT`]; the question itself
    /// takes at most [`PROBE_TIMEOUT`].
    ///
    /// # Errors
    /// When the answer is not known. That is never the same as zero.
    pub async fn ready(&self, queue: &str) -> Result<Depth, ProbeError> {
        let connection = self.connected().await?;
        let asked = ask(&connection, queue).await;
        if matches!(asked, Err(ProbeError::Timeout { .. } | ProbeError::Lost { .. })) {
            self.drop_connection(&connection).await;
        }
        asked
    }

    /// Closes the connection; the next question would open another.
    pub async fn close(&self) {
        let connection = self.connection.lock().await.take();
        if let Some(connection) = connection {
            connection::close(&connection).await;
        }
    }

    async fn connected(&self) -> Result<Arc<Connection>, ConnectError> {
        let mut present = self.connection.lock().await;
        if let Some(connection) = present.as_ref()
            && connection.status().connected()
        {
            return Ok(Arc::clone(connection));
        }
        let opened = Arc::new(connection::connect(&self.login, &self.name).await?);
        *present = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Forgets a connection in doubt, unless another question has replaced it already.
    async fn drop_connection(&self, doubtful: &Arc<Connection>) {
        let mut present = self.connection.lock().await;
        if present.as_ref().is_some_and(|present| Arc::ptr_eq(present, doubtful)) {
            *present = None;
        }
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

/// Asks about a queue on a channel that is thrown away.
pub(crate) async fn ask(connection: &Connection, queue: &str) -> Result<Depth, ProbeError> {
    let name = wire::short("the queue name", queue)
        .map_err(|malformed| ProbeError::NotAName { what: malformed.0 })?;
    let asking = async {
        let channel = connection.create_channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let told = channel.queue_declare(name, passive, FieldTable::default()).await?;
        // Not awaited: dropping the channel closes it, and nobody needs to know when.
        Ok(Depth { ready: told.message_count(), consumers: told.consumer_count() })
    };
    match timeout(PROBE_TIMEOUT, asking).await {
        Ok(told) => told.map_err(|error| classify(&error, queue)),
        Err(_) => Err(ProbeError::Timeout { queue: queue.to_owned() }),
    }
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
