//! The objects the operator makes for a pipeline, as values: one file for each kind.
//!
//! Pure: who applies them (a cluster's API server, or local mode's files) is no matter here. Every
//! manifest carries a hash of itself, by which the next pass sees what is no longer wanted.

mod additions;
pub mod broker_secret;
mod config_map;
mod deployment;
mod disruption_budget;
mod metadata;
pub mod names;
mod pod;
pub mod producer_yaml;
pub(crate) mod reserved;
mod service;
mod service_account;
pub(crate) mod stamp;
pub mod worker_yaml;

pub(crate) use self::{pod::WORKER_PORT, service::url as producer_url};
use crate::{
    children::{ChildKey, Manifest},
    pipeline::{Holder, Pipeline, Queue},
};

/// What the label of a queue says for the producer; no queue has this name.
pub const PRODUCER: &str = "producer";

/// What the label of a queue says on the objects of one who logs in to the broker.
pub fn queue_label(holder: &Holder) -> &str {
    match holder {
        Holder::Worker(queue) => queue.as_str(),
        Holder::Producer => PRODUCER,
    }
}

/// The Kubernetes objects that a pipeline wants.
pub fn keys(pipeline: &Pipeline) -> Vec<ChildKey> {
    let logins = pipeline.holders().map(|holder| broker_secret::key(pipeline, &holder));
    manifests(pipeline).iter().map(Manifest::key).chain(logins).collect()
}

/// The manifests of all objects that a pipeline wants, but for the logins: what those say depends
/// on passwords as well ([`broker_secret::manifest`]).
///
/// The Deployments of workers say nothing of replicas.
pub fn manifests(pipeline: &Pipeline) -> Vec<Manifest> {
    let mut manifests = vec![service_account::manifest(pipeline)];
    manifests.extend(pipeline.queues.iter().flat_map(|queue| of_queue(pipeline, queue)));
    if let Some(server) = &pipeline.producer.server {
        manifests.push(config_map::of_producer(pipeline));
        manifests.push(service::manifest(pipeline));
        manifests.push(deployment::of_producer(pipeline, server));
    }
    manifests
}

fn of_queue(pipeline: &Pipeline, queue: &Queue) -> impl Iterator<Item = Manifest> {
    let config = config_map::of_workers(pipeline, queue);
    let deployment = deployment::of_workers(pipeline, queue);
    let budget = disruption_budget::manifest(pipeline, queue);
    [Some(config), budget, Some(deployment)].into_iter().flatten()
}

#[cfg(test)]
mod tests;
