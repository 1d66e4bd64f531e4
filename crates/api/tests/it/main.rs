//! The contract as files: the generated definition, and objects that it must take or refuse.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod corpus;
mod coverage;
mod definition;
mod judge;
mod refused;
mod taken;
mod unavailable;
