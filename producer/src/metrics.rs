//! The producer's metrics; only this file touches them.

use std::time::Duration;

use warren_broker::publisher::{FailureReason, PublisherState};
use warren_core::names::PipelineId;
use warren_service::metrics::{
    Closed, ClosedCounters, ClosedGauges, Counter, Gauge, Histogram, InFlight, Metrics,
    MetricsError, OpenHistograms, SECONDS,
};

use crate::outcome::{Receipt, Unpublished};

/// What the producer counts and times; clones share it.
#[derive(Debug, Clone)]
pub struct ProducerMetrics {
    registry: Metrics,
    produced: Counter,
    failed: ClosedCounters<FailureReason>,
    confirm_seconds: Histogram,
    in_flight: Gauge,
    connection_up: ClosedGauges<Purpose>,
    connection_blocked: ClosedGauges<Purpose>,
    request_seconds: OpenHistograms<3>,
}

/// What a connection is for; the producer has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Publish,
}

const PURPOSE: Closed<Purpose> = Closed {
    label: "purpose",
    values: &[Purpose::Publish],
    name: |purpose| match purpose {
        Purpose::Publish => "publish",
    },
};

impl ProducerMetrics {
    /// A registry with all of them at 0, labelled with the pipeline.
    ///
    /// # Errors
    /// When the registry refuses a name, which is a fault of this file.
    pub fn new(pipeline: &PipelineId) -> Result<Self, MetricsError> {
        let registry = Metrics::new(&[
            ("pipeline_namespace", pipeline.namespace()),
            ("pipeline", pipeline.name()),
        ])?;
        Ok(Self {
            produced: registry
                .counter("messages_produced_total", "Messages that the broker confirmed.")?,
            failed: registry.closed_counters(
                "warren_producer_publish_failed_total",
                "Messages that were not published, or are not known to be.",
                Closed {
                    label: "reason",
                    values: FailureReason::COUNTED,
                    name: FailureReason::as_str,
                },
            )?,
            confirm_seconds: registry.histogram(
                "warren_producer_confirm_duration_seconds",
                "Time from handing a message to the publisher until the broker confirmed it.",
                &SECONDS,
            )?,
            in_flight: registry.gauge(
                "warren_producer_in_flight",
                "Messages that wait for the broker's answer.",
            )?,
            connection_up: registry.closed_gauges(
                "warren_broker_connection_up",
                "1 while the connection to the broker is open.",
                PURPOSE,
            )?,
            connection_blocked: registry.closed_gauges(
                "warren_broker_connection_blocked",
                "1 while the broker takes no messages because of a memory or disk alarm.",
                PURPOSE,
            )?,
            request_seconds: registry.open_histograms(
                "http_request_duration_seconds",
                "Time from the head of a request to the head of its answer.",
                ["method", "route", "status"],
                &SECONDS,
            )?,
            registry,
        })
    }

    /// The registry, to be shown.
    pub fn registry(&self) -> &Metrics {
        &self.registry
    }

    /// One message is with the publisher until the result is dropped.
    pub fn publishing(&self) -> InFlight {
        InFlight::enter(&self.in_flight)
    }

    /// The publisher answered for a message after this time.
    pub fn settled(&self, outcome: &Result<Receipt, Unpublished>, after: Duration) {
        match outcome {
            Ok(_) => {
                self.produced.inc();
                self.confirm_seconds.observe(after.as_secs_f64());
            }
            Err(error) => self.failed(error.reason()),
        }
    }

    /// A message failed; what is merely malformed is the client's affair and not counted.
    pub fn failed(&self, reason: FailureReason) {
        if FailureReason::COUNTED.contains(&reason) {
            self.failed.inc(reason);
        }
    }

    /// The connection to the broker is now like this.
    pub fn connection(&self, state: &PublisherState) {
        let gauge = |is: bool| if is { 1.0 } else { 0.0 };
        self.connection_up.set(Purpose::Publish, gauge(state.is_up()));
        self.connection_blocked.set(Purpose::Publish, gauge(state.is_blocked()));
    }

    /// A request was answered. `route` is the pattern of the path and never the path itself.
    pub fn request(&self, method: &str, route: &str, status: u16, after: Duration) {
        let status = status.to_string();
        self.request_seconds.observe([method, route, &status], after.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_of_a_closed_set_exists_at_zero_from_the_start() {
        let pipeline = "shop/orders".parse().unwrap();
        let metrics = ProducerMetrics::new(&pipeline).unwrap();
        let text = metrics.registry().encode().unwrap();
        let labels = r#"pipeline="orders",pipeline_namespace="shop""#;
        for series in [
            format!("messages_produced_total{{{labels}}} 0"),
            format!("warren_producer_confirm_duration_seconds_count{{{labels}}} 0"),
            format!("warren_producer_in_flight{{{labels}}} 0"),
            format!("warren_broker_connection_up{{{labels},purpose=\"publish\"}} 0"),
            format!("warren_broker_connection_blocked{{{labels},purpose=\"publish\"}} 0"),
        ] {
            assert!(text.contains(&series), "{series} is missing:\n{text}");
        }
        for reason in [
            "unroutable",
            "nacked",
            "timeout",
            "blocked",
            "disconnected",
            "overloaded",
            "too_large",
        ] {
            let series =
                format!("warren_producer_publish_failed_total{{{labels},reason=\"{reason}\"}} 0");
            assert!(text.contains(&series), "{series} is missing:\n{text}");
        }
        metrics.request("POST", "/produce", 200, Duration::from_millis(7));
        let text = metrics.registry().encode().unwrap();
        let series = format!(
            "http_request_duration_seconds_count{{method=\"POST\",{labels},route=\"/produce\",status=\"200\"}} 1"
        );
        assert!(text.contains(&series), "{series} is missing:\n{text}");
    }
}
