//! The copies a worker publishes: to a retry tier, and to the dead-letter queue.
//!
//! A copy is the message again, with the same id, priority and body, less what belongs to the
//! broker, plus what the next reader must know. It goes to `P.internal`, never through `P`, which
//! would give healthy queues a second copy.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    headers::{self, Headers, cut},
    message::{Incoming, Message, Publication, SHORT_STRING_MAX},
    names::{Prefix, QueueName},
    outcome::{DeadReason, ErrorClass},
};
/// What went wrong in the last attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure.
    pub class: ErrorClass,
    /// What it said; cut to [`headers::ERROR_MAX`] bytes in the copy.
    pub detail: String,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
}

/// Who makes copies, and of which queue.
#[derive(Debug, Clone)]
pub struct Copier {
    /// The pipeline's name prefix.
    pub prefix: Prefix,
    /// The queue that failed, and the only one that gets the message again.
    pub queue: QueueName,
    /// The name of this worker, for the header [`headers::WORKER`].
    pub worker: String,
}

impl Copier {
    /// The copy that waits in a tier for its next attempt.
    pub fn retry(
        &self,
        source: &Incoming,
        tier: Duration,
        attempt: u32,
        failure: Option<&Failure>,
        now: Timestamp,
    ) -> Publication {
        let mut message = carried(source, now);
        message.headers.set(headers::ATTEMPT, attempt);
        if let Some(failure) = failure {
            self.note_failure(&mut message.headers, failure, now);
        }
        self.publication(self.queue.retry_key(tier), message)
    }

    /// The copy that says why it is a dead letter.
    pub fn dead(
        &self,
        source: &Incoming,
        reason: DeadReason,
        failure: &Failure,
        now: Timestamp,
    ) -> Publication {
        let mut message = carried(source, now);
        message.headers.set(headers::ATTEMPT, source.message.headers.attempt());
        self.note_failure(&mut message.headers, failure, now);
        message.headers.set(headers::DEAD_REASON, reason.as_str());
        message.headers.set(headers::DEAD_AT, now.as_millisecond());
        self.publication(self.queue.dead_key(), message)
    }

    fn publication(&self, routing_key: String, message: Message) -> Publication {
        Publication { exchange: self.prefix.internal(), routing_key, message }
    }

    fn note_failure(&self, headers: &mut Headers, failure: &Failure, now: Timestamp) {
        headers.set_if_absent(headers::FIRST_FAILED_AT, now.as_millisecond());
        headers.set(headers::LAST_FAILED_AT, now.as_millisecond());
        headers.set(headers::ERROR_CLASS, failure.class.as_str());
        headers.set(headers::ERROR, cut(&failure.detail, headers::ERROR_MAX));
        headers.set(headers::WORKER, self.worker.as_str());
        match failure.status {
            Some(status) => headers.set(headers::HTTP_STATUS, u32::from(status)),
            None => headers.remove(headers::HTTP_STATUS),
        }
    }
}

/// The id that names a delivery in every copy and on every repetition.
///
/// A foreign publisher may leave it out. Then it is derived from routing key, application headers
/// and body, so that a redelivery has the same one; a fresh one would hide duplicates.
pub fn identity(source: &Incoming) -> String {
    let given = source.message.properties.message_id.as_deref();
    given.filter(|id| !id.is_empty()).map_or_else(|| derived_id(source), str::to_owned)
}

/// When the message was first published, or else when this worker first saw it.
pub fn published_at(source: &Incoming, now: Timestamp) -> Timestamp {
    let from_property = || {
        let seconds = source.message.properties.timestamp.and_then(|s| i64::try_from(s).ok())?;
        Timestamp::from_second(seconds).ok()
    };
    source.message.headers.moment(headers::PUBLISHED_AT).or_else(from_property).unwrap_or(now)
}

/// The message as it goes on: same id and properties, broker headers off, origin noted.
fn carried(source: &Incoming, now: Timestamp) -> Message {
    let mut message = source.message.clone();
    message.properties.message_id = Some(identity(source));
    let first_seen = published_at(source, now).as_millisecond();
    let headers = &mut message.headers;
    headers.strip_broker_owned();
    if headers.moment(headers::PUBLISHED_AT).is_none() {
        headers.set(headers::PUBLISHED_AT, first_seen);
    }
    headers.set_if_absent(headers::ORIGIN_EXCHANGE, source.exchange.as_str());
    headers.set_if_absent(headers::ORIGIN_ROUTING_KEY, source.routing_key.as_str());
    message
}

