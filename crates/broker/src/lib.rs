//! RabbitMQ as Warren uses it: connections, confirmed publishing, one session of consuming, and
//! the management API.
//!
//! Everything here is I/O. What becomes of a message, a queue or a worker is decided in
//! `warren_core` by functions of values; this crate carries those values over the wire and says
//! what happened, with the reason in closed sets that conditions and metrics are made of.
//!
//! The AMQP library's own recovery is never used. A session is one fresh connection; any doubt
//! ends it, and whoever owns the session opens the next one after a [`backoff`].

pub mod backoff;
pub mod connection;
pub mod consumer;
pub mod login;
pub mod management;
pub mod probe;
pub mod publisher;
mod tls;
mod wire;
