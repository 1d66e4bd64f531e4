//! The stories of users on a real Kubernetes cluster, each a test.
//!
//! The operator is installed once, with Helm, and the broker and the receiver of `deploy/demo` are
//! applied once. Each story has a namespace and a virtual host of its own. Those that disturb the
//! operator, and the one that no other may disturb, run alone. A failure shows the pipelines,
//! events, pods and the operator's log.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at the first thing that is not as it should be, and says what it saw"
)]

mod harness;

#[path = "../../../../crates/api/tests/it/corpus.rs"]
mod corpus;
#[path = "../../../../crates/api/tests/it/judge.rs"]
mod judge;

mod admission;
mod deletion;
mod drift;
mod edits;
mod messages;
mod newcomer;
mod pause;
mod quiet;
mod release;
mod restart;
mod rights;
mod troubles;
