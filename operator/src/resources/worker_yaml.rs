//! `worker.yaml`: what a worker is told about its queue.

use warren_core::config::WorkerConfig;

use crate::pipeline::{Pipeline, Queue};

/// The name of the file.
pub const FILE: &str = "worker.yaml";

impl Pipeline {
    /// What the workers of a queue are told.
    pub fn worker_config(&self, queue: &Queue) -> WorkerConfig {
        WorkerConfig {
            pipeline: self.id.clone(),
            prefix: self.prefix.clone(),
            queue: queue.name.clone(),
            retry: queue.retry.clone(),
            handler: queue.handler.clone(),
            breaker: queue.breaker.clone(),
            delivery_limit: queue.limits.delivery_limit,
            max_message_bytes: queue.max_message_bytes,
            concurrency: queue.worker.concurrency,
            prefetch: queue.worker.prefetch,
            task_timeout: queue.worker.task_timeout,
            drain_timeout: queue.worker.drain_timeout,
            consumer_timeout: queue.limits.consumer_timeout,
        }
    }
}

/// The text of the file.
///
/// # Panics
/// Never: the type is made of YAML's own kinds of values.
pub fn render(config: &WorkerConfig) -> String {
    serde_saphyr::to_string(config).expect("a worker's configuration is plain data")
}
