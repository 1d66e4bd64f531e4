//! The Secrets that a pipeline's pods need beside the broker's, and whether they exist.
//!
//! A pod that waits for a Secret in a volume shows nothing but that it waits, so the API server is
//! asked. Only for their metadata: what is in them is none of our business.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::Value;
use warren_core::config::HandlerConfig;

use crate::{
    cluster::fault::{Fault, within},
    pipeline::{Access, Holder, Pipeline, Pods, Queue},
    workers::{WorkersReason, WorkersTrouble},
};

/// How often it is looked whether the Secrets of workers that run are still there.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Names of Secrets, by whose pods need them.
pub(crate) type Needed = BTreeMap<Holder, BTreeSet<String>>;

/// The Secrets that a pipeline's pods need, and those of them that were last known not to exist.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    needed: Needed,
    absent: Needed,
    /// When it was looked last.
    looked: Option<Instant>,
    is_looking: bool,
}

impl Lookout {
    /// Follows what the spec names now; what it names no longer is missed no longer.
    pub(crate) fn follow(&mut self, pipeline: &Pipeline) {
        self.needed = needed(pipeline);
        self.absent = common(&self.absent, &self.needed);
    }

    /// Begins a look if one is due; what to look for.
    ///
    /// Pods that do not start may wait for a Secret; others have what they need, for now.
    pub(crate) fn begin(&mut self, is_starting: bool, now: Instant) -> Option<Needed> {
        let age = self.looked.map(|at| now.saturating_duration_since(at));
        let is_due = age.is_none_or(|age| age >= LOOK_EVERY) || is_starting;
        let wanted = is_due || !self.absent.is_empty();
        if self.needed.is_empty() || self.is_looking || !wanted {
            return None;
        }
        self.looked = Some(now);
        self.is_looking = true;
        Some(self.needed.clone())
    }

    /// Takes in what is absent of what was looked for; nothing when the look came to no end.
    pub(crate) fn found(&mut self, absent: Option<&Needed>) {
        self.is_looking = false;
        if let Some(absent) = absent {
            // The spec may have changed since.
            self.absent = common(absent, &self.needed);
        }
    }

    /// What somebody's pods lack.
    pub(crate) fn trouble(&self, holder: &Holder, namespace: &str) -> Option<WorkersTrouble> {
        let names: Vec<&str> = self.absent.get(holder)?.iter().map(String::as_str).collect();
        let names = names.join(", ");
        let message = format!(
            "Secret {names} does not exist in namespace {namespace}: create it, or correct its name \
             in the handler or template"
        );
        Some(WorkersTrouble { reason: WorkersReason::SecretNotFound, message })
    }
}

/// What is in both.
fn common(one: &Needed, other: &Needed) -> Needed {
    let both = one.iter().filter_map(|(holder, names)| {
        let names: BTreeSet<String> = names.intersection(other.get(holder)?).cloned().collect();
        (!names.is_empty()).then(|| (holder.clone(), names))
    });
    both.collect()
}

/// The Secrets that handlers, templates and the producer's access name.
fn needed(pipeline: &Pipeline) -> Needed {
    let queues = pipeline.queues.iter().map(|queue| {
        let mut names = of_pods(&queue.worker.pods);
        names.extend(of_handler(queue));
        (Holder::Worker(queue.name.clone()), names)
    });
    let producer = pipeline.producer.server.as_ref().map(|server| {
        let mut names = of_pods(&server.pods);
        match &pipeline.producer.access {
            Access::Bearer(key) => names.insert(key.name.clone()),
            Access::Open => false,
        };
        (Holder::Producer, names)
    });
    queues.chain(producer).filter(|(_, names)| !names.is_empty()).collect()
}

/// Those of them that do not exist; who cannot be asked about is taken to exist.
pub(crate) async fn absent(client: Client, namespace: String, needed: Needed) -> Needed {
    let secrets: Api<Secret> = Api::namespaced(client, &namespace);
    let names: BTreeSet<&String> = needed.values().flatten().collect();
    let mut absent = BTreeSet::new();
    for name in names {
        match within(secrets.get_metadata_opt(name)).await {
            Ok(Some(_)) => {}
            Ok(None) => {
                absent.insert(name.clone());
            }
            Err(fault) => log(name, &fault),
        }
    }
    let missing = needed.into_iter().map(|(holder, mut names)| {
        names.retain(|name| absent.contains(name));
        (holder, names)
    });
    missing.filter(|(_, names)| !names.is_empty()).collect()
}

fn log(name: &str, fault: &Fault) {
    tracing::debug!(secret = name, %fault, "whether a Secret exists cannot be told");
}

fn of_handler(queue: &Queue) -> BTreeSet<String> {
    match &queue.handler {
        HandlerConfig::Http(http) => {
            let sources = http.headers.iter().filter_map(|header| header.value_from.as_ref());
            sources.map(|source| source.secret_key_ref.name.clone()).collect()
        }
        HandlerConfig::Exec(_) | HandlerConfig::Simulate(_) | HandlerConfig::Log(_) => {
            BTreeSet::new()
        }
    }
}

