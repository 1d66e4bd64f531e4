//! The service shell on real sockets and with real signals.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says so by panicking")]

mod client;
mod server;
mod shutdown;
