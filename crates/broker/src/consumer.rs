//! One session of consuming: a fresh connection, one channel, the consumers on it, and their end.
//!
//! A session is never repaired. Delivery tags start anew on every channel, so a tag that outlived
//! its channel could settle a message nobody has handled. Any doubt therefore ends the session,
//! and its owner opens the next one under the next number.

mod deliveries;
mod end;

use std::{
    collections::HashMap,
    num::NonZeroU16,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::try_join_all;
use lapin::{
    Channel, Connection,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
        BasicQosOptions, BasicRejectOptions,
    },
    types::FieldTable,
};
use tokio::time::{sleep, timeout};
use warren_core::ledger::{Frame, SessionNumber, Tag, TagError};

pub use self::{
    deliveries::{Deliveries, Delivery},
    end::{Ended, SessionEnd, SessionError},
};
use crate::{
    connection::{self, Notice, Notices},
    login::Login,
    probe::{self, Depth, PROBE_TIMEOUT},
    wire,
};

/// The most settlements to send at once before a session finishes.
///
/// The broker's channel holds settlements back beyond a window and drops those when it is closed:
/// with 256 of them some deliveries came back on every version tried, with 32 none did.
pub const LAST_FRAMES_MAX: usize = 32;
/// How long the last settlements get before the channel is closed, for the same reason.
pub const SETTLING_TIME: Duration = Duration::from_millis(250);

/// How long the broker may take to begin or end a consumer.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// AMQP's reply code for a wanted end.
const REPLY_SUCCESS: u16 = 200;

/// What a session consumes.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The name of the connection, as the broker lists it.
    pub name: &'a str,
    /// The queue.
    pub queue: &'a str,
    /// The number of the session, which its tags carry.
    pub session: SessionNumber,
}

/// A connection with one channel to consume on.
///
/// Dropping it without [`finish`](Self::finish) hands every unsettled delivery back.
pub struct ConsumeSession {
    number: SessionNumber,
    queue: String,
    connection: Arc<Connection>,
    channel: Channel,
    notices: tokio::sync::Mutex<Notices>,
    /// For each consumer, whether we have cancelled it ourselves.
    cancelled: Mutex<HashMap<String, Arc<AtomicBool>>>,
}

impl ConsumeSession {
    /// Connects, and makes sure that the queue is there.
    ///
    /// # Errors
    /// When there is no connection, no such queue, or no right to it.
    pub async fn open(login: &Login, source: Source<'_>) -> Result<Self, SessionError> {
        let connection = Arc::new(connection::connect(login, source.name).await?);
        let notices = Notices::of(&connection);
        let session = async {
            // A broker that many workers come to at once is slow, and nothing hurries here.
            probe::ask(&connection, source.queue, CALL_TIMEOUT).await?;
            let channel = connection.create_channel();
            let channel = within("open a channel", channel).await?;
            Ok(Self {
                number: source.session,
                queue: source.queue.to_owned(),
                connection: Arc::clone(&connection),
                channel,
                notices: tokio::sync::Mutex::new(notices),
                cancelled: Mutex::new(HashMap::new()),
            })
        };
        let session = session.await;
        if session.is_err() {
            connection::close(&connection).await;
        }
        session
    }

    /// The number its tags carry.
    pub fn number(&self) -> SessionNumber {
        self.number
    }

    /// Begins to consume under a tag, with at most `prefetch` unsettled deliveries.
    ///
    /// Another prefetch needs another consumer: the limit binds only those that start after it.
    ///
    /// # Errors
    /// When the queue is gone, the right to it is, or the session is.
    pub async fn consume(
        &self,
        prefetch: NonZeroU16,
        consumer: &str,
    ) -> Result<Deliveries, SessionError> {
        let queue = wire::short("the queue name", &self.queue)?;
        let tag = wire::short("the consumer tag", consumer)?;
        let qos = self.channel.basic_qos(prefetch.get(), BasicQosOptions { global: false });
        within("set the prefetch", qos).await.map_err(|error| self.of_queue(error))?;
        let consume = self.channel.basic_consume(
            queue,
            tag,
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let stream = within("consume", consume).await.map_err(|error| self.of_queue(error))?;
        let cancelled = Arc::new(AtomicBool::new(false));
        self.consumers().insert(consumer.to_owned(), Arc::clone(&cancelled));
        Ok(Deliveries::new(self.number, stream, cancelled))
    }

    /// Ends a consumer; its deliveries go on with what has already arrived, and then end.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn cancel(&self, consumer: &str) -> Result<(), SessionError> {
        let tag = wire::short("the consumer tag", consumer)?;
        if let Some(cancelled) = self.consumers().remove(consumer) {
            cancelled.store(true, Ordering::Release);
        }
        let cancel = self.channel.basic_cancel(tag, BasicCancelOptions::default());
        within("cancel a consumer", cancel).await
    }

