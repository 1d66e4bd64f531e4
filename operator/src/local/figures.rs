//! What a worker tells of itself on `/metrics`, as far as local mode shows it.
//!
//! A figure is as old as the last answer: what a worker did between that and a crash is not counted.

use std::{ops::AddAssign, time::Duration};

/// What a worker tells of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// What became of its messages.
    pub(super) settled: Settled,
    /// Handlers that run.
    pub(super) in_flight: u64,
    /// Whether it has a consumer.
    pub(super) consumes: bool,
    /// Whether it takes messages, or rightly does not while its handler's endpoint is sick.
    pub(super) ready: bool,
}

/// What became of the messages of workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Done.
    pub(super) acked: u64,
    /// To be tried again later.
    pub(super) retried: u64,
}

/// A worker on this machine that takes longer is busy with something else; it is asked again.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Asks workers for their figures.
#[derive(Debug, Clone)]
pub(super) struct Scraper(reqwest::Client);

impl Scraper {
    /// A scraper that talks to this machine only.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub(super) fn new() -> reqwest::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        Ok(Self(client))
    }

    /// The figures of the worker behind a port; nothing when it does not answer.
    pub(super) async fn ask(&self, port: u16) -> Option<Figures> {
        let url = format!("http://127.0.0.1:{port}/metrics");
        let answer = self.0.get(url).send().await.ok()?;
        let text = answer.error_for_status().ok()?.text().await.ok()?;
        Some(Figures::read(&text))
    }
}

impl Figures {
    /// Reads the text format of Prometheus
    /// (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
    fn read(text: &str) -> Self {
        let mut figures = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let settled = |how| labels.contains(&format!("settlement=\"{how}\""));
            match name {
                "warren_worker_settled_total" if settled("acked") => {
                    figures.settled.acked = whole(value);
                }
                "warren_worker_settled_total" if settled("retried") => {
                    figures.settled.retried = whole(value);
                }
                "warren_worker_in_flight" => figures.in_flight = whole(value),
                "warren_worker_consumer_registered" => figures.consumes = whole(value) > 0,
                "warren_worker_breaker_open" => figures.ready = whole(value) > 0,
                _ => {}
            }
        }
        figures.ready |= figures.consumes;
        figures
    }
}

impl AddAssign for Settled {
    fn add_assign(&mut self, more: Self) {
        self.acked = self.acked.saturating_add(more.acked);
        self.retried = self.retried.saturating_add(more.retried);
    }
}

/// Counters and gauges of whole numbers are written without a point up to 2^53.
fn whole(value: &str) -> u64 {
    value.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP warren_worker_settled_total Deliveries settled.
# TYPE warren_worker_settled_total counter
warren_worker_settled_total{pipeline="orders",queue="email",settlement="acked"} 120
warren_worker_settled_total{pipeline="orders",queue="email",settlement="dead_lettered"} 3
warren_worker_settled_total{pipeline="orders",queue="email",settlement="retried"} 7
warren_worker_settled_total{pipeline="orders",queue="email",settlement="returned"} 2
warren_worker_in_flight{pipeline="orders",queue="email"} 4
warren_worker_in_flight_other 9
warren_worker_consumer_registered{pipeline="orders",queue="email"} 1
"#;

    #[test]
    fn the_figures_of_a_worker_are_read() {
        let settled = Settled { acked: 120, retried: 7 };
        let figures = Figures { settled, in_flight: 4, consumes: true, ready: true };
        assert_eq!(Figures::read(TEXT), figures);
    }

    #[test]
    fn a_worker_that_waits_for_a_sick_endpoint_is_ready_and_one_without_a_consumer_is_not() {
        let consumer = "warren_worker_consumer_registered{queue=\"email\"} 0\n";
        assert!(!Figures::read(consumer).ready);
        let open = "warren_worker_breaker_open{queue=\"email\"} 1\n";
        for text in [format!("{consumer}{open}"), format!("{open}{consumer}")] {
            let figures = Figures::read(&text);
            assert!(figures.ready && !figures.consumes);
        }
    }

    #[test]
    fn what_is_no_metric_is_passed_over() {
        assert_eq!(Figures::read("nonsense\n{} 3\n\n"), Figures::default());
    }

    #[test]
    fn figures_of_several_workers_add_up() {
        let mut sum = Settled::default();
        for acked in [1, 2, u64::MAX] {
            sum += Settled { acked, retried: 1 };
        }
        assert_eq!((sum.acked, sum.retried), (u64::MAX, 3));
    }
}
