//! What the headers of a request say about the message, or about every message of a batch.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use warren_core::duration;

use super::{
    answer::Refused,
    media::{malformed, one},
};
use crate::message::{Defaults, Identity, PRIORITY_MAX, Trace};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const ROUTING_KEY: HeaderName = HeaderName::from_static("warren-routing-key");
const PRIORITY: HeaderName = HeaderName::from_static("warren-priority");
const DELAY: HeaderName = HeaderName::from_static("warren-delay");
const MODEL: HeaderName = HeaderName::from_static("warren-model");
const GROUP: HeaderName = HeaderName::from_static("warren-group");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Reads the headers that every publishing route knows.
pub(super) fn defaults(headers: &HeaderMap) -> Result<Defaults, Refused> {
    let text = |name| Ok::<_, Refused>(one(headers, name)?.map(str::to_owned));
    Ok(Defaults {
        routing_key: text(&ROUTING_KEY)?.unwrap_or_default(),
        priority: one(headers, &PRIORITY)?.map(priority).transpose()?,
        delay: one(headers, &DELAY)?.map(delay).transpose()?,
        model: text(&MODEL)?,
        group: text(&GROUP)?,
        trace: trace(headers),
        headers: Vec::new(),
    })
}

/// The identity of a single message, which its own `id` or the header may give, but not both.
pub(super) fn identity(headers: &HeaderMap, own: Identity) -> Result<Identity, Refused> {
    match (one(headers, &IDEMPOTENCY_KEY)?, own) {
        (None, own) => Ok(own),
        (Some(key), Identity::Fresh) => Ok(Identity::Key(key.to_owned())),
        (Some(_), Identity::Given(_) | Identity::Key(_)) => {
            let detail = "give either `id` or the header Idempotency-Key, not both";
            Err(malformed(detail))
        }
    }
}

/// Refuses a key where there are several messages, which would all become the same one.
pub(super) fn no_key(headers: &HeaderMap) -> Result<(), Refused> {
    if headers.contains_key(IDEMPOTENCY_KEY) {
        let detail = "Idempotency-Key names one message; in a batch give each its own `id`";
        return Err(malformed(detail));
    }
    Ok(())
}

fn priority(text: &str) -> Result<u8, Refused> {
    let number = text.trim().parse().ok();
    number.filter(|number| *number <= PRIORITY_MAX).ok_or_else(|| {
        malformed(format!(
            "Warren-Priority is {text:?}; write a whole number from 0 to {PRIORITY_MAX}"
        ))
    })
}

fn delay(text: &str) -> Result<Duration, Refused> {
    duration::parse(text.trim()).map_err(|error| malformed(format!("Warren-Delay: {error}")))
}

/// Tracing is never a reason to refuse a message: what cannot be read is left out.
fn trace(headers: &HeaderMap) -> Option<Trace> {
    let text = |name| one(headers, name).ok().flatten();
    Trace::read(text(&TRACEPARENT)?, text(&TRACESTATE))
}
