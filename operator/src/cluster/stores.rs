//! What the watches have seen, to be read without asking: complete before the first pass, and a
//! moment old ever after.

use std::{hash::Hash, sync::Arc};

use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{ConfigMap, Pod, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::reflector::{Lookup, ObjectRef, Store},
};
use serde::Serialize;
use serde_json::Value;
use warren_api::{
    MessagePipeline,
    metadata::{PIPELINE_LABEL, QUEUE_LABEL},
};
use warren_core::names::PipelineId;

use super::scope::Scope;
use crate::children::{ChildKey, ChildKind, Manifest};

/// A pipeline as it was read, be it one or not.
pub(crate) type Read = DeserializeGuard<MessagePipeline>;

/// What all watches have seen; clones see the same.
#[derive(Clone)]
pub(crate) struct Stores {
    shelves: Arc<Vec<(Scope, Shelf)>>,
}

/// What the watches of one scope have seen.
#[derive(Clone)]
pub(crate) struct Shelf {
    /// Pipelines.
    pub(crate) pipelines: Store<Read>,
    /// Deployments made for them, with the owners of their fields.
    pub(crate) deployments: Store<Deployment>,
    /// ConfigMaps made for them.
    pub(crate) config_maps: Store<ConfigMap>,
    /// Services made for them.
    pub(crate) services: Store<Service>,
    /// ServiceAccounts made for them.
    pub(crate) accounts: Store<ServiceAccount>,
    /// PodDisruptionBudgets made for them.
    pub(crate) budgets: Store<PodDisruptionBudget>,
    /// Pods of their Deployments.
    pub(crate) pods: Store<Pod>,
    /// All HorizontalPodAutoscalers, because anybody's may aim at a Deployment of ours.
    pub(crate) autoscalers: Store<HorizontalPodAutoscaler>,
}

#[cfg(test)]
impl Shelf {
    /// Nothing was seen.
    pub(crate) fn empty() -> Self {
        use kube::runtime::reflector::store;
        Self {
            pipelines: store().0,
            deployments: store().0,
            config_maps: store().0,
            services: store().0,
            accounts: store().0,
            budgets: store().0,
            pods: store().0,
            autoscalers: store().0,
        }
    }
}

impl Stores {
    /// All of them.
    pub(crate) fn new(shelves: Vec<(Scope, Shelf)>) -> Self {
        Self { shelves: Arc::new(shelves) }
    }

    /// What was seen, by scope.
    pub(crate) fn shelves(&self) -> impl Iterator<Item = (&Scope, &Shelf)> {
        self.shelves.iter().map(|(scope, shelf)| (scope, shelf))
    }

    /// Whether the pipeline of this uid is there, be it a valid one or not.
    pub(crate) fn has_pipeline(&self, pipeline: &PipelineId, uid: &str) -> bool {
        let key = ObjectRef::new(pipeline.name()).within(pipeline.namespace());
        let found = self.shelf(pipeline.namespace()).and_then(|shelf| shelf.pipelines.get(&key));
        found.is_some_and(|read| read.meta().uid.as_deref() == Some(uid))
    }

    /// The Deployment of this name, if it was made for a pipeline.
    pub(crate) fn deployment(&self, namespace: &str, name: &str) -> Option<Arc<Deployment>> {
        let shelf = self.shelf(namespace)?;
        shelf.deployments.get(&ObjectRef::new(name).within(namespace))
    }

    /// The pods of a queue, `producer` for those of the producer; without their specs.
    pub(crate) fn pods(&self, pipeline: &PipelineId, queue: &str) -> Vec<Arc<Pod>> {
        let is_of_queue = |pod: &Pod| {
            let labels = pod.labels();
            let says = |label: &str, wanted| labels.get(label).is_some_and(|is| is == wanted);
            pod.metadata.namespace.as_deref() == Some(pipeline.namespace())
                && says(PIPELINE_LABEL, pipeline.name())
                && says(QUEUE_LABEL, queue)
        };
        let shelf = self.shelf(pipeline.namespace());
        shelf.map(|shelf| shelf.pods.state_filter(is_of_queue)).unwrap_or_default()
    }

    /// The HorizontalPodAutoscalers of a namespace: what they aim at, and nothing else of them.
    pub(crate) fn autoscalers(&self, namespace: &str) -> Vec<Arc<HorizontalPodAutoscaler>> {
        let is_there = |found: &HorizontalPodAutoscaler| {
            found.metadata.namespace.as_deref() == Some(namespace)
        };
        let shelf = self.shelf(namespace);
        shelf.map(|shelf| shelf.autoscalers.state_filter(is_there)).unwrap_or_default()
    }

    /// An object of this name that has our labels; Secrets are never here.
    pub(crate) fn child(&self, namespace: &str, key: &ChildKey) -> Option<Manifest> {
        let shelf = self.shelf(namespace)?;
        let name = &key.name;
        match key.kind {
            ChildKind::Secret => None,
            ChildKind::Deployment => named(&shelf.deployments, namespace, name),
            ChildKind::ConfigMap => named(&shelf.config_maps, namespace, name),
            ChildKind::Service => named(&shelf.services, namespace, name),
            ChildKind::ServiceAccount => named(&shelf.accounts, namespace, name),
            ChildKind::PodDisruptionBudget => named(&shelf.budgets, namespace, name),
        }
    }

    /// The objects with our labels that name a pipeline; Secrets are never among them.
    pub(crate) fn children(&self, pipeline: &PipelineId) -> Vec<Manifest> {
        let Some(shelf) = self.shelf(pipeline.namespace()) else {
            return Vec::new();
        };
        let mut found = labelled(&shelf.deployments, pipeline);
        found.extend(labelled(&shelf.config_maps, pipeline));
        found.extend(labelled(&shelf.services, pipeline));
        found.extend(labelled(&shelf.accounts, pipeline));
        found.extend(labelled(&shelf.budgets, pipeline));
        found
    }

    fn shelf(&self, namespace: &str) -> Option<&Shelf> {
        let mut shelves = self.shelves.iter();
        shelves.find(|(scope, _)| scope.covers(namespace)).map(|(_, shelf)| shelf)
    }
}

fn named<K>(store: &Store<K>, namespace: &str, name: &str) -> Option<Manifest>
where
    K: Lookup<DynamicType = ()> + Resource<DynamicType = ()> + Clone + Serialize + 'static,
    <K as Lookup>::DynamicType: Eq + Hash + Clone,
{
    let found = store.get(&ObjectRef::new(name).within(namespace))?;
    manifest(found.as_ref())
}

fn labelled<K>(store: &Store<K>, pipeline: &PipelineId) -> Vec<Manifest>
where
    K: Lookup<DynamicType = ()> + Resource<DynamicType = ()> + Clone + Serialize + 'static,
    <K as Lookup>::DynamicType: Eq + Hash + Clone,
{
    let names_it = |found: &K| {
        let meta = found.meta();
        let label = meta.labels.as_ref().and_then(|labels| labels.get(PIPELINE_LABEL));
        meta.namespace.as_deref() == Some(pipeline.namespace())
            && label.map(String::as_str) == Some(pipeline.name())
    };
    store.state_filter(names_it).iter().filter_map(|found| manifest(found.as_ref())).collect()
}

fn manifest(object: &impl Serialize) -> Option<Manifest> {
    // An object that was read from JSON can be written as JSON.
    serde_json::to_value(object).ok().filter(Value::is_object).map(Manifest)
}
