//! Passes against real brokers, on every version, each in a virtual host of its own.

mod declare;
mod deletion;
mod removed;
mod repair;
mod scoped;
mod strangers;
mod trouble;

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use warren_api::MessagePipeline;
use warren_core::message::{Message, Properties};
use warren_operator::{pipeline::Pipeline, validate};
use warren_test_support::{TestVhost, for_each_broker};

use crate::scene::settings;

/// Runs a test on every broker and removes the users that its pipelines made: users are global to
/// a broker and outlive the virtual host.
async fn on_each_broker(objects: &[&MessagePipeline], test: impl AsyncFn(&TestVhost)) {
    let test = &test;
    for_each_broker(async |vhost| {
        let outcome = AssertUnwindSafe(test(vhost)).catch_unwind().await;
        for object in objects {
            let pipeline = pipeline(object);
            for holder in pipeline.holders() {
                let user = pipeline.user_of(&holder, &vhost.name);
                vhost.management.delete_user(&user).await.unwrap();
            }
        }
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    })
    .await;
}

/// A message with an id and nothing else.
fn a_message() -> Message {
    let properties = Properties { message_id: Some("m1".to_owned()), ..Properties::default() };
    Message { properties, ..Message::default() }
}

fn pipeline(object: &MessagePipeline) -> Pipeline {
    validate::pipeline(object, &settings()).unwrap()
}
