//! Publishes the copy of a delivery, again and again, until it is safe or must be given up.
//!
//! The source is acknowledged only after this has said [`Copied::Confirmed`]. Nothing else is a
//! reason to acknowledge: not a time-out, not a nack, not a lost connection.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use warren_broker::{
    backoff::Backoff,
    publisher::{PublishError, Publisher},
};
use warren_core::message::Publication;

use crate::happenings;

/// The longest wait between two tries: short beside an outage, so that its end is not slept through.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How it ended.
#[derive(Debug)]
pub(crate) enum Copied {
    /// The copy is on the broker, in a queue.
    Confirmed,
    /// It could not be stored within the time; the source goes back.
    GivenUp(PublishError),
    /// It can never be stored, however often it is tried.
    Impossible(PublishError),
}

/// Publishes until confirmed, or until `patience` is over.
pub(crate) async fn copy(
    publisher: &Publisher,
    publication: &Publication,
    patience: Duration,
) -> Copied {
    let give_up = Instant::now() + patience;
    let mut backoff = Backoff::new();
    let mut told = false;
    loop {
        let error = match publisher.publish(publication.clone()).await {
            Ok(()) => return Copied::Confirmed,
            Err(error @ (PublishError::Malformed { .. } | PublishError::TooLarge { .. })) => {
                return Copied::Impossible(error);
            }
            Err(error) => error,
        };
        if !told {
            happenings::copy_refused(&publication.routing_key, &error);
            told = true;
        }
        let left = give_up.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Copied::GivenUp(error);
        }
        sleep(backoff.next_wait().min(LONGEST_WAIT).min(left)).await;
    }
}
