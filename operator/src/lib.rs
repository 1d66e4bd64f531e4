//! The operator: observe, validate, plan, apply, status.
//!
//! One pass reads what is there, turns the spec into a [`pipeline::Pipeline`], compares, writes
//! what differs and says in the status what came of it; [`reconcile`] tells that story. Deciding is
//! pure and writing is [`apply`]'s alone, so that the same planner serves a cluster and local mode.
#![deny(clippy::indexing_slicing)]

pub mod accounts;
pub mod apply;
pub mod args;
pub mod brokers;
pub mod children;
mod cluster;
pub mod conditions;
pub mod departing;
pub mod error;
pub mod events;
pub mod finalizer;
#[cfg(test)]
mod fixtures;
pub mod interval;
pub mod local;
pub mod login;
pub mod memory;
pub mod metrics;
pub mod observe;
pub mod pass;
pub mod pause;
pub mod pipeline;
pub mod plan;
pub mod ports;
pub mod proof;
pub mod reconcile;
pub mod resources;
pub mod rights;
pub mod run;
mod scale;
pub mod settings;
pub mod smoke;
pub mod status;
pub mod trouble;
pub mod validate;
pub mod workers;
