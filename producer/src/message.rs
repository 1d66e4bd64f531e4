//! From what a client asks for to what is published, or the reason why not.
//!
//! All ways in, every HTTP route and both commands, meet here, so that a limit holds everywhere
//! and is worded once. Pure: the time and the random bits of an id are arguments. It does not know
//! HTTP, files or the broker.

mod trace;

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;
use warren_core::{
    config::ProducerConfig,
    duration,
    headers::{self, Headers},
    message::{Message, Properties, Publication, SHORT_STRING_MAX, Value},
    names::PipelineId,
};

pub use trace::Trace;

/// The highest priority; RabbitMQ 4.3 tells 0 to 31 apart, older quorum queues less.
pub const PRIORITY_MAX: u8 = 31;

/// The longest `processing_time`, in seconds: a handler may run for 24 hours at most.
pub const PROCESSING_TIME_MAX: f64 = 86_400.0;

/// The longest model name, in bytes: it becomes the routing key `model.<name>`.
pub const MODEL_MAX: usize = SHORT_STRING_MAX - "model.".len();

/// The most bytes that names and values of a client's headers may have together.
///
/// Properties and headers travel in one frame, of 131072 bytes by RabbitMQ's default `frame_max`;
/// the headers that retries add need room in it too.
pub const HEADERS_MAX: usize = 32 * 1024;

/// What one client asks to have published.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// What the message is to be called.
    pub identity: Identity,
    /// The payload, as handlers get it.
    pub body: Bytes,
    /// The media type of the payload.
    pub content_type: String,
    /// The routing key; empty when the exchange does not look at it.
    pub routing_key: String,
    /// The priority, 0 to [`PRIORITY_MAX`].
    pub priority: Option<u8>,
    /// How long no worker should handle it.
    pub delay: Option<Duration>,
    /// How long the simulator is to work on it, in seconds.
    pub processing_time: Option<f64>,
    /// The model the work needs.
    pub model: Option<String>,
    /// The group among which work is shared fairly.
    pub group: Option<String>,
    /// The W3C trace that the message belongs to.
    pub trace: Option<Trace>,
    /// Headers of the application's own.
    pub headers: Vec<(String, String)>,
}

/// What holds for a message unless it says something else itself: what stands in the headers of a
/// request or in the arguments of a command.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defaults {
    /// As in [`Request`].
    pub routing_key: String,
    /// As in [`Request`].
    pub priority: Option<u8>,
    /// As in [`Request`].
    pub delay: Option<Duration>,
    /// As in [`Request`].
    pub model: Option<String>,
    /// As in [`Request`].
    pub group: Option<String>,
    /// As in [`Request`].
    pub trace: Option<Trace>,
    /// As in [`Request`]; added to its own.
    pub headers: Vec<(String, String)>,
}

/// Where the id of a message comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Identity {
    /// The client does not care: a new UUID, version 7.
    #[default]
    Fresh,
    /// The client's own id.
    Given(String),
    /// The client's idempotency key: the same key gives the same id, however often it is sent.
    Key(String),
}

/// What is true of this very publish: the only things that differ between two equal requests.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// The present moment.
    pub now: Timestamp,
    /// The random part of a new id.
    pub random: [u8; 10],
}

/// A message that can be published, and what its sender is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// What goes to the broker.
    pub publication: Publication,
    /// The id the message has.
    pub message_id: String,
    /// When it is published.
    pub published_at: Timestamp,
    /// Before when no worker handles it.
    pub not_before: Option<Timestamp>,
}

/// Why a request cannot be published.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A text that travels as an AMQP short string, or is limited like one.
    #[error("{what} has {bytes} bytes; it may have 1 to {longest}")]
    Length {
        /// Which text.
        what: &'static str,
        /// Its length, in bytes.
        bytes: usize,
        /// The most it may have, in bytes.
        longest: usize,
    },
    /// A control character in a text that people and logs will see.
    #[error("{what} has a control character in it; leave it out")]
    ControlCharacter {
        /// Which text.
        what: &'static str,
    },
    /// A number that is no duration of work.
    #[error(
        "processing_time is {0}; write a number of seconds from 0 to {max}",
        max = PROCESSING_TIME_MAX
    )]
    ProcessingTime(f64),
    /// A priority that no queue tells apart.
    #[error("the priority is {0}; write a whole number from 0 to {max}", max = PRIORITY_MAX)]
    Priority(u8),
    /// The pipeline cannot delay.
    #[error("this pipeline takes no delayed messages: one of its queues has no retry tiers")]
    NoDelay,
    /// Longer than the retry tiers can carry.
    #[error(
        "the delay {asked} is too long: the retry tiers of this pipeline reach {longest}",
        asked = duration::format(*asked),
        longest = duration::format(*longest)
    )]
    DelayTooLong {
        /// What was asked for.
        asked: Duration,
        /// The longest that is possible.
        longest: Duration,
    },
    /// A header that Warren or the broker acts on.
    #[error(
        "the header {0:?} is reserved: names that begin with warren- or x-, and CC and BCC, \
         are not for clients"
    )]
    ReservedHeader(String),
    /// One header, twice.
    #[error("the header {0:?} is given twice")]
    RepeatedHeader(String),
    /// Headers that would not fit into a frame.
    #[error("the headers have {bytes} bytes together; they may have {max}", max = HEADERS_MAX)]
    HeadersTooLarge {
        /// Their length, in bytes.
        bytes: usize,
    },
    /// A body over the pipeline's limit.
    #[error("the message has {bytes} bytes; this pipeline takes at most {limit}")]
    TooLarge {
        /// The length of the body, in bytes.
        bytes: usize,
        /// `maxMessageBytes`.
        limit: usize,
    },
}

