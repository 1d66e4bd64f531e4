//! One pass over one pipeline of the cluster: what it is given, and what becomes of what it leaves.

mod deletion;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource,
    core::{ObjectMeta, error_boundary::InvalidObject},
};
use tokio::sync::Semaphore;
use tracing::{error, info, warn};
use warren_api::{MessagePipeline, MessagePipelineStatus};
use warren_core::names::PipelineId;
use warren_service::clock;

use super::{
    announcer::Announcer,
    logbook::{Logbook, Spec},
    ports::{self, KubePorts},
    refusal,
    stores::{Read, Stores},
    watches::Gone,
};
use crate::{
    interval::Requeue,
    metrics::{OperatorMetrics, PipelineState, QueueId},
    pass::{Context, Ending, Pass, Request},
    pause::Pause,
    pipeline::Pipeline,
    reconcile,
    scale::{Kept, Scalers},
    status,
};

/// What all passes share.
pub(crate) struct Passes {
    /// The API server.
    pub(crate) client: Client,
    /// What was seen of it.
    pub(crate) stores: Stores,
    /// What the operator was told, and the brokers' clients.
    pub(crate) context: Arc<Context>,
    /// Who keeps the numbers of workers.
    pub(crate) scalers: Scalers,
    /// Who tells events.
    pub(crate) announcer: Announcer,
    /// What is counted.
    pub(crate) metrics: OperatorMetrics,
    /// What is noted from one pass to the next.
    pub(crate) logbook: Logbook,
    /// As many permits as passes may run at once.
    pub(crate) turns: Semaphore,
    /// The same for deletions, which must not wait for pipelines whose brokers do not answer.
    pub(crate) last_turns: Semaphore,
    /// How often a quiet pipeline is looked at.
    pub(crate) interval: Duration,
}

/// Which object a pass is about.
struct Subject {
    id: PipelineId,
    uid: String,
    generation: i64,
}

/// How long after the end of a pause it is looked again.
const LATER: Duration = Duration::from_millis(100);

/// Nothing is to be done until the object changes: a watch tells.
const UNTIL_CHANGED: Option<Duration> = None;

impl Passes {
    /// Makes a pass over an object; how long to wait until the next, if one is due by itself.
    pub(crate) async fn over(&self, read: &Read) -> Option<Duration> {
        let Some(subject) = Subject::of(read.meta()) else {
            warn!(name = read.meta().name, "an object without a usable name or uid is left alone");
            return UNTIL_CHANGED;
        };
        if let Err(rest) = self.logbook.begin(&subject.uid, Instant::now()) {
            return Some(rest);
        }
        let waiting = self.metrics.pass_waits();
        let turns = match read.meta().deletion_timestamp {
            Some(_) => &self.last_turns,
            None => &self.turns,
        };
        // The semaphores are never closed.
        let _turn = turns.acquire().await;
        drop(waiting);
        let began = Instant::now();
        // Boxed, because the compiler follows a future in a future only so far.
        let (ending, wait) = self.one(read, &subject).boxed().await;
        self.metrics.pass_ended(ending, began.elapsed());
        if !self.stores.has_pipeline(&subject.id, &subject.uid) {
            // It went while this pass was under way, and what was kept of it since would stay.
            self.forget(&Gone { pipeline: subject.id, uid: subject.uid });
        }
        wait
    }

    /// Everything about a pipeline that is gone goes.
    pub(crate) fn forget(&self, gone: &Gone) {
        info!(pipeline = %gone.pipeline, uid = gone.uid, "pipeline gone");
        self.scalers.drop(&gone.uid);
        self.logbook.forget(&gone.uid);
        self.metrics.forget_pipeline(&gone.pipeline);
    }

    async fn one(&self, read: &Read, subject: &Subject) -> (Ending, Option<Duration>) {
        let is_deleted = read.meta().deletion_timestamp.is_some();
        match &read.0 {
            Err(_) if is_deleted => self.delete_remnant(subject).await,
            Err(invalid) => self.refuse(subject, invalid).await,
            Ok(object) if is_deleted => self.delete(subject, object).await,
            Ok(object) => self.reconcile(subject, object).await,
        }
    }

    async fn reconcile(
        &self,
        subject: &Subject,
        object: &MessagePipeline,
    ) -> (Ending, Option<Duration>) {
        let previous = self.previous(subject, object);
        let pass = self.run(subject, object, &previous).await;
        self.note_applied(subject, &previous, &pass);
        self.hand_over(subject, object, &previous, &pass);
        let wait = self.wait_after(subject, pass.requeue).min(rest_of(pass.paused.as_ref()));
        let ending = pass.ending;
        self.leave(subject, object, pass);
        (ending, Some(wait))
    }

    /// An object that is no pipeline: its status says so.
    async fn refuse(
        &self,
        subject: &Subject,
        invalid: &InvalidObject,
    ) -> (Ending, Option<Duration>) {
        self.scalers.drop(&subject.uid);
        let told = self.tell_refusal(subject, invalid).await;
        let wait = self.wait_after(subject, if told { Requeue::Settled } else { Requeue::Trouble });
        (if told { Ending::Waiting } else { Ending::Error }, Some(wait))
    }

