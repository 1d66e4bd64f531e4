//! Calls of API servers: Kubernetes' and the brokers'.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use warren_broker::management::{CallResult, EndedCall};
use warren_core::names::PipelineId;
use warren_service::metrics::{
    Closed, ClosedCounters, Counter, Metrics, MetricsError, OpenCounters, OpenGauges,
};

use super::OperatorMetrics;

/// What is counted of calls.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    kube: OpenCounters<1>,
    kube_writes: Counter,
    broker: ClosedCounters<CallResult>,
    broker_writes: Counter,
    broker_up: OpenGauges<1>,
    /// The address of each pipeline's broker: a series goes with the last pipeline that has it.
    broker_of: Arc<Mutex<BTreeMap<PipelineId, String>>>,
}

const RESULTS: Closed<CallResult> = Closed {
    label: "result",
    values: &[CallResult::Ok, CallResult::Refused, CallResult::Failed],
    name: |result| match result {
        CallResult::Ok => "ok",
        CallResult::Refused => "refused",
        CallResult::Failed => "failed",
    },
};

impl Calls {
    pub(super) fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            kube: metrics.open_counters(
                "warren_kube_requests_total",
                "Calls of the API server by HTTP code; none without an answer.",
                ["code"],
            )?,
            kube_writes: metrics.counter(
                "warren_kube_writes_total",
                "Calls of the API server that are no reads.",
            )?,
            broker: metrics.closed_counters(
                "warren_broker_requests_total",
                "Calls of brokers' management APIs by what came of them.",
                RESULTS,
            )?,
            broker_writes: metrics.counter(
                "warren_broker_writes_total",
                "Calls of brokers' management APIs that are no reads.",
            )?,
            broker_up: metrics.open_gauges(
                "warren_broker_up",
                "Whether a broker answered when it was last asked.",
                ["broker"],
            )?,
            broker_of: Arc::default(),
        })
    }

    /// A pipeline has this broker from now on, or none any more.
    pub(super) fn has_broker(&self, pipeline: &PipelineId, address: Option<&str>) {
        let mut broker_of = self.broker_of.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match address {
            Some(address) => broker_of.insert(pipeline.clone(), address.to_owned()),
            None => broker_of.remove(pipeline),
        };
        if let Some(before) = before
            && !broker_of.values().any(|address| *address == before)
        {
            self.broker_up.remove([&before]);
        }
    }
}

impl OperatorMetrics {
    /// The Kubernetes API server was asked; without a code it gave no answer.
    pub(crate) fn kube_request(&self, code: Option<u16>, is_write: bool) {
        match code {
            Some(code) => self.calls.kube.inc([&code.to_string()]),
            None => self.calls.kube.inc(["none"]),
        }
        self.calls.kube_writes.inc_by(u64::from(is_write));
    }

    /// A broker's management API was asked.
    pub(crate) fn broker_request(&self, call: EndedCall) {
        self.calls.broker.inc(call.result);
        self.calls.broker_writes.inc_by(u64::from(call.is_write));
    }

    /// The broker of a pipeline, by host and port, answers or does not.
    pub fn broker_up(&self, pipeline: &PipelineId, address: &str, up: bool) {
        self.calls.has_broker(pipeline, Some(address));
        self.calls.broker_up.set([address], f64::from(u8::from(up)));
    }
}
