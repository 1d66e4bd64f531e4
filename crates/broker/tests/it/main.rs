//! The broker crate against real brokers of every supported version.
//!
//! Each test runs on all of them at the same time, in a virtual host of its own. Without brokers
//! the tests fail and say how to get some.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod connecting;
mod consuming;
mod management;
mod probing;
mod publishing;
mod trouble;

use std::time::Duration;

use warren_core::message::{Message, Publication};

/// How long anything may take that is not itself about time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message with an id and a short body.
fn message(id: &str) -> Message {
    let mut message = Message::default();
    message.properties.message_id = Some(id.to_owned());
    message.body = bytes::Bytes::from(format!("body of {id}"));
    message
}

/// A message on its way to an exchange.
fn publication(exchange: &str, routing_key: &str, id: &str) -> Publication {
    Publication {
        exchange: exchange.to_owned(),
        routing_key: routing_key.to_owned(),
        message: message(id),
    }
}
