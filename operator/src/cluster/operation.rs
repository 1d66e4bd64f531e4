//! Everything that runs while the operator does, and its orderly end.

use std::{sync::Arc, time::Duration};

use kube::Client;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use warren_service::health::Readiness;

use super::{
    announcer::{Announcements, Announcer},
    controller,
    logbook::Logbook,
    passes::Passes,
    scope::Scope,
    stores::Stores,
    wakes::Wakes,
    watches::{Incomplete, Listeners, Watches},
};
use crate::{
    metrics::OperatorMetrics,
    pass::Context,
    scale::{Scalers, Surroundings},
    settings::Run,
};

/// How long passes under way may take to end.
const PASSES_END: Duration = Duration::from_secs(20);
/// How long the scalers may take to close their connections.
const SCALERS_END: Duration = Duration::from_secs(4);
/// How long the last events may take. With the two above it fits into a grace period of 30 s.
const EVENTS_END: Duration = Duration::from_secs(2);

/// What an operation begins with.
pub(crate) struct Parts {
    /// The API server.
    pub(crate) client: Client,
    /// What was told.
    pub(crate) settings: Run,
    /// What passes share.
    pub(crate) context: Arc<Context>,
    /// Where is looked.
    pub(crate) scopes: Vec<Scope>,
    /// What is counted.
    pub(crate) metrics: OperatorMetrics,
}

/// Everything that runs.
pub(crate) struct Operation {
    stores: Stores,
    wakes: Wakes,
    scalers: Scalers,
    passes: Arc<Passes>,
    announcements: Announcements,
    incomplete: watch::Receiver<Incomplete>,
    watches: JoinSet<()>,
    controllers: JoinSet<()>,
    stop: CancellationToken,
}

/// A part that must run has ended.
#[derive(Debug, thiserror::Error)]
#[error("{0} ended by itself, which is a mistake of this program")]
pub(crate) struct Broken(&'static str);

impl Operation {
    /// Begins to watch; no pass is made yet.
    pub(crate) fn watch(parts: Parts) -> Self {
        let Parts { client, settings, context, scopes, metrics } = parts;
        let labels = settings.watched.labels.as_deref();
        let (stores, watches) = Watches::prepare(&client, &scopes, labels);
        let wakes = Wakes::new(&scopes);
        let (announcer, announcements) = Announcer::start(client.clone(), settings.pod.clone());
        let scalers = Scalers::new(Surroundings {
            client: client.clone(),
            stores: stores.clone(),
            wakes: wakes.clone(),
            announcer: announcer.clone(),
            metrics: metrics.clone(),
            context: Arc::clone(&context),
            pod_name: settings.pod,
        });
        let passes = Arc::new(Passes {
            client,
            stores: stores.clone(),
            context,
            scalers: scalers.clone(),
            announcer,
            metrics,
            logbook: Logbook::default(),
            turns: Semaphore::new(settings.concurrency),
            last_turns: Semaphore::new(settings.concurrency),
            interval: settings.interval,
        });
        let (tell, incomplete) = watch::channel(Incomplete::new());
        let listener = Arc::clone(&passes);
        let listeners = Listeners {
            wakes: wakes.clone(),
            gone: Box::new(move |gone| listener.forget(&gone)),
            incomplete: tell,
        };
        let mut tasks = JoinSet::new();
        watches.start(listeners, &mut tasks);
        Self {
            stores,
            wakes,
            scalers,
            passes,
            announcements,
            incomplete,
            watches: tasks,
            controllers: JoinSet::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Waits until every store is complete: before, what is not there yet looks as if it were gone.
    pub(crate) async fn complete(&mut self, readiness: &watch::Sender<Readiness>) {
        loop {
            let missing = self.incomplete.borrow_and_update().clone();
            if missing.is_empty() {
                return;
            }
            readiness.send_replace(Readiness::not_ready("listing").detail(listing(&missing)));
            if self.incomplete.changed().await.is_err() {
                return;
            }
        }
    }

    /// Begins to make passes.
    pub(crate) fn work(&mut self) {
        for ((_, bell), (scope, shelf)) in self.wakes.bells().zip(self.stores.shelves()) {
            info!(%scope, pipelines = shelf.pipelines.len(), "working");
            self.controllers.spawn(controller::run(
                bell.clone(),
                shelf.pipelines.clone(),
                Arc::clone(&self.passes),
                self.stop.clone(),
            ));
        }
    }

    /// Runs until something ends that must not.
    pub(crate) async fn broken(&mut self) -> Broken {
        tokio::select! {
            Some(_) = self.watches.join_next() => Broken("a watch"),
            Some(_) = self.controllers.join_next() => Broken("a controller"),
        }
    }

    /// Ends: no new pass, those under way to their end, then connections and events.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        let ended = async { while self.controllers.join_next().await.is_some() {} };
        if timeout(PASSES_END, ended).await.is_err() {
            log_cut("passes that did not end in time are cut short");
            self.controllers.shutdown().await;
        }
        if timeout(SCALERS_END, self.scalers.close()).await.is_err() {
            log_cut("connections of the scalers are cut off");
        }
        self.watches.shutdown().await;
        // Announcers are part of these; the events end with the last of them.
        drop((self.passes, self.scalers));
        self.announcements.finish(EVENTS_END).await;
    }
}

fn log_cut(what: &str) {
    warn!("{what}");
}

/// What is waited for, and why where that is known.
fn listing(missing: &Incomplete) -> String {
    let names = missing.iter().map(|(name, why)| match why {
        Some(why) => format!("{name} ({why})"),
        None => name.clone(),
    });
    let names: Vec<String> = names.collect();
    format!("reading {}", names.join(", "))
}
