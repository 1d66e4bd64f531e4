//! Passes against real brokers, on every version, each in a virtual host of its own.

mod declare;
mod deletion;
mod removed;
mod repair;
mod scoped;
mod strangers;
mod trouble;

use warren_api::MessagePipeline;
use warren_core::message::{Message, Properties};
use warren_operator::{pipeline::Pipeline, validate};

use crate::scene::settings;

/// A message with an id and nothing else.
fn a_message() -> Message {
    let properties = Properties { message_id: Some("m1".to_owned()), ..Properties::default() };
    Message { properties, ..Message::default() }
}

fn pipeline(object: &MessagePipeline) -> Pipeline {
    validate::pipeline(object, &settings()).unwrap()
}
