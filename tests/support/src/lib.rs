//! What tests with real servers share: the brokers, a virtual host of one's own on each, waiting
//! for a condition, and an HTTP receiver that answers by script.
//!
//! A test that needs a broker and finds none fails and says how to get one. It is never skipped in
//! silence: a green run would then prove nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::missing_panics_doc,
    reason = "only tests use this crate, and a panic is how a test fails"
)]

mod brokers;
mod receiver;
mod vhost;
mod waiting;

pub use brokers::{TestBroker, VARIABLE, brokers, for_each_broker};
pub use receiver::{Received, Receiver, Reply};
pub use vhost::{TestVhost, answered};
pub use waiting::{eventually, wait_until};
