//! One confirm channel: batch after batch, each one closed before the next is opened.

use std::{collections::HashSet, pin::pin, sync::Arc};

use futures_util::future::join_all;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ErrorKind,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    protocol::{AMQPError, AMQPErrorKind, AMQPSoftError},
    types::ShortString,
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::error;
use warren_core::message::Publication;

use super::{PublishError, Shared, Ticket};
use crate::wire::{self, Malformed};

/// A channel and what it works for.
pub(super) struct Lane {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Arc<Connection>,
    pub(super) channel: Channel,
    /// Told when no further batch may be begun.
    pub(super) stop: CancellationToken,
}

/// Why the connection can no longer be trusted.
#[derive(Debug)]
pub(super) struct Doubt(pub(super) String);

/// What is left of a channel after a batch.
enum After {
    /// It works.
    Open,
    /// The broker has closed it.
    Closed,
}

/// A channel with confirms on.
pub(super) async fn open(connection: &Connection) -> Result<Channel, lapin::Error> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

impl Lane {
    /// Works until it is stopped.
    pub(super) async fn run(mut self) -> Result<(), Doubt> {
        loop {
            let batch = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                batch = self.shared.next_batch() => batch,
            };
            match self.commit(batch).await? {
                After::Open => {}
                After::Closed => self.channel = self.reopen().await?,
            }
        }
    }

    async fn reopen(&self) -> Result<Channel, Doubt> {
        let deadline = self.shared.settings.deadline;
        match timeout(deadline, open(&self.connection)).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(Doubt(error.to_string())),
            Err(_) => Err(Doubt(format!("no new channel within {deadline:?}"))),
        }
    }

    /// Publishes a batch, awaits every confirm, and answers every caller.
    async fn commit(&self, batch: Vec<Ticket>) -> Result<After, Doubt> {
        let (mut tickets, frames) = self.prepare(batch);
        let send = |frame| publish(&self.channel, frame);
        let mut confirms = pin!(join_all(frames.iter().map(send)));
        let deadline = self.shared.settings.deadline;
        let results = loop {
            let was_blocked = self.connection.status().blocked();
            if let Ok(results) = timeout(deadline, &mut confirms).await {
                break results;
            }
            for ticket in tickets.drain(..) {
                ticket.answer(Err(PublishError::Timeout));
            }
            // A blocked connection hangs by the broker's wish. A new one would hang with its first
            // publish too, so this one is kept, and the next callers are refused at once. Once it
            // is no longer blocked it gets a whole deadline to show that it works.
            if !was_blocked && !self.connection.status().blocked() {
                return Err(Doubt(format!("no confirm within {deadline:?}")));
            }
        };
        self.settle(tickets, results)
    }

    /// The frames of what can be sent; the rest is answered at once.
    fn prepare(&self, batch: Vec<Ticket>) -> (Vec<Ticket>, Vec<Frame>) {
        let frame_max = self.connection.configuration().frame_max();
        let now = Instant::now();
        let mut prepared = (Vec::new(), Vec::new());
        for ticket in batch {
            if ticket.expires <= now {
                ticket.answer(Err(PublishError::Timeout));
                continue;
            }
            match frame(&ticket, frame_max) {
                Ok(frame) => {
                    prepared.0.push(ticket);
                    prepared.1.push(frame);
                }
                Err(Malformed(what)) => ticket.answer(Err(PublishError::Malformed { what })),
            }
        }
        prepared
    }

    fn settle(
        &self,
        tickets: Vec<Ticket>,
        results: Vec<lapin::Result<Confirmation>>,
    ) -> Result<After, Doubt> {
        let returned = returned_ids(&results);
        let mut failed = Vec::new();
        let mut end = None;
        // Callers that were answered already leave results without a ticket.
        let mut tickets = tickets.into_iter();
        for result in results {
            let ticket = tickets.next();
            match (result, ticket) {
                (Ok(Confirmation::NotRequested), _) => {
                    error!("a channel without confirms was used to publish");
                    return Err(Doubt("the channel has no confirms".to_owned()));
                }
                (Ok(confirmation), Some(ticket)) => {
                    let verdict = verdict(&ticket.publication, &confirmation, &returned);
                    ticket.answer(verdict);
                }
                (Ok(_), None) => {}
                (Err(error), ticket) => {
                    failed.extend(ticket);
                    end = Some(worse(end, error));
                }
            }
        }
        match end {
            None => Ok(After::Open),
            Some(error) => self.judge(failed, &error),
        }
    }

    /// Tells the guilty from the others after the broker has closed the channel.
    fn judge(&self, failed: Vec<Ticket>, error: &lapin::Error) -> Result<After, Doubt> {
        let Some(amqp) = closed_channel(error) else {
            return Err(Doubt(error.to_string()));
        };
        if !self.connection.status().connected() {
            return Err(Doubt(error.to_string()));
        }
        let many = failed.len() > 1;
        let mut suspects = Vec::new();
        for mut ticket in failed {
            match refusal(&ticket, amqp) {
                // One batch goes to one exchange, so this is about all of it.
                Some(refusal) => ticket.answer(Err(refusal)),
                None if many => {
                    ticket.shape.alone = true;
                    suspects.push(ticket);
                }
                None => {
                    let refusal = guilty(ticket.shape.bytes, amqp);
                    ticket.answer(Err(refusal));
                }
            }
        }
        self.shared.put_back(suspects);
        Ok(After::Closed)
    }
}

