//! The files the operator writes and the programs read: `worker.yaml` and `producer.yaml`.
//!
//! They hold the resolved queue, with every default filled in, so that a worker decides nothing
//! about configuration. An unknown field is an error: it is a typo, or a file for a newer program.

mod handler;
mod producer;
mod worker;

pub use handler::{
    ExecHandler, HandlerConfig, HeaderSource, HttpHandler, HttpHeader, HttpMethod, LogHandler,
    LogLevel, SecretKey, SimulateHandler,
};
pub use producer::{ProducerConfig, Unrouted};
pub use worker::{ConfigError, WorkerConfig};

#[cfg(test)]
mod tests;
