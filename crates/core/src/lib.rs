//! The domain of Warren as plain values: names, messages, retry, settlement, topology, scaling.
//!
//! Nothing here does I/O, reads a clock, logs or draws a random number, and the dependency list
//! makes sure of it: whatever decides is a function of its arguments and can be tested by a table.
//! Operator, worker, producer and the tests share these types, so that a name, a tier or a
//! routing key is made in one place only.
#![deny(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

pub mod breaker;
pub mod classify;
pub mod config;
pub mod copies;
pub mod duration;
pub mod headers;
pub mod ledger;
pub mod message;
pub mod names;
pub mod outcome;
pub mod owner;
pub mod retry;
pub mod scaling;
pub mod settlement;
pub mod topology;
