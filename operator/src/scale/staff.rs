//! What the stores have of a pipeline's workers and its producer, whether anybody scales them or
//! not.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use warren_api::MessagePipeline;
use warren_core::names::{PipelineId, QueueName};

use super::{
    pods,
    trouble::{Look, Program},
};
use crate::{
    cluster::stores::Stores,
    resources::{PRODUCER, names},
    workers::{QueueReading, WorkersReading, WorkersTrouble},
};

/// The Deployment of this name, if it was made for the pipeline of this uid.
pub(super) fn deployment(
    stores: &Stores,
    pipeline: &PipelineId,
    uid: &str,
    name: &str,
) -> Option<Arc<Deployment>> {
    let found = stores.deployment(pipeline.namespace(), name)?;
    pods::is_ours(&found, uid).then_some(found)
}

/// What keeps the producer from working; nothing when it works, or there is none.
pub(super) fn producer(
    stores: &Stores,
    pipeline: &PipelineId,
    uid: &str,
    now: Timestamp,
) -> Option<WorkersTrouble> {
    let deployment = deployment(stores, pipeline, uid, &names::producer(pipeline))?;
    let pods = stores.pods(pipeline, PRODUCER);
    let look = Look { program: Program::Producer, deployment: &deployment, pods: &pods, now };
    look.trouble()
}

/// What is known of an object's workers while nobody scales them.
pub(super) fn reading(stores: &Stores, object: &MessagePipeline, now: Timestamp) -> WorkersReading {
    let metadata = &object.metadata;
    let name = metadata.name.as_deref().unwrap_or_default();
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let Ok(id) = PipelineId::new(namespace, name) else {
        return WorkersReading::default();
    };
    let uid = metadata.uid.as_deref().unwrap_or_default();
    let names = object.spec.queues.iter().filter_map(|queue| QueueName::new(&*queue.name).ok());
    let queues = names.filter_map(|name| {
        let found = deployment(stores, &id, uid, &names::workers(&id, &name))?;
        let reading = of_queue(stores, &id, &name, &found, now);
        Some((name, reading))
    });
    WorkersReading {
        queues: queues.collect(),
        producer: object.spec.producer.as_ref().and_then(|_| producer(stores, &id, uid, now)),
    }
}

fn of_queue(
    stores: &Stores,
    pipeline: &PipelineId,
    queue: &QueueName,
    deployment: &Deployment,
    now: Timestamp,
) -> QueueReading {
    let pods = stores.pods(pipeline, queue.as_str());
    let look = Look { program: Program::Worker, deployment, pods: &pods, now };
    let current = pods::asked_for(deployment);
    QueueReading {
        current,
        ready: pods::count(&pods::ready(&pods)).min(current),
        trouble: look.trouble(),
        scaling: None,
        foreign_scaler: None,
        endpoint: None,
    }
}
