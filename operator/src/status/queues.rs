//! What a status says about each queue.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use warren_api::{Observed, QueueStatus, ScalingStatus};
use warren_core::scaling::{Doubt, Reading, Zero};

use crate::{
    pipeline::{Pipeline, Queue},
    workers::{QueueReading, Scaling, WorkersReading},
};

/// The shortest time between two writes for the sake of measurements alone.
pub(super) const REFRESH: Duration = Duration::from_secs(30);

/// The only revision there is: a queue has not been made anew under other arguments.
const REVISION: u32 = 1;

pub(super) fn all(pipeline: &Pipeline, workers: &WorkersReading) -> Vec<QueueStatus> {
    let queue = |queue: &Queue| QueueStatus {
        name: queue.name.to_string(),
        retry_mode: Some("Tiered".to_owned()),
        revision: Some(REVISION),
        scaling: workers.queues.get(&queue.name).map(scaling),
    };
    pipeline.queues.iter().map(queue).collect()
}

/// Takes away what changes from reading to reading.
pub(super) fn strip_measurements(queue: &mut QueueStatus) {
    if let Some(scaling) = &mut queue.scaling {
        scaling.observed = None;
        scaling.learned = None;
        scaling.not_before = None;
        scaling.last_scale_time = None;
    }
}

/// Whether a queue that is not idle has measurements that are old enough to be written anew.
pub(super) fn need_refresh(old: &[QueueStatus], new: &[QueueStatus]) -> bool {
    new.iter().any(|new| {
        let old = old.iter().find(|old| old.name == new.name).and_then(observed);
        match (old, observed(new)) {
            (Some(old), Some(new)) => {
                let idle = |o: &Observed| o.ready == Some(0) && o.unacked == Some(0);
                let aged = age_between(old, new).is_some_and(|age| age >= REFRESH);
                aged && !(idle(old) && idle(new))
            }
            (None, Some(_)) => true,
            (_, None) => false,
        }
    })
}

fn observed(queue: &QueueStatus) -> Option<&Observed> {
    queue.scaling.as_ref()?.observed.as_ref()
}

fn age_between(old: &Observed, new: &Observed) -> Option<Duration> {
    let (old, new) = (old.at.as_ref()?.0, new.at.as_ref()?.0);
    Some(new.duration_since(old).unsigned_abs())
}

fn scaling(reading: &QueueReading) -> ScalingStatus {
    let base = ScalingStatus {
        current: Some(reading.current.get()),
        ready: Some(reading.ready.get()),
        ..ScalingStatus::default()
    };
    let Some(scaling) = &reading.scaling else {
        return base;
    };
    let decision = &scaling.decision;
    ScalingStatus {
        desired: Some(decision.desired.get()),
        wanted: decision.want().map(warren_core::scaling::Replicas::get),
        reason: Some(decision.reason.as_str().to_owned()),
        limited_by: decision.limited_by.map(|by| by.as_str().to_owned()),
        last_scale_time: scaling.last_change.map(Time),
        not_before: decision.held_until.map(Time),
        zero: Some(zero(decision.zero)),
        observed: measured(scaling),
        ..base
    }
}

/// Without the seconds that pass: they would make every status a new one.
fn zero(zero: Zero) -> String {
    match zero {
        Zero::Proven(_) => "proven".to_owned(),
        Zero::NotProven(Doubt::Idle { needed, .. }) => {
            let needed = warren_core::duration::format(needed);
            format!("not proven: not yet empty for {needed}")
        }
        Zero::NotProven(Doubt::Unknown(figure, _)) => format!("not proven: {figure} unknown"),
        Zero::NotProven(doubt) => format!("not proven: {doubt}"),
    }
}

/// What was read, as far as it is known; nothing at all when nothing is.
fn measured(scaling: &Scaling) -> Option<Observed> {
    let observation = &scaling.observation;
    let probe = seen(&observation.probe, scaling.at);
    let total = seen(&observation.totals.ready, scaling.at);
    let unacked = seen(&observation.totals.unacked, scaling.at);
    let ready = probe.map(|(probe, at)| (probe.ready, at)).or(total);
    let at = [ready.map(|(_, at)| at), unacked.map(|(_, at)| at)].into_iter().flatten().min()?;
    Some(Observed {
        ready: ready.map(|(ready, _)| ready),
        unacked: unacked.map(|(unacked, _)| unacked),
        consumers: probe.map(|(probe, _)| probe.consumers),
        at: Some(Time(at)),
        ..Observed::default()
    })
}

/// A value and when it was read, whether it is young enough to act on or not.
fn seen<T: Copy>(reading: &Reading<T>, now: Timestamp) -> Option<(T, Timestamp)> {
    match reading {
        Reading::Fresh { value, age } | Reading::Stale { value, age } => {
            Some((*value, now.checked_sub(*age).ok()?))
        }
        Reading::Unavailable(_) => None,
    }
}
