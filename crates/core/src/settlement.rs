//! What becomes of a delivery: from a handler's report, or before any handler runs.
//!
//! These two functions are the whole rule by which a message ends as done or dead letter. They
//! decide; publishing the copy and acknowledging the source is the worker's, in that order.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    copies::Failure,
    headers,
    message::Incoming,
    outcome::{DeadReason, ErrorClass, Outcome, Report, labels},
    retry::RetryPolicy,
};

labels! {
    /// What a worker did with a delivery.
    Settled {
        /// Acknowledged: the work is done.
        Acked => "acked",
        /// Copied to a tier, then acknowledged.
        Retried => "retried",
        /// Copied to the dead-letter queue, then acknowledged.
        DeadLettered => "dead_lettered",
        /// Handed back to the broker.
        Returned => "returned",
    }
}

/// What is to be done with a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Acknowledge it.
    Ack,
    /// Copy it to a tier, then acknowledge it.
    Retry {
        /// The delay of the tier.
        tier: Duration,
        /// The attempt the copy is for.
        attempt: u32,
        /// What went wrong; nothing when it is only too early.
        failure: Option<Failure>,
    },
    /// Copy it to the dead-letter queue, then acknowledge it.
    Dead {
        /// Why.
        reason: DeadReason,
        /// What went wrong.
        failure: Failure,
    },
}

/// Whether the breaker lets messages through, at the moment a result is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The endpoint is taken to work: a failure is the message's own.
    Open,
    /// The endpoint is taken to be sick: a failure uses no attempt.
    Shut,
}

/// The bounds a delivery must keep before its handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrivalLimits {
    /// Returned deliveries at which a message counts as one that kills workers.
    pub poison: u32,
    /// The largest body, in bytes.
    pub max_message_bytes: usize,
}

/// The most returned deliveries a message may have, whatever `limits.deliveryLimit` allows.
const POISON_LIMIT: u32 = 10;

impl ArrivalLimits {
    /// The limits that follow from `limits.deliveryLimit` and `limits.maxMessageBytes`.
    pub fn new(delivery_limit: u32, max_message_bytes: usize) -> Self {
        Self { poison: delivery_limit.min(POISON_LIMIT), max_message_bytes }
    }
}

/// Decides about a delivery before any handler runs; nothing means: run it.
pub fn on_arrival(
    source: &Incoming,
    limits: ArrivalLimits,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Option<Settlement> {
    let headers = &source.message.headers;
    let crashes = headers.delivery_count();
    if crashes >= limits.poison {
        let detail = format!("{crashes} workers ended while they held this message");
        return Some(dead(DeadReason::PoisonCrash, ErrorClass::Other, detail));
    }
    let size = source.message.body.len();
    if size > limits.max_message_bytes {
        let most = limits.max_message_bytes;
        let detail = format!("the body has {size} bytes, limits.maxMessageBytes is {most}");
        return Some(dead(DeadReason::TooLarge, ErrorClass::Other, detail));
    }
    let early = headers.moment(headers::NOT_BEFORE).filter(|moment| *moment > now)?;
    let rest = Duration::try_from(early.duration_since(now)).unwrap_or_default();
    let attempt = headers.attempt();
    Some(Settlement::Retry { tier: policy.tier(rest), attempt, failure: None })
}

/// Decides about a delivery by what its handler reported.
///
/// `gate` is the breaker's state after it has heard of this report: a retry at or after the
/// opening uses no attempt, whatever its class.
pub fn on_report(report: &Report, attempt: u32, policy: &RetryPolicy, gate: Gate) -> Settlement {
    let same_attempt =
        |after: Duration, failure| Settlement::Retry { tier: policy.tier(after), attempt, failure };
    match &report.outcome {
        Outcome::Done => Settlement::Ack,
        Outcome::Dead { reason, detail } => Settlement::Dead {
            reason: *reason,
            failure: Failure {
                class: class_of(*reason, report.status),
                detail: detail.clone(),
                status: report.status,
            },
        },
        Outcome::Defer { after } => same_attempt(*after, None),
        Outcome::Pause { after, detail } => {
            let class = ErrorClass::Other;
            let failure = Failure { class, detail: detail.clone(), status: report.status };
            same_attempt(*after, Some(failure))
        }
        Outcome::Retry { class, after, detail } => {
            let failure = Failure { class: *class, detail: detail.clone(), status: report.status };
            let tier = policy.tier_after(attempt, *after);
            match gate {
                Gate::Shut => Settlement::Retry { tier, attempt, failure: Some(failure) },
                Gate::Open if attempt >= policy.attempts() => {
                    Settlement::Dead { reason: DeadReason::AttemptsExhausted, failure }
                }
                Gate::Open => {
                    Settlement::Retry { tier, attempt: attempt + 1, failure: Some(failure) }
                }
            }
        }
    }
}

fn dead(reason: DeadReason, class: ErrorClass, detail: String) -> Settlement {
    Settlement::Dead { reason, failure: Failure { class, detail, status: None } }
}

fn class_of(reason: DeadReason, status: Option<u16>) -> ErrorClass {
    match (reason, status) {
        (DeadReason::DecodeError, _) => ErrorClass::Decode,
        (_, Some(400..=499)) => ErrorClass::Http4xx,
        (_, Some(500..=599)) => ErrorClass::Http5xx,
        _ => ErrorClass::Other,
    }
}

#[cfg(test)]
mod tests;
