//! The memory of programs that have nothing to do: a bare client with one connection and one
//! consumer, a worker, and a producer that serves HTTP.

use std::time::Duration;

use warren_core::duration;

use super::child::Child;
use super::figures::Resident;
use super::footprint::Scene;
use super::programs::{BARE, PRODUCER, WORKER};
use super::service::Service;
use crate::deadline;

/// The usual concurrency of a queue (`spec.queues[].concurrency`).
const CONCURRENCY: u16 = 10;

/// Starts the three, leaves them alone for `idle`, and reads their memory; the floor comes first.
///
/// # Errors
/// When one of them does not run.
pub(super) fn measure(scene: &Scene<'_>, idle: Duration) -> anyhow::Result<Vec<Resident>> {
    let Scene { programs, stage, interrupt, progress, .. } = scene;
    let (login, folder) = (stage.login(), stage.folder());
    progress.step(format!("idle for {}", duration::format(idle)));
    let mut bare = Child::start(BARE, programs.bare_idle(login, CONCURRENCY), folder)?;
    let config = stage.worker_config(CONCURRENCY)?;
    let work = |port| programs.work(login, &config, port);
    let mut worker = Service::start(WORKER, work, folder, interrupt)?;
    let serve = |port| programs.serve(login, port);
    let mut producer = Service::start(PRODUCER, serve, folder, interrupt)?;

    deadline::wait_for(idle, || {
        interrupt.check()?;
        bare.check()?;
        worker.child.check()?;
        producer.child.check()?;
        Ok(None::<()>)
    })?;

    let floor = bare.memory()?;
    let resident = |name, memory| Resident::new(name, memory, floor);
    let residents = vec![
        resident(BARE, floor),
        resident(WORKER, worker.child.memory()?),
        resident(PRODUCER, producer.child.memory()?),
    ];
    worker.child.stop()?;
    producer.child.stop()?;
    bare.stop()?;
    Ok(residents)
}
