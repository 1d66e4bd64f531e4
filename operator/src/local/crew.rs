//! The workers of one pipeline, and the loop that keeps their numbers right.
//!
//! Nothing starts before the broker's objects stand. From then on the decision of
//! [`warren_core::scaling`] is asked each second, for each queue; what it says is done at once.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{MissedTickBehavior, interval},
};
use warren_api::MessagePipelineStatus;
use warren_service::{clock, shutdown::Shutdown};

use super::{
    happening::{Happening, Reporter},
    installation::{InstallError, Installation},
    member::{Member, Surroundings},
    queue::QueueCrew,
    view::{self, View},
};
use crate::{
    pass::{Pass, Ready},
    scale::observatory::{Observatory, Watch},
    workers::WorkersReading,
};

/// How often numbers are decided.
const TICK: Duration = Duration::from_secs(1);

/// How often it is looked whether the last process is gone.
const TICK_AT_END: Duration = Duration::from_millis(200);

/// The workers of one pipeline.
pub(super) struct Crew {
    /// Where its processes find what they need.
    pub(super) installation: Installation,
    /// What keeping processes needs.
    pub(super) surroundings: Surroundings,
    /// Where what the queues hold is seen.
    pub(super) observatory: Arc<Observatory>,
    /// Where what is known of the workers goes.
    pub(super) workers: watch::Sender<WorkersReading>,
    /// Where what is shown goes.
    pub(super) view: watch::Sender<View>,
    /// Told when there is a reason for a pass.
    pub(super) look_again: Arc<Notify>,
}

/// A crew at work.
struct Shift {
    crew: Crew,
    status: MessagePipelineStatus,
    /// What the processes were given last; nothing before the first pass that succeeded.
    ready: Option<Ready>,
    watch: Option<Watch>,
    losses: u64,
    queues: Vec<QueueCrew>,
    producer: Option<Member>,
}

impl Crew {
    /// Works until it is told to drain, and until the last process is gone.
    pub(super) async fn run(self, mut passes: mpsc::Receiver<Pass>, shutdown: Shutdown) {
        let mut shift = Shift {
            crew: self,
            status: MessagePipelineStatus::default(),
            ready: None,
            watch: None,
            losses: 0,
            queues: Vec::new(),
            producer: None,
        };
        let mut ticks = every(TICK);
        loop {
            tokio::select! {
                () = shutdown.draining().cancelled() => break,
                Some(pass) = passes.recv() => shift.take(pass),
                _ = ticks.tick() => shift.tick(clock::now()),
            }
        }
        shift.end().await;
    }
}

impl Shift {
    /// Takes over what came of a pass.
    fn take(&mut self, pass: Pass) {
        if !pass.repaired.is_empty() {
            // A queue may have been made anew, and what was seen before was about the old one.
            self.forget_zero_proofs();
        }
        self.status = pass.status;
        let Some(ready) = pass.ready else {
            return;
        };
        if self.ready.as_ref() == Some(&ready) {
            return;
        }
        match self.equip(&ready) {
            Ok(()) => self.ready = Some(ready),
            Err(error) => {
                let message = error.to_string();
                self.reporter().tell(Happening::Failed { message });
            }
        }
    }

    /// Gives the processes what they need, and makes the fleets the first time.
    fn equip(&mut self, ready: &Ready) -> Result<(), EquipError> {
        let installation = &self.crew.installation;
        let mut launches = Vec::new();
        for queue in &ready.pipeline.queues {
            launches.push(installation.worker(ready, queue)?);
        }
        let names = |queue: &crate::pipeline::Queue| ready.pipeline.prefix.main(&queue.name);
        let full_names = ready.pipeline.queues.iter().map(names).collect();
        let look_again = Arc::clone(&self.crew.look_again);
        let observatory = &self.crew.observatory;
        self.watch = Some(observatory.watch(&ready.login, full_names, look_again)?);
        self.losses = 0;
        self.forget_zero_proofs();
        if self.queues.is_empty() {
            let surroundings = &self.crew.surroundings;
            let queues = ready.pipeline.queues.iter().zip(launches);
            self.queues = queues
                .map(|(queue, launch)| {
                    QueueCrew::new(&ready.pipeline, queue, launch, surroundings.clone())
                })
                .collect();
        }
        if self.producer.is_none() && ready.pipeline.producer.server.is_some() {
            let launch = self.crew.installation.producer(ready)?;
            let surroundings = self.crew.surroundings.clone();
            self.producer = Some(Member::start(0, launch, surroundings));
        }
        Ok(())
    }

    fn tick(&mut self, now: Timestamp) {
        let losses = self.watch.as_ref().map_or(self.losses, |watch| watch.probes().losses);
        if losses != self.losses {
            self.losses = losses;
            self.forget_zero_proofs();
        }
        if let Some(watch) = &self.watch {
            let (probes, polls) = (watch.probes(), watch.polls());
            let mut changed = false;
            for queue in &mut self.queues {
                changed |= queue.tick(&probes, &polls, &self.crew.surroundings.reporter, now);
            }
            drop((probes, polls));
            self.publish_workers();
            if changed {
                self.crew.look_again.notify_one();
            }
        }
        self.show(None);
    }

    /// Lets everything drain.
    async fn end(mut self) {
        self.queues.iter_mut().for_each(QueueCrew::retire);
        if let Some(producer) = &self.producer {
            producer.retire();
        }
        let mut ticks = every(TICK_AT_END);
        let processes = self.processes();
        if processes > 0 {
            self.reporter().tell(Happening::Draining { processes });
        }
        while self.processes() > 0 {
            ticks.tick().await;
            self.look(clock::now());
            self.show(Some("draining"));
        }
        for queue in &self.queues {
            self.reporter().tell(queue.summary());
        }
        self.show(Some("ended"));
    }

    fn look(&mut self, now: Timestamp) {
        if let Some(watch) = &self.watch {
            let (probes, polls) = (watch.probes(), watch.polls());
            for queue in &mut self.queues {
                queue.look(&probes, &polls, now);
            }
        }
    }

    /// The processes that are not gone yet.
    fn processes(&self) -> usize {
        let workers: usize = self.queues.iter().map(QueueCrew::processes).sum();
        let producer = self.producer.as_ref().is_some_and(|member| !member.is_gone());
        workers + usize::from(producer)
    }

    fn forget_zero_proofs(&mut self) {
        self.queues.iter_mut().for_each(QueueCrew::forget_zero_proof);
    }

    fn publish_workers(&self) {
        let queues = self.queues.iter().map(QueueCrew::reading).collect();
        self.crew.workers.send_replace(WorkersReading { queues, producer: None });
    }

    /// Shows everything; `state` instead of what the status says.
    fn show(&self, state: Option<&str>) {
        let url = self.producer.as_ref().and_then(|producer| producer.shown().url);
        self.crew.view.send_modify(|view| {
            view.state = state.map_or_else(|| view::state(&self.status), str::to_owned);
            view.places = view::places(&self.status, url.as_deref());
            view.rows = self.queues.iter().map(QueueCrew::row).collect();
        });
    }

    fn reporter(&self) -> &Reporter {
        &self.crew.surroundings.reporter
    }
}

/// Why processes cannot be given what they need.
#[derive(Debug, thiserror::Error)]
enum EquipError {
    #[error("prepare the processes: {0}")]
    Install(#[from] InstallError),
    #[error("watch the queues: {0}")]
    Watch(#[from] warren_broker::management::ApiError),
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
