//! The keepers of all pipelines: made when a pass says that the broker's objects stand, ended when
//! nobody wants workers any more.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use warren_api::MessagePipeline;
use warren_broker::login::Login;
use warren_core::names::QueueName;
use warren_service::clock;

use super::{keeper::Keeper, observatory::Observatory, rounds::Rounds, staff, wanted::Wanted};
use crate::{
    cluster::{announcer::Announcer, stores::Stores, wakes::Wakes},
    metrics::OperatorMetrics,
    pass::Context,
    pipeline::Pipeline,
    workers::WorkersReading,
};

/// Keeps the numbers of workers; clones keep the same.
#[derive(Clone)]
pub(crate) struct Scalers {
    office: Arc<Office>,
    running: Arc<Mutex<BTreeMap<String, Running>>>,
}

/// What scaling needs of the cluster.
pub(crate) struct Surroundings {
    /// For writing numbers.
    pub(crate) client: Client,
    /// What was seen of it.
    pub(crate) stores: Stores,
    /// Who makes passes.
    pub(crate) wakes: Wakes,
    /// Who tells events.
    pub(crate) announcer: Announcer,
    /// What is counted.
    pub(crate) metrics: OperatorMetrics,
    /// For the clients of the brokers.
    pub(crate) context: Arc<Context>,
    /// The pod of this process.
    pub(crate) pod_name: String,
}

/// A pipeline whose workers are to be kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Its uid, which no other ever has.
    pub(crate) uid: String,
    /// What events are about.
    pub(crate) object: ObjectReference,
    /// The pipeline.
    pub(crate) pipeline: Pipeline,
    /// How its broker is reached; nothing while the broker's objects are not known to stand.
    pub(crate) login: Option<Login>,
    /// When the numbers of its workers were last written, by anybody before.
    pub(crate) last_changes: LastChanges,
    /// Whether it is looked and told, but nothing written.
    pub(crate) paused: bool,
    /// Whether objects of the broker were made anew.
    pub(crate) repaired: bool,
}

/// When numbers of workers were last written, by queue.
pub(crate) type LastChanges = BTreeMap<QueueName, Timestamp>;

/// What all keepers share.
pub(super) struct Office {
    pub(super) surroundings: Surroundings,
    pub(super) observatory: Observatory,
    pub(super) rounds: Rounds,
}

struct Running {
    wanted: watch::Sender<Wanted>,
    shown: watch::Receiver<Option<WorkersReading>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Scalers {
    /// Keeps nothing yet. Must be called in a runtime.
    pub(crate) fn new(surroundings: Surroundings) -> Self {
        let name = format!("warren-operator/{}/scaler", surroundings.pod_name);
        let observatory = Observatory::new(name, Arc::clone(&surroundings.context));
        let office = Office { surroundings, observatory, rounds: Rounds::new() };
        Self { office: Arc::new(office), running: Arc::default() }
    }

    /// Keeps a pipeline's workers from now on, by what it says now.
    pub(crate) fn keep(&self, kept: Kept) {
        let mut running = self.running();
        match running.get(&kept.uid) {
            Some(present) if !present.task.is_finished() => present.follow(kept),
            // One that ended by itself panicked.
            Some(_) | None => {
                running.insert(kept.uid.clone(), Running::start(&self.office, kept));
            }
        }
    }

    /// Keeps a pipeline's workers no longer; their number stays as it is.
    pub(crate) fn drop(&self, uid: &str) {
        // What it has under way ends by itself.
        if let Some(ended) = self.running().remove(uid) {
            ended.stop.cancel();
        }
    }

    /// Whether a pipeline's workers are kept.
    #[cfg(test)]
    pub(crate) fn keeps(&self, uid: &str) -> bool {
        self.running().contains_key(uid)
    }

    /// What is known of the workers of an object, kept or not.
    pub(crate) fn reading(&self, object: &MessagePipeline) -> WorkersReading {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let shown = self.running().get(uid).and_then(|running| running.shown.borrow().clone());
        let by_stores = || staff::reading(&self.office.surroundings.stores, object, clock::now());
        shown.unwrap_or_else(by_stores)
    }

    /// Ends all keepers and closes their connections.
    pub(crate) async fn close(&self) {
        let ended: Vec<Running> = std::mem::take(&mut *self.running()).into_values().collect();
        for running in &ended {
            running.stop.cancel();
        }
        for running in ended {
            // A keeper that panicked has said so already.
            let _ = running.task.await;
        }
        self.office.observatory.close().await;
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn start(office: &Arc<Office>, kept: Kept) -> Self {
        tracing::info!(pipeline = %kept.pipeline.id, uid = kept.uid, "workers are kept");
        let (wanted, heard) = watch::channel(Wanted::new(kept));
        let (show, shown) = watch::channel(None);
        let stop = CancellationToken::new();
        let keeper = Keeper::new(Arc::clone(office), heard, show);
        let task = tokio::spawn(keeper.run(stop.clone()));
        Self { wanted, shown, stop, task }
    }

    fn follow(&self, kept: Kept) {
        self.wanted.send_if_modified(|wanted| wanted.follow(kept));
    }
}
