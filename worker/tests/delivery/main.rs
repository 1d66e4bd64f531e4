//! The worker as a process, on real brokers. The runner has a lane for this target, which takes
//! longest, and knows it by its name.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and a panic is how it says so"
)]

mod configuration;
mod crashes;
mod restarts;
mod rig;
mod settling;
mod shutdown;
mod sickness;
