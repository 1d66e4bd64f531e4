//! The producer as its users meet it: over HTTP and from a shell, against real brokers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod auth;
mod broker_failures;
mod command;
mod docs;
mod hostile;
mod ndjson_command;
mod publish;
mod rig;
mod served;
mod streaming;
