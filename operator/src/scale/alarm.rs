//! Whether what is seen of workers is a reason for a pass.
//!
//! Pure. A pass tells the status, so everything that a person would want to know at once is a
//! reason; a number that changes all the time is one only now and then, and an idle pipeline gives
//! none at all.

use std::time::Duration;

use jiff::Timestamp;
use warren_core::scaling::{LimitedBy, Reason};

use crate::workers::{
    EndpointReading, QueueReading, WorkersReading, WorkersReason, WorkersTrouble,
};

/// The least time between two passes for the sake of how many workers are ready.
const SETTLED: Duration = Duration::from_secs(3);

/// The least time between two passes for the sake of other words about the same trouble: those of a
/// full cluster count its nodes, and those of an endpoint are whatever it answered last.
const REPHRASED: Duration = Duration::from_secs(10);

/// The longest time between two passes while a queue is at work.
const REFRESH: Duration = Duration::from_secs(30);

/// Knows what the last pass could tell.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    told: Option<(WorkersReading, Timestamp)>,
}

impl Alarm {
    /// Whether a pass is wanted now for what is seen.
    pub(crate) fn rings(&mut self, seen: &WorkersReading, now: Timestamp) -> bool {
        let rings = self.told.as_ref().is_none_or(|(told, at)| {
            let age = now.duration_since(*at).unsigned_abs();
            is_news(told, seen)
                || (age >= SETTLED && told.totals() != seen.totals())
                || (age >= REPHRASED && is_rephrased(told, seen))
                || (age >= REFRESH && seen.queues.values().any(is_at_work))
        });
        if rings {
            self.told = Some((seen.clone(), now));
        }
        rings
    }
}

/// Whether there is something that a person would want to know at once.
fn is_news(told: &WorkersReading, seen: &WorkersReading) -> bool {
    reason(told.producer.as_ref()) != reason(seen.producer.as_ref())
        || told.queues.len() != seen.queues.len()
        || seen.queues.iter().any(|(name, queue)| {
            let told = told.queues.get(name);
            told.is_none_or(|told| essence(told) != essence(queue))
        })
}

/// Whether the same trouble is told in other words.
fn is_rephrased(told: &WorkersReading, seen: &WorkersReading) -> bool {
    told.producer != seen.producer
        || seen.queues.iter().any(|(name, queue)| {
            let told = told.queues.get(name);
            told.is_some_and(|told| {
                (&told.trouble, told.endpoint) != (&queue.trouble, queue.endpoint)
            })
        })
}

fn reason(trouble: Option<&WorkersTrouble>) -> Option<WorkersReason> {
    trouble.map(|trouble| trouble.reason)
}

fn essence(queue: &QueueReading) -> impl PartialEq {
    let decision = queue.scaling.as_ref().map(|scaling| &scaling.decision);
    (
        queue.current,
        reason(queue.trouble.as_ref()),
        queue.foreign_scaler.clone(),
        queue.endpoint.map(|endpoint| match endpoint {
            EndpointReading::Accepting => None,
            EndpointReading::Refusing { refusal, .. } => Some(refusal),
        }),
        decision.map(|decision| {
            let is_blind = matches!(decision.reason, Reason::Hold | Reason::Fallback);
            (is_blind.then_some(decision.reason), decision.reason == Reason::Paused)
        }),
        decision.is_some_and(|decision| decision.limited_by == Some(LimitedBy::MaxReplicas)),
    )
}

/// Whether messages wait or are worked on; what is not known is no work.
fn is_at_work(queue: &QueueReading) -> bool {
    let observation = queue.scaling.as_ref().map(|scaling| &scaling.observation);
    observation.is_some_and(|seen| {
        let waits = seen.probe.fresh().is_ok_and(|probe| probe.ready > 0);
        waits || seen.totals.unacked.fresh().is_ok_and(|unacked| *unacked > 0)
    })
}

#[cfg(test)]
mod tests {
    use warren_core::{
        names::QueueName,
        scaling::{
            Authority, Decision, Doubt, Observation, Probe, Reading, Replicas, Totals, Why, Zero,
        },
    };

