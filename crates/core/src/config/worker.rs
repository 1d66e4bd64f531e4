//! `worker.yaml`: one queue, resolved.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::HandlerConfig;
use crate::{
    breaker::BreakerPolicy,
    duration,
    names::{PipelineId, Prefix, QueueName},
    retry::RetryPolicy,
    settlement::ArrivalLimits,
};

/// Everything a worker knows about its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerConfig {
    /// The pipeline, `<namespace>/<name>`.
    pub pipeline: PipelineId,
    /// The prefix of the broker objects' names.
    pub prefix: Prefix,
    /// The queue.
    pub queue: QueueName,
    /// Attempts and back-off; the tiers follow from them.
    pub retry: RetryPolicy,
    /// What runs for a message.
    pub handler: HandlerConfig,
    /// When a sick endpoint pauses the queue.
    #[serde(default)]
    pub breaker: BreakerPolicy,
    /// Returned deliveries the broker allows before it dead-letters a message itself.
    #[serde(default = "default_delivery_limit")]
    pub delivery_limit: u32,
    /// The largest body a handler gets, in bytes.
    #[serde(default = "default_max_message_bytes")]
    pub max_message_bytes: usize,
    /// Handlers at once.
    pub concurrency: u16,
    /// Messages the broker hands out ahead of acknowledgement.
    pub prefetch: u16,
    /// The longest a handler may take before it is cancelled.
    #[serde(with = "duration")]
    pub task_timeout: Duration,
    /// How long running handlers may go on after SIGTERM.
    #[serde(with = "duration")]
    pub drain_timeout: Duration,
    /// After how long without acknowledgement the broker takes a message back.
    #[serde(with = "duration")]
    pub consumer_timeout: Duration,
}

/// What makes a `worker.yaml` unusable although it can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Nothing would ever run.
    #[error("concurrency is 0: at least one handler must run")]
    NoConcurrency,
    /// 0 would mean unlimited to the broker.
    #[error(
        "prefetch {prefetch} is below concurrency {concurrency}: some handlers could never run"
    )]
    PrefetchBelowConcurrency {
        /// As given.
        prefetch: u16,
        /// As given.
        concurrency: u16,
    },
    /// A longer timeout must contain the shorter one.
    #[error("{inner} {} must be below {outer} {}", duration::format(*.inner_value), duration::format(*.outer_value))]
    Timeouts {
        /// The field that must be shorter.
        inner: &'static str,
        /// Its value.
        inner_value: Duration,
        /// The field that must be longer.
        outer: &'static str,
        /// Its value.
        outer_value: Duration,
    },
    /// A handler setting cannot work.
    #[error("handler.{field}: {problem}")]
    Handler {
        /// The field below `handler`.
        field: &'static str,
        /// What is wrong, and what to write.
        problem: String,
    },
}

impl WorkerConfig {
    /// Judges what the types cannot: how the numbers relate.
    ///
    /// # Errors
    /// The first thing that makes the file unusable.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.handler.check()?;
        if self.concurrency == 0 {
            return Err(ConfigError::NoConcurrency);
        }
        let (prefetch, concurrency) = (self.prefetch, self.concurrency);
        if prefetch < concurrency {
            return Err(ConfigError::PrefetchBelowConcurrency { prefetch, concurrency });
        }
        let task = ("taskTimeout", self.task_timeout);
        below(("handler timeout", self.handler.timeout()), task)?;
        below(task, ("consumerTimeout", self.consumer_timeout))
    }

    /// The bounds a delivery must keep before its handler runs.
    pub fn arrival_limits(&self) -> ArrivalLimits {
        ArrivalLimits::new(self.delivery_limit, self.max_message_bytes)
    }
}

impl HandlerConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let refuse =
            |field, problem: &str| Err(ConfigError::Handler { field, problem: problem.to_owned() });
        match self {
            HandlerConfig::Http(http) => {
                let url = &http.url;
                if !(url.starts_with("http://") || url.starts_with("https://")) {
                    return refuse("http.url", "write an absolute http or https URL");
                }
                if http.headers.iter().any(|h| h.value.is_some() == h.value_from.is_some()) {
                    return refuse("http.headers", "each needs exactly one of value, valueFrom");
                }
                Ok(())
            }
            HandlerConfig::Exec(exec) => {
                if exec.command.first().is_none_or(String::is_empty) {
                    return refuse("exec.command", "name the program to run");
                }
                if exec.exit_codes.keys().any(|code| code.parse::<u8>().is_err()) {
                    return refuse("exec.exitCodes", "keys are exit codes, \"0\" to \"255\"");
                }
                Ok(())
            }
            HandlerConfig::Simulate(simulate) => {
                let percents =
                    [simulate.error_percent, simulate.panic_percent, simulate.exit_percent];
                if percents.iter().map(|p| u32::from(*p)).sum::<u32>() > 100 {
                    return refuse("simulate", "error, panic and exit together are over 100 %");
                }
                if simulate.jitter_percent > 100 {
                    return refuse("simulate.jitterPercent", "at most 100");
                }
                Ok(())
            }
            HandlerConfig::Log(_) => Ok(()),
        }
    }
}

fn below(
    (inner, inner_value): (&'static str, Duration),
    (outer, outer_value): (&'static str, Duration),
) -> Result<(), ConfigError> {
    if inner_value < outer_value {
        Ok(())
    } else {
        Err(ConfigError::Timeouts { inner, inner_value, outer, outer_value })
    }
}

fn default_delivery_limit() -> u32 {
    20
}

fn default_max_message_bytes() -> usize {
    1_048_576
}
