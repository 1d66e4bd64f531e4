//! What differs between the Kubernetes objects a pipeline wants and those there are.
//!
//! Queues are independent: what is wrong with the objects of one keeps no other from its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use warren_api::metadata::QUEUE_LABEL;
use warren_core::{names::QueueName, scaling::Mode};

use crate::{
    children::{
        Child, ChildKey, ChildKind, ChildStep, ChildrenReading, Manifest, difference, owners,
    },
    observe::BrokerState,
    pipeline::{Holder, Pipeline, Queue, Users},
    resources::{self, PRODUCER, broker_secret, queue_label, stamp},
};

/// What is to be done about the objects made for a pipeline.
#[derive(Debug, Default)]
pub(super) struct Children {
    /// What to write, in a safe order.
    pub(super) steps: Vec<ChildStep>,
    /// What is somebody else's and has a name of ours: it is not touched.
    pub(super) taken: Vec<ChildKey>,
}

/// The objects there are.
type Seen = BTreeMap<ChildKey, Child>;

/// An object there should be.
struct Wanted {
    key: ChildKey,
    /// Whose it is: a queue's, the producer's, or everybody's when absent.
    queue: Option<String>,
    /// What it should be; nothing when another step makes it.
    manifest: Option<Manifest>,
}

/// Compares what there should be with what there is; nothing where nobody keeps objects.
///
/// The objects of queues that are `draining` stay though nothing asks for them any more.
pub(super) fn next(
    pipeline: &Pipeline,
    state: &BrokerState,
    reading: &ChildrenReading,
    draining: &BTreeSet<String>,
) -> Children {
    let ChildrenReading::Seen(seen) = reading else {
        return Children::default();
    };
    let mut wanted = wanted(pipeline, state, seen);
    wanted.sort_by_key(|wanted| wanted.key.kind);
    let is_taken = |key: &ChildKey| seen.get(key).is_some_and(|child| !child.is_ours);
    let (taken, free): (Vec<_>, Vec<_>) = wanted.iter().partition(|wanted| is_taken(&wanted.key));
    let pods = free.iter().filter(|wanted| !waits(wanted, &taken));
    let applies = pods.filter_map(|wanted| {
        let manifest = wanted.manifest.as_ref()?;
        match seen.get(&wanted.key) {
            None => Some(ChildStep::Apply(first(pipeline, state, manifest))),
            Some(child) => next_of(pipeline, &child.live, manifest),
        }
    });
    let mut steps: Vec<ChildStep> = applies.collect();
    let stays = |key: &ChildKey| {
        let queue = seen.get(key).and_then(|child| child.live.label(QUEUE_LABEL));
        queue.is_some_and(|queue| draining.contains(queue))
    };
    let unwanted = unwanted(pipeline, &wanted, seen, stays);
    steps.extend(unwanted.into_iter().map(ChildStep::Delete));
    Children { steps, taken: taken.into_iter().map(|wanted| wanted.key.clone()).collect() }
}

fn wanted(pipeline: &Pipeline, state: &BrokerState, seen: &Seen) -> Vec<Wanted> {
    let manifests = resources::manifests(pipeline).into_iter().map(|manifest| Wanted {
        key: manifest.key(),
        queue: manifest.label(QUEUE_LABEL).map(str::to_owned),
        manifest: Some(manifest),
    });
    let logins = pipeline.holders().map(|holder| login(pipeline, state, seen, &holder));
    manifests.chain(logins).collect()
}

/// The Secret with the login of one who logs in.
///
/// A user whose password is not in it gets one in the step that writes the user, and the Secret
/// with it.
fn login(pipeline: &Pipeline, state: &BrokerState, seen: &Seen, holder: &Holder) -> Wanted {
    let key = broker_secret::key(pipeline, holder);
    let login = &state.login;
    let manifest = match pipeline.users {
        Users::Shared => Some(broker_secret::manifest(pipeline, holder, login, None)),
        Users::Scoped => {
            let user = pipeline.user_of(holder, &login.vhost);
            let live = seen.get(&key).map(|child| &child.live);
            let password = live.and_then(|live| broker_secret::password_of(live, &user));
            password.map(|password| {
                let account = broker_secret::Account { user, password };
                broker_secret::manifest(pipeline, holder, login, Some(&account))
            })
        }
    };
    Wanted { key, queue: Some(queue_label(holder).to_owned()), manifest }
}

/// Whether an object is about pods that lack something, because it is somebody else's.
fn waits(wanted: &Wanted, taken: &[&Wanted]) -> bool {
    let about_pods =
        matches!(wanted.key.kind, ChildKind::Deployment | ChildKind::PodDisruptionBudget);
    let needs = |other: &Wanted| other.queue.is_none() || other.queue == wanted.queue;
    about_pods && taken.iter().any(|taken| needs(taken))
}

