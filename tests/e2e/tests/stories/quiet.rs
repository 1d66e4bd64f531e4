//! A second look at pipelines that have not changed writes nothing, anywhere.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use kube::{ResourceExt, api::ListParams};
use serde_json::{Value, json};
use warren_api::MessagePipeline;

use super::harness::{Scene, alone_after, until, waiting::poll_for};

const PIPELINES: usize = 20;
/// Two of each pipeline.
const PASSES: f64 = 40.0;
const READY: Duration = Duration::from_secs(120);
/// Three intervals of 60 s: every pipeline is looked at at least twice.
const WATCHED: Duration = Duration::from_secs(180);
/// What changed after a look is told by the next, an interval with its jitter later.
const SETTLED: Duration = Duration::from_secs(150);
/// What counts writes at the two HTTP clients of the operator.
const WRITES: [&str; 2] = ["warren_kube_writes_total", "warren_broker_writes_total"];
/// Every kind of object that the operator writes.
const KINDS: &str = "messagepipelines.warren.dev,deployments,configmaps,secrets,services,\
                     serviceaccounts,poddisruptionbudgets";

#[test]
fn twenty_unchanged_pipelines_cause_no_write_for_three_minutes() {
    alone_after("quiet", settle, stay);
}

/// Creates the pipelines and waits until they have come to rest.
async fn settle(scene: &Scene) {
    let names: Vec<_> = (0..PIPELINES).map(|number| format!("orders-{number}")).collect();
    let manifests = names.iter().enumerate();
    let manifests = manifests.map(|(number, name)| manifest(scene, number, name));
    let created = manifests.map(async |manifest| scene.create(&manifest).await);
    let pipelines = join_all(created).await;
    join_all(pipelines.iter().map(|pipeline| pipeline.until_ready(READY))).await;
    settled(scene).await;
}

/// Watches them stay as they are.
async fn stay(scene: &Scene) {
    // Those who were alone before may have started another operator. What it finds it tells after
    // its second look; until then the status is what its predecessor told.
    until(SETTLED, "the present operator has looked at each twice", async || {
        let passes = figure(scene, "warren_reconcile_total").await;
        if passes >= PASSES { Ok(()) } else { Err(format!("{passes} passes")) }
    })
    .await;
    settled(scene).await;

    let before = Standing::of(scene).await;
    let objects = &before.versions;
    assert!(objects.len() >= PIPELINES * 4, "there is much to write to: {}", objects.len());
    let has = |kind: &str| objects.keys().any(|object| object.starts_with(kind));
    assert!(has("Service "), "producers have Services: {:?}", objects.keys());
    poll_for(WATCHED, async || ()).await;
    let after = Standing::of(scene).await;
    let passed = after.passes - before.passes;
    assert!(passed >= PASSES, "only {passed} passes were made");
    after.is_unchanged_from(&before);
}

/// What a write would change, and how many passes could have written.
struct Standing {
    passes: f64,
    /// By the operator, at both clients.
    writes: Vec<f64>,
    /// The status of every pipeline.
    statuses: Vec<String>,
    /// The resourceVersion of every object in the namespace.
    versions: BTreeMap<String, String>,
}

impl Standing {
    async fn of(scene: &Scene) -> Self {
        Self {
            passes: figure(scene, "warren_reconcile_total").await,
            statuses: statuses(scene).await,
            writes: writes(scene).await,
            versions: versions(scene).await,
        }
    }

    fn is_unchanged_from(&self, before: &Self) {
        let pairs = self.statuses.iter().zip(&before.statuses);
        let news: Vec<_> = pairs.filter(|(now, told)| now != told).collect();
        assert!(news.is_empty(), "{} statuses changed, such as {:?}", news.len(), news[0]);
        assert_eq!(self.writes, before.writes, "writes by the operator");
        let (now, then) = (&self.versions, &before.versions);
        let changed: Vec<_> = now.iter().filter(|one| then.get(one.0) != Some(one.1)).collect();
        assert!(changed.is_empty() && now.len() == then.len(), "changed: {changed:?}");
    }
}

/// A third each sleep, have a producer, and have a worker that waits for messages.
fn manifest(scene: &Scene, number: usize, name: &str) -> Value {
    let mut queue = scene.queue("email");
    if number % 3 == 2 {
        queue["scaling"] = json!({"mode": "Fixed", "minReplicas": 1});
    }
    let mut manifest = scene.manifest(name, &[queue]);
    if number % 3 == 1 {
        let resources = json!({"requests": {"cpu": "5m", "memory": "24Mi"}});
        manifest["spec"]["producer"] = json!({"resources": resources});
    }
    manifest
}

/// Waits until each status says what it will say from now on: the first look after the creation
/// finds that the statistics of the broker have come.
async fn settled(scene: &Scene) {
    until(SETTLED, "every status tells of a queue at rest", async || {
        let pipelines = scene.pipelines().list(&ListParams::default()).await;
        let pipelines = pipelines.map_err(|error| error.to_string())?;
        let restless: Vec<_> = pipelines.iter().filter(|one| !is_at_rest(one)).collect();
        let names: Vec<_> = restless.iter().map(|one| one.name_any()).collect();
        if names.is_empty() { Ok(()) } else { Err(names.join(", ")) }
    })
    .await;
}

fn is_at_rest(pipeline: &MessagePipeline) -> bool {
    let status = serde_json::to_value(&pipeline.status).expect("a status is JSON");
    let scaling = &status["queues"][0]["scaling"];
    let observed = &scaling["observed"];
    let numbers = ["current", "ready"].map(|number| &scaling[number]);
    let is_there = numbers.into_iter().all(|number| *number == scaling["desired"]);
    let is_empty = observed["ready"] == 0 && observed["unacked"] == 0;
    // Who sleeps cannot be asked, and who is awake is asked every 5 s.
    let conditions = status["conditions"].as_array().expect("it is Ready");
    let is_asked = conditions.iter().any(|one| one["type"] == "EndpointAccepting");
    is_there && is_empty && (is_asked || scaling["desired"] == 0)
}

async fn writes(scene: &Scene) -> Vec<f64> {
    let figures = figures(scene).await;
    let of = |name: &&str| *figures.get(*name).unwrap_or_else(|| panic!("no metric {name}"));
    WRITES.iter().map(of).collect()
}

async fn figure(scene: &Scene, name: &str) -> f64 {
    figures(scene).await[name]
}

/// The metrics of the operator, once they can be had: the way to a pod breaks at times.
async fn figures(scene: &Scene) -> BTreeMap<String, f64> {
    until(READY, "the operator's metrics", async || scene.operator.figures().await).await
}

async fn statuses(scene: &Scene) -> Vec<String> {
    let pipelines = scene.pipelines().list(&ListParams::default()).await.unwrap();
    let statuses = pipelines.into_iter().map(|pipeline| pipeline.status);
    statuses.map(|status| serde_json::to_string(&status).expect("a status is JSON")).collect()
}

async fn versions(scene: &Scene) -> BTreeMap<String, String> {
    let columns = "custom-columns=KIND:.kind,NAME:.metadata.name,V:.metadata.resourceVersion";
    let listed = ["get", KINDS, "-n", &scene.namespace, "--no-headers", "-o", columns];
    let listed = scene.cluster.kubectl(&listed).await;
    let versions = listed.lines().map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        (format!("{} {}", words[0], words[1]), words[2].to_owned())
    });
    versions.collect()
}
