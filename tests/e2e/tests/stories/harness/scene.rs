//! The place of one story: a namespace and a virtual host that no other story has.
//!
//! Both are removed afterwards, whether the story ends well or not. The namespace admits only
//! restricted pods, so that every worker of every story shows that it is one.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hasher, RandomState},
    panic::{AssertUnwindSafe, resume_unwind},
    thread,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::join_all};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::sync::RwLock;
use warren_api::MessagePipeline;
use warren_test_support::TestVhost;

use super::{
    Cluster, Operator, Pipeline, Producer, Stage, cluster::runtime, diagnosis, leftovers, stage,
    waiting::until,
};

/// The label of every namespace that a story makes.
pub(super) const LABEL: &str = "app.kubernetes.io/managed-by";
/// Its value.
pub(super) const STORIES: &str = "warren-e2e";
/// Controllers take a moment.
const FURNISHED: Duration = Duration::from_secs(30);
/// Pipelines that are let go of take a pass, a queue of them some more.
const RELEASED: Duration = Duration::from_secs(45);

/// Who tells a story beside others holds it with them; who disturbs the operator, or would be
/// disturbed, holds it alone.
static PEACE: RwLock<()> = RwLock::const_new(());

/// The place of one story.
pub(crate) struct Scene {
    /// The cluster.
    pub(crate) cluster: &'static Cluster,
    /// The operator.
    pub(crate) operator: &'static Operator,
    /// Broker and receiver.
    pub(crate) stage: &'static Stage,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its virtual host.
    pub(crate) vhost: TestVhost,
}

/// Tells a story in a scene of its own, beside others.
pub(crate) fn story(name: &str, tell: impl AsyncFn(&Scene)) {
    runtime().block_on(async {
        let _shared = PEACE.read().await;
        let mut performance = Performance::begin(name).await;
        performance.act(tell).await;
        performance.end().await;
    });
}

/// Tells a story that disturbs the operator, while no other is told. Others may have prepared what
/// they need, and pipelines of theirs stand meanwhile.
pub(crate) fn alone(name: &str, tell: impl AsyncFn(&Scene)) {
    alone_after(name, async |_| (), tell);
}

/// Tells a story that is alone from a point on: what comes before, and the end, is beside others.
pub(crate) fn alone_after(name: &str, prepare: impl AsyncFn(&Scene), tell: impl AsyncFn(&Scene)) {
    runtime().block_on(async {
        let shared = PEACE.read().await;
        let mut performance = Performance::begin(name).await;
        performance.act(prepare).await;
        if performance.told.is_err() {
            return performance.end().await;
        }
        drop(shared);
        let alone = PEACE.write().await;
        performance.act(tell).await;
        let _shared = alone.downgrade();
        performance.end().await;
    });
}

/// A story while it is told.
struct Performance {
    name: String,
    scene: Scene,
    /// How long it was told, without the wait to be alone.
    took: Duration,
    told: thread::Result<()>,
}

impl Performance {
    async fn begin(name: &str) -> Self {
        let began = Instant::now();
        let scene = Scene::set(name).await;
        Self { name: name.to_owned(), scene, took: began.elapsed(), told: Ok(()) }
    }

    /// Tells a part.
    async fn act(&mut self, part: impl AsyncFn(&Scene)) {
        let began = Instant::now();
        self.told = AssertUnwindSafe(part(&self.scene)).catch_unwind().await;
        self.took += began.elapsed();
        if self.told.is_err() {
            diagnosis::print(&self.scene).await;
        }
    }

    /// Clears up, and fails if a part has.
    async fn end(self) {
        let Self { name, scene, took, told } = self;
        let began = Instant::now();
        scene.clear().await;
        println!("{name} took {took:.0?}, and {:.0?} to clear up", began.elapsed());
        if let Err(panic) = told {
            resume_unwind(panic);
        }
    }
}

