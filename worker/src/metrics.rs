//! What a worker counts, by the names that dashboards and alerts use.
//!
//! Label values come from closed sets, but for HTTP codes; never an id, a URL or an error text.

use std::time::Duration;

use jiff::Timestamp;
use warren_broker::consumer::SessionEnd;
use warren_core::{
    config::WorkerConfig,
    outcome::{ErrorClass, Outcome, Report},
    settlement::Settled,
};
use warren_service::{
    clock,
    metrics::{
        Closed, ClosedCounters, ClosedGauges, Counter, Gauge, Histogram, InFlight, Metrics,
        MetricsError, OpenCounters, SECONDS,
    },
};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Consume,
    Publish,
}

impl Purpose {
    const ALL: &[Purpose] = &[Purpose::Consume, Purpose::Publish];

    const fn as_str(self) -> &'static str {
        match self {
            Purpose::Consume => "consume",
            Purpose::Publish => "publish",
        }
    }
}

/// All series of a worker.
#[derive(Clone)]
pub(crate) struct WorkerMetrics {
    /// For the admin server.
    pub(crate) registry: Metrics,
    handling: Handling,
    settling: Settling,
    consuming: Consuming,
}

/// What happens in handlers.
#[derive(Clone)]
struct Handling {
    consumed: Counter,
    processing: Histogram,
    errors: ClosedCounters<ErrorClass>,
    queue_wait: Histogram,
    in_flight: Gauge,
    responses: OpenCounters<1>,
}

/// What becomes of deliveries.
#[derive(Clone)]
struct Settling {
    settled: ClosedCounters<Settled>,
    end_to_end: Histogram,
    attempts: Histogram,
    last_settled: Gauge,
}

/// What happens between worker and broker.
#[derive(Clone)]
struct Consuming {
    redelivered: Counter,
    breaker_open: Gauge,
    sessions: ClosedCounters<SessionEnd>,
    registered: Gauge,
    connection_up: ClosedGauges<Purpose>,
}

/// The number of runs a message needed: fine where most are, coarse up to the largest allowed.
const ATTEMPTS: [f64; 9] = [1.0, 2.0, 3.0, 4.0, 5.0, 8.0, 13.0, 50.0, 100.0];

impl Handling {
    fn new(m: &Metrics) -> Result<Self, MetricsError> {
        let class = Closed { label: "class", values: ErrorClass::ALL, name: ErrorClass::as_str };
        let took = "Time a handler took.";
        let failed = "Handler runs that failed, by class.";
        let waited = "Time from publishing to the start of the first attempt.";
        let replies = "Replies of the endpoint, by status.";
        Ok(Self {
            consumed: m.counter("messages_consumed_total", "Handler runs begun.")?,
            processing: m.histogram("message_processing_duration_seconds", took, &SECONDS)?,
            errors: m.closed_counters("message_processing_errors_total", failed, class)?,
            queue_wait: m.histogram("warren_worker_queue_wait_seconds", waited, &SECONDS)?,
            in_flight: m.gauge("warren_worker_in_flight", "Handlers running now.")?,
            responses: m.open_counters("warren_worker_http_responses_total", replies, ["code"])?,
        })
    }
}

impl Settling {
    fn new(m: &Metrics) -> Result<Self, MetricsError> {
        let set = Closed { label: "settlement", values: Settled::ALL, name: Settled::as_str };
        let settled = "Deliveries settled, by what was done with them.";
        let age = "Time from publishing to done.";
        let attempts = "Attempts a message needed until it was done or dead.";
        let last = "When a delivery was last settled, or an idle worker got work.";
        Ok(Self {
            settled: m.closed_counters("warren_worker_settled_total", settled, set)?,
            end_to_end: m.histogram("warren_worker_end_to_end_seconds", age, &SECONDS)?,
            attempts: m.histogram("warren_worker_attempts", attempts, &ATTEMPTS)?,
            last_settled: m.gauge("warren_worker_last_settled_timestamp_seconds", last)?,
        })
    }
}

