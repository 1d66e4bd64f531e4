//! The operator's figures, and what is computed from them. Pure: nothing is measured here.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::super::usage::Memory;

/// What a program had used and done at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) at: Instant,
    pub(super) cpu: Duration,
    pub(super) memory: Memory,
    pub(super) calls: Calls,
    /// Over AMQP, both ways.
    pub(super) amqp_bytes: f64,
}

/// Calls over HTTP since a program began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Calls {
    api_server: u32,
    api_server_writes: u32,
    management: u32,
    management_writes: u32,
}

/// What the floor has counted.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counted {
    seconds: f64,
    api_server: u32,
    management: u32,
}

/// Calls over HTTP in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallsAMinute {
    pub(super) api_server_reads: f64,
    pub(super) api_server_writes: f64,
    pub(super) management_reads: f64,
    pub(super) management_writes: f64,
}

/// A program that was left alone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Idle {
    pub(super) program: &'static str,
    /// At the end.
    #[serde(flatten)]
    pub(super) memory: Memory,
    /// How much larger its memory was at the end than at the beginning, in KiB.
    pub(super) rss_growth_kib: i64,
    pub(super) cpu_millis_a_minute: f64,
    #[serde(flatten)]
    pub(super) calls: CallsAMinute,
    pub(super) amqp_kib_a_minute: f64,
}

/// The operator's as parts of the floor's; nothing where the floor has none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ratios {
    pub(super) rss: Option<f64>,
    pub(super) pss: Option<f64>,
    pub(super) cpu: Option<f64>,
    pub(super) api_server_reads: Option<f64>,
    pub(super) management_reads: Option<f64>,
    pub(super) amqp: Option<f64>,
}

/// The operator beside its floor.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::bench) struct Operator {
    pub(super) pipelines: u16,
    /// How long both had been left alone before they were measured, as people write it.
    pub(super) settled: String,
    pub(super) floor: Idle,
    pub(super) ours: Idle,
    pub(super) ratios: Ratios,
}

impl Calls {
    /// Reads the operator's metrics, in the text format of Prometheus
    /// (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
    pub(super) fn parse(metrics: &str) -> Option<Self> {
        Some(Self {
            api_server: sum(metrics, "warren_kube_requests_total")?,
            api_server_writes: sum(metrics, "warren_kube_writes_total")?,
            management: sum(metrics, "warren_broker_requests_total")?,
            management_writes: sum(metrics, "warren_broker_writes_total")?,
        })
    }

    /// What was called between two readings.
    pub(super) fn a_minute((before, after): (&Reading, &Reading)) -> CallsAMinute {
        let minutes = minutes(before, after);
        let each = |count: fn(&Calls) -> u32| {
            f64::from(count(&after.calls).saturating_sub(count(&before.calls))) / minutes
        };
        CallsAMinute {
            api_server_reads: each(|calls| {
                calls.api_server.saturating_sub(calls.api_server_writes)
            }),
            api_server_writes: each(|calls| calls.api_server_writes),
            management_reads: each(|calls| {
                calls.management.saturating_sub(calls.management_writes)
            }),
            management_writes: each(|calls| calls.management_writes),
        }
    }
}

impl Counted {
    /// The floor writes nothing.
    pub(super) fn a_minute(self) -> CallsAMinute {
        let each = |count: u32| f64::from(count) * 60.0 / self.seconds;
        CallsAMinute {
            api_server_reads: each(self.api_server),
            api_server_writes: 0.0,
            management_reads: each(self.management),
            management_writes: 0.0,
        }
    }
}

impl Idle {
    /// What a program used between two readings.
    pub(super) fn new(
        program: &'static str,
        (before, after): (&Reading, &Reading),
        calls: CallsAMinute,
    ) -> Self {
        let minutes = minutes(before, after);
        let cpu = after.cpu.saturating_sub(before.cpu);
        Self {
            program,
            memory: after.memory,
            rss_growth_kib: i64::from(after.memory.rss_kib) - i64::from(before.memory.rss_kib),
            cpu_millis_a_minute: cpu.as_secs_f64() * 1e3 / minutes,
            calls,
            amqp_kib_a_minute: (after.amqp_bytes - before.amqp_bytes) / 1024.0 / minutes,
        }
    }
}

