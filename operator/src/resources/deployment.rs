//! The Deployments: one for the workers of each queue, one for the producer.

use std::{path::Path, time::Duration};

use k8s_openapi::{
    api::apps::v1::{DeploymentStrategy, RollingUpdateDeployment},
    apimachinery::pkg::util::intstr::IntOrString,
};
use serde_json::{Value, json};
use warren_core::config::HandlerConfig;

use super::{
    metadata::{self, Part},
    names, pod, stamp,
};
use crate::{
    children::{ChildKind, Manifest},
    pipeline::{Access, Holder, Pipeline, ProducerServer, Queue},
};

/// What a worker may take to stop beyond its drain: to tell the broker, and to be told by it.
const STOPPING: Duration = Duration::from_secs(15);

/// What a producer may take to stop: 5 s in which it still gets requests, 20 s to answer them, and
/// the rest for confirms.
const PRODUCER_GRACE: Duration = Duration::from_secs(30);

/// Old ReplicaSets that are kept to go back to. The template is always the spec's, so that one is
/// for a look at what was before.
const HISTORY: u32 = 2;

/// The Deployment of a queue's workers, without a number of replicas: that is the scaler's.
pub(super) fn of_workers(pipeline: &Pipeline, queue: &Queue) -> Manifest {
    let config = pipeline.worker_config(queue);
    let name = names::workers(&pipeline.id, &queue.name);
    let program = pod::Program {
        holder: &Holder::Worker(queue.name.clone()),
        pods: &queue.worker.pods,
        config_map: name.clone(),
        config: hash(&config),
        secrets: secrets(&queue.handler),
        grace: queue.worker.drain_timeout + STOPPING,
    };
    manifest(pipeline, name, &program, None)
}

/// The Deployment of the producer, whose number of replicas nobody else decides.
pub(super) fn of_producer(pipeline: &Pipeline, server: &ProducerServer) -> Manifest {
    let config = pipeline.producer_config(Path::new(pod::SECRETS));
    let name = names::producer(&pipeline.id);
    let program = pod::Program {
        holder: &Holder::Producer,
        pods: &server.pods,
        config_map: name.clone(),
        config: hash(&config),
        secrets: match &pipeline.producer.access {
            Access::Open => Vec::new(),
            Access::Bearer(token) => vec![token.name.as_str()],
        },
        grace: PRODUCER_GRACE,
    };
    manifest(pipeline, name, &program, Some(server.replicas))
}

fn manifest(
    pipeline: &Pipeline,
    name: String,
    program: &pod::Program<'_>,
    replicas: Option<u32>,
) -> Manifest {
    let part = Part::of(program.holder);
    let kind = ChildKind::Deployment;
    let mut spec = json!({
        "revisionHistoryLimit": HISTORY,
        "selector": metadata::selector(pipeline, part),
        "strategy": strategy(),
        "template": pod::template(pipeline, program),
    });
    if let (Some(replicas), Value::Object(spec)) = (replicas, &mut spec) {
        spec.insert("replicas".to_owned(), replicas.into());
    }
    stamp::stamped(json!({
        "apiVersion": kind.api_version(),
        "kind": kind.as_str(),
        "metadata": metadata::object(pipeline, name, part),
        "spec": spec,
    }))
}

/// A pod of the new template takes work before one of the old is told to stop.
///
/// So capacity never falls, and a template that does not work, a wrong image say, stops nobody.
fn strategy() -> DeploymentStrategy {
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::String("25%".to_owned())),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}

/// The Secrets that a handler names, each once.
fn secrets(handler: &HandlerConfig) -> Vec<&str> {
    let mut secrets: Vec<&str> = match handler {
        HandlerConfig::Http(http) => {
            let sources = http.headers.iter().filter_map(|header| header.value_from.as_ref());
            sources.map(|source| source.secret_key_ref.name.as_str()).collect()
        }
        HandlerConfig::Exec(_) | HandlerConfig::Simulate(_) | HandlerConfig::Log(_) => Vec::new(),
    };
    secrets.sort_unstable();
    secrets.dedup();
    secrets
}

/// A hash of what a program is told: of what it says, not of how the file is written.
fn hash(config: &impl serde::Serialize) -> String {
    stamp::hash(&serde_json::to_value(config).expect("a configuration is plain data"))
}