/// The Secrets in the environment and the volumes of a template, but for those that may be missing.
fn of_pods(pods: &Pods) -> BTreeSet<String> {
    let additions = &pods.additions;
    let env = entries(additions.container.get("env"), "/valueFrom/secretKeyRef", "name");
    let env_from = entries(additions.container.get("envFrom"), "/secretRef", "name");
    let volumes = additions.pod.get("volumes");
    let mounted = entries(volumes, "/secret", "secretName");
    let projected: Vec<String> = volumes
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .flat_map(|volume| entries(volume.pointer("/projected/sources"), "/secret", "name"))
        .collect();
    env.into_iter().chain(env_from).chain(mounted).chain(projected).collect()
}

/// The names that stand under `pointer` in the entries of a list.
fn entries(list: Option<&Value>, pointer: &str, name: &str) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|entry| entry.pointer(pointer))
        .filter(|reference| reference.get("optional") != Some(&Value::Bool(true)))
        .filter_map(|reference| reference.get(name)?.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use warren_core::names::QueueName;

    use super::*;
    use crate::fixtures::{valid, with_spec};

    fn names(spec: &str, queue: &str) -> Vec<(String, Vec<String>)> {
        let pipeline = valid(&with_spec(spec, queue));
        let all = needed(&pipeline).into_iter();
        all.map(|(holder, names)| (format!("{holder:?}"), names.into_iter().collect())).collect()
    }

    #[test]
    fn the_secrets_of_handler_template_and_access_are_needed() {
        let queue = "{name: email, worker: {template: {
            env: [{name: A, valueFrom: {secretKeyRef: {name: a, key: k}}},
                  {name: B, valueFrom: {secretKeyRef: {name: b, key: k, optional: true}}}],
            envFrom: [{secretRef: {name: c}}],
            volumes: [{name: d, secret: {secretName: d}},
                      {name: e, projected: {sources: [{secret: {name: e}}]}},
                      {name: f, emptyDir: {}}]}},
            handler: {http: {url: \"https://mail.example\", headers:
                [{name: Authorization, valueFrom: {secretKeyRef: {name: mail, key: token}}}]}}}";
        let spec = "producer: {auth: {bearerSecretRef: {name: token, key: token}}}";
        let expected = ["a", "c", "d", "e", "mail"].map(str::to_owned).to_vec();
        assert_eq!(
            names(spec, queue),
            [
                ("Worker(QueueName(\"email\"))".to_owned(), expected),
                ("Producer".to_owned(), vec!["token".to_owned()]),
            ]
        );
    }

    #[test]
    fn a_pipeline_that_names_none_needs_none() {
        assert_eq!(names("", "{name: email, handler: {log: {}}}"), []);
    }

    /// A pipeline whose one queue calls an endpoint with what is in this Secret, if any.
    fn calling_with(secret: Option<&str>) -> Pipeline {
        let headers = secret.map(|name| {
            format!(
                ", headers: [{{name: Authorization, valueFrom: \
                 {{secretKeyRef: {{name: {name}, key: token}}}}}}]"
            )
        });
        let headers = headers.unwrap_or_default();
        let handler = format!("{{http: {{url: \"https://mail.example\"{headers}}}}}");
        valid(&with_spec("", &format!("{{name: email, handler: {handler}}}")))
    }

    /// What the queue lacks after this was the absent one of those `before`, and the spec says this.
    fn lacks(before: Option<&str>, after: Option<&str>, told_before: bool) -> Option<String> {
        let mut lookout = Lookout::default();
        lookout.follow(&calling_with(before));
        let absent = lookout.begin(false, Instant::now()).unwrap();
        if told_before {
            lookout.found(Some(&absent));
            lookout.follow(&calling_with(after));
        } else {
            lookout.follow(&calling_with(after));
            lookout.found(Some(&absent));
        }
        let holder = Holder::Worker(QueueName::new("email").unwrap());
        lookout.trouble(&holder, "shop").map(|trouble| trouble.message)
    }

    #[test]
    fn a_secret_that_is_named_no_longer_is_missed_no_longer() {
        for told_before in [true, false] {
            let stays = lacks(Some("mail"), Some("mail"), told_before).unwrap();
            assert!(stays.starts_with("Secret mail does not exist in namespace shop"), "{stays}");
            assert_eq!(lacks(Some("mail"), Some("other"), told_before), None);
            assert_eq!(lacks(Some("mail"), None, told_before), None);
        }
    }

    #[test]
    fn it_is_looked_at_once_each_minute_and_more_often_while_something_is_missing_or_starts() {
        let start = Instant::now();
        let mut lookout = Lookout::default();
        lookout.follow(&calling_with(Some("mail")));
        let mail = lookout.begin(false, start).unwrap();
        assert_eq!(lookout.begin(true, start), None, "one look at a time");
        lookout.found(Some(&Needed::new()));
        assert_eq!(lookout.begin(false, start), None);
        assert!(lookout.begin(true, start).is_some());
        lookout.found(None);
        assert!(lookout.begin(false, start + LOOK_EVERY).is_some());
        lookout.found(Some(&mail));
        assert!(lookout.begin(false, start + LOOK_EVERY).is_some());
    }
}
