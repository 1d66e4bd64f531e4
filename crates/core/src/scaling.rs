//! The autoscaler's decision: how many workers a queue should have, and why.
//!
//! [`decide`] is the whole of it, a pure function. Its caller reads the broker, calls it once a
//! second for each queue, hands the returned [`Memory`] to the next call and writes
//! [`Decision::desired`] where it differs from the present count.
//!
//! Fast up, calm down, to zero only on proof. What is not known adds no worker and removes none:
//! no path leads from a missing or old reading to fewer workers. Only orders, the bounds and
//! `suspend`, need no reading.

mod decision;
mod instant;
mod law;
mod memory;
mod observation;
mod policy;
mod reading;
mod replicas;
mod sight;
mod zero;

use std::{cmp::Ordering, time::Duration};

use jiff::Timestamp;

pub use self::decision::{Decision, LimitedBy, Reason};
pub use self::law::{ReadySource, Terms, UnackedSource};
pub use self::memory::Memory;
pub use self::observation::{Authority, Observation, Probe, QueueState, Totals};
pub use self::policy::{
    Activation, Bounds, BoundsError, MOST_REPLICAS, Mode, Policy, SHORTEST_IDLE,
};
pub use self::reading::{FRESH_FOR, Reading, Unknown, Why};
pub use self::replicas::Replicas;
pub use self::zero::{Doubt, Figure, Zero};

use self::instant::after;
use self::memory::Wish;
use self::sight::Sight;

/// A change of the wish by no more than this part of the present count is noise.
///
/// Below ten replicas a single one is more than that, so small counts always follow.
///
/// The Kubernetes HPA's default
/// (<https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#tolerance>).
const TOLERANCE_PERCENT: u64 = 10;

/// How long nothing may be known of a backlog before the fallback says how many workers there are.
///
/// The default of `scaling.fallback.after`, whose default behaviour keeps the present number.
pub const FALLBACK_AFTER: Duration = Duration::from_mins(3);

/// What was found out about a queue, ready to be judged.
struct Findings {
    sight: Sight,
    blind_for: Duration,
    zero: Zero,
    wakes: bool,
    /// The highest wish of the scale-down window.
    peak: Wish,
}

/// A count with its reason and what cut it.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    desired: Replicas,
    reason: Reason,
    limited_by: Option<LimitedBy>,
}

/// Decides how many workers a queue should have.
///
/// The returned memory belongs to the next call for the same queue. A call more than
/// [`FRESH_FOR`] after the last one, or before it, counts as a start: the present count is
/// kept for a whole scale-down window, and an empty queue is proven from the beginning.
pub fn decide(
    policy: &Policy,
    memory: Memory,
    observation: &Observation,
    now: Timestamp,
) -> (Decision, Memory) {
    let observation = &observation.without_false_zero();
    let mut memory = memory.continued(observation.current, now);
    let sight = memory.look(policy, observation, now);
    let terms = sight.terms();
    // Whoever does not know wishes for what there is, so that an outage does not empty the window.
    let wish = terms.map_or(observation.current, |terms| terms.want());
    let findings = Findings {
        sight,
        blind_for: memory.blind_for(now),
        zero: memory.prove_zero(policy, observation, now),
        wakes: memory.wakes(policy, observation, now),
        peak: memory.wish(wish, now, policy.scale_down_window),
    };
    let was_suspended = memory.was_suspended(policy, observation.current);
    let first = was_suspended.then(|| first_need(terms));
    let verdict = ordered(policy, observation, first).unwrap_or_else(|bounds| {
        let verdict = by_backlog(bounds, observation.current, &findings);
        match observation.authority {
            Authority::ForeignScaler => {
                Verdict::limited(observation.current, verdict.reason, LimitedBy::ForeignScaler)
            }
            Authority::Ours | Authority::Paused => verdict,
        }
    });
    let decision = Decision {
        desired: verdict.desired,
        reason: verdict.reason,
        limited_by: verdict.limited_by,
        terms,
        zero: findings.zero,
        held_until: held_until(policy, &memory, findings.peak, verdict)
            .filter(|until| *until > now),
    };
    (decision, memory)
}

/// What is answered without a look at the backlog, the strongest word first; else the bounds within
/// which the backlog decides.
///
/// `first` is what a queue that was suspended needs, so that somebody else can go on from there.
fn ordered(
    policy: &Policy,
    observation: &Observation,
    first: Option<Replicas>,
) -> Result<Verdict, Bounds> {
    let current = observation.current;
    match (observation.authority, policy.suspended, policy.mode) {
        (Authority::Paused, _, _) => Ok(Verdict::free(current, Reason::Paused)),
        (_, true, _) => Ok(Verdict::free(Replicas::ZERO, Reason::Suspended)),
        (_, false, Mode::External(floor)) => {
            let desired = first.map_or(current, |first| floor.max(first));
            Ok(Verdict::free(desired, Reason::External))
        }
        (_, false, Mode::Fixed(replicas)) => {
            Ok(Verdict::free(replicas.get().into(), Reason::Fixed))
        }
        (_, false, Mode::Auto(bounds)) => Err(bounds),
    }
}

/// One worker where messages wait, or may.
fn first_need(terms: Option<Terms>) -> Replicas {
    terms.map_or(Replicas::ONE, |terms| terms.want().min(Replicas::ONE))
}

