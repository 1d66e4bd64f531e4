//! The passes of one pipeline: at the start, at the interval, sooner after trouble, and at once when
//! somebody has seen a reason.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, mpsc, watch},
    time::sleep,
};
use warren_api::{MessagePipeline, MessagePipelineStatus};
use warren_service::clock;

use super::{
    happening::{Happening, Reporter},
    ports::LocalPorts,
};
use crate::{
    interval::Requeue,
    memory::Memory,
    pass::{Context, Pass, Request},
    reconcile,
    workers::WorkersReading,
};

/// The least time between two passes, so that many reasons at once make one.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes the passes of one pipeline.
pub(super) struct Passes {
    /// The pipeline as it stands in the file.
    pub(super) object: MessagePipeline,
    /// What all passes share.
    pub(super) context: Arc<Context>,
    /// What a pass needs.
    pub(super) ports: LocalPorts,
    /// What is known of the workers.
    pub(super) workers: watch::Receiver<WorkersReading>,
    /// Told when there is a reason to look again.
    pub(super) look_again: Arc<Notify>,
    /// How long it may take until the next pass.
    pub(super) interval: Duration,
    /// Where what a pass did is told.
    pub(super) reporter: Reporter,
    /// Where what came of a pass goes.
    pub(super) out: mpsc::Sender<Pass>,
}

impl Passes {
    /// Makes passes until nobody wants them any more.
    pub(super) async fn run(self) {
        let mut previous = MessagePipelineStatus::default();
        let mut memory = Memory::default();
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let pass = self.one(&previous, &memory).await;
            previous.clone_from(&pass.status);
            memory.clone_from(&pass.memory);
            let wait = self.wait_after(&pass, failures);
            failures = match pass.requeue {
                Requeue::Settled => 0,
                Requeue::Trouble | Requeue::Mending | Requeue::Within(_) => {
                    failures.saturating_add(1)
                }
            };
            if self.out.send(pass).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = self.look_again.notified() => {
                    sleep(PAUSE.saturating_sub(began.elapsed())).await;
                }
            }
        }
    }

    async fn one(&self, previous: &MessagePipelineStatus, memory: &Memory) -> Pass {
        let workers = self.workers.borrow().clone();
        let (object, workers, now) = (&self.object, &workers, clock::now());
        let request = Request { object, previous, workers, memory, now };
        let pass = reconcile::pipeline(&self.ports, &self.context, request).await;
        for event in &pass.events {
            self.reporter.tell(Happening::Broker {
                reason: event.reason().to_string(),
                message: event.note(),
            });
        }
        pass
    }

    fn wait_after(&self, pass: &Pass, failures: u32) -> Duration {
        // Without randomness passes merely come at the same moments.
        let random = getrandom::u32().unwrap_or_default();
        pass.requeue.after(self.interval, failures, random)
    }
}
