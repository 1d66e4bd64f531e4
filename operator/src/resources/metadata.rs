//! Names, labels and owner: what all objects of a pipeline have alike.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use warren_api::metadata::{GROUP, KIND, PIPELINE_LABEL, QUEUE_LABEL, VERSION};
use warren_core::names::QueueName;

use crate::pipeline::{Holder, Pipeline};

/// The label with the application.
pub(super) const NAME_LABEL: &str = "app.kubernetes.io/name";
/// The label with the part of the application.
pub(super) const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// The label with the program that made an object.
pub(super) const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The label with the version of that program.
const VERSION_LABEL: &str = "app.kubernetes.io/version";

/// Whose object it is within a pipeline.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// All pods'.
    Pipeline,
    /// The workers' of a queue.
    Worker(&'a QueueName),
    /// The producers'.
    Producer,
}

impl<'a> Part<'a> {
    /// The part of one who logs in to the broker.
    pub(super) fn of(holder: &'a Holder) -> Self {
        match holder {
            Holder::Worker(queue) => Part::Worker(queue),
            Holder::Producer => Part::Producer,
        }
    }

    /// What the object is a part of.
    pub(super) const fn component(self) -> &'static str {
        match self {
            Part::Pipeline | Part::Worker(_) => "worker",
            Part::Producer => "producer",
        }
    }

    fn queue(self) -> Option<&'a str> {
        match self {
            Part::Pipeline => None,
            Part::Worker(queue) => Some(queue.as_str()),
            Part::Producer => Some(super::PRODUCER),
        }
    }
}

/// The metadata of an object.
pub(super) fn object(pipeline: &Pipeline, name: String, part: Part<'_>) -> ObjectMeta {
    let mut labels = labels(pipeline, part);
    labels.insert(VERSION_LABEL.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    ObjectMeta {
        name: Some(name),
        namespace: Some(pipeline.id.namespace().to_owned()),
        labels: Some(labels),
        owner_references: Some(vec![owner(pipeline)]),
        ..ObjectMeta::default()
    }
}

/// The labels of an object and of a pod.
///
/// No label here may change from one version to the next: in a pod template it would restart every
/// worker at an upgrade.
pub(super) fn labels(pipeline: &Pipeline, part: Part<'_>) -> BTreeMap<String, String> {
    let mut labels = identity(pipeline, part);
    let common = [
        (NAME_LABEL, "warren"),
        (COMPONENT_LABEL, part.component()),
        (MANAGED_BY_LABEL, crate::children::OPERATOR),
    ];
    labels.extend(common.map(|(key, value)| (key.to_owned(), value.to_owned())));
    labels
}

/// What selects the pods of a queue or of the producer. A Deployment's selector is immutable.
pub(super) fn selector(pipeline: &Pipeline, part: Part<'_>) -> LabelSelector {
    LabelSelector { match_labels: Some(identity(pipeline, part)), match_expressions: None }
}

/// The two labels that tell whose a pod is.
pub(super) fn identity(pipeline: &Pipeline, part: Part<'_>) -> BTreeMap<String, String> {
    let pipeline = (PIPELINE_LABEL, pipeline.id.name());
    let queue = part.queue().map(|queue| (QUEUE_LABEL, queue));
    let both = [Some(pipeline), queue].into_iter().flatten();
    both.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The pipeline as the owner with which the object goes.
fn owner(pipeline: &Pipeline) -> OwnerReference {
    OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: KIND.to_owned(),
        name: pipeline.id.name().to_owned(),
        uid: pipeline.owner.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
