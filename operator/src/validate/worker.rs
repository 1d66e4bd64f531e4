//! `worker`, and what in a queue depends on it: timeouts within timeouts, prefetch, image, order.

use std::time::Duration;

use warren_api::{Order, QueueSpec};
use warren_core::{config::HandlerConfig, duration::format};

use super::{duration, path::Path, report::Report};
use crate::pipeline::{Pods, Worker};

/// `worker.concurrency` when it is not given.
const CONCURRENCY: u32 = 10;
/// What a derived `taskTimeout` leaves beyond the handler's own timeout.
const TASK_MARGIN: Duration = Duration::from_secs(30);
/// The shortest derived `taskTimeout`.
const SHORTEST_TASK: Duration = Duration::from_mins(1);
/// The longest `taskTimeout`.
const LONGEST_TASK: Duration = Duration::from_hours(24);

/// How long one run of the handler may take, and how long a worker may take to stop.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) task: Duration,
    drain: Duration,
}

/// The rules between parts of a queue.
pub(super) fn judge_rules(spec: &QueueSpec, at: &Path, report: &mut Report) {
    let worker = &spec.worker;
    let needs_image = spec.handler.exec.is_some() || spec.handler.custom.is_some();
    report.require(
        !needs_image || worker.image.is_some(),
        &at.field("worker").field("image"),
        "handler exec and handler custom need worker.image: for exec an image that contains \
         warren-worker, for custom one built on the warren-worker library",
    );
    if spec.order != Order::Strict {
        return;
    }
    report.require(
        spec.retry.mode.is_none(),
        &at.field("retry").field("mode"),
        "with order Strict a retry waits in place: leave retry.mode out",
    );
    report.require(
        worker.concurrency.is_none_or(|concurrency| concurrency == 1),
        &at.field("worker").field("concurrency"),
        "with order Strict worker.concurrency must be 1, or left out",
    );
    let scaling = &spec.scaling;
    report.require(
        scaling.min_replicas <= 1 && scaling.max_replicas.is_none_or(|max| max == 1),
        &at.field("scaling").field("maxReplicas"),
        "with order Strict there is one replica: scaling.maxReplicas must be 1 or left out, and \
         scaling.minReplicas at most 1",
    );
}

/// The timeouts of a worker, the derived ones included.
pub(super) fn timeouts(
    spec: &QueueSpec,
    handler: Option<&HandlerConfig>,
    at: &Path,
    report: &mut Report,
) -> Option<Timeouts> {
    let worker = &spec.worker;
    let at = at.field("worker");
    let task_at = at.field("taskTimeout");
    let drain_at = at.field("drainTimeout");
    let task = duration::read_optional(worker.task_timeout.as_ref(), &task_at, report);
    let drain = duration::read_optional(worker.drain_timeout.as_ref(), &drain_at, report);
    let (task, drain) = (task.ok()?, drain.ok()?);
    judge_given(spec, task, &task_at, report);
    let handler = handler?.timeout();
    let derived = (handler + TASK_MARGIN).clamp(SHORTEST_TASK, LONGEST_TASK);
    let task_timeout = task.unwrap_or(derived);
    if task.is_none() && handler >= task_timeout {
        let message = format!(
            "must be longer than the handler's timeout of {}, and at most {}: shorten that one",
            format(handler),
            format(LONGEST_TASK)
        );
        report.refuse(&task_at, message);
    }
    Some(Timeouts { task: task_timeout, drain: drain.unwrap_or(task_timeout) })
}

/// A `taskTimeout` that was given stands between the handler's timeout and the broker's.
fn judge_given(spec: &QueueSpec, task: Option<Duration>, at: &Path, report: &mut Report) {
    let Some(task) = task else { return };
    let parse = |text: &str| warren_core::duration::parse(text).ok();
    let handler = &spec.handler;
    let of_handler = [
        handler.http.as_ref().map(|http| http.timeout.as_str()),
        handler.exec.as_ref().map(|exec| exec.timeout.as_str()),
        handler.url_check.as_ref().map(|check| check.timeout.as_str()),
        handler.simulate.as_ref().map(|simulate| simulate.duration.as_str()),
    ];
    let longest = of_handler.into_iter().flatten().filter_map(parse).max();
    report.require(
        longest.is_none_or(|handler| handler < task),
        at,
        "worker.taskTimeout must be longer than the handler's timeout",
    );
    let consumer = spec.limits.consumer_timeout.as_ref();
    let consumer = consumer.and_then(|consumer| parse(consumer.as_str()));
    report.require(
        consumer.is_none_or(|consumer| task < consumer),
        at,
        "worker.taskTimeout must be shorter than limits.consumerTimeout",
    );
}

/// How the workers run.
pub(super) fn read(
    spec: &QueueSpec,
    timeouts: Option<Timeouts>,
    pods: Pods,
    at: &Path,
    report: &mut Report,
) -> Option<Worker> {
    let worker = &spec.worker;
    let strict = spec.order == Order::Strict;
    let default_concurrency = if strict { 1 } else { CONCURRENCY };
    let concurrency = worker.concurrency.unwrap_or(default_concurrency);
    let prefetch = worker.prefetch.unwrap_or(concurrency);
    let at = at.field("worker").field("prefetch");
    if worker.concurrency.is_some() {
        let message = "prefetch must be at least concurrency, or left out";
        report.require(prefetch >= concurrency, &at, message);
    } else if prefetch < concurrency {
        let message = format!(
            "prefetch must be at least concurrency, which is {concurrency} when not given: lower \
             concurrency too"
        );
        report.refuse(&at, message);
    }
    // What does not fit the schema has refused already.
    let narrow = |number: u32| u16::try_from(number).ok().filter(|number| *number > 0);
    let timeouts = timeouts?;
    Some(Worker {
        pods,
        concurrency: narrow(concurrency)?,
        prefetch: narrow(prefetch)?,
        task_timeout: timeouts.task,
        drain_timeout: timeouts.drain,
    })
}