/// What the library is given for one message.
struct Frame {
    exchange: ShortString,
    routing_key: ShortString,
    properties: BasicProperties,
    body: bytes::Bytes,
}

fn frame(ticket: &Ticket, frame_max: u32) -> Result<Frame, Malformed> {
    let publication = &ticket.publication;
    Ok(Frame {
        exchange: wire::short("the exchange", &publication.exchange)?,
        routing_key: wire::short("the routing key", &publication.routing_key)?,
        properties: wire::properties(&publication.message, frame_max)?,
        body: publication.message.body.clone(),
    })
}

/// Sends one message and awaits its confirm. All frames of a batch are queued in its order,
/// because the library queues them when the future is first polled.
async fn publish(channel: &Channel, frame: &Frame) -> lapin::Result<Confirmation> {
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let confirm = channel.basic_publish(
        frame.exchange.clone(),
        frame.routing_key.clone(),
        options,
        &frame.body,
        frame.properties.clone(),
    );
    confirm.await?.await
}

/// The ids of what the broker returned, whichever confirms carried them.
fn returned_ids(results: &[lapin::Result<Confirmation>]) -> HashSet<String> {
    let carried = results.iter().filter_map(|result| match result {
        Ok(Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message))) => Some(message),
        _ => None,
    });
    carried
        .filter_map(|message| message.properties.message_id().as_ref())
        .map(ToString::to_string)
        .collect()
}

fn verdict(
    publication: &Publication,
    confirmation: &Confirmation,
    returned: &HashSet<String>,
) -> Result<(), PublishError> {
    let id = publication.message.properties.message_id.as_ref();
    if id.is_some_and(|id| returned.contains(id)) {
        return Err(PublishError::Unroutable {
            exchange: publication.exchange.clone(),
            routing_key: publication.routing_key.clone(),
        });
    }
    if confirmation.is_ack() { Ok(()) } else { Err(PublishError::Nacked) }
}

/// The error that says more: the broker's own word before what followed from it.
fn worse(first: Option<lapin::Error>, second: lapin::Error) -> lapin::Error {
    match first {
        Some(first) if closed_channel(&first).is_some() => first,
        _ => second,
    }
}

fn closed_channel(error: &lapin::Error) -> Option<&AMQPError> {
    match error.kind() {
        ErrorKind::ProtocolError(amqp) if matches!(amqp.kind(), AMQPErrorKind::Soft(_)) => {
            Some(amqp)
        }
        _ => None,
    }
}

/// What the broker's word means for every message to the exchange of this one.
fn refusal(ticket: &Ticket, amqp: &AMQPError) -> Option<PublishError> {
    match amqp.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => {
            Some(PublishError::ExchangeNotFound { exchange: ticket.publication.exchange.clone() })
        }
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
            Some(PublishError::AccessRefused { detail: amqp.get_message().to_string() })
        }
        _ => None,
    }
}

/// What the broker's word means for a message that was alone in its batch.
fn guilty(bytes: usize, amqp: &AMQPError) -> PublishError {
    let detail = amqp.get_message().to_string();
    if detail.contains("message size") {
        PublishError::TooLarge { bytes, detail }
    } else {
        PublishError::Malformed { what: detail }
    }
}

#[cfg(test)]
mod tests;
