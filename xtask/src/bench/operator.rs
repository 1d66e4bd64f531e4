//! What an operator costs whose pipelines have nothing to do: memory, CPU time and calls, beside a
//! program that only watches and asks what an operator must.
//!
//! Both look at the same pipelines at the same time, on an API server and a broker that are real.
//! No worker runs: an idle queue has none.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use warren_core::duration;

pub(super) use self::figures::Operator;
use self::figures::{Calls, Counted, Idle, Reading};
use self::plane::Plane;
pub(super) use self::programs::Programs;
use self::programs::{BARE, OPERATOR};
use super::child::Child;
use super::service::Service;
use super::stage::Stage;
use crate::deadline;
use crate::interrupt::Interrupt;
use crate::paths::Paths;
use crate::progress::Progress;

mod figures;
mod pipelines;
mod plane;
mod programs;
mod table;

/// Where the pipelines are.
const NAMESPACE: &str = "warren-bench";
/// Two of the longest intervals between passes over a quiet pipeline, which are 66 s, and some more:
/// that a queue sleeps is proven after a minute, and told by the pass after that.
const SETTLE: Duration = Duration::from_secs(150);
/// What the operator calls the connection on which it asks for depths.
const CONNECTION: &str = "warren-operator/bench/scaler";

/// What the operator is measured with.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) programs: &'a Programs,
    pub(super) stage: &'a Stage,
    pub(super) interrupt: &'a Interrupt,
    pub(super) progress: &'a Progress,
    /// Where clusters have their files.
    pub(super) paths: &'a Paths,
    /// Of this checkout.
    pub(super) root: &'a Path,
    pub(super) pipelines: u16,
}

/// The operator and its floor, at work.
struct Pair {
    operator: Service,
    floor: Child,
}

/// Measures on a cluster of its own.
///
/// # Errors
/// When it cannot be measured, or the cluster cannot be removed.
pub(super) fn measure(scene: &Scene<'_>, idle: Duration) -> anyhow::Result<Operator> {
    let plane = Plane::make(scene.paths, scene.root)?;
    let measured = scene.measure_on(&plane, idle);
    let removed = plane.remove();
    let measured = measured?;
    removed.map(|()| measured)
}

impl Scene<'_> {
    fn measure_on(&self, plane: &Plane, idle: Duration) -> anyhow::Result<Operator> {
        let Scene { programs, stage, progress, interrupt, pipelines: count, .. } = *self;
        let (login, folder) = (stage.login(), stage.folder());
        progress.step(format!("making {count} pipelines"));
        plane.fill(&mut programs.definition(), login, count, folder)?;
        let operate = |port| programs.operate(plane.view(), port);
        let operator = Service::start(OPERATOR, operate, folder, interrupt)?;
        plane.ready()?;
        let queues = stage.write("queues", &pipelines::queues(count))?;
        let watch = programs.watch(plane.view(), login, &queues, [SETTLE, idle]);
        let mut pair = Pair { operator, floor: Child::start(BARE, watch, folder)? };
        progress.step(format!("settling for {}", duration::format(SETTLE)));
        self.leave_alone(&mut pair, SETTLE)?;
        let before = self.read(&pair)?;
        progress.step(format!("{count} pipelines idle for {}", duration::format(idle)));
        self.leave_alone(&mut pair, idle)?;
        let after = self.read(&pair)?;
        pair.operator.child.stop()?;
        let told = pair.floor.finish(interrupt)?.output;
        let told: Counted = serde_json::from_str(&told).context("understand the floor's counts")?;
        let [floor, ours] = [0, 1].map(|one| (&before[one], &after[one]));
        let floor = Idle::new(BARE, floor, told.a_minute());
        let ours = Idle::new(OPERATOR, ours, Calls::a_minute(ours));
        Ok(Operator::new(count, duration::format(SETTLE), floor, ours))
    }

    fn leave_alone(&self, pair: &mut Pair, time: Duration) -> anyhow::Result<()> {
        let ended = deadline::wait_for(time, || {
            self.interrupt.check()?;
            pair.operator.child.check()?;
            pair.floor.check()?;
            Ok(None::<()>)
        });
        ended.map(drop)
    }

    /// The floor, and the operator.
    fn read(&self, pair: &Pair) -> anyhow::Result<[Reading; 2]> {
        let metrics = pair.operator.get("/metrics").context("read the operator's metrics")?;
        let calls = Calls::parse(&metrics).context("find the operator's calls in its metrics")?;
        let connections = self.stage.connections()?;
        let read = |child: &Child, name, calls| {
            let at = Instant::now();
            let (cpu, memory) = (child.cpu_time()?, child.memory()?);
            anyhow::Ok(Reading { at, cpu, memory, calls, amqp_bytes: traffic(&connections, name) })
        };
        Ok([
            read(&pair.floor, BARE, Calls::default())?,
            read(&pair.operator.child, CONNECTION, calls)?,
        ])
    }
}

/// The bytes that went either way on the connections of this name.
fn traffic(connections: &Value, name: &str) -> f64 {
    let named = connections.as_array().into_iter().flatten().filter(|connection| {
        connection.pointer("/client_properties/connection_name").and_then(Value::as_str)
            == Some(name)
    });
    let bytes = named.flat_map(|one| ["recv_oct", "send_oct"].map(|way| one[way].as_f64()));
    bytes.flatten().sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_ways_of_the_named_connection_count() {
        let connections = json!([
            {"client_properties": {"connection_name": CONNECTION}, "recv_oct": 30, "send_oct": 4},
            {"client_properties": {"connection_name": "another"}, "recv_oct": 500, "send_oct": 500},
            {"client_properties": {"connection_name": CONNECTION}},
        ]);
        assert!((traffic(&connections, CONNECTION) - 34.0).abs() < f64::EPSILON);
        assert!(traffic(&Value::Null, CONNECTION).abs() < f64::EPSILON);
    }
}
