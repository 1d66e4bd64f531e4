//! One queue and its workers: observe, decide, set the number.

use jiff::Timestamp;
use warren_core::{
    names::QueueName,
    scaling::{Authority, Decision, Mode, Observation, Replicas},
};

use super::{
    child::Launch,
    fleet::{Fleet, FleetState},
    happening::{Happening, Reporter},
    member::Surroundings,
    view::Row,
};
use crate::{
    pipeline::{Pipeline, Queue},
    scale::{
        decider::Decider,
        observation::{self, Polls, Probed},
        observatory::Probes,
    },
    workers::{QueueReading, WorkersReason, WorkersTrouble},
};

/// One queue and its workers.
pub(super) struct QueueCrew {
    name: QueueName,
    /// The main queue's name on the broker.
    main: String,
    /// The dead-letter queue's.
    dead: String,
    decider: Decider,
    fleet: Fleet,
    /// What was seen of the fleet last.
    state: FleetState,
    /// What was seen of the queue last.
    observation: Observation,
    dead_letters: Option<u64>,
}

impl QueueCrew {
    /// No worker yet, and nothing known.
    pub(super) fn new(
        pipeline: &Pipeline,
        queue: &Queue,
        launch: Launch,
        surroundings: Surroundings,
    ) -> Self {
        let name = queue.name.clone();
        let mut fleet = Fleet::new(pipeline.id.clone(), name.clone(), launch, surroundings);
        if let (Mode::External(floor), false) = (queue.scaling.mode, queue.scaling.suspended) {
            // Nobody else is here who could set the number.
            fleet.set(floor.max(Replicas::ONE));
        }
        let nothing = observation::Polls::default();
        Self {
            observation: observe(None, &nothing, "", &fleet.state(), Timestamp::UNIX_EPOCH),
            main: pipeline.prefix.main(&name),
            dead: pipeline.prefix.dead(&name),
            decider: Decider::new(queue.scaling),
            state: fleet.state(),
            fleet,
            dead_letters: None,
            name,
        }
    }

    /// Decides the number of workers and sets it; whether anything changed that a status tells.
    pub(super) fn tick(
        &mut self,
        probes: &Probes,
        polls: &Polls,
        reporter: &Reporter,
        now: Timestamp,
    ) -> bool {
        let before = self.state.clone();
        self.look(probes, polls, now);
        let observation = self.observation;
        let current = observation.current;
        let decision = self.decider.decide(observation, now);
        if decision.desired != current {
            reporter.tell(Happening::scaled(&self.name, current, &decision));
            self.fleet.set(decision.desired);
            self.state = self.fleet.state();
            self.decider.changed(now);
        }
        let matters = |state: &FleetState| (state.current, state.ready, state.crashing.is_some());
        matters(&before) != matters(&self.state)
    }

    /// Takes in what there is to see, and decides nothing.
    pub(super) fn look(&mut self, probes: &Probes, polls: &Polls, now: Timestamp) {
        self.fleet.sweep();
        self.state = self.fleet.state();
        self.dead_letters = observation::waiting(polls, &self.dead, now);
        let answer = probes.queues.get(&self.main);
        self.observation = observe(answer, polls, &self.main, &self.state, now);
    }

    /// Starts the proof of an empty queue again.
    pub(super) fn forget_zero_proof(&mut self) {
        self.decider.forget_zero_proof();
    }

    /// Lets all workers drain.
    pub(super) fn retire(&mut self) {
        self.fleet.set(Replicas::ZERO);
    }

    /// How many processes are not gone yet.
    pub(super) fn processes(&self) -> usize {
        self.fleet.processes()
    }

    /// What the operator is told of it.
    pub(super) fn reading(&self) -> (QueueName, QueueReading) {
        let trouble = self
            .state
            .crashing
            .clone()
            .map(|message| WorkersTrouble { reason: WorkersReason::CrashLooping, message });
        let reading = QueueReading {
            current: self.state.current,
            ready: self.state.ready,
            trouble,
            scaling: self.decider.scaling().cloned(),
            foreign_scaler: None,
            endpoint: None,
        };
        (self.name.clone(), reading)
    }

    /// What the table shows of it.
    pub(super) fn row(&self) -> Row {
        let Observation { probe, totals, .. } = self.observation;
        let probed = probe.fresh().map(|probe| probe.ready);
        let ready = probed.or_else(|_| totals.ready.fresh().copied());
        let mode = self.decider.policy().mode;
        let why = self.decider.scaling().map(|scaling| why(mode, &scaling.decision));
        Row {
            queue: self.name.to_string(),
            ready: ready.ok(),
            unacked: totals.unacked.fresh().ok().copied(),
            workers_ready: self.state.ready.get(),
            workers: self.state.current.get(),
            draining: self.state.draining,
            settled: self.state.settled,
            dead: self.dead_letters,
            why: why.unwrap_or_default(),
        }
    }

    /// What became of it in this run.
    pub(super) fn summary(&self) -> Happening {
        Happening::Ended {
            queue: self.name.clone(),
            done: self.state.settled.acked,
            retried: self.state.settled.retried,
            dead: self.dead_letters,
        }
    }
}

fn observe(
    probed: Option<&Probed>,
    polls: &Polls,
    queue: &str,
    workers: &FleetState,
    now: Timestamp,
) -> Observation {
    Observation {
        probe: observation::probe(probed, now),
        totals: observation::totals(polls, queue, now),
        current: workers.current,
        ready_workers: workers.ready,
        expected_consumers: workers.consuming,
        authority: Authority::Ours,
    }
}

/// Why there are so many workers, without the numbers that stand beside it; for a last one that may
/// go, why it stays.
fn why(mode: Mode, decision: &Decision) -> String {
    let reason = decision.reason;
    match decision.limited_by {
        Some(limit) => format!("{reason}, limited by {limit}"),
        None if mode.permits_zero() && decision.desired == Replicas::ONE => {
            format!("{reason}, zero {}", decision.zero)
        }
        None => reason.to_string(),
    }
}
