//! The pass over a pipeline that is being deleted: until nothing outside the cluster is left, and
//! then the finalizer goes. What becomes of the broker's objects is decided elsewhere.

use std::time::Duration;

use tracing::warn;
use warren_api::MessagePipeline;
use warren_service::clock;

use super::{Passes, Subject, UNTIL_CHANGED};
use crate::{
    cluster::{finalizer as finalizers, refusal},
    finalizer,
    interval::Requeue,
    pass::{Ending, Pass, Request},
    reconcile,
};

impl Passes {
    /// A deletion that is cared for.
    pub(super) async fn delete(
        &self,
        subject: &Subject,
        object: &MessagePipeline,
    ) -> (Ending, Option<Duration>) {
        self.scalers.drop(&subject.uid);
        if !finalizer::is_on(object) {
            // Others still hold it, or it is gone in a moment.
            return (Ending::Ok, UNTIL_CHANGED);
        }
        let previous = self.previous(subject, object);
        let memory = self.logbook.memory(&subject.uid);
        let workers = self.scalers.reading(object);
        let request = Request {
            object,
            previous: &previous,
            workers: &workers,
            memory: &memory,
            now: clock::now(),
        };
        let ports = self.ports(subject, object);
        let pass = reconcile::deletion(&ports, &self.context, request).await;
        if pass.released {
            return self.release(subject, object, pass).await;
        }
        let (ending, wait) = (pass.ending, self.wait_after(subject, pass.requeue));
        self.leave(subject, object, pass);
        (ending, Some(wait))
    }

    /// What stays behind is told once, by the pass with which the pipeline goes.
    async fn release(
        &self,
        subject: &Subject,
        object: &MessagePipeline,
        pass: Pass,
    ) -> (Ending, Option<Duration>) {
        let pipelines = self.ports(subject, object).pipelines();
        match finalizers::take(&pipelines, subject.id.name(), &subject.uid).await {
            Ok(()) => {
                let ending = pass.ending;
                self.leave(subject, object, pass);
                (ending, UNTIL_CHANGED)
            }
            Err(fault) => {
                warn!(pipeline = %subject.id, %fault, "the finalizer cannot be taken away yet");
                self.leave(subject, object, Pass { events: Vec::new(), ..pass });
                (Ending::Error, Some(self.wait_after(subject, Requeue::Trouble)))
            }
        }
    }

    /// The deletion of an object that is no pipeline, or is none any more: what it has on a broker
    /// goes all the same.
    pub(super) async fn delete_remnant(&self, subject: &Subject) -> (Ending, Option<Duration>) {
        match refusal::remnant(&self.client, &subject.id).await {
            Ok(Some(object)) if object.metadata.uid.as_ref() == Some(&subject.uid) => {
                self.delete(subject, &object).await
            }
            Ok(_) => (Ending::Ok, UNTIL_CHANGED),
            Err(fault) => {
                warn!(pipeline = %subject.id, %fault, "what is left of it cannot be read");
                (Ending::Error, Some(self.wait_after(subject, Requeue::Trouble)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
