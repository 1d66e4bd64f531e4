//! The operator: observe, validate, plan, apply, status.
//!
//! One pass reads what is there, turns the spec into a [`pipeline::Pipeline`], compares, writes
//! what differs and says in the status what came of it; [`reconcile`] tells that story. Deciding is
//! pure and writing is [`apply`]'s alone, so that the same planner serves a cluster and local mode.
#![deny(clippy::indexing_slicing)]

pub mod apply;
pub mod args;
pub mod brokers;
pub mod children;
pub mod conditions;
pub mod error;
pub mod events;
#[cfg(test)]
mod fixtures;
pub mod interval;
pub mod local;
pub mod login;
pub mod observe;
pub mod pass;
pub mod pipeline;
pub mod plan;
pub mod ports;
pub mod reconcile;
pub mod resources;
pub mod rights;
pub mod settings;
pub mod status;
pub mod trouble;
pub mod validate;
pub mod workers;