impl Scene {
    async fn set(name: &str) -> Self {
        let cluster = Cluster::get().await;
        let (operator, stage) = tokio::join!(Operator::get(), Stage::get());
        leftovers::remove(cluster, stage).await;
        // Each `RandomState` has keys of its own.
        let random = RandomState::new().build_hasher().finish() & 0xffff;
        let scene = Self {
            cluster,
            operator,
            stage,
            namespace: format!("e2e-{name}-{random:04x}"),
            vhost: TestVhost::create(&stage.broker).await,
        };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": scene.namespace,
            "labels": {LABEL: STORIES, "pod-security.kubernetes.io/enforce": "restricted"},
        }});
        let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
        let namespace = serde_json::from_value(namespace).expect("a namespace");
        namespaces.create(&PostParams::default(), &namespace).await.expect("a new namespace");
        scene.secret(stage::SECRET, &[]).await;
        scene.until_furnished().await;
        scene
    }

    /// Waits for what Kubernetes puts into every namespace, without which no pod starts.
    async fn until_furnished(&self) {
        let accounts: Api<ServiceAccount> = self.cluster.api(&self.namespace);
        let files: Api<ConfigMap> = self.cluster.api(&self.namespace);
        until(FURNISHED, "the namespace has its account and its authorities", async || {
            let found = tokio::try_join!(accounts.get("default"), files.get("kube-root-ca.crt"));
            found.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Writes a Secret with the broker's login, some of its keys changed; `None` takes one away.
    pub(crate) async fn secret(&self, name: &str, changes: &[(&str, Option<&str>)]) {
        let mut files: BTreeMap<_, _> = self.stage.secret.clone();
        files.insert("vhost".to_owned(), self.vhost.name.clone());
        for (key, value) in changes {
            match value {
                Some(value) => files.insert((*key).to_owned(), (*value).to_owned()),
                None => files.remove(*key),
            };
        }
        let secrets: Api<Secret> = self.cluster.api(&self.namespace);
        // Replaced as a whole, so that a key that is taken away is gone.
        let _ = secrets.delete(name, &DeleteParams::default()).await;
        let secret = Secret {
            metadata: serde_json::from_value(json!({"name": name})).expect("metadata"),
            string_data: Some(files),
            ..Secret::default()
        };
        secrets.create(&PostParams::default(), &secret).await.expect("a new Secret");
    }

    /// A pipeline with these queues, not yet created.
    pub(crate) fn manifest(&self, name: &str, queues: &[Value]) -> Value {
        json!({
            "apiVersion": "warren.dev/v1alpha1",
            "kind": "MessagePipeline",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"broker": {"secretRef": {"name": stage::SECRET}}, "queues": queues},
        })
    }

    /// Creates a pipeline.
    pub(crate) async fn create(&self, manifest: &Value) -> Pipeline {
        Pipeline::create(self.cluster, manifest).await
    }

    /// The producer of a pipeline.
    pub(crate) async fn producer(&self, pipeline: &Pipeline) -> Producer {
        Producer::open(self.cluster, &self.namespace, &pipeline.name).await
    }

    /// A path at the receiver that no other story has.
    pub(crate) fn path(&self, last: &str) -> String {
        format!("/{}/{last}", self.namespace)
    }

    /// The same as a URL for handlers.
    pub(crate) fn url(&self, last: &str) -> String {
        format!("http://receiver.{}.svc{}", stage::NAMESPACE, self.path(last))
    }

    /// A queue whose handler calls the receiver.
    pub(crate) fn queue(&self, name: &str) -> Value {
        super::pipeline::queue(name, &self.url(name))
    }

    /// What a broker object of a pipeline is called.
    pub(crate) fn object(&self, pipeline: &str, rest: &str) -> String {
        format!("{}.{pipeline}{rest}", self.namespace)
    }

    /// The pipelines of its namespace.
    pub(crate) fn pipelines(&self) -> Api<MessagePipeline> {
        self.cluster.api(&self.namespace)
    }

    /// Removes the namespace and the virtual host; says what it could not remove.
    async fn clear(self) {
        clear(self.cluster, &self.namespace).await;
        self.vhost.delete().await;
    }
}

/// Removes a namespace of a story with its pipelines; says what it could not remove.
pub(super) async fn clear(cluster: &Cluster, namespace: &str) {
    let pipelines: Api<MessagePipeline> = cluster.api(namespace);
    let all = pipelines.list(&ListParams::default()).await;
    let all: Vec<_> = all.into_iter().flatten().collect();
    join_all(all.iter().map(|pipeline| release(&pipelines, pipeline))).await;
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    if let Err(error) = namespaces.delete(namespace, &DeleteParams::default()).await {
        println!("left behind: namespace {namespace}: {error}");
    }
}

/// Deletes a pipeline and lets go of its objects, which the virtual host takes with it. One whose
/// operator does not let go is freed by hand, and told of.
async fn release(pipelines: &Api<MessagePipeline>, pipeline: &MessagePipeline) {
    let name = pipeline.name_any();
    let change = async |patch: Value| {
        let _ = pipelines.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await;
    };
    change(json!({"spec": {"deletion": {"policy": "Retain"}}})).await;
    let _ = pipelines.delete(&name, &DeleteParams::default()).await;
    let gone = AssertUnwindSafe(until(RELEASED, "the pipeline is gone", async || match pipelines
        .get_opt(&name)
        .await
    {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err("it is there".to_owned()),
        Err(error) => Err(error.to_string()),
    }));
    if gone.catch_unwind().await.is_err() {
        println!("pipeline {name} was not released; its finalizers are taken away");
        change(json!({"metadata": {"finalizers": null}})).await;
    }
}
