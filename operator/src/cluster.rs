//! The operator in a Kubernetes cluster: what a pass needs from there, and when there is one.
//!
//! Watches fill [`stores`] and ring [`wakes`]; the [`controller`] makes a pass for each pipeline
//! that was named, with [`ports`] as its hands. What is decided about a pipeline is decided by the
//! same pure code as in local mode: nothing here knows a queue.

pub(crate) mod announcer;
pub(crate) mod beginning;
pub(crate) mod client;
pub(crate) mod controller;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod fault;
pub(crate) mod finalizer;
pub(crate) mod identity;
pub(crate) mod logbook;
pub(crate) mod operation;
pub(crate) mod passes;
pub(crate) mod ports;
pub(crate) mod refusal;
pub(crate) mod replicas;
pub(crate) mod scope;
pub(crate) mod served;
pub(crate) mod stores;
pub(crate) mod wakes;
pub(crate) mod watches;
