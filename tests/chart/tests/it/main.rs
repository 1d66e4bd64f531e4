//! The chart as its users see it: helm renders it, and what comes out is judged.
//!
//! No cluster is needed: what only a cluster can show is in `tests/e2e`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be, and says what it saw"
)]

mod helm;
mod object;

mod base;
mod labels;
mod metadata;
mod notes;
mod operator;
mod pods;
mod refusals;
mod rights;
mod values;
