//! The watches: they fill the stores and name the pipelines whose objects changed.
//!
//! A watch that fails is started again, ever less often, and never ends the process. Of an object
//! only what is used is kept, because there may be thousands of pods.

mod changes;

use std::{collections::BTreeMap, fmt::Debug, hash::Hash, pin::pin, sync::Arc};

use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture};
use k8s_openapi::api::{
    apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, core::v1::Pod,
};
use kube::{
    Client, Resource, ResourceExt,
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt,
        reflector::{self, Lookup, Store, store::Writer},
        watcher::{self, Event},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::watch, task::JoinSet};
use tracing::warn;

pub(crate) use self::changes::Gone;
use self::changes::{Change, Changes, Subject};
use super::{
    fault::Fault,
    scope::Scope,
    stores::{Read, Shelf, Stores},
    wakes::Wakes,
};

/// The label selector of everything that is made for pipelines.
const OURS: &str = "app.kubernetes.io/managed-by=warren-operator";

/// What is not complete yet, each with what holds it up.
pub(crate) type Incomplete = BTreeMap<String, Option<String>>;

/// What is told to whom.
pub(crate) struct Listeners {
    /// Who is told of a change.
    pub(crate) wakes: Wakes,
    /// Who is told of a pipeline that is gone.
    pub(crate) gone: Box<dyn Fn(Gone) + Send + Sync>,
    /// Who is told how far the first lists are.
    pub(crate) incomplete: watch::Sender<Incomplete>,
}

/// Watches that have not begun: who reads the stores comes first, because who is told of changes
/// needs them.
pub(crate) struct Watches {
    plans: Vec<(String, Plan)>,
}

/// What follows a watch, once somebody listens.
type Plan = Box<dyn FnOnce(Arc<Listeners>) -> BoxFuture<'static, ()> + Send>;

impl Watches {
    /// The stores, empty yet, and what will fill them.
    pub(crate) fn prepare(
        client: &Client,
        scopes: &[Scope],
        labels: Option<&str>,
    ) -> (Stores, Self) {
        let mut plans = Vec::new();
        let shelves = scopes.iter().map(|scope| {
            let mut planner = Planner { client, scope, plans: &mut plans };
            (scope.clone(), planner.shelf(labels))
        });
        let stores = Stores::new(shelves.collect());
        (stores, Self { plans })
    }

    /// Begins to watch; the watches end with `tasks`.
    pub(crate) fn start(self, listeners: Listeners, tasks: &mut JoinSet<()>) {
        let listeners = Arc::new(listeners);
        let names = self.plans.iter().map(|(name, _)| (name.clone(), None)).collect();
        listeners.incomplete.send_replace(names);
        for (_, plan) in self.plans {
            tasks.spawn(plan(Arc::clone(&listeners)));
        }
    }
}

/// Plans the watches of a scope.
struct Planner<'a> {
    client: &'a Client,
    scope: &'a Scope,
    plans: &'a mut Vec<(String, Plan)>,
}

/// What is kept of a kind, and what of it is news.
struct Interest<K> {
    /// A label selector.
    labels: Option<String>,
    /// Takes away what nobody reads.
    trim: fn(&mut K),
    /// What an object is to passes.
    subject: fn(&K) -> Option<Subject>,
}

impl Planner<'_> {
    fn shelf(&mut self, labels: Option<&str>) -> Shelf {
        Shelf {
            pipelines: self.watch(Interest {
                labels: labels.map(str::to_owned),
                trim: forget_managers::<Read>,
                subject: |read| Subject::of_pipeline(read.meta()),
            }),
            deployments: self.watch(Interest { trim: |_| {}, ..Interest::<Deployment>::ours() }),
            config_maps: self.watch(Interest::ours()),
            services: self.watch(Interest::ours()),
            accounts: self.watch(Interest::ours()),
            budgets: self.watch(Interest::ours()),
            pods: self.watch(Interest {
                trim: without_spec,
                subject: |_| None,
                ..Interest::<Pod>::ours()
            }),
            autoscalers: self.watch(Interest {
                labels: None,
                trim: target_only,
                subject: |_: &HorizontalPodAutoscaler| None,
            }),
        }
    }

    fn watch<K>(&mut self, interest: Interest<K>) -> Store<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Lookup<DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let (store, writer) = reflector::store::<K>();
        let name = format!("{} of {}", <K as Resource>::plural(&()), self.scope);
        let api = self.scope.api::<K>(self.client);
        let mut config = watcher::Config::default();
        config.label_selector.clone_from(&interest.labels);
        let plan = {
            let name = name.clone();
            move |listeners: Arc<Listeners>| {
                let events = watcher::watcher(api, config).default_backoff();
                async move { listeners.follow(name, events, writer, interest).await }.boxed()
            }
        };
        self.plans.push((name, Box::new(plan)));
        store
    }
}

impl<K: Resource<DynamicType = ()> + Serialize> Interest<K> {
    /// Everything of the kind that is made for pipelines.
    fn ours() -> Self {
        Self {
            labels: Some(OURS.to_owned()),
            trim: forget_managers::<K>,
            subject: Subject::of_child::<K>,
        }
    }
}

impl Listeners {
    async fn follow<K>(
        &self,
        name: String,
        events: impl Stream<Item = watcher::Result<Event<K>>>,
        mut writer: Writer<K>,
        interest: Interest<K>,
    ) where
        K: Resource<DynamicType = ()> + Lookup<DynamicType = ()> + Clone + 'static,
        <K as Lookup>::DynamicType: Eq + Hash + Clone,
    {
        let mut events = pin!(events);
        let mut changes = Changes::default();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    let event = event.modify(interest.trim);
                    let news = changes.take(&event, interest.subject);
                    // The store first: whoever is woken looks into it.
                    writer.apply_watcher_event(&event);
                    self.tell(news);
                    if matches!(event, Event::InitDone) {
                        self.incomplete.send_if_modified(|all| all.remove(&name).is_some());
                    }
                }
                Err(error) => self.failed(&name, error),
            }
        }
    }

    fn tell(&self, news: Vec<Change>) {
        for change in news {
            match change {
                Change::Touched(pipeline) => self.wakes.wake(&pipeline),
                Change::Gone(gone) => (self.gone)(gone),
            }
        }
    }

    fn failed(&self, name: &str, error: watcher::Error) {
        let error = cause(error);
        warn!(watch = name, error, "a watch failed and is started again");
        self.incomplete.send_if_modified(|all| match all.get_mut(name) {
            Some(holds_up) => {
                *holds_up = Some(error.clone());
                true
            }
            None => false,
        });
    }
}

/// The API server's own words.
fn cause(error: watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => Fault::of(error).to_string(),
        watcher::Error::WatchError(status) => Fault::Refused(status).to_string(),
        watcher::Error::NoResourceVersion => "an object without a version".to_owned(),
    }
}

/// Who wrote which field is read of Deployments alone, and is often the larger half of an object.
fn forget_managers<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

fn without_spec(pod: &mut Pod) {
    forget_managers(pod);
    pod.spec = None;
}

fn target_only(autoscaler: &mut HorizontalPodAutoscaler) {
    forget_managers(autoscaler);
    autoscaler.annotations_mut().clear();
    autoscaler.status = None;
    if let Some(spec) = &mut autoscaler.spec {
        spec.metrics = None;
        spec.behavior = None;
    }
}
