//! The metrics of a process: one registry, filled through types that cannot be misused.
//!
//! The registry is a value, never the global one, so that tests stay apart. Vectors of the
//! prometheus crate panic on a wrong number of labels and show no series before first use; here a
//! closed set of label values is an enum whose series all exist at 0 from the start, and an open
//! one is an array whose length the compiler checks. Names are written as given: nothing adds
//! `_total` or a prefix.

use std::collections::HashMap;
use std::fmt;

use prometheus::core::Collector;
#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
pub use prometheus::{Gauge, Histogram, HistogramTimer, IntCounter as Counter};
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
};

/// Upper bounds of the buckets of every duration, in seconds.
///
/// Up to 10 s they are those of OpenTelemetry's
/// [`http.server.request.duration`](https://opentelemetry.io/docs/specs/semconv/http/http-metrics/);
/// the last three are for handlers that work for minutes.
pub const SECONDS: [f64; 17] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0,
    300.0,
];

/// The registry of a process; clones share it.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// On each metric and not on the registry, which would show them in another order each time.
    common: HashMap<String, String>,
}

/// A label and all the values it can have.
///
/// It is a value and not a trait, because the enum usually lives in a crate that knows nothing of
/// metrics.
#[derive(Clone, Copy, Debug)]
pub struct Closed<L: 'static> {
    /// The name of the label.
    pub label: &'static str,
    /// Every value.
    pub values: &'static [L],
    /// How a value is spelt.
    pub name: fn(L) -> &'static str,
}

/// A counter for each value of a closed set, all at 0 from the start.
#[derive(Clone)]
pub struct ClosedCounters<L> {
    vector: IntCounterVec,
    name: fn(L) -> &'static str,
}

/// A gauge for each value of a closed set, all at 0 from the start.
#[derive(Clone)]
pub struct ClosedGauges<L> {
    vector: GaugeVec,
    name: fn(L) -> &'static str,
}

/// Counters whose label values come from outside, such as HTTP status codes.
///
/// Each combination becomes a series for good: the values must be few.
#[derive(Clone, Debug)]
pub struct OpenCounters<const N: usize>(IntCounterVec);

/// Gauges whose label values come from outside, such as the names of objects.
#[derive(Clone, Debug)]
pub struct OpenGauges<const N: usize>(GaugeVec);

/// Histograms whose label values come from outside, such as routes.
#[derive(Clone, Debug)]
pub struct OpenHistograms<const N: usize>(HistogramVec);

/// One piece of work in hand: counted in a gauge until it is dropped, however the work ends.
#[derive(Debug)]
pub struct InFlight(Gauge);

/// Why the registry refused.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A name or label is malformed, the help is empty, or the name is taken.
    #[error("cannot register the metric `{name}`")]
    Register {
        /// The metric's name.
        name: String,
        /// What the registry said.
        source: prometheus::Error,
    },
    /// A metric cannot be written as text.
    #[error("cannot write the metrics as text")]
    Encode(#[source] prometheus::Error),
}