fn derived_id(source: &Incoming) -> String {
    let mut own = source.message.headers.clone();
    own.strip_broker_owned();
    let mut digest = Sha256::new();
    // Lengths go in front, so that no two messages run into the same bytes.
    let mut feed = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    feed(source.routing_key.as_bytes());
    feed(&source.message.body);
    for (name, value) in &own {
        feed(name.as_bytes());
        feed(format!("{value:?}").as_bytes());
    }
    Uuid::new_v5(&Uuid::NAMESPACE_URL, &digest.finalize()).to_string()
}

/// Whether a text fits where AMQP allows one length byte.
pub fn fits_short_string(text: &str) -> bool {
    text.len() <= SHORT_STRING_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Value;

    fn copier() -> Copier {
        Copier {
            prefix: Prefix::new("shop.orders").unwrap(),
            queue: QueueName::new("email").unwrap(),
            worker: "email-1".to_owned(),
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_000).unwrap()
    }

    fn failure() -> Failure {
        let detail = "x".repeat(5_000);
        Failure { class: ErrorClass::Http5xx, detail, status: Some(500) }
    }

    fn foreign() -> Incoming {
        let message = Message {
            headers: [("tenant", Value::from("t")), ("CC", Value::List(vec![]))]
                .into_iter()
                .collect(),
            body: "hello".into(),
            ..Message::default()
        };
        let exchange = "shop.orders".to_owned();
        Incoming { exchange, routing_key: "order.new".to_owned(), redelivered: false, message }
    }

    #[test]
    fn a_retry_copy_goes_to_the_tier_and_counts_up() {
        let copy = copier().retry(&foreign(), Duration::from_secs(5), 2, Some(&failure()), now());
        assert_eq!(
            (copy.exchange.as_str(), copy.routing_key.as_str()),
            ("shop.orders.internal", "email.retry.5000")
        );
        let headers = &copy.message.headers;
        assert_eq!(headers.attempt(), 2);
        assert_eq!(headers.get(headers::ERROR).unwrap().as_text().unwrap().len(), 1024);
        assert_eq!(headers.get(headers::ORIGIN_ROUTING_KEY), Some(&Value::from("order.new")));
        assert_eq!(headers.get(headers::PUBLISHED_AT), Some(&Value::Int(1_000_000)));
        assert_eq!(headers.get("CC"), None);
        assert_eq!(headers.get("tenant"), Some(&Value::from("t")));
    }

    #[test]
    fn first_failure_and_origin_stay_while_the_last_failure_moves() {
        let first = copier().retry(&foreign(), Duration::from_secs(1), 2, Some(&failure()), now());
        let again = Incoming {
            exchange: "shop.orders.internal".to_owned(),
            routing_key: "email".to_owned(),
            redelivered: false,
            message: first.message,
        };
        let later = now() + jiff::SignedDuration::from_secs(60);
        let timeout = Failure { class: ErrorClass::Timeout, detail: String::new(), status: None };
        let dead = copier().dead(&again, DeadReason::AttemptsExhausted, &timeout, later);
        let headers = &dead.message.headers;
        assert_eq!(dead.routing_key, "email.dead");
        assert_eq!(headers.moment(headers::FIRST_FAILED_AT), Some(now()));
        assert_eq!(headers.moment(headers::LAST_FAILED_AT), Some(later));
        assert_eq!(headers.get(headers::ORIGIN_EXCHANGE), Some(&Value::from("shop.orders")));
        assert_eq!(headers.get(headers::HTTP_STATUS), None);
        assert_eq!(headers.get(headers::DEAD_REASON), Some(&Value::from("attempts_exhausted")));
        assert_eq!(headers.attempt(), 2);
    }

    #[test]
    fn a_message_without_an_id_gets_the_same_one_on_every_redelivery() {
        let mut redelivered = foreign();
        redelivered.redelivered = true;
        redelivered.message.headers.set(headers::DELIVERY_COUNT, 3_u32);
        assert_eq!(identity(&foreign()), identity(&redelivered));
        let mut other = foreign();
        other.message.body = "other".into();
        assert_ne!(identity(&foreign()), identity(&other));
    }

    #[test]
    fn a_foreign_timestamp_counts_as_the_time_of_publishing() {
        let mut source = foreign();
        source.message.properties.timestamp = Some(500);
        assert_eq!(published_at(&source, now()).as_second(), 500);
        source.message.properties.timestamp = Some(u64::MAX);
        assert_eq!(published_at(&source, now()), now());
    }
}
