//! How fast messages are consumed and acknowledged: a worker whose handler does nothing, beside the
//! bare client with the same prefetch. Both take what the producer has published.
//!
//! The bare client times its loop itself, from the first message to the last. A worker tells how far
//! it is by its metrics, which are read ten times a second.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::child::Child;
use super::figures::{Comparison, ROUNDS, Run, Sample, Side};
use super::footprint::Scene;
use super::programs::{BARE, WORKER};
use super::publish::{self, Lines};
use super::service::Service;
use crate::deadline;

/// Messages that are taken and not yet acknowledged; also how many handlers of the worker run.
const PREFETCH: u16 = 256;
/// The longest that a queue may take to become empty; a million messages on a slow machine.
const LIMIT: Duration = Duration::from_mins(10);
/// The counter of a worker that says how far it is.
const SETTLED: &str = "warren_worker_settled_total";

/// Measures both in turns.
///
/// # Errors
/// When one of them fails.
pub(super) fn measure(scene: &Scene<'_>, lines: &Lines) -> anyhow::Result<Comparison> {
    let (mut floor, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        scene.progress.step(format!("consuming: round {round} of {ROUNDS}"));
        publish::fill(scene, lines)?;
        floor.push(bare(scene)?);
        publish::fill(scene, lines)?;
        ours.push(worker(scene)?);
    }
    Ok(Comparison::new(PREFETCH, Side::new(BARE, floor), Side::new(WORKER, ours)))
}

fn bare(scene: &Scene<'_>) -> anyhow::Result<Run> {
    let Scene { programs, stage, .. } = scene;
    let command = programs.bare_consume(stage.login(), scene.messages, PREFETCH);
    let finished = Child::start(BARE, command, stage.folder())?.finish(scene.interrupt)?;
    serde_json::from_str(&finished.output).context("understand the figures of the bare client")
}

fn worker(scene: &Scene<'_>) -> anyhow::Result<Run> {
    let Scene { programs, stage, interrupt, .. } = scene;
    let config = stage.worker_config(PREFETCH)?;
    let work = |port| programs.work(stage.login(), &config, port);
    let mut worker = Service::start(WORKER, work, stage.folder(), interrupt)?;
    let begun = Instant::now();
    let mut samples = Vec::new();
    let drained = deadline::wait_for(LIMIT, || {
        interrupt.check()?;
        worker.child.check()?;
        let metrics = worker.get("/metrics").unwrap_or_default();
        let (at, cpu) = (begun.elapsed(), worker.child.cpu_time()?);
        let settled = settled(&metrics);
        samples.push(Sample { at, settled, cpu });
        Ok((settled >= scene.messages).then_some(()))
    })?;
    drained.with_context(|| format!("the worker has not emptied the queue in {LIMIT:?}"))?;
    worker.child.stop()?;
    Run::between(&samples, scene.messages).context(
        "the worker was done before its rate could be measured; try again with more --messages",
    )
}

/// The sum of a counter, in the text format of Prometheus
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
fn settled(metrics: &str) -> u32 {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(SETTLED)?.strip_prefix('{')?;
        rest.rsplit(' ').next()?.parse::<u32>().ok()
    });
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_settlement_counts() {
        let metrics = "# TYPE warren_worker_settled_total counter\n\
            warren_worker_settled_total{queue=\"all\",settlement=\"acked\"} 120\n\
            warren_worker_settled_total{queue=\"all\",settlement=\"retried\"} 3\n\
            warren_worker_settled_total_other{queue=\"all\"} 50\n\
            warren_worker_in_flight{queue=\"all\"} 4\n";
        assert_eq!(settled(metrics), 123);
        assert_eq!(settled("nonsense\n"), 0);
    }
}