impl Operator {
    /// Puts one beside the other.
    pub(super) fn new(pipelines: u16, settled: String, floor: Idle, ours: Idle) -> Self {
        let part = |figure: fn(&Idle) -> f64| {
            let (floor, ours) = (figure(&floor), figure(&ours));
            (floor > 0.0).then(|| ours / floor)
        };
        let ratios = Ratios {
            rss: part(|idle| idle.memory.rss_kib.into()),
            pss: part(|idle| idle.memory.pss_kib.into()),
            cpu: part(|idle| idle.cpu_millis_a_minute),
            api_server_reads: part(|idle| idle.calls.api_server_reads),
            management_reads: part(|idle| idle.calls.management_reads),
            amqp: part(|idle| idle.amqp_kib_a_minute),
        };
        Self { pipelines, settled, floor, ours, ratios }
    }
}

fn minutes(before: &Reading, after: &Reading) -> f64 {
    after.at.saturating_duration_since(before.at).as_secs_f64() / 60.0
}

/// The sum of a counter over its labels; nothing when there is no such counter.
fn sum(metrics: &str, counter: &str) -> Option<u32> {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(counter)?;
        let value = rest.strip_prefix(' ').or_else(|| {
            let (_, value) = rest.strip_prefix('{')?.rsplit_once(' ')?;
            Some(value)
        });
        value?.parse::<u32>().ok()
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0) + value))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const METRICS: &str = "# TYPE warren_kube_requests_total counter\n\
        warren_kube_requests_total{code=\"200\"} 40\n\
        warren_kube_requests_total{code=\"404\"} 2\n\
        warren_kube_writes_total 2\n\
        warren_broker_requests_total{result=\"ok\"} 100\n\
        warren_broker_writes_total 0\n";

    pub(in super::super) fn operator() -> Operator {
        let begin = Instant::now();
        let reading = |minutes: u64, cpu: u64, rss_kib: u32, calls: Calls| Reading {
            at: begin + Duration::from_secs(minutes * 60),
            cpu: Duration::from_millis(cpu),
            memory: Memory { rss_kib, pss_kib: rss_kib / 2 },
            calls,
            amqp_bytes: f64::from(u32::try_from(minutes).expect("few")) * 10_240.0,
        };
        let none = Calls::default();
        let (before, after) = (reading(0, 100, 10_240, none), reading(2, 300, 10_240, none));
        let counted = r#"{"seconds":120.0,"apiServer":20,"management":40}"#;
        let counted: Counted = serde_json::from_str(counted).expect("counts");
        let floor = Idle::new("bare-watch", (&before, &after), counted.a_minute());
        let calls = Calls::parse(METRICS).expect("all counters");
        let (before, after) = (reading(0, 100, 20_480, none), reading(2, 900, 25_600, calls));
        let ours = (&before, &after);
        let ours = Idle::new("warren-operator", ours, Calls::a_minute(ours));
        Operator::new(100, "1m30s".to_owned(), floor, ours)
    }

    #[test]
    fn figures_are_for_one_minute_and_growth_for_all_the_time() {
        let Operator { ours, ratios, .. } = operator();
        assert_eq!(format!("{} {}", ours.rss_growth_kib, ours.cpu_millis_a_minute), "5120 400");
        assert_eq!(format!("{}", ours.calls.api_server_reads), "20");
        assert_eq!(format!("{}", ours.calls.api_server_writes), "1");
        assert_eq!(format!("{}", ours.amqp_kib_a_minute), "10");
        assert_eq!([ratios.rss, ratios.cpu], [Some(2.5), Some(4.0)]);
        assert_eq!([ratios.api_server_reads, ratios.management_reads], [Some(2.0), Some(2.5)]);
    }

    #[test]
    fn a_counter_that_is_not_there_is_not_zero() {
        assert_eq!(Calls::parse(&METRICS.replace("kube_writes", "kube_written")), None);
    }

    #[test]
    fn programs_get_every_figure_of_both() {
        let json = serde_json::to_value(operator()).expect("JSON");
        assert_eq!(json["floor"]["apiServerReads"], 10.0);
        assert_eq!(json["ours"]["rssKib"], 25_600);
        assert_eq!(json["ratios"]["pss"], 2.5);
    }
}