    use super::*;
    use crate::{
        fixtures::noon,
        workers::{Refusal, Scaling},
    };

    fn queue(current: u32, ready: u32, waiting: u64) -> QueueReading {
        let (current, ready) = (Replicas::new(current), Replicas::new(ready));
        let probe = Probe { ready: waiting, consumers: ready.get() };
        QueueReading {
            current,
            ready,
            trouble: None,
            scaling: Some(Scaling {
                decision: Decision {
                    desired: current,
                    reason: Reason::PerReplica,
                    limited_by: None,
                    terms: None,
                    zero: Zero::NotProven(Doubt::Ready),
                    held_until: None,
                },
                observation: Observation {
                    probe: Reading::aged(probe, Duration::ZERO),
                    totals: Totals::unavailable(Why::NeverRead),
                    current,
                    ready_workers: ready,
                    expected_consumers: ready,
                    authority: Authority::Ours,
                },
                at: noon(),
                last_change: None,
            }),
            foreign_scaler: None,
            endpoint: None,
        }
    }

    fn seen(queue: QueueReading) -> WorkersReading {
        let name = QueueName::new("email").unwrap();
        WorkersReading { queues: [(name, queue)].into(), producer: None }
    }

    /// Whether the second look, so many seconds after the first, is a reason for a pass.
    fn rings(first: QueueReading, second: QueueReading, after: u64) -> bool {
        let mut alarm = Alarm::default();
        assert!(alarm.rings(&seen(first), noon()), "the first look always is");
        alarm.rings(&seen(second), noon() + Duration::from_secs(after))
    }

    #[test]
    fn a_change_of_the_number_asked_for_is_told_at_once() {
        assert!(rings(queue(1, 1, 0), queue(2, 1, 0), 0));
    }

    #[test]
    fn workers_that_become_ready_one_by_one_are_told_every_few_seconds() {
        assert!(!rings(queue(9, 1, 0), queue(9, 2, 0), 2));
        assert!(rings(queue(9, 1, 0), queue(9, 2, 0), 3));
        assert!(!rings(queue(9, 9, 0), queue(9, 9, 0), 3));
    }

    #[test]
    fn a_queue_at_work_is_told_twice_a_minute_and_an_idle_one_never() {
        assert!(!rings(queue(1, 1, 5), queue(1, 1, 9), 29));
        assert!(rings(queue(1, 1, 5), queue(1, 1, 9), 30));
        assert!(!rings(queue(0, 0, 0), queue(0, 0, 0), 3_600));
    }

    #[test]
    fn trouble_and_its_end_are_told_at_once() {
        let trouble = WorkersTrouble {
            reason: WorkersReason::ImagePull,
            message: "image mail:1 cannot be pulled".to_owned(),
        };
        let sick = QueueReading { trouble: Some(trouble), ..queue(1, 0, 0) };
        assert!(rings(queue(1, 0, 0), sick.clone(), 0));
        assert!(rings(sick, queue(1, 0, 0), 0));
    }

    #[test]
    fn other_words_for_the_same_trouble_are_told_every_ten_seconds() {
        let full = |nodes: u32| QueueReading {
            trouble: Some(WorkersTrouble {
                reason: WorkersReason::Unschedulable,
                message: format!("0/{nodes} nodes are available"),
            }),
            ..queue(9, 1, 0)
        };
        let down = |status| QueueReading {
            endpoint: Some(EndpointReading::Refusing {
                refusal: Refusal::Unavailable,
                last_status: Some(status),
            }),
            ..queue(9, 9, 0)
        };
        for (first, second) in [(full(3), full(4)), (down(502), down(503))] {
            assert!(!rings(first.clone(), second.clone(), 9));
            assert!(rings(first, second, 10));
        }
        assert!(rings(full(3), down(502), 0));
        assert!(rings(down(502), queue(9, 9, 0), 0));
    }

    #[test]
    fn blindness_is_told_at_once() {
        let mut blind = queue(1, 1, 0);
        if let Some(scaling) = &mut blind.scaling {
            scaling.decision.reason = Reason::Hold;
        }
        assert!(rings(queue(1, 1, 0), blind, 0));
    }
}