impl Verdict {
    /// A count that nothing cut.
    fn free(desired: Replicas, reason: Reason) -> Self {
        Self { desired, reason, limited_by: None }
    }

    fn limited(desired: Replicas, reason: Reason, by: LimitedBy) -> Self {
        Self { desired, reason, limited_by: Some(by) }
    }

    /// A wish as far as the bounds let it go.
    fn at_most(bounds: Bounds, wish: Replicas, reason: Reason) -> Self {
        let limited_by = (wish > bounds.max()).then_some(LimitedBy::MaxReplicas);
        Self { desired: bounds.clamp(wish), reason, limited_by }
    }
}

/// The count for mode Auto.
fn by_backlog(bounds: Bounds, current: Replicas, findings: &Findings) -> Verdict {
    // Bounds are an order: they hold whatever is known.
    let held = bounds.clamp(current);
    let (terms, may_grow, may_shrink) = match findings.sight {
        Sight::Seen { terms, may_grow, may_shrink } => (terms, may_grow, may_shrink),
        Sight::Blind => {
            let reason =
                if findings.blind_for < FALLBACK_AFTER { Reason::Hold } else { Reason::Fallback };
            return Verdict::limited(held, reason, LimitedBy::ObservationUnknown);
        }
    };
    if held == Replicas::ZERO {
        return if findings.wakes {
            wake(bounds, terms)
        } else {
            Verdict::free(held, Reason::Idle)
        };
    }
    if bounds.permit_zero() && findings.zero.is_proven() {
        return Verdict::free(Replicas::ZERO, Reason::Idle);
    }
    let reason = reason_for(bounds, terms);
    match bounds.clamp(terms.want()).cmp(&held) {
        Ordering::Greater if !may_grow => {
            Verdict::limited(held, reason, LimitedBy::ObservationUnknown)
        }
        Ordering::Less if !may_shrink => {
            Verdict::limited(held, reason, LimitedBy::ObservationUnknown)
        }
        Ordering::Greater => grow(bounds, held, terms),
        Ordering::Less => shrink(bounds, held, terms, findings.peak),
        Ordering::Equal => Verdict::at_most(bounds, terms.want(), reason),
    }
}

/// The first workers of a queue that had none: as many as its backlog deserves.
fn wake(bounds: Bounds, terms: Terms) -> Verdict {
    Verdict::at_most(bounds, terms.want().max(Replicas::ONE), Reason::Waking)
}

/// The step up to a wish above the present count, taken at once.
fn grow(bounds: Bounds, held: Replicas, terms: Terms) -> Verdict {
    // The wish is compared as it is, not cut to the bounds: a large one close to the upper bound
    // is no noise.
    if is_noise(held, terms.want()) {
        return Verdict::limited(held, Reason::Steady, LimitedBy::Tolerance);
    }
    Verdict::at_most(bounds, terms.want(), reason_for(bounds, terms))
}

/// The step down to the highest wish of the window; the last worker is not taken this way.
fn shrink(bounds: Bounds, held: Replicas, terms: Terms, peak: Wish) -> Verdict {
    let reason = reason_for(bounds, terms);
    if held == Replicas::ONE {
        return Verdict::free(held, reason);
    }
    let target = bounds.clamp(peak.replicas).max(Replicas::ONE);
    if target >= held {
        return Verdict::limited(held, reason, LimitedBy::Stabilization);
    }
    if is_noise(held, peak.replicas) {
        return Verdict::limited(held, Reason::Steady, LimitedBy::Tolerance);
    }
    let unhurried = bounds.clamp(terms.want()).max(Replicas::ONE);
    let limited_by = (target > unhurried).then_some(LimitedBy::Stabilization);
    Verdict { desired: target, reason, limited_by }
}

/// What a count within the bounds is owed to.
fn reason_for(bounds: Bounds, terms: Terms) -> Reason {
    let want = terms.want();
    if want < bounds.min() {
        Reason::Floor
    } else if want == Replicas::ZERO {
        Reason::Idle
    } else if terms.is_exact() {
        Reason::Exact
    } else {
        Reason::PerReplica
    }
}

/// Whether a wish is too close to the present count to act on.
fn is_noise(held: Replicas, wish: Replicas) -> bool {
    let difference = u64::from(held.get().abs_diff(wish.get()));
    difference * 100 <= u64::from(held.get()) * TOLERANCE_PERCENT
}

/// The earliest moment at which time alone changes the decision.
fn held_until(policy: &Policy, memory: &Memory, peak: Wish, verdict: Verdict) -> Option<Timestamp> {
    let Mode::Auto(bounds) = policy.mode else {
        return None;
    };
    let waits_for_somebody =
        matches!(verdict.reason, Reason::Hold | Reason::Fallback | Reason::Paused);
    let is_foreign = verdict.limited_by == Some(LimitedBy::ForeignScaler);
    if policy.suspended || waits_for_somebody || is_foreign {
        return None;
    }
    if verdict.desired == Replicas::ZERO {
        return memory.wake_due(policy);
    }
    let lower = (verdict.limited_by == Some(LimitedBy::Stabilization))
        .then(|| after(peak.at, policy.scale_down_window));
    let zero = memory.zero_due(policy).filter(|_| bounds.permit_zero());
    [lower, zero].into_iter().flatten().min()
}
