//! The operator against files, against a broker that is a value, and against real ones.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod broker;
mod children;
mod corpus;
mod golden;
mod local;
mod model;
mod plan;
mod scene;
mod server;
mod world;
