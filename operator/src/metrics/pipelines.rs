//! Pipelines: the state they are in, their conditions, what was repaired.

use std::collections::BTreeMap;

use warren_api::{
    MessagePipelineStatus,
    conditions::{ConditionStatus, ConditionType},
};
use warren_core::names::PipelineId;
use warren_service::metrics::{Metrics, MetricsError, OpenCounters, OpenGauges};

use super::{OperatorMetrics, labels, series::Series};
use crate::{plan::Kind, status};

/// Whether a pipeline is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipelineState {
    /// It is.
    Active,
    /// An annotation says that nothing is written.
    Paused,
    /// Its spec says that no worker runs.
    Suspended,
}

/// What is told of pipelines.
#[derive(Clone, Debug)]
pub(super) struct Pipelines {
    info: Series<OpenGauges<3>, 3>,
    conditions: Series<OpenGauges<4>, 4>,
    repaired: Series<OpenCounters<3>, 3>,
}

impl Pipelines {
    pub(super) fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        let [namespace, pipeline] = ["pipeline_namespace", "pipeline"];
        Ok(Self {
            info: Series::new(metrics.open_gauges(
                "warren_pipeline_info",
                "The pipelines, each with the state it is in.",
                [namespace, pipeline, "state"],
            )?),
            conditions: Series::new(metrics.open_gauges(
                "warren_pipeline_condition",
                "The conditions of a pipeline: 1 at the status each one has.",
                [namespace, pipeline, "condition", "status"],
            )?),
            repaired: Series::new(metrics.open_counters(
                "warren_drift_repaired_total",
                "Broker objects that somebody had changed and that were written again.",
                [namespace, pipeline, "kind"],
            )?),
        })
    }

    pub(super) fn forget(&self, first: &[&str]) {
        self.info.retain(first, &[]);
        self.conditions.retain(first, &[]);
        self.repaired.retain(first, &[]);
    }
}

impl OperatorMetrics {
    /// The state a pipeline is in.
    pub(crate) fn pipeline_state(&self, pipeline: &PipelineId, state: PipelineState) {
        let [namespace, name] = labels(pipeline);
        let now = [namespace, name, state.as_str()];
        self.pipelines.info.set(now, Some(1.0));
        self.pipelines.info.retain(&[namespace, name], &[now]);
    }

    /// Each condition there is has a series for each status it could have, so that an alert on one
    /// of them never sees nothing.
    pub(crate) fn pipeline_conditions(
        &self,
        pipeline: &PipelineId,
        status: &MessagePipelineStatus,
    ) {
        let [namespace, name] = labels(pipeline);
        for condition in ConditionType::ALL {
            let found = status::condition(status, *condition);
            for value in ConditionStatus::ALL {
                let holds = found.map(|found| found.status == value.as_str());
                let labels = [namespace, name, condition.as_str(), value.as_str()];
                self.pipelines
                    .conditions
                    .set(labels, holds.map(|holds| f64::from(u8::from(holds))));
            }
        }
    }

    /// What somebody had changed and was written again; nothing counts as 0, so that the series are
    /// there before the first.
    pub(crate) fn drift_repaired(&self, pipeline: &PipelineId, repaired: &BTreeMap<Kind, u32>) {
        let [namespace, name] = labels(pipeline);
        for kind in Kind::all().filter(|kind| kind.is_of_broker()) {
            let amount = repaired.get(&kind).copied().unwrap_or_default();
            self.pipelines.repaired.add([namespace, name, kind.as_str()], u64::from(amount));
        }
    }
}

impl PipelineState {
    const fn as_str(self) -> &'static str {
        match self {
            PipelineState::Active => "active",
            PipelineState::Paused => "paused",
            PipelineState::Suspended => "suspended",
        }
    }
}
