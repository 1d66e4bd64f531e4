//! The way out: a request becomes a message, the message goes to the publisher, the answer is
//! counted.
//!
//! Each publish is a task of its own, so that a client that goes away cannot leave a message half
//! sent, and is waited for at shutdown. The publisher itself, with its batches, deadlines and
//! limits, is `warren_broker`'s.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio_util::task::TaskTracker;
use warren_broker::publisher::{PublishError, Publisher};
use warren_core::{config::ProducerConfig, message::Publication};
use warren_service::{clock, metrics::MetricsError};

use crate::{
    message::{self, Prepared, Request, Stamp},
    metrics::ProducerMetrics,
    outcome::{Receipt, Unpublished},
};

/// How often a message of a long batch asks again for a place; the publisher waits 250 ms each
/// time, so that this is 5 s in all.
const PATIENCE: u32 = 20;

/// What takes a message to the broker; a trait, so that tests can play the broker.
pub trait Publish: Send + Sync + 'static {
    /// Publishes, and returns once the broker has confirmed.
    fn publish(&self, publication: Publication) -> BoxFuture<'_, Result<(), PublishError>>;
}

impl Publish for Publisher {
    fn publish(&self, publication: Publication) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(Publisher::publish(self, publication))
    }
}

/// The way out for all messages of a pipeline; clones share it.
#[derive(Clone)]
pub struct Outlet {
    pipeline: Arc<ProducerConfig>,
    publisher: Arc<dyn Publish>,
    metrics: ProducerMetrics,
    tasks: TaskTracker,
}

impl Outlet {
    /// Publishes for `pipeline` through `publisher`.
    ///
    /// # Errors
    /// When the metrics cannot be registered, which is a fault of this program.
    pub fn new(pipeline: ProducerConfig, publisher: impl Publish) -> Result<Self, MetricsError> {
        Ok(Self {
            metrics: ProducerMetrics::new(&pipeline.pipeline)?,
            pipeline: Arc::new(pipeline),
            publisher: Arc::new(publisher),
            tasks: TaskTracker::new(),
        })
    }

    /// The pipeline.
    pub fn pipeline(&self) -> &ProducerConfig {
        &self.pipeline
    }

    /// The metrics.
    pub fn metrics(&self) -> &ProducerMetrics {
        &self.metrics
    }

    /// Makes the message for a request; nothing is sent yet.
    ///
    /// # Errors
    /// Why it cannot be published.
    pub fn prepare(&self, request: Request) -> Result<Prepared, Unpublished> {
        let stamp = Stamp { now: clock::now(), random: random() };
        message::prepare(&self.pipeline, request, stamp).map_err(|refusal| {
            let error = Unpublished::Refused(refusal);
            self.metrics.failed(error.reason());
            error
        })
    }

    /// Publishes one message.
    ///
    /// Dropping the future does not take the message back.
    ///
    /// # Errors
    /// Why it was not published, or is not known to be.
    pub async fn send(&self, request: Request) -> Result<Receipt, Unpublished> {
        self.publish(self.prepare(request)?, 0).await
    }

    /// Publishes one message of many, which waits longer than a single one for its turn.
    ///
    /// # Errors
    /// As [`Outlet::send`].
    pub async fn send_in_turn(&self, prepared: Prepared) -> Result<Receipt, Unpublished> {
        self.publish(prepared, PATIENCE).await
    }

    /// Runs `work` as a task that goes on when nobody waits for it any more, and that
    /// [`Outlet::finish`] waits for.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> BoxFuture<'static, T> {
        let task = self.tasks.spawn(work);
        Box::pin(async {
            // Nothing cancels the task, so that it can only have panicked.
            task.await.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
        })
    }

    /// Waits, for at most `within`, until every message has its answer.
    pub async fn finish(&self, within: Duration) {
        self.tasks.close();
        // What is left then ends as unknown when the publisher closes.
        let _ = tokio::time::timeout(within, self.tasks.wait()).await;
    }

    async fn publish(&self, prepared: Prepared, patience: u32) -> Result<Receipt, Unpublished> {
        let outlet = self.clone();
        let sent = self.spawn(async move {
            let _in_flight = outlet.metrics.publishing();
            let began = Instant::now();
            let answer = outlet.persist(prepared.publication, patience).await;
            let message_id = prepared.message_id;
            let outcome = match answer {
                Ok(()) => Ok(Receipt {
                    message_id,
                    published_at: prepared.published_at,
                    not_before: prepared.not_before,
                }),
                Err(source) => Err(Unpublished::Publish { message_id, source }),
            };
            outlet.metrics.settled(&outcome, began.elapsed());
            outcome
        });
        sent.await
    }

    /// Asks again while there is no place; nothing was sent then, so that asking is safe.
    async fn persist(&self, publication: Publication, patience: u32) -> Result<(), PublishError> {
        for _ in 0..patience {
            match self.publisher.publish(publication.clone()).await {
                Err(PublishError::Overloaded) => {}
                answer => return answer,
            }
        }
        self.publisher.publish(publication).await
    }
}

/// The random bits of one id.
fn random() -> [u8; 10] {
    let mut bits = [0; 10];
    getrandom::fill(&mut bits).expect("the operating system always has random bits to give");
    bits
}
