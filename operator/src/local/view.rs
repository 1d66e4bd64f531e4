//! What the live table shows, as values.

use warren_api::{MessagePipelineStatus, conditions::ConditionType};
use warren_core::names::PipelineId;

use super::figures::Settled;
use crate::status;

/// What is shown of one pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// Which.
    pub(super) pipeline: PipelineId,
    /// How it is, and what stands in its way.
    pub(super) state: String,
    /// Where messages go in: broker, exchange, producer.
    pub(super) places: Vec<String>,
    /// Its queues.
    pub(super) rows: Vec<Row>,
}

/// What is shown of one queue; what is not known is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Its name.
    pub(super) queue: String,
    /// Messages that wait.
    pub(super) ready: Option<u64>,
    /// Messages that workers hold.
    pub(super) unacked: Option<u64>,
    /// Workers that take messages.
    pub(super) workers_ready: u32,
    /// Workers that are asked for.
    pub(super) workers: u32,
    /// Workers that finish what they have begun.
    pub(super) draining: usize,
    /// What became of messages in this run.
    pub(super) settled: Settled,
    /// Dead letters.
    pub(super) dead: Option<u64>,
    /// Why there are so many workers.
    pub(super) why: String,
}

impl View {
    /// A pipeline of which nothing is known yet.
    pub(super) fn new(pipeline: PipelineId) -> Self {
        Self { pipeline, state: "starting".to_owned(), places: Vec::new(), rows: Vec::new() }
    }
}

/// How a pipeline is, in a line.
pub(super) fn state(status: &MessagePipelineStatus) -> String {
    match status::condition(status, ConditionType::Ready) {
        None => "starting".to_owned(),
        Some(ready) if ready.status == "True" => "ready".to_owned(),
        Some(ready) => format!("not ready, {}: {}", ready.reason, ready.message),
    }
}

/// Where messages go in.
pub(super) fn places(status: &MessagePipelineStatus, producer: Option<&str>) -> Vec<String> {
    let broker = status.broker.as_ref();
    let version = broker.and_then(|broker| broker.version.as_ref());
    let vhost = broker.and_then(|broker| broker.vhost.as_ref());
    let mut places = Vec::new();
    places.extend(version.map(|version| format!("RabbitMQ {version}")));
    places.extend(vhost.map(|vhost| format!("vhost {vhost}")));
    places.extend(status.exchange.as_ref().map(|name| format!("exchange {name}")));
    places.extend(producer.map(|url| format!("producer {url}")));
    places
}
