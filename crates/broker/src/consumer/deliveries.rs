//! What a consumer is given, as a stream that says how it ended.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures_util::{Stream, StreamExt};
use warren_core::{
    ledger::{SessionNumber, Tag},
    message::Incoming,
};

use super::end::{Ended, SessionEnd};
use crate::wire;

/// A message with what settles it.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// What settles it, in the session that received it.
    pub tag: Tag,
    /// The tag of the consumer that got it.
    pub consumer: Arc<str>,
    /// The message.
    pub incoming: Incoming,
}

/// The deliveries of one consumer.
///
/// An error is the last item and ends the session. After a cancel of our own there is none: the
/// stream goes on with what has already arrived, and ends. Dropping it cancels the consumer.
pub struct Deliveries {
    session: SessionNumber,
    consumer: Arc<str>,
    stream: lapin::Consumer,
    /// Whether we have cancelled the consumer ourselves.
    cancelled: Arc<AtomicBool>,
    over: bool,
}

impl Deliveries {
    pub(super) fn new(
        session: SessionNumber,
        stream: lapin::Consumer,
        cancelled: Arc<AtomicBool>,
    ) -> Self {
        Self { session, consumer: stream.tag().as_str().into(), stream, cancelled, over: false }
    }

    /// The tag of the consumer.
    pub fn consumer(&self) -> &Arc<str> {
        &self.consumer
    }

    fn delivery(&self, from: lapin::message::Delivery) -> Delivery {
        Delivery {
            tag: Tag { session: self.session, number: from.delivery_tag },
            consumer: Arc::clone(&self.consumer),
            incoming: Incoming {
                exchange: from.exchange.into(),
                routing_key: from.routing_key.into(),
                redelivered: from.redelivered,
                message: wire::message(&from.properties, from.data),
            },
        }
    }
}

impl Stream for Deliveries {
    type Item = Result<Delivery, Ended>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        match ready!(self.stream.poll_next_unpin(context)) {
            Some(Ok(delivery)) => Poll::Ready(Some(Ok(self.delivery(delivery)))),
            Some(Err(error)) => {
                self.over = true;
                Poll::Ready(Some(Err(Ended::from(&error))))
            }
            None => {
                self.over = true;
                if self.cancelled.load(Ordering::Acquire) {
                    return Poll::Ready(None);
                }
                let detail = "the broker cancelled the consumer; the queue was deleted, or a \
                              delivery was held longer than the consumer timeout";
                Poll::Ready(Some(Err(Ended {
                    end: SessionEnd::Cancelled,
                    detail: detail.to_owned(),
                })))
            }
        }
    }
}

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deliveries")
            .field("session", &self.session)
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}
