//! The pods of a pipeline, seen through the API server as any user could see them.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use ureq::Agent;

use super::access::{Access, Services};
use super::board::{Board, Sights};
use crate::demo::census::{Sighting, Worker};
use crate::demo::manifest::Manifest;
use crate::demo::place::Place;
use crate::demo::theatre::{Producer, Theatre};
use crate::demo::worker::Figures;

/// An API server on a busy machine may take a while.
const ANSWER: Duration = Duration::from_secs(20);

/// A pod that does not answer by then is asked again later.
const POD_ANSWER: Duration = Duration::from_secs(3);

/// How often the pods are looked at: each look asks every one of them, through the API server.
const STEP: Duration = Duration::from_secs(1);

/// What the API server answers for a pipeline.
const PIPELINES: &str = "/apis/warren.dev/v1alpha1/namespaces";

/// What a pod carries of its pipeline and its queue.
const PIPELINE: &str = "warren.dev/pipeline";
const QUEUE: &str = "warren.dev/queue";
/// What a worker's pod is.
const WORKER: &str = "app.kubernetes.io/component%3Dworker";

/// Where the pods are, and who is asked about them.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) access: &'a Access,
    pub(super) services: &'a Services,
    pub(super) place: &'a Place,
    pub(super) manifest: &'a Manifest,
}

/// The pods of one pipeline.
pub(super) struct Pods<'a> {
    site: Site<'a>,
    agent: Agent,
    board: Board,
    /// When the first look was, and the last.
    looks: Option<(Instant, Instant)>,
}

/// A worker.
struct Pod {
    name: String,
    queue: String,
    is_ready: bool,
}

impl<'a> Pods<'a> {
    /// Those of the pipeline of `site`.
    pub(super) fn new(site: Site<'a>) -> Self {
        let agent =
            Agent::config_builder().timeout_global(Some(ANSWER)).proxy(None).build().new_agent();
        Self { site, agent, board: Board::default(), looks: None }
    }

    fn get(&self, path: &str) -> anyhow::Result<Value> {
        let what = || format!("ask the API server for {path}");
        let response = self.agent.get(self.site.services.api(path)).call();
        let text = response.and_then(|mut response| response.body_mut().read_to_vec());
        serde_json::from_slice(&text.with_context(what)?).with_context(what)
    }

    fn list(&self) -> anyhow::Result<Vec<Pod>> {
        let Manifest { name, namespace, .. } = self.site.manifest;
        let selector = format!("{PIPELINE}%3D{name},{WORKER}");
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}");
        let listed = self.get(&path)?;
        let pods = listed["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let pods = pods.iter().map(|pod| {
            let name = pod.pointer("/metadata/name").and_then(Value::as_str);
            let queue = pod["metadata"]["labels"][QUEUE].as_str();
            Ok(Pod {
                name: name.context("a pod has a name")?.to_owned(),
                queue: queue.context("a worker's pod has a queue")?.to_owned(),
                is_ready: condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True"),
            })
        });
        pods.collect()
    }

    fn ask(&self, pod: &Pod) -> Option<Figures> {
        let (namespace, name) = (&self.site.manifest.namespace, &pod.name);
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}:8000/proxy/metrics");
        let request = self.agent.get(self.site.services.api(&path));
        let request = request.config().timeout_global(Some(POD_ANSWER)).build();
        let mut response = request.call().ok()?;
        Some(Figures::read(&response.body_mut().read_to_string().ok()?))
    }

    /// Waits until it is time for another look; gives the time since the first.
    fn wait(&mut self) -> Duration {
        let first = match self.looks {
            None => Instant::now(),
            Some((first, last)) => {
                thread::sleep(STEP.saturating_sub(last.elapsed()));
                first
            }
        };
        let now = Instant::now();
        self.looks = Some((first, now));
        now - first
    }

    /// Shows the workers beside the backlog.
    fn show(&mut self, at: Duration, pods: &[Pod]) {
        let Manifest { endpoints, prefix, .. } = self.site.manifest;
        // A broker that does not answer now is no reason to end the show.
        let messages = self.site.place.messages().unwrap_or_default();
        let mut seen = Sights::new();
        for queue in endpoints.keys() {
            let sight = seen.entry(queue.clone()).or_default();
            sight.backlog = messages.get(&format!("{prefix}.{queue}")).copied();
        }
        for pod in pods {
            let sight = seen.entry(pod.queue.clone()).or_default();
            sight.workers += 1;
            sight.ready += usize::from(pod.is_ready);
        }
        if let Some(news) = self.board.tell(at, seen) {
            eprintln!("{news}");
        }
    }
}

impl Theatre for Pods<'_> {
    fn check(&mut self) -> anyhow::Result<()> {
        // Whatever has ended, the next question about it says so.
        Ok(())
    }

    fn producer(&self) -> anyhow::Result<Producer> {
        let Manifest { name, namespace, .. } = self.site.manifest;
        let pipeline = self.get(&format!("{PIPELINES}/{namespace}/messagepipelines/{name}"))?;
        if let Some(missing) = missing(&pipeline) {
            return Ok(Producer::NotYet(missing));
        }
        let url = self.site.services.url(namespace, &format!("{name}-producer:5000"));
        Ok(match self.agent.get(format!("{url}/readyz")).call() {
            Ok(_) => Producer::Ready(url),
            Err(error) => Producer::NotYet(format!("the producer says: {error}")),
        })
    }

    fn workers(&mut self) -> anyhow::Result<Vec<Sighting>> {
        let at = self.wait();
        let pods = self.list()?;
        self.show(at, &pods);
        let sightings = pods.into_iter().map(|pod| {
            let figures = pod.is_ready.then(|| self.ask(&pod)).flatten();
            Sighting { worker: Worker::Pod(pod.name), figures }
        });
        Ok(sightings.collect())
    }

    fn kill(&self, victim: &Sighting) -> anyhow::Result<()> {
        match &victim.worker {
            Worker::Pod(name) => self.site.access.kill_pod(&self.site.manifest.namespace, name),
            Worker::Process(process) => bail!("worker {} is no pod", process.id),
        }
    }
}

/// What a pipeline says it waits for; nothing when it is ready.
fn missing(pipeline: &Value) -> Option<String> {
    let Some(ready) = condition(pipeline, "Ready") else {
        return Some("the operator has said nothing about the pipeline".to_owned());
    };
    let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
    (ready["status"] != "True").then(|| format!("{}: {}", text("reason"), text("message")))
}

/// A condition of an object.
fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().find(|condition| condition["type"] == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pipeline_that_is_not_ready_says_why() {
        let pipeline = |conditions: Value| json!({"status": {"conditions": conditions}});
        assert!(missing(&json!({})).is_some_and(|why| why.contains("nothing")));
        let refused = json!([{
            "type": "Ready", "status": "False", "reason": "BrokerUnreachable", "message": "no host"
        }]);
        assert_eq!(missing(&pipeline(refused)).as_deref(), Some("BrokerUnreachable: no host"));
        assert_eq!(missing(&pipeline(json!([{"type": "Ready", "status": "True"}]))), None);
    }
}
