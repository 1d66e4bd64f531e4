//! The integration tests of `warren-core`: one binary, one module for each part of the domain.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and a panic is how it says so"
)]

mod scaling;
mod settlement;