impl Metrics {
    /// A registry with the metrics of the process itself (on Linux: CPU, memory, files, start).
    ///
    /// Every series that is registered later carries the `common` labels. None may be called
    /// `namespace`: scraping overwrites that one.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Register`].
    pub fn new(common: &[(&str, &str)]) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        #[cfg(target_os = "linux")]
        registry.register(Box::new(ProcessCollector::for_self())).map_err(refused("process"))?;
        let pairs = common.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Ok(Self { registry, common: pairs.collect() })
    }

    /// A counter without labels.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Register`], as for all that follow.
    pub fn counter(&self, name: &str, help: &str) -> Result<Counter, MetricsError> {
        let counter = Counter::with_opts(self.options(name, help)).map_err(refused(name))?;
        self.add(name, counter)
    }

    /// A gauge without labels.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Register`].
    pub fn gauge(&self, name: &str, help: &str) -> Result<Gauge, MetricsError> {
        let gauge = Gauge::with_opts(self.options(name, help)).map_err(refused(name))?;
        self.add(name, gauge)
    }

    /// A histogram without labels; for durations the buckets are [`SECONDS`].
    ///
    /// # Errors
    ///
    /// [`MetricsError::Register`], also for buckets that do not rise.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, MetricsError> {
        let options = HistogramOpts::from(self.options(name, help)).buckets(buckets.to_vec());
        let histogram = Histogram::with_opts(options).map_err(refused(name))?;
        self.add(name, histogram)
    }

    /// Counters over a closed set.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Register`].
    pub fn closed_counters<L: Copy>(
        &self,
        name: &str,
        help: &str,
        set: Closed<L>,
    ) -> Result<ClosedCounters<L>, MetricsError> {
        let vector =
            IntCounterVec::new(self.options(name, help), &[set.label]).map_err(refused(name))?;
        for value in set.values {
            vector.with_label_values(&[(set.name)(*value)]);
        }
        Ok(ClosedCounters { vector: self.add(name, vector)?, name: set.name })
    }

    /// Gauges over a closed set.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Register`].
    pub fn closed_gauges<L: Copy>(
        &self,
        name: &str,
        help: &str,
        set: Closed<L>,
    ) -> Result<ClosedGauges<L>, MetricsError> {
        let vector =
            GaugeVec::new(self.options(name, help), &[set.label]).map_err(refused(name))?;
        for value in set.values {
            vector.with_label_values(&[(set.name)(*value)]);
        }
        Ok(ClosedGauges { vector: self.add(name, vector)?, name: set.name })
    }

    /// Counters over an open set.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Register`].
    pub fn open_counters<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Result<OpenCounters<N>, MetricsError> {
        let vector =
            IntCounterVec::new(self.options(name, help), &labels).map_err(refused(name))?;
        self.add(name, vector).map(OpenCounters)
    }

    /// Gauges over an open set.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Register`].
    pub fn open_gauges<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Result<OpenGauges<N>, MetricsError> {
        let vector = GaugeVec::new(self.options(name, help), &labels).map_err(refused(name))?;
        self.add(name, vector).map(OpenGauges)
    }

    /// Histograms over an open set; for durations the buckets are [`SECONDS`].
    ///
    /// # Errors
    ///
    /// [`MetricsError::Register`], also for buckets that do not rise.
    pub fn open_histograms<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        buckets: &[f64],
    ) -> Result<OpenHistograms<N>, MetricsError> {
        let options = HistogramOpts::from(self.options(name, help)).buckets(buckets.to_vec());
        let vector = HistogramVec::new(options, &labels).map_err(refused(name))?;
        self.add(name, vector).map(OpenHistograms)
    }

    /// All metrics in Prometheus' text format 0.0.4.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Encode`].
    pub fn encode(&self) -> Result<String, MetricsError> {
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(MetricsError::Encode)
    }

    fn options(&self, name: &str, help: &str) -> Opts {
        Opts::new(name, help).const_labels(self.common.clone())
    }

    fn add<C: Collector + Clone + 'static>(
        &self,
        name: &str,
        collector: C,
    ) -> Result<C, MetricsError> {
        self.registry.register(Box::new(collector.clone())).map_err(refused(name))?;
        Ok(collector)
    }
}

impl<L> ClosedCounters<L> {
    /// Counts one.
    pub fn inc(&self, value: L) {
        self.add(value, 1);
    }

    /// Counts `amount`.
    pub fn add(&self, value: L, amount: u64) {
        self.vector.with_label_values(&[(self.name)(value)]).inc_by(amount);
    }

    /// What was counted so far.
    pub fn get(&self, value: L) -> u64 {
        self.vector.with_label_values(&[(self.name)(value)]).get()
    }
}

impl<L> fmt::Debug for ClosedCounters<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClosedCounters").field(&self.vector).finish()
    }
}

impl<L> ClosedGauges<L> {
    /// Sets the gauge of `value` to `number`.
    pub fn set(&self, value: L, number: f64) {
        self.vector.with_label_values(&[(self.name)(value)]).set(number);
    }
}

impl<L> fmt::Debug for ClosedGauges<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClosedGauges").field(&self.vector).finish()
    }
}

impl<const N: usize> OpenCounters<N> {
    /// Counts one.
    pub fn inc(&self, values: [&str; N]) {
        self.add(values, 1);
    }

    /// Counts `amount`.
    pub fn add(&self, values: [&str; N], amount: u64) {
        self.0.with_label_values(&values).inc_by(amount);
    }

    /// Takes one counter away: what is gone is not counted on.
    pub fn remove(&self, values: [&str; N]) {
        // The only error is that there is no such series, which is what was wanted.
        let _ = self.0.remove_label_values(&values);
    }
}

impl<const N: usize> OpenGauges<N> {
    /// Sets one gauge.
    pub fn set(&self, values: [&str; N], number: f64) {
        self.0.with_label_values(&values).set(number);
    }

    /// Takes one gauge away: what is not known has no series, and neither has what is gone.
    pub fn remove(&self, values: [&str; N]) {
        // The only error is that there is no such series, which is what was wanted.
        let _ = self.0.remove_label_values(&values);
    }
}

impl<const N: usize> OpenHistograms<N> {
    /// Observes one value.
    pub fn observe(&self, values: [&str; N], number: f64) {
        self.0.with_label_values(&values).observe(number);
    }
}

impl InFlight {
    /// Begins a piece of work.
    pub fn enter(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn refused(name: &str) -> impl FnOnce(prometheus::Error) -> MetricsError {
    let name = name.to_owned();
    move |source| MetricsError::Register { name, source }
}

#[cfg(test)]
mod tests;
