//! One run of a handler: with a time limit, and with panics caught.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use warren_core::{
    config::WorkerConfig,
    copies::published_at,
    duration, headers,
    message::Value,
    outcome::{ErrorClass, Outcome, Report},
};
use warren_service::clock;

use crate::{
    dispatch::Job,
    failpoint::{self, Point},
    handler::{Context, Handler},
    metrics::WorkerMetrics,
};

/// A run that ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// What ran.
    pub(crate) job: Job,
    /// What came of it.
    pub(crate) report: Report,
}

/// What every run of a worker has in common.
pub(crate) struct Runner<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) config: Arc<WorkerConfig>,
    pub(crate) metrics: WorkerMetrics,
}

impl<H> Clone for Runner<H> {
    fn clone(&self) -> Self {
        let handler = Arc::clone(&self.handler);
        Self { handler, config: Arc::clone(&self.config), metrics: self.metrics.clone() }
    }
}

impl<H: Handler> Runner<H> {
    /// Runs the handler on a delivery, to its end or to the task timeout.
    pub(crate) async fn run(self, job: Job) -> Finished {
        let cx = self.context(&job);
        let age = Duration::try_from(clock::now().duration_since(cx.published_at)).ok();
        let waited = age.filter(|_| cx.attempt == 1);
        let guard = self.metrics.started(waited, job.incoming.redelivered);
        failpoint::pass(Point::Handling);
        let started = Instant::now();
        let limit = self.config.task_timeout;
        let run = AssertUnwindSafe(self.handler.handle(&job.incoming, &cx)).catch_unwind();
        let report = match tokio::time::timeout(limit, run).await {
            Ok(Ok(report)) => report,
            Ok(Err(payload)) => {
                let said = panic_text(payload.as_ref());
                failed(ErrorClass::Panic, format!("the handler panicked: {said}"))
            }
            Err(_) => {
                let limit = duration::format(limit);
                failed(ErrorClass::Timeout, format!("still running after taskTimeout {limit}"))
            }
        };
        self.metrics.reported(&report, started.elapsed());
        drop(guard);
        failpoint::pass(Point::Handled);
        Finished { job, report }
    }

    fn context(&self, job: &Job) -> Context {
        let headers = &job.incoming.message.headers;
        let origin_key = headers.get(headers::ORIGIN_ROUTING_KEY).and_then(Value::as_text);
        Context {
            pipeline: self.config.pipeline.clone(),
            queue: self.config.queue.clone(),
            message_id: job.id.clone(),
            attempt: headers.attempt(),
            max_attempts: self.config.retry.attempts(),
            published_at: published_at(&job.incoming, clock::now()),
            routing_key: origin_key.unwrap_or(&job.incoming.routing_key).to_owned(),
        }
    }
}

fn failed(class: ErrorClass, detail: String) -> Report {
    Outcome::Retry { class, after: None, detail }.into()
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
