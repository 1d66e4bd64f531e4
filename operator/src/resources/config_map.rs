//! The ConfigMaps with what a worker and the producer are told.

use std::path::Path;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{
    metadata::{self, Part},
    names, pod, producer_yaml, stamp, worker_yaml,
};
use crate::{
    children::Manifest,
    pipeline::{Pipeline, Queue},
};

/// The ConfigMap of a queue's workers.
pub(super) fn of_workers(pipeline: &Pipeline, queue: &Queue) -> Manifest {
    let text = worker_yaml::render(&pipeline.worker_config(queue));
    let name = names::workers(&pipeline.id, &queue.name);
    manifest(pipeline, Part::Worker(&queue.name), name, (worker_yaml::FILE, text))
}

/// The ConfigMap of the producer.
pub(super) fn of_producer(pipeline: &Pipeline) -> Manifest {
    let config = pipeline.producer_config(Path::new(pod::SECRETS));
    let text = producer_yaml::render(&config);
    let name = names::producer(&pipeline.id);
    manifest(pipeline, Part::Producer, name, (producer_yaml::FILE, text))
}

fn manifest(
    pipeline: &Pipeline,
    part: Part<'_>,
    name: String,
    (file, text): (&str, String),
) -> Manifest {
    stamp::manifest(&ConfigMap {
        metadata: metadata::object(pipeline, name, part),
        data: Some([(file.to_owned(), text)].into()),
        ..ConfigMap::default()
    })
}
