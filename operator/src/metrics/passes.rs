//! Passes: how many, how they ended, how long they took.

use std::time::Duration;

use warren_service::metrics::{
    Closed, ClosedCounters, Gauge, Histogram, InFlight, Metrics, MetricsError, SECONDS,
};

use super::OperatorMetrics;
use crate::pass::Ending;

/// What is counted of passes.
#[derive(Clone, Debug)]
pub(super) struct Passes {
    waiting: Gauge,
    ended: ClosedCounters<Ending>,
    seconds: Histogram,
    spec_to_applied: Histogram,
}

const ENDINGS: Closed<Ending> = Closed {
    label: "result",
    values: &[Ending::Ok, Ending::Waiting, Ending::Error],
    name: |ending| match ending {
        Ending::Ok => "ok",
        Ending::Waiting => "waiting",
        Ending::Error => "error",
    },
};

impl Passes {
    pub(super) fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            waiting: metrics
                .gauge("warren_reconcile_queue_length", "Passes that wait for others to end.")?,
            ended: metrics.closed_counters(
                "warren_reconcile_total",
                "Passes by how they ended.",
                ENDINGS,
            )?,
            seconds: metrics.histogram(
                "warren_reconcile_duration_seconds",
                "How long a pass took.",
                &SECONDS,
            )?,
            spec_to_applied: metrics.histogram(
                "warren_spec_to_applied_seconds",
                "From the first pass over a spec to the one that left nothing to do.",
                &SECONDS,
            )?,
        })
    }
}

impl OperatorMetrics {
    /// A pass waits for its turn, until the result is dropped.
    pub(crate) fn pass_waits(&self) -> InFlight {
        InFlight::enter(&self.passes.waiting)
    }

    /// A pass has ended.
    pub(crate) fn pass_ended(&self, ending: Ending, took: Duration) {
        self.passes.ended.inc(ending);
        self.passes.seconds.observe(took.as_secs_f64());
    }

    /// A spec that was new is applied.
    pub(crate) fn spec_applied(&self, took: Duration) {
        self.passes.spec_to_applied.observe(took.as_secs_f64());
    }
}