    async fn tell_refusal(&self, subject: &Subject, invalid: &InvalidObject) -> bool {
        let known = match self.logbook.status(&subject.uid) {
            Some(known) => Ok(known),
            None => refusal::present_status(&self.client, &subject.id).await,
        };
        let result = match known {
            Ok(known) => {
                let next = refusal::status(&known, &invalid.metadata, &invalid.error, clock::now());
                self.metrics.pipeline_conditions(&subject.id, &next);
                if !status::differs(&known, &next) {
                    return true;
                }
                let told = ports::publish(&self.client, &subject.id, &subject.uid, &next).await;
                told.map(|version| self.logbook.published(&subject.uid, &next, version))
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = &result {
            warn!(pipeline = %subject.id, %fault, "status not published");
        }
        result.is_ok()
    }

    async fn run(
        &self,
        subject: &Subject,
        object: &MessagePipeline,
        previous: &MessagePipelineStatus,
    ) -> Pass {
        let memory = self.logbook.memory(&subject.uid);
        let workers = self.scalers.reading(object);
        let now = clock::now();
        let request = Request { object, previous, workers: &workers, memory: &memory, now };
        reconcile::pipeline(&self.ports(subject, object), &self.context, request).await
    }

    /// What was published last while the store does not have it yet, else what the object has.
    fn previous(&self, subject: &Subject, object: &MessagePipeline) -> MessagePipelineStatus {
        let version = object.metadata.resource_version.as_deref().unwrap_or_default();
        let published = self.logbook.unseen(&subject.uid, version);
        published.or_else(|| object.status.clone()).unwrap_or_default()
    }

    fn ports<'a>(&'a self, subject: &'a Subject, object: &'a MessagePipeline) -> KubePorts<'a> {
        KubePorts {
            client: &self.client,
            stores: &self.stores,
            logbook: &self.logbook,
            object,
            id: &subject.id,
            uid: &subject.uid,
            read: Mutex::default(),
        }
    }

    /// Workers are kept by what the spec orders, and by the backlog where the objects stand.
    fn hand_over(
        &self,
        subject: &Subject,
        object: &MessagePipeline,
        previous: &MessagePipelineStatus,
        pass: &Pass,
    ) {
        let Some(pipeline) = pass.pipeline.as_ref().filter(|_| pass.invalid.is_none()) else {
            // What is ordered cannot be told, so the number of workers stays.
            self.scalers.drop(&subject.uid);
            return;
        };
        self.tell_promises(pipeline);
        self.scalers.keep(Kept {
            uid: subject.uid.clone(),
            object: object.object_ref(&()),
            pipeline: pipeline.clone(),
            login: pass.ready.as_ref().map(|ready| ready.login.clone()),
            last_changes: status::last_changes(previous),
            paused: pass.paused.is_some(),
            repaired: !pass.repaired.is_empty(),
        });
    }

    fn tell_promises(&self, pipeline: &Pipeline) {
        for queue in &pipeline.queues {
            let id = QueueId { pipeline: &pipeline.id, queue: queue.name.as_str() };
            self.metrics.task_timeout(&id, queue.worker.task_timeout);
            self.metrics.objective(&id, queue.objective);
        }
    }

    /// Tells what a pass found, and keeps what it leaves to the next.
    fn leave(&self, subject: &Subject, object: &MessagePipeline, pass: Pass) {
        let about: ObjectReference = object.object_ref(&());
        for event in &pass.events {
            self.announcer.tell(&about, event);
        }
        if let Some(broker) = &pass.broker {
            self.metrics.broker_up(&subject.id, &broker.address, broker.up);
        }
        let state = match &pass.paused {
            _ if object.spec.suspend => PipelineState::Suspended,
            Some(_) => PipelineState::Paused,
            None => PipelineState::Active,
        };
        self.metrics.pipeline_state(&subject.id, state);
        self.metrics.pipeline_conditions(&subject.id, &pass.status);
        self.metrics.drift_repaired(&subject.id, &pass.repaired);
        self.logbook.remember(&subject.uid, pass.memory);
    }

    fn note_applied(&self, subject: &Subject, previous: &MessagePipelineStatus, pass: &Pass) {
        let spec = Spec {
            generation: subject.generation,
            told: previous.observed_generation,
            done: pass.ending == Ending::Ok,
        };
        if let Some(took) = self.logbook.applied(&subject.uid, spec, Instant::now()) {
            self.metrics.spec_applied(took);
        }
    }

    fn wait_after(&self, subject: &Subject, requeue: Requeue) -> Duration {
        let failures = self.logbook.failures(&subject.uid, requeue);
        // Without randomness passes merely come at the same moments.
        let random = getrandom::u32().unwrap_or_default();
        requeue.after(self.interval, failures, random)
    }

    /// How long to wait after a pass that did not come to its end, which is a mistake of ours.
    pub(crate) fn after_panic(&self, read: &Read) -> Duration {
        error!(name = read.meta().name, namespace = read.meta().namespace, "a pass was cut short");
        self.metrics.pass_ended(Ending::Error, Duration::ZERO);
        let subject = Subject::of(read.meta());
        subject.map_or(self.interval, |subject| self.wait_after(&subject, Requeue::Trouble))
    }
}

/// How long a pause that ends by itself still takes.
fn rest_of(paused: Option<&Pause>) -> Duration {
    let until = paused.and_then(|pause| pause.until);
    let rest = until.map(|until| until.duration_since(clock::now()));
    // A little later than the end, not a little earlier.
    let rest = rest.and_then(|rest| Duration::try_from(rest).ok()).map(|rest| rest + LATER);
    rest.unwrap_or(Duration::MAX)
}

impl Subject {
    fn of(meta: &ObjectMeta) -> Option<Self> {
        let id = PipelineId::new(meta.namespace.clone()?, meta.name.clone()?).ok()?;
        let generation = meta.generation.unwrap_or_default();
        Some(Self { id, uid: meta.uid.clone()?, generation })
    }
}

#[cfg(test)]
mod tests;
