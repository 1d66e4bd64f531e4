//! The figures, and what is computed from them. Pure: nothing is measured here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operator::Operator;
use super::usage::Memory;

/// How often each side is measured; odd, so that the median is one of the figures.
pub(super) const ROUNDS: usize = 3;

/// Publishing or consuming many messages once. The bare client writes it as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    /// Messages a second.
    pub(super) rate: f64,
    /// CPU time of the client for one message, in microseconds.
    pub(super) cpu_micros_per_message: f64,
}

/// One side of a comparison.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Side {
    /// The program.
    pub(super) program: &'static str,
    /// The medians of the rounds, each for itself.
    pub(super) median: Run,
    /// Every round.
    pub(super) rounds: Vec<Run>,
}

/// A program of ours beside the floor.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comparison {
    /// How many messages were under way at once: the window, or the prefetch.
    pub(super) under_way: u16,
    pub(super) floor: Side,
    pub(super) ours: Side,
    /// Our rate as part of the floor's.
    pub(super) rate_ratio: f64,
    /// Our CPU time as part of the floor's.
    pub(super) cpu_ratio: f64,
}

/// The memory of a program beside the floor's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resident {
    pub(super) program: &'static str,
    #[serde(flatten)]
    pub(super) memory: Memory,
    pub(super) rss_ratio: f64,
    pub(super) pss_ratio: f64,
}

/// How far a worker was at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Since any moment before.
    pub(super) at: Duration,
    /// Messages settled so far.
    pub(super) settled: u32,
    /// CPU time used so far.
    pub(super) cpu: Duration,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The version of RabbitMQ.
    pub(super) broker: String,
    pub(super) cores: usize,
    /// How many processes ran or wanted to: before, and after.
    pub(super) load: [f64; 2],
    /// As people write it.
    pub(super) idle: String,
    #[serde(flatten)]
    pub(super) messages: Option<Traffic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operator: Option<Operator>,
}

/// What was measured of worker and producer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Traffic {
    pub(super) queue_type: &'static str,
    /// The floor comes first.
    pub(super) memory: Vec<Resident>,
    pub(super) messages: u32,
    pub(super) body_bytes: u32,
    pub(super) publish: Comparison,
    pub(super) consume: Comparison,
}

impl Run {
    /// So many messages in this time.
    pub(super) fn new(count: u32, elapsed: Duration, cpu: Duration) -> Self {
        let count = f64::from(count);
        Self {
            rate: count / elapsed.as_secs_f64(),
            cpu_micros_per_message: cpu.as_secs_f64() * 1e6 / count,
        }
    }

    /// What a worker did between the first and the last sample in which it was at work on `total`
    /// messages: its start, and the time between its end and the next sample, do not count.
    pub(super) fn between(samples: &[Sample], total: u32) -> Option<Self> {
        let at_work = |sample: &&Sample| sample.settled > 0 && sample.settled < total;
        let (first, last) = (samples.iter().find(at_work)?, samples.iter().rfind(at_work)?);
        let count = last.settled.checked_sub(first.settled).filter(|count| *count > 0)?;
        let (elapsed, cpu) = (last.at.checked_sub(first.at)?, last.cpu.checked_sub(first.cpu)?);
        Some(Self::new(count, elapsed, cpu))
    }
}

impl Side {
    /// Takes the medians of at least one round.
    pub(super) fn new(program: &'static str, rounds: Vec<Run>) -> Self {
        let median_of = |figure: fn(&Run) -> f64| median(rounds.iter().map(figure).collect());
        let median = Run {
            rate: median_of(|run| run.rate),
            cpu_micros_per_message: median_of(|run| run.cpu_micros_per_message),
        };
        Self { program, median, rounds }
    }

    /// The lowest and the highest rate.
    pub(super) fn span(&self) -> (f64, f64) {
        let rates = || self.rounds.iter().map(|run| run.rate);
        (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max))
    }
}

impl Comparison {
    /// Puts one beside the other.
    pub(super) fn new(under_way: u16, floor: Side, ours: Side) -> Self {
        let part = |figure: fn(&Run) -> f64| figure(&ours.median) / figure(&floor.median);
        Self {
            under_way,
            rate_ratio: part(|run| run.rate),
            cpu_ratio: part(|run| run.cpu_micros_per_message),
            floor,
            ours,
        }
    }
}

impl Resident {
    /// Puts the memory of a program beside that of the floor.
    pub(super) fn new(program: &'static str, memory: Memory, floor: Memory) -> Self {
        let part = |ours: u32, floor: u32| f64::from(ours) / f64::from(floor);
        Self {
            program,
            memory,
            rss_ratio: part(memory.rss_kib, floor.rss_kib),
            pss_ratio: part(memory.pss_kib, floor.pss_kib),
        }
    }
}

/// The middle one of an odd number of figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rate: u32, cpu: u32) -> Run {
        Run { rate: f64::from(rate), cpu_micros_per_message: f64::from(cpu) }
    }

    fn sample(millis: u64, settled: u32, cpu: u64) -> Sample {
        Sample { at: Duration::from_millis(millis), settled, cpu: Duration::from_millis(cpu) }
    }

    #[test]
    fn one_slow_round_does_not_move_the_median() {
        let side = Side::new("x", vec![run(10_000, 20), run(100, 900), run(11_000, 19)]);
        assert_eq!(side.median, run(10_000, 20));
        assert_eq!(side.span(), (100.0, 11_000.0));
    }

    #[test]
    fn ratios_are_ours_to_the_floor() {
        let floor = Side::new("bare", vec![run(10_000, 20)]);
        let comparison = Comparison::new(1024, floor, Side::new("ours", vec![run(8_000, 25)]));
        assert_eq!(format!("{:.2}", comparison.rate_ratio), "0.80");
        assert_eq!(format!("{:.2}", comparison.cpu_ratio), "1.25");
        let floor = Memory { rss_kib: 4000, pss_kib: 2000 };
        let resident = Resident::new("ours", Memory { rss_kib: 10_000, pss_kib: 8000 }, floor);
        assert_eq!(format!("{} {}", resident.rss_ratio, resident.pss_ratio), "2.5 4");
    }

    #[test]
    fn a_worker_is_measured_only_while_it_is_at_work() {
        let samples = [
            sample(0, 0, 5),
            sample(900, 0, 8),
            sample(1000, 1_000, 30),
            sample(1100, 2_000, 50),
            sample(1200, 3_000, 70),
            sample(1900, 4_000, 99),
        ];
        let run = Run::between(&samples, 4_000).expect("a rate");
        assert_eq!(format!("{:.0}", run.rate), "10000");
        assert_eq!(format!("{:.0}", run.cpu_micros_per_message), "20");
    }

    #[test]
    fn a_worker_that_was_hardly_seen_at_work_has_no_rate() {
        let seen_once = [sample(0, 0, 5), sample(100, 3_000, 30), sample(200, 4_000, 40)];
        assert_eq!(Run::between(&seen_once, 4_000), None);
        let stuck = [sample(100, 3_000, 30), sample(200, 3_000, 40)];
        assert_eq!(Run::between(&stuck, 4_000), None);
        assert_eq!(Run::between(&[], 4_000), None);
    }

    #[test]
    fn the_figures_of_the_bare_client_are_understood() {
        let line = r#"{"count":5,"cpuMicrosPerMessage":17.5,"rate":12000.0,"seconds":0.1}"#;
        let run: Run = serde_json::from_str(line).expect("its JSON");
        assert_eq!(format!("{} {}", run.rate, run.cpu_micros_per_message), "12000 17.5");
    }
}