/// What to apply where there is nothing yet.
fn first(pipeline: &Pipeline, state: &BrokerState, manifest: &Manifest) -> Manifest {
    match scaled_queue(pipeline, manifest) {
        Some(queue) => with_replicas(manifest, first_replicas(pipeline, queue, state)),
        None => manifest.clone(),
    }
}

/// What to do about an object of ours that is there.
fn next_of(pipeline: &Pipeline, live: &Manifest, manifest: &Manifest) -> Option<ChildStep> {
    let differs = difference::differs(live, manifest);
    let keeps_replicas =
        scaled_queue(pipeline, manifest).is_some() && !owners::has_another_scaler(live);
    let replicas = owners::replicas(live);
    let is_applied = stamp::of(live) == stamp::of(manifest);
    match (differs, keeps_replicas) {
        (false, false) => None,
        (true, false) => Some(ChildStep::Apply(manifest.clone())),
        // Left out, the number would fall to 1. The next pass hands it over.
        (true, true) if !is_applied => Some(ChildStep::Apply(with_replicas(manifest, replicas))),
        // Somebody may change what was applied each time, and the number must not wait for them.
        (_, true) => Some(ChildStep::HandOver {
            deployment: manifest.key().name,
            replicas,
            resource_version: live.text("/metadata/resourceVersion").to_owned(),
        }),
    }
}

/// The queue whose workers a manifest is the Deployment of.
fn scaled_queue<'a>(pipeline: &'a Pipeline, manifest: &Manifest) -> Option<&'a Queue> {
    let is_deployment = manifest.key().kind == ChildKind::Deployment;
    let name = manifest.label(QUEUE_LABEL).filter(|_| is_deployment)?;
    pipeline.queues.iter().find(|queue| queue.name.as_str() == name)
}

/// How many workers a queue begins with: none on a queue that is made in this very pass, one where
/// messages may wait, and no fewer than the author wants at least.
fn first_replicas(pipeline: &Pipeline, queue: &Queue, state: &BrokerState) -> u32 {
    if queue.scaling.suspended {
        return 0;
    }
    let is_new = !state.found.queues.contains_key(&pipeline.prefix.main(&queue.name));
    let needed = u32::from(!is_new);
    match queue.scaling.mode {
        Mode::Auto(bounds) => bounds.min().get().max(needed),
        Mode::External(floor) => floor.get().max(needed),
        Mode::Fixed(replicas) => replicas.get(),
    }
}

fn with_replicas(manifest: &Manifest, replicas: u32) -> Manifest {
    let mut manifest = manifest.clone();
    if let Some(spec) = manifest.0.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("replicas".to_owned(), replicas.into());
    }
    manifest
}

/// The objects of ours that nothing asks for any more, in the order in which they go: pods first,
/// and last the ConfigMaps, by which the Secrets are found.
fn unwanted(
    pipeline: &Pipeline,
    wanted: &[Wanted],
    seen: &Seen,
    stays: impl Fn(&ChildKey) -> bool,
) -> Vec<ChildKey> {
    let is_wanted = |key: &ChildKey| wanted.iter().any(|wanted| wanted.key == *key) || stays(key);
    let ours = seen.iter().filter(|(key, child)| child.is_ours && !is_wanted(key));
    let mut unwanted: BTreeSet<ChildKey> = ours.clone().map(|(key, _)| key.clone()).collect();
    unwanted.extend(ours.filter_map(|(key, child)| former_login(pipeline, key, child)));
    let mut unwanted: Vec<ChildKey> = unwanted.into_iter().collect();
    unwanted.sort_by_key(|key| match key.kind {
        ChildKind::Deployment => 0,
        ChildKind::PodDisruptionBudget => 1,
        ChildKind::Service => 2,
        ChildKind::Secret => 3,
        ChildKind::ServiceAccount => 4,
        ChildKind::ConfigMap => 5,
    });
    unwanted
}

/// The Secret with the login of a removed queue's workers: nobody may list Secrets, but the
/// queue's ConfigMap tells that there was one.
fn former_login(pipeline: &Pipeline, key: &ChildKey, child: &Child) -> Option<ChildKey> {
    let queue = child.live.label(QUEUE_LABEL).filter(|queue| *queue != PRODUCER)?;
    let holder = Holder::Worker(QueueName::new(queue).ok()?);
    (key.kind == ChildKind::ConfigMap).then(|| broker_secret::key(pipeline, &holder))
}
