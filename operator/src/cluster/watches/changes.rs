//! What of a stream of watch events is a reason for a pass.
//!
//! Pure. A status that we wrote ourselves comes back as an event, a scaler changes a number every
//! second, and a list that is read again repeats everything: none of it is news.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, runtime::watcher::Event};
use serde::Serialize;
use serde_json::{Map, Value};
use warren_api::metadata::{GROUP, KIND, QUEUE_LABEL};
use warren_core::names::PipelineId;

use crate::resources::PRODUCER;

/// What an object is to passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    /// The pipeline whose pass it concerns.
    pipeline: PipelineId,
    /// The uid, if it is the pipeline itself.
    own: Option<String>,
    /// The same as before when nothing changed that counts.
    mark: u64,
}

/// A reason to do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// The pipeline is to have a pass.
    Touched(PipelineId),
    /// The pipeline itself is gone.
    Gone(Gone),
}

/// A pipeline that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Its name.
    pub(crate) pipeline: PipelineId,
    /// Its uid: another of the same name may be there already.
    pub(crate) uid: String,
}

/// What a watch has seen so far.
#[derive(Debug, Default)]
pub(super) struct Changes {
    known: BTreeMap<Name, Subject>,
    /// What is there, while a list is read.
    listed: Option<BTreeMap<Name, Subject>>,
}

/// Namespace and name.
type Name = (String, String);

/// What the Deployment controller notes on its objects.
const REVISION: &str = "deployment.kubernetes.io/revision";

impl Subject {
    /// A pipeline: its spec, annotations and deletion count, its status does not.
    pub(super) fn of_pipeline(meta: &ObjectMeta) -> Option<Self> {
        let pipeline = PipelineId::new(meta.namespace.clone()?, meta.name.clone()?).ok()?;
        let counts = serde_json::json!([
            meta.generation,
            meta.annotations,
            meta.finalizers,
            meta.deletion_timestamp,
        ]);
        Some(Self { pipeline, own: Some(meta.uid.clone()?), mark: mark(&counts) })
    }

    /// An object that was made for a pipeline: what we write of it counts, but for the number of a
    /// queue's workers, which the scaler looks at.
    pub(super) fn of_child<K>(object: &K) -> Option<Self>
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let meta = object.meta();
        let owners = meta.owner_references.as_deref().unwrap_or_default();
        let is_ours = |api: &str| api.split_once('/').is_some_and(|(group, _)| group == GROUP);
        let owner = owners.iter().find(|owner| {
            owner.controller == Some(true) && owner.kind == KIND && is_ours(&owner.api_version)
        })?;
        let pipeline = PipelineId::new(meta.namespace.clone()?, owner.name.clone()).ok()?;
        let mut value = serde_json::to_value(object).ok()?;
        strip(value.as_object_mut()?);
        Some(Self { pipeline, own: None, mark: mark(&value) })
    }

    fn gone(self) -> Change {
        let Subject { pipeline, own, .. } = self;
        match own {
            Some(uid) => Change::Gone(Gone { pipeline, uid }),
            None => Change::Touched(pipeline),
        }
    }
}

impl Changes {
    /// Takes an event in; what it gives reason for, once the store has it too.
    pub(super) fn take<K>(
        &mut self,
        event: &Event<K>,
        subject: fn(&K) -> Option<Subject>,
    ) -> Vec<Change>
    where
        K: Resource<DynamicType = ()>,
    {
        match event {
            Event::Init => {
                self.listed = Some(BTreeMap::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                if let (Some(listed), Some(subject)) = (&mut self.listed, subject(object)) {
                    listed.insert(name(object), subject);
                }
                Vec::new()
            }
            Event::InitDone => self.listed.take().map(|all| self.replace(all)).unwrap_or_default(),
            Event::Apply(object) => match subject(object) {
                Some(subject) => self.put(name(object), subject),
                None => self.remove(&name(object)),
            },
            Event::Delete(object) => self.remove(&name(object)),
        }
    }

    fn replace(&mut self, all: BTreeMap<Name, Subject>) -> Vec<Change> {
        let missing: Vec<Name> =
            self.known.keys().filter(|name| !all.contains_key(*name)).cloned().collect();
        let mut changes: Vec<Change> = missing.iter().flat_map(|name| self.remove(name)).collect();
        for (name, subject) in all {
            changes.extend(self.put(name, subject));
        }
        changes
    }

    fn put(&mut self, name: Name, subject: Subject) -> Vec<Change> {
        let touched = Change::Touched(subject.pipeline.clone());
        let before = self.known.get(&name);
        if before == Some(&subject) {
            return Vec::new();
        }
        // Another one of the same name, or of another owner.
        let another = |before: &&Subject| {
            (&before.own, &before.pipeline) != (&subject.own, &subject.pipeline)
        };
        let gone = before.filter(another).cloned().map(Subject::gone);
        self.known.insert(name, subject);
        gone.into_iter().chain([touched]).collect()
    }

    fn remove(&mut self, name: &Name) -> Vec<Change> {
        self.known.remove(name).map(Subject::gone).into_iter().collect()
    }
}

fn name<K: Resource>(object: &K) -> Name {
    let meta = object.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// Leaves what we write.
fn strip(object: &mut Map<String, Value>) {
    object.remove("status");
    let label = object.get("metadata").and_then(|meta| meta.get("labels")?.get(QUEUE_LABEL));
    let is_scaled = label.and_then(Value::as_str) != Some(PRODUCER);
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
        && is_scaled
    {
        spec.remove("replicas");
    }
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["managedFields", "resourceVersion", "generation"] {
            meta.remove(field);
        }
        if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(REVISION);
        }
    }
}

