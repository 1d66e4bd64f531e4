//! How many workers run: what is seen of the queues, and who writes the number.
//!
//! The decision itself is [`warren_core::scaling`]'s. Here the broker is watched, for a cluster and
//! for local mode alike; in a cluster a keeper for each pipeline decides each second and writes
//! `/scale`. Nothing here writes a status: what is known is told to the next pass.

mod alarm;
pub(crate) mod decider;
mod endpoint;
mod errands;
mod figures;
mod foreign;
mod keeper;
pub(crate) mod observation;
pub(crate) mod observatory;
mod order;
mod pods;
mod queue;
mod rounds;
mod scalers;
mod secrets;
mod silence;
mod staff;
mod told;
mod trouble;
mod victims;
mod wanted;
mod writer;

pub(crate) use self::scalers::{Kept, Scalers, Surroundings};
