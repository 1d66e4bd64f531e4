//! A pipeline as the API server has it, and what a user waits for.

use std::{fmt::Write as _, time::Duration};

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use warren_api::MessagePipeline;

use super::{Cluster, waiting::until};

/// A pipeline by its name.
pub(crate) struct Pipeline {
    /// Its name.
    pub(crate) name: String,
    namespace: String,
    cluster: &'static Cluster,
}

impl Pipeline {
    /// The pipeline of this name, which need not be there.
    pub(crate) fn named(cluster: &'static Cluster, namespace: &str, name: &str) -> Self {
        Self { name: name.to_owned(), namespace: namespace.to_owned(), cluster }
    }

    /// Creates it.
    pub(crate) async fn create(cluster: &'static Cluster, manifest: &Value) -> Self {
        let object: MessagePipeline =
            serde_json::from_value(manifest.clone()).unwrap_or_else(|error| panic!("{error}"));
        let pipeline = Self::named(cluster, &object.namespace().unwrap(), &object.name_any());
        pipeline.api().create(&PostParams::default(), &object).await.expect("it is taken");
        pipeline
    }

    /// The pipelines of its namespace.
    pub(crate) fn api(&self) -> Api<MessagePipeline> {
        self.cluster.api(&self.namespace)
    }

    /// As it is.
    pub(crate) async fn get(&self) -> Result<MessagePipeline, String> {
        self.api().get(&self.name).await.map_err(|error| error.to_string())
    }

    /// Changes what the patch names.
    pub(crate) async fn patch(&self, patch: &Value) {
        let patch = Patch::Merge(patch);
        let patched = self.api().patch(&self.name, &PatchParams::default(), &patch).await;
        patched.unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Waits until the status is about the present spec and Ready is True.
    pub(crate) async fn until_ready(&self, within: Duration) {
        self.until_condition("Ready", "True", "Reconciled", within).await;
    }

    /// Waits for a condition about the present spec; gives its message.
    pub(crate) async fn until_condition(
        &self,
        kind: &str,
        status: &str,
        reason: &str,
        within: Duration,
    ) -> String {
        let what = format!("{} is {kind}={status}/{reason}", self.name);
        until(within, &what, async || {
            let object = self.get().await?;
            let conditions = conditions(&object);
            let observed = object.status.as_ref().and_then(|status| status.observed_generation);
            let current = observed == object.metadata.generation;
            let found = conditions.iter().find(|one| one.type_ == kind);
            match found.filter(|one| current && one.status == status && one.reason == reason) {
                Some(found) => Ok(found.message.clone()),
                None => Err(listed(conditions)),
            }
        })
        .await
    }

    /// Asks for its deletion.
    pub(crate) async fn delete(&self) {
        let deleted = self.api().delete(&self.name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Waits until it is gone.
    pub(crate) async fn until_gone(&self, within: Duration) {
        let what = format!("{} is gone", self.name);
        until(within, &what, async || {
            match self.api().get_opt(&self.name).await.map_err(|error| error.to_string())? {
                None => Ok(()),
                Some(object) => Err(listed(conditions(&object))),
            }
        })
        .await;
    }

    /// Waits for an event with this reason; gives its note.
    pub(crate) async fn until_event(&self, reason: &str, within: Duration) -> String {
        let what = format!("an event {reason} about {}", self.name);
        until(within, &what, async || {
            let events = self.events().await;
            let found = events.iter().rfind(|(found, _)| found == reason);
            found.map(|(_, note)| note.clone()).ok_or_else(|| format!("{events:?}"))
        })
        .await
    }

    /// The reasons and notes of its events.
    pub(crate) async fn events(&self) -> Vec<(String, String)> {
        let events: Api<Event> = self.cluster.api(&self.namespace);
        let events = events.list(&ListParams::default()).await.unwrap();
        let about = |event: &Event| {
            let regarding = event.regarding.as_ref();
            regarding.and_then(|object| object.name.clone()) == Some(self.name.clone())
        };
        let events = events.into_iter().filter(about);
        events.map(|e| (e.reason.unwrap_or_default(), e.note.unwrap_or_default())).collect()
    }

    /// The name of a queue's Deployment.
    pub(crate) fn deployment(&self, queue: &str) -> String {
        format!("{}-{queue}", self.name)
    }

    /// The Deployments of its namespace.
    pub(crate) fn deployments(&self) -> Api<Deployment> {
        self.cluster.api(&self.namespace)
    }

    /// `spec.replicas` of a queue's Deployment.
    pub(crate) async fn replicas(&self, queue: &str) -> Result<i32, String> {
        let deployment = self.deployments().get(&self.deployment(queue)).await;
        let spec = deployment.map_err(|error| error.to_string())?.spec;
        spec.and_then(|spec| spec.replicas).ok_or_else(|| "no replicas".to_owned())
    }

    /// Waits until a queue's Deployment asks for so many.
    pub(crate) async fn until_replicas(&self, queue: &str, replicas: i32, within: Duration) {
        let what = format!("{} asks for {replicas} replicas", self.deployment(queue));
        until(within, &what, async || match self.replicas(queue).await? {
            found if found == replicas => Ok(()),
            found => Err(found.to_string()),
        })
        .await;
    }

    /// The pods of a queue that are not about to go.
    pub(crate) async fn workers(&self, queue: &str) -> Vec<Pod> {
        let pods: Api<Pod> = self.cluster.api(&self.namespace);
        let labels = format!("warren.dev/pipeline={},warren.dev/queue={queue}", self.name);
        let pods = pods.list(&ListParams::default().labels(&labels)).await.unwrap();
        let stays = |pod: &Pod| pod.metadata.deletion_timestamp.is_none();
        pods.into_iter().filter(stays).collect()
    }
}

/// The conditions of a pipeline.
pub(crate) fn conditions(object: &MessagePipeline) -> &[Condition] {
    object.status.as_ref().map_or(&[], |status| &status.conditions)
}

/// Conditions in a line each.
pub(crate) fn listed(conditions: &[Condition]) -> String {
    let mut text = String::new();
    for one in conditions {
        let Condition { type_, status, reason, message, .. } = one;
        let _ = write!(text, "\n  {type_}={status}/{reason}: {message}");
    }
    if text.is_empty() { "no conditions".to_owned() } else { text }
}

/// A queue that is patient with nobody: small pods, and asleep as soon as the operator allows.
pub(crate) fn queue(name: &str, url: &str) -> Value {
    json!({
        "name": name,
        "handler": {"http": {"url": url, "timeout": "10s"}},
        "worker": {"resources": {"requests": {"cpu": "5m", "memory": "24Mi"}}},
        "scaling": {
            "maxReplicas": 2,
            "scaleToZero": {"idle": "15s"},
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}},
        },
    })
}