impl Defaults {
    /// Adds them to a request; what the request says itself comes first.
    pub fn add_to(&self, request: Request) -> Request {
        let routing_key = if request.routing_key.is_empty() {
            self.routing_key.clone()
        } else {
            request.routing_key
        };
        let mut headers = self.headers.clone();
        headers.extend(request.headers);
        Request {
            routing_key,
            priority: request.priority.or(self.priority),
            delay: request.delay.or(self.delay),
            model: request.model.or_else(|| self.model.clone()),
            group: request.group.or_else(|| self.group.clone()),
            trace: request.trace.or_else(|| self.trace.clone()),
            headers,
            ..request
        }
    }
}

/// The message to publish for a request.
///
/// # Errors
/// A [`Refusal`], which says what to change.
pub fn prepare(
    pipeline: &ProducerConfig,
    request: Request,
    stamp: Stamp,
) -> Result<Prepared, Refusal> {
    if request.body.len() > pipeline.max_message_bytes {
        return Err(Refusal::TooLarge {
            bytes: request.body.len(),
            limit: pipeline.max_message_bytes,
        });
    }
    let message_id = identify(&pipeline.pipeline, &request.identity, stamp)?;
    short("the content type", &request.content_type)?;
    if !request.routing_key.is_empty() {
        short("the routing key", &request.routing_key)?;
    }
    if let Some(priority) = request.priority.filter(|number| *number > PRIORITY_MAX) {
        return Err(Refusal::Priority(priority));
    }
    let not_before =
        request.delay.map(|delay| moment_after(pipeline, delay, stamp.now)).transpose()?;
    let exchange = pipeline.prefix.as_str().to_owned();
    let mut headers = own_headers(&request)?;
    headers.set(headers::PUBLISHED_AT, stamp.now.as_millisecond());
    headers.set(headers::ATTEMPT, 1_i64);
    headers.set(headers::ORIGIN_EXCHANGE, exchange.as_str());
    headers.set(headers::ORIGIN_ROUTING_KEY, request.routing_key.as_str());
    if let Some(moment) = not_before {
        headers.set(headers::NOT_BEFORE, moment.as_millisecond());
    }
    let properties = Properties {
        message_id: Some(message_id.clone()),
        content_type: Some(request.content_type),
        timestamp: u64::try_from(stamp.now.as_second()).ok(),
        priority: request.priority,
        ..Properties::default()
    };
    let message = Message { properties, headers, body: request.body };
    Ok(Prepared {
        publication: Publication { exchange, routing_key: request.routing_key, message },
        message_id,
        published_at: stamp.now,
        not_before,
    })
}

/// The UUID namespace N of a pipeline, in which idempotency keys become ids.
pub fn key_namespace(pipeline: &PipelineId) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("warren.dev/{pipeline}").as_bytes())
}

fn identify(pipeline: &PipelineId, identity: &Identity, stamp: Stamp) -> Result<String, Refusal> {
    match identity {
        Identity::Fresh => {
            let milliseconds = u64::try_from(stamp.now.as_millisecond()).unwrap_or(0);
            let id = uuid::Builder::from_unix_timestamp_millis(milliseconds, &stamp.random);
            Ok(id.into_uuid().to_string())
        }
        Identity::Given(id) => {
            short("the id", id)?;
            Ok(id.clone())
        }
        Identity::Key(key) => {
            short("the idempotency key", key)?;
            Ok(Uuid::new_v5(&key_namespace(pipeline), key.as_bytes()).to_string())
        }
    }
}

/// The moment until which a message waits.
fn moment_after(
    pipeline: &ProducerConfig,
    delay: Duration,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let longest = pipeline.max_delay.ok_or(Refusal::NoDelay)?.0;
    let too_long = Refusal::DelayTooLong { asked: delay, longest };
    if delay > longest {
        return Err(too_long);
    }
    now.checked_add(delay).map_err(|_| too_long)
}

/// The headers that come from the request, each checked.
fn own_headers(request: &Request) -> Result<Headers, Refusal> {
    let mut own = Headers::default();
    let mut bytes = 0;
    for (name, value) in &request.headers {
        short("the name of a header", name)?;
        if is_reserved(name) {
            return Err(Refusal::ReservedHeader(name.clone()));
        }
        if own.get(name).is_some() {
            return Err(Refusal::RepeatedHeader(name.clone()));
        }
        bytes += name.len() + value.len();
        own.set(name, value.as_str());
    }
    if bytes > HEADERS_MAX {
        return Err(Refusal::HeadersTooLarge { bytes });
    }
    if let Some(seconds) = request.processing_time {
        if !(0.0..=PROCESSING_TIME_MAX).contains(&seconds) {
            return Err(Refusal::ProcessingTime(seconds));
        }
        own.set(headers::PROCESSING_TIME, Value::Float(seconds));
    }
    if let Some(model) = &request.model {
        text("the model", model, MODEL_MAX)?;
        own.set(headers::MODEL, model.as_str());
    }
    if let Some(group) = &request.group {
        short("the group", group)?;
        own.set(headers::GROUP, group.as_str());
    }
    if let Some(trace) = &request.trace {
        trace.add_to(&mut own);
    }
    Ok(own)
}

/// Whether Warren or the broker would act on a header of this name.
fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("warren-") || name.starts_with("x-") || name == "cc" || name == "bcc"
}

fn short(what: &'static str, value: &str) -> Result<(), Refusal> {
    text(what, value, SHORT_STRING_MAX)
}

fn text(what: &'static str, value: &str, longest: usize) -> Result<(), Refusal> {
    if !(1..=longest).contains(&value.len()) {
        return Err(Refusal::Length { what, bytes: value.len(), longest });
    }
    if value.chars().any(char::is_control) {
        return Err(Refusal::ControlCharacter { what });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