fn mark(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use kube::core::PartialObjectMeta;
    use serde_json::json;
    use warren_api::MessagePipeline;

    use super::*;

    type Meta = PartialObjectMeta<MessagePipeline>;

    fn id() -> PipelineId {
        PipelineId::new("shop", "orders").unwrap()
    }

    fn pipeline(uid: &str, more: &Value) -> Meta {
        let mut meta = json!({"name": "orders", "namespace": "shop", "uid": uid, "generation": 1});
        meta.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let types = json!({"apiVersion": "warren.dev/v1alpha1", "kind": KIND, "metadata": meta});
        serde_json::from_value(types).unwrap()
    }

    fn deployment(version: u32, replicas: u32, image: &str) -> Deployment {
        let owner = json!({"apiVersion": "warren.dev/v1alpha1", "kind": KIND, "name": "orders",
            "uid": "u", "controller": true});
        serde_json::from_value(json!({
            "metadata": {"name": "orders-email", "namespace": "shop", "ownerReferences": [owner],
                "resourceVersion": version.to_string(), "annotations": {REVISION: version.to_string()}},
            "spec": {"replicas": replicas, "selector": {}, "template": {"spec": {"containers": [
                {"name": "worker", "image": image}]}}},
            "status": {"replicas": replicas},
        }))
        .unwrap()
    }

    fn meta(object: &Meta) -> Option<Subject> {
        Subject::of_pipeline(object.meta())
    }

    fn touched() -> Vec<Change> {
        vec![Change::Touched(id())]
    }

    fn gone(uid: &str) -> Change {
        Change::Gone(Gone { pipeline: id(), uid: uid.to_owned() })
    }

    #[test]
    fn a_status_is_no_news_and_an_annotation_is() {
        let mut changes = Changes::default();
        let mut take = |more: Value| changes.take(&Event::Apply(pipeline("u", &more)), meta);
        assert_eq!(take(json!({})), touched());
        assert_eq!(take(json!({"resourceVersion": "9"})), []);
        for more in [
            json!({"annotations": {"warren.dev/paused": "true"}}),
            json!({"finalizers": ["warren.dev/broker"]}),
            json!({"deletionTimestamp": "2026-11-21T12:00:00Z"}),
            json!({"generation": 2}),
        ] {
            assert_eq!(take(more.clone()), touched(), "{more}");
        }
    }

    #[test]
    fn a_list_that_is_read_again_tells_only_what_changed() {
        let mut changes = Changes::default();
        let mut list = |uids: &[&str]| {
            let objects = uids.iter().map(|uid| Event::InitApply(pipeline(uid, &json!({}))));
            let events = [Event::Init].into_iter().chain(objects).chain([Event::InitDone]);
            events.flat_map(|event| changes.take(&event, meta)).collect::<Vec<_>>()
        };
        assert_eq!(list(&["a"]), touched());
        assert_eq!(list(&["a"]), []);
        assert_eq!(list(&["b"]), [gone("a"), Change::Touched(id())], "made again unseen");
        assert_eq!(list(&[]), [gone("b")]);
    }

    #[test]
    fn of_a_deployment_neither_replicas_nor_status_are_news() {
        let mut changes = Changes::default();
        let mut take = |event| changes.take(&event, Subject::of_child::<Deployment>);
        assert_eq!(take(Event::Apply(deployment(1, 0, "a"))), touched());
        assert_eq!(take(Event::Apply(deployment(2, 7, "a"))), []);
        assert_eq!(take(Event::Apply(deployment(3, 7, "b"))), touched());
        assert_eq!(take(Event::Delete(deployment(4, 7, "b"))), touched());
    }

    #[test]
    fn the_replicas_of_a_producer_are_news_because_nobody_scales_it() {
        let mut changes = Changes::default();
        let mut take = |replicas| {
            let mut producer = deployment(replicas, replicas, "a");
            let label = (QUEUE_LABEL.to_owned(), PRODUCER.to_owned());
            producer.metadata.labels = Some([label].into());
            changes.take(&Event::Apply(producer), Subject::of_child::<Deployment>)
        };
        assert_eq!(take(2), touched());
        assert_eq!(take(0), touched());
    }

    #[test]
    fn what_has_another_owner_concerns_nobody() {
        let mut foreign = deployment(1, 1, "a");
        foreign.metadata.owner_references = None;
        let mut changes = Changes::default();
        let mut take = |event| changes.take(&event, Subject::of_child::<Deployment>);
        assert_eq!(take(Event::Apply(foreign.clone())), []);
        assert_eq!(take(Event::Apply(deployment(2, 1, "a"))), touched());
        assert_eq!(take(Event::Apply(foreign)), touched(), "it was ours a moment ago");
    }
}
