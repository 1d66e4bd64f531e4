//! `retry`: attempts and back-off.

use std::time::Duration;

use warren_api::{BackoffSpec, BackoffType, RetryMode, RetrySpec};
use warren_core::retry::{Backoff, Delay, RetryPolicy};

use super::{duration, path::Path, report::Report};

/// `backoff.initial` when it is not given.
const INITIAL: Duration = Duration::from_secs(1);
/// `backoff.max` when it is not given.
const MAX: Duration = Duration::from_hours(1);
/// `backoff.factor` when it is not given.
const FACTOR: u32 = 5;

/// Attempts and back-off as a policy.
pub(super) fn read(spec: &RetrySpec, at: &Path, report: &mut Report) -> Option<RetryPolicy> {
    let backoff_at = at.field("backoff");
    judge_rules(spec, &backoff_at, report);
    let backoff = backoff(spec, &backoff_at, report)?;
    // Each thing it refuses was refused above or by the schema, with the path of the field.
    RetryPolicy::new(spec.attempts, backoff).ok()
}

fn judge_rules(spec: &RetrySpec, at: &Path, report: &mut Report) {
    let backoff = &spec.backoff;
    let is_custom = backoff.kind == Some(BackoffType::Custom);
    let native_can = !matches!(backoff.kind, Some(BackoffType::Exponential | BackoffType::Custom));
    report.require(
        spec.mode != Some(RetryMode::Native) || native_can,
        &at.field("type"),
        "mode Native knows only the back-off types Fixed and Linear: take one of them, or mode \
         Tiered",
    );
    report.require(
        is_custom || backoff.delays.is_empty(),
        &at.field("delays"),
        "delays are for type Custom: set it, or leave delays out",
    );
    report.require(
        !is_custom || !backoff.delays.is_empty(),
        &at.field("delays"),
        "type Custom needs delays, one to eight of them",
    );
    let others = backoff.initial.is_some() || backoff.max.is_some() || backoff.factor.is_some();
    report.require(
        !is_custom || !others,
        &at.field("type"),
        "type Custom takes delays alone: leave initial, max and factor out",
    );
}

fn backoff(spec: &RetrySpec, at: &Path, report: &mut Report) -> Option<Backoff> {
    let backoff = &spec.backoff;
    let initial = duration::read_optional(backoff.initial.as_ref(), &at.field("initial"), report);
    let max = duration::read_optional(backoff.max.as_ref(), &at.field("max"), report);
    let delays = delays(backoff, at, report);
    let (initial, max) = (initial.ok()?.unwrap_or(INITIAL), max.ok()?.unwrap_or(MAX));
    if initial > max {
        let message = "initial (1s when not given) must not be longer than max (1h when not given)";
        report.refuse(&at.field("initial"), message);
        return None;
    }
    let linear_by_default = spec.mode == Some(RetryMode::Native);
    Some(match backoff.kind {
        Some(BackoffType::Fixed) => Backoff::Fixed { initial },
        Some(BackoffType::Linear) => Backoff::Linear { initial, max },
        None if linear_by_default => Backoff::Linear { initial, max },
        Some(BackoffType::Exponential) | None => {
            Backoff::Exponential { initial, max, factor: backoff.factor.unwrap_or(FACTOR) }
        }
        Some(BackoffType::Custom) => Backoff::Custom { delays: delays? },
    })
}

fn delays(spec: &BackoffSpec, at: &Path, report: &mut Report) -> Option<Vec<Delay>> {
    let at = at.field("delays");
    let read: Vec<Option<Duration>> = spec
        .delays
        .iter()
        .enumerate()
        .map(|(index, delay)| duration::read(delay, &at.index(index), report))
        .collect();
    let delays: Vec<Duration> = read.into_iter().collect::<Option<_>>()?;
    let rises = delays.iter().zip(delays.iter().skip(1)).all(|(a, b)| a < b);
    report.require(rises, &at, "delays must rise from each to the next");
    rises.then(|| delays.into_iter().map(Delay).collect())
}