impl Consuming {
    fn new(m: &Metrics) -> Result<Self, MetricsError> {
        let end = Closed { label: "end", values: SessionEnd::ALL, name: SessionEnd::as_str };
        let purpose = Closed { label: "purpose", values: Purpose::ALL, name: Purpose::as_str };
        let again = "Deliveries the broker had made before.";
        let open = "1 while nothing is consumed on purpose.";
        let ended = "Broker sessions that ended, by why.";
        let registered = "1 while the broker has a consumer of this worker.";
        let up = "1 while the connection to the broker is up.";
        Ok(Self {
            redelivered: m.counter("warren_worker_redelivered_total", again)?,
            breaker_open: m.gauge("warren_worker_breaker_open", open)?,
            sessions: m.closed_counters("warren_worker_sessions_total", ended, end)?,
            registered: m.gauge("warren_worker_consumer_registered", registered)?,
            connection_up: m.closed_gauges("warren_broker_connection_up", up, purpose)?,
        })
    }
}

impl WorkerMetrics {
    /// Registers everything; every series of a closed set exists at 0 from now on.
    pub(crate) fn new(config: &WorkerConfig) -> Result<Self, MetricsError> {
        let registry = Metrics::new(&[
            ("pipeline_namespace", config.pipeline.namespace()),
            ("pipeline", config.pipeline.name()),
            ("queue", config.queue.as_str()),
        ])?;
        registry
            .gauge("warren_worker_concurrency", "Handlers that may run at once.")?
            .set(f64::from(config.concurrency));
        Ok(Self {
            handling: Handling::new(&registry)?,
            settling: Settling::new(&registry)?,
            consuming: Consuming::new(&registry)?,
            registry,
        })
    }

    /// A handler starts; the guard counts it as running until it is dropped.
    pub(crate) fn started(&self, waited: Option<Duration>, redelivered: bool) -> InFlight {
        self.handling.consumed.inc();
        if let Some(waited) = waited {
            self.handling.queue_wait.observe(waited.as_secs_f64());
        }
        if redelivered {
            self.consuming.redelivered.inc();
        }
        InFlight::enter(&self.handling.in_flight)
    }

    /// A handler ended.
    pub(crate) fn reported(&self, report: &Report, took: Duration) {
        self.handling.processing.observe(took.as_secs_f64());
        if let Some(status) = report.status {
            self.handling.responses.inc([&status.to_string()]);
        }
        match &report.outcome {
            Outcome::Done | Outcome::Defer { .. } => {}
            Outcome::Retry { class, .. } => self.handling.errors.inc(*class),
            Outcome::Dead { .. } | Outcome::Pause { .. } => {
                let class = match report.status {
                    Some(400..=499) => ErrorClass::Http4xx,
                    Some(500..=599) => ErrorClass::Http5xx,
                    _ => ErrorClass::Other,
                };
                self.handling.errors.inc(class);
            }
        }
    }

    /// A delivery is settled.
    pub(crate) fn settled(&self, settled: Settled) {
        self.settling.settled.inc(settled);
        self.touch();
    }

    /// A message reached its end after this many attempts.
    pub(crate) fn ended(&self, attempt: u32, end_to_end: Option<Duration>) {
        self.settling.attempts.observe(f64::from(attempt));
        if let Some(age) = end_to_end {
            self.settling.end_to_end.observe(age.as_secs_f64());
        }
    }

    /// The worker has work or has just done some.
    pub(crate) fn touch(&self) {
        let now: Timestamp = clock::now();
        self.settling.last_settled.set(now.as_duration().as_secs_f64());
    }

    /// A session ended.
    pub(crate) fn session_ended(&self, end: SessionEnd) {
        self.consuming.sessions.inc(end);
        self.consumer_registered(false);
        self.connection(Purpose::Consume, false);
    }

    /// Whether the broker has a consumer of ours.
    pub(crate) fn consumer_registered(&self, registered: bool) {
        self.consuming.registered.set(f64::from(u8::from(registered)));
    }

    /// Whether nothing is consumed on purpose.
    pub(crate) fn paused(&self, paused: bool) {
        self.consuming.breaker_open.set(f64::from(u8::from(paused)));
    }

    /// Whether a connection is up.
    pub(crate) fn connection(&self, purpose: Purpose, up: bool) {
        self.consuming.connection_up.set(purpose, f64::from(u8::from(up)));
    }
}