    /// Acknowledges; gives back control once every frame is written.
    ///
    /// # Errors
    /// When the session is over. The broker may then deliver the messages again.
    pub async fn settle(&self, frames: &[Frame]) -> Result<(), SessionError> {
        let ack = |frame: &Frame| {
            let options = BasicAckOptions { multiple: frame.multiple };
            self.channel.basic_ack(frame.number, options)
        };
        // All are queued before the first is awaited: awaiting each costs several times the CPU.
        try_join_all(frames.iter().map(ack)).await?;
        Ok(())
    }

    /// Hands a delivery back as a failure, which the broker counts.
    ///
    /// # Errors
    /// When the tag is of another session, or this session is over.
    pub async fn reject(&self, tag: Tag) -> Result<(), SessionError> {
        let number = self.own(tag)?;
        let options = BasicRejectOptions { requeue: true };
        Ok(self.channel.basic_reject(number, options).await?)
    }

    /// Hands a delivery back as not begun; from 4.3 on the broker does not count that.
    ///
    /// # Errors
    /// As [`reject`](Self::reject).
    pub async fn nack(&self, tag: Tag) -> Result<(), SessionError> {
        let number = self.own(tag)?;
        let options = BasicNackOptions { multiple: false, requeue: true };
        Ok(self.channel.basic_nack(number, options).await?)
    }

    /// How many messages are ready in the queue, and how many consumers it has.
    ///
    /// # Errors
    /// When that is not known; the session may be well all the same.
    pub async fn depth(&self) -> Result<Depth, SessionError> {
        Ok(probe::ask(&self.connection, &self.queue, PROBE_TIMEOUT).await?)
    }

    /// Waits for the end of the connection or the channel, also while nothing is consumed.
    pub async fn ended(&self) -> Ended {
        let mut notices = self.notices.lock().await;
        loop {
            if !self.channel.status().connected() && self.connection.status().connected() {
                return Ended {
                    end: SessionEnd::ChannelError,
                    detail: "the broker has closed the channel".to_owned(),
                };
            }
            if let Notice::Lost(detail) = notices.next().await {
                let end = SessionEnd::ConnectionError;
                return Ended { end, detail };
            }
        }
    }

    /// Ends the session after a drain, without losing the last settlements.
    ///
    /// Settle at most [`LAST_FRAMES_MAX`] at once before this.
    pub async fn finish(self) {
        sleep(SETTLING_TIME).await;
        let close = self.channel.close(REPLY_SUCCESS, "finished".into());
        // An error says that it has ended already; the broker has taken back what it must.
        let _ = timeout(CALL_TIMEOUT, close).await;
        connection::close(&self.connection).await;
    }

    /// Ends the session at once; the broker delivers every unsettled message again.
    pub async fn abandon(self) {
        connection::close(&self.connection).await;
    }

    fn own(&self, tag: Tag) -> Result<u64, SessionError> {
        if tag.session == self.number {
            return Ok(tag.number);
        }
        let session = self.number;
        Err(SessionError::Tag(TagError::OtherSession { tag, session }))
    }

    /// Says which queue is missing or refused.
    fn of_queue(&self, error: SessionError) -> SessionError {
        error.about(&self.queue)
    }

    fn consumers(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<AtomicBool>>> {
        self.cancelled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for ConsumeSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsumeSession")
            .field("number", &self.number)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

async fn within<T>(
    what: &'static str,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, SessionError> {
    match timeout(CALL_TIMEOUT, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(SessionError::Timeout { what }),
    }
}
