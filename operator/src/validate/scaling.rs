//! `scaling`: how many workers a queue has.

use std::{
    num::{NonZeroU16, NonZeroU32, NonZeroU64},
    time::Duration,
};

use warren_api::{ScalingMode, ScalingSpec};
use warren_core::scaling::{Activation, Bounds, Mode, Policy};

use super::{duration, path::Path, report::Report};

/// `maxReplicas` when it is not given, unless `minReplicas` is more.
const MAX_REPLICAS: u32 = 10;

/// The policy of the autoscaler.
pub(super) fn read(
    spec: &ScalingSpec,
    prefetch: Option<u16>,
    suspended: bool,
    at: &Path,
    report: &mut Report,
) -> Option<Policy> {
    judge_undone(spec, at, report);
    let mode = mode(spec, at, report);
    let activation = at.field("activation").field("maxWait");
    let max_wait = duration::read(&spec.activation.max_wait, &activation, report);
    let idle = at.field("scaleToZero").field("idle");
    let idle = duration::read(&spec.scale_to_zero.idle, &idle, report);
    let window = spec.behavior.scale_down.stabilization_window_seconds;
    Some(Policy {
        mode: mode?,
        suspended,
        messages_per_replica: NonZeroU32::new(spec.target.messages_per_replica)?,
        prefetch: NonZeroU16::new(prefetch?)?,
        activation: Activation {
            messages: NonZeroU64::new(spec.activation.messages.into())?,
            max_wait: max_wait?,
        },
        idle: idle?,
        scale_down_window: Duration::from_secs(window.into()),
    })
}

fn mode(spec: &ScalingSpec, at: &Path, report: &mut Report) -> Option<Mode> {
    let min = spec.min_replicas;
    let min_at = at.field("minReplicas");
    report.require(
        spec.max_replicas.is_none_or(|max| min <= max),
        &min_at,
        "minReplicas must not be greater than maxReplicas",
    );
    let max = spec.max_replicas.unwrap_or(MAX_REPLICAS.max(min));
    match spec.mode {
        ScalingMode::Auto => Bounds::new(min, max).ok().map(Mode::Auto),
        ScalingMode::External => Some(Mode::External(min.into())),
        ScalingMode::Fixed => {
            let message = "mode Fixed needs minReplicas, the number of replicas, to be at least 1";
            report.require(min >= 1, &min_at, message);
            NonZeroU32::new(min).map(Mode::Fixed)
        }
    }
}

/// Durations of fields that are not available yet must still be durations.
fn judge_undone(spec: &ScalingSpec, at: &Path, report: &mut Report) {
    let zero = at.field("scaleToZero");
    duration::read(&spec.target.drain, &at.field("target").field("drain"), report);
    duration::read(&spec.scale_to_zero.initial_delay, &zero.field("initialDelay"), report);
    duration::read(
        &spec.scale_to_zero.keep_warm_for_retries,
        &zero.field("keepWarmForRetries"),
        report,
    );
    duration::read(&spec.fallback.after, &at.field("fallback").field("after"), report);
    for (index, entry) in spec.schedule.iter().enumerate() {
        let at = at.field("schedule").index(index).field("duration");
        duration::read(&entry.duration, &at, report);
    }
}
