//! `limits`, `deadLetter`, `breaker` and `slo`: the numbers around a queue.

use std::{ops::RangeInclusive, time::Duration};

use warren_api::{BreakerSpec, QueueSpec, SloSpec};
use warren_core::{breaker::BreakerPolicy, topology::QueueLimits};

use super::{duration, path::Path, report::Report, worker::Timeouts};
use crate::pipeline::{Objective, Origin, Share};

/// The broker's own consumer timeout, and the shortest one that is derived
/// (<https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout>).
const CONSUMER_TIMEOUT: Duration = Duration::from_mins(30);

/// What the policies of a queue set, and where its consumer timeout comes from.
pub(super) fn read(
    spec: &QueueSpec,
    timeouts: Option<Timeouts>,
    at: &Path,
    report: &mut Report,
) -> Option<(QueueLimits, Origin)> {
    let limits_at = at.field("limits");
    let ttl_at = limits_at.field("messageTtl");
    let message_ttl = duration::read_optional(spec.limits.message_ttl.as_ref(), &ttl_at, report);
    let retention_at = at.field("deadLetter").field("retention");
    let retention = spec.dead_letter.retention.as_ref();
    let dead_retention = duration::read_optional(retention, &retention_at, report);
    let given_at = limits_at.field("consumerTimeout");
    let given = spec.limits.consumer_timeout.as_ref();
    let given = duration::read_optional(given, &given_at, report);

    let task_timeout = timeouts?.task;
    let (consumer_timeout, origin) = match given.ok()? {
        Some(given) => (given, Origin::Asked),
        None => (CONSUMER_TIMEOUT.max(task_timeout * 2), Origin::Derived),
    };
    if spec.worker.task_timeout.is_none() && task_timeout >= consumer_timeout {
        let message = format!(
            "must be longer than worker.taskTimeout, which is {} when not given (the handler's \
             timeout and 30s, at least 60s)",
            warren_core::duration::format(task_timeout)
        );
        report.refuse(&given_at, message);
    }
    let limits = QueueLimits {
        delivery_limit: spec.limits.delivery_limit,
        max_length: spec.limits.max_length,
        max_length_bytes: spec.limits.max_length_bytes,
        message_ttl: message_ttl.ok()?,
        consumer_timeout,
        dead_max_length_bytes: spec.dead_letter.max_length_bytes,
        dead_retention: dead_retention.ok()?,
    };
    Some((limits, origin))
}

/// The shares an objective may have, in millionths: an alert on less could never fire.
const SHARES: RangeInclusive<u32> = 950_000..=999_900;

/// When a sick endpoint pauses the queue.
pub(super) fn breaker(spec: &BreakerSpec, at: &Path, report: &mut Report) -> Option<BreakerPolicy> {
    duration::read(&spec.window, &at.field("window"), report);
    let open_for = duration::read(&spec.open_for, &at.field("openFor"), report);
    let max_open_for = duration::read(&spec.max_open_for, &at.field("maxOpenFor"), report);
    let (open_for, max_open_for) = (open_for?, max_open_for?);
    if open_for > max_open_for {
        let message = "openFor (5s when not given) must not be longer than maxOpenFor (5m when \
                       not given)";
        report.refuse(&at.field("openFor"), message);
    }
    Some(BreakerPolicy { consecutive_failures: spec.consecutive_failures, open_for, max_open_for })
}

/// Objectives are for alerts; here they only have to make sense.
pub(super) fn objective(spec: &SloSpec, at: &Path, report: &mut Report) -> Option<Objective> {
    let threshold = at.field("freshnessThreshold");
    let fresh_for = duration::read(&spec.freshness_threshold, &threshold, report);
    let mut target = |field, text: &str| {
        let share = share(text).filter(|share| SHARES.contains(&share.0));
        report.require(share.is_some(), &at.field(field), "must be from 0.95 to 0.9999");
        share
    };
    let success = target("successTarget", &spec.success_target);
    let freshness = target("freshnessTarget", &spec.freshness_target);
    Some(Objective { success: success?, freshness: freshness?, fresh_for: fresh_for? })
}

/// The share that a decimal such as `0.999` is; at most six digits follow the point.
fn share(text: &str) -> Option<Share> {
    let digits = text.strip_prefix("0.").filter(|digits| digits.len() <= 6)?;
    format!("{digits:0<6}").parse().ok().map(Share)
}
