//! What a status says about each queue.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use warren_api::{MessagePipelineStatus, Observed, QueueStatus, ScalingStatus};
use warren_core::{
    names::QueueName,
    scaling::{Doubt, Mode, Reading, Replicas, Zero},
};

use crate::{
    pipeline::{Pipeline, Queue},
    workers::{QueueReading, Scaling, WorkersReading},
};

/// The shortest time between two writes for the sake of measurements alone.
pub(super) const REFRESH: Duration = Duration::from_secs(30);

/// The only revision there is: a queue has not been made anew under other arguments.
const REVISION: u32 = 1;

pub(super) fn all(
    pipeline: &Pipeline,
    workers: &WorkersReading,
    previous: &[QueueStatus],
) -> Vec<QueueStatus> {
    let told = |queue: &Queue| previous.iter().find(|told| told.name == queue.name.as_str());
    let queue = |queue: &Queue| QueueStatus {
        name: queue.name.to_string(),
        retry_mode: Some("Tiered".to_owned()),
        revision: Some(REVISION),
        scaling: workers.queues.get(&queue.name).map(|reading| {
            let told = told(queue).and_then(|told| told.scaling.as_ref());
            scaling(reading, queue.scaling.mode, told)
        }),
    };
    pipeline.queues.iter().map(queue).collect()
}

/// When the numbers of workers were last written, as a status tells it.
pub(crate) fn last_changes(status: &MessagePipelineStatus) -> BTreeMap<QueueName, Timestamp> {
    let told = status.queues.iter().filter_map(|queue| {
        let name = QueueName::new(&*queue.name).ok()?;
        Some((name, queue.scaling.as_ref()?.last_scale_time.as_ref()?.0))
    });
    told.collect()
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

/// Before anything was decided, as after a start of the operator, what was told last stays.
fn scaling(reading: &QueueReading, mode: Mode, told: Option<&ScalingStatus>) -> ScalingStatus {
    let counts = |base: ScalingStatus| ScalingStatus {
        current: Some(reading.current.get()),
        ready: Some(reading.ready.get()),
        ..base
    };
    let Some(scaling) = &reading.scaling else {
        return counts(told.cloned().unwrap_or_default());
    };
    let decision = &scaling.decision;
    // What is at zero, or never goes there, needs no proof: a poll that failed would be a write for
    // nothing.
    let is_at_zero = decision.desired == Replicas::ZERO && reading.current == Replicas::ZERO;
    let needs_proof = mode.permits_zero() && !is_at_zero;
    ScalingStatus {
        desired: Some(decision.desired.get()),
        wanted: decision.want().map(Replicas::get),
        reason: Some(decision.reason.as_str().to_owned()),
        limited_by: decision.limited_by.map(|by| by.as_str().to_owned()),
        last_scale_time: scaling.last_change.map(Time),
        not_before: decision.held_until.map(Time),
        zero: needs_proof.then(|| zero(decision.zero)),
        observed: measured(scaling),
        ..counts(ScalingStatus::default())
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use warren_core::scaling::{Authority, Bounds, Decision, Observation, Reason, Totals, Why};

    use super::*;
    use crate::fixtures::{noon, smallest};

    #[test]
    fn what_was_told_of_scaling_stays_until_something_is_decided_again() {
        let told = ScalingStatus {
            current: Some(7),
            desired: Some(7),
            reason: Some("PerReplica".to_owned()),
            last_scale_time: Some(Time(noon())),
            ..ScalingStatus::default()
        };
        let pipeline = smallest();
        let name = pipeline.queues[0].name.clone();
        let previous = QueueStatus {
            name: name.to_string(),
            scaling: Some(told.clone()),
            ..QueueStatus::default()
        };
        let reading = QueueReading {
            current: Replicas::new(6),
            ready: Replicas::new(5),
            trouble: None,
            scaling: None,
            foreign_scaler: None,
            endpoint: None,
        };
        let workers = WorkersReading { queues: [(name.clone(), reading)].into(), producer: None };
        let next = all(&pipeline, &workers, std::slice::from_ref(&previous));
        let expected = ScalingStatus { current: Some(6), ready: Some(5), ..told };
        assert_eq!(next[0].scaling, Some(expected));
        let status =
            MessagePipelineStatus { queues: vec![previous], ..MessagePipelineStatus::default() };
        assert_eq!(last_changes(&status), [(name, noon())].into());
    }

    fn told(mode: Mode, current: u32, desired: u32, proof: Zero) -> ScalingStatus {
        let current = Replicas::new(current);
        let decision = Decision {
            desired: Replicas::new(desired),
            reason: Reason::Idle,
            limited_by: None,
            terms: None,
            zero: proof,
            held_until: None,
        };
        let observation = Observation {
            probe: Reading::Unavailable(Why::NeverRead),
            totals: Totals::unavailable(Why::NeverRead),
            current,
            ready_workers: current,
            expected_consumers: current,
            authority: Authority::Ours,
        };
        let scaling = Scaling { decision, observation, at: noon(), last_change: None };
        let reading = QueueReading {
            current,
            ready: current,
            trouble: None,
            scaling: Some(scaling),
            foreign_scaler: None,
            endpoint: None,
        };
        super::scaling(&reading, mode, None)
    }

    #[test]
    fn a_proof_of_zero_is_told_while_there_are_workers_and_is_no_news_without() {
        let proofs = [Zero::NotProven(Doubt::Ready), Zero::Proven(REFRESH)];
        let sleepy = Mode::Auto(Bounds::new(0, 5).unwrap());
        assert_eq!(told(sleepy, 0, 0, proofs[0]), told(sleepy, 0, 0, proofs[1]));
        assert_ne!(told(sleepy, 1, 1, proofs[0]), told(sleepy, 1, 1, proofs[1]));
        assert_eq!(told(sleepy, 1, 0, proofs[1]).zero.as_deref(), Some("proven"));
    }

    #[test]
    fn what_never_goes_to_zero_is_told_of_no_proof() {
        let modes = [
            Mode::Auto(Bounds::new(1, 5).unwrap()),
            Mode::External(Replicas::ONE),
            Mode::Fixed(NonZeroU32::MIN),
        ];
        for mode in modes {
            assert_eq!(told(mode, 1, 1, Zero::Proven(REFRESH)).zero, None, "{mode:?}");
        }
    }
}
