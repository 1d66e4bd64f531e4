//! The operator's metrics: one method for each thing that happens, so that labels cannot be wrong.
//!
//! What is not known has no series, and neither has what is gone: a pipeline's series end with it.

mod calls;
mod passes;
mod pipelines;
mod queues;
mod series;

use warren_core::names::PipelineId;
use warren_service::metrics::{Metrics, MetricsError};

use self::{calls::Calls, passes::Passes, pipelines::Pipelines, queues::Queues};
pub use self::{
    pipelines::PipelineState,
    queues::{DepthState, QueueId, Role, ScalerFigures},
};

/// The operator's metrics; clones share them.
#[derive(Clone, Debug)]
pub struct OperatorMetrics {
    registry: Metrics,
    calls: Calls,
    passes: Passes,
    pipelines: Pipelines,
    queues: Queues,
}

impl OperatorMetrics {
    /// All of them, in a registry of their own.
    ///
    /// # Errors
    /// When two have the same name, which is a mistake in these files.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Metrics::new(&[])?;
        registry.gauge("warren_operator_leader", "Whether this process writes.")?.set(1.0);
        Ok(Self {
            calls: Calls::new(&registry)?,
            passes: Passes::new(&registry)?,
            pipelines: Pipelines::new(&registry)?,
            queues: Queues::new(&registry)?,
            registry,
        })
    }

    /// What `/metrics` shows.
    pub fn registry(&self) -> &Metrics {
        &self.registry
    }

    /// A pipeline is gone, and its series with it.
    pub fn forget_pipeline(&self, pipeline: &PipelineId) {
        let labels = labels(pipeline);
        self.calls.has_broker(pipeline, None);
        self.pipelines.forget(&labels);
        self.queues.forget(&labels);
    }
}

/// The values of the labels that everything of a pipeline begins with.
fn labels(pipeline: &PipelineId) -> [&str; 2] {
    [pipeline.namespace(), pipeline.name()]
}

#[cfg(test)]
mod tests;
