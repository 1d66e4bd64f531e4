//! The worker processes of one queue: as many as were asked for, the idle ones ended first.

use warren_core::{
    names::{PipelineId, QueueName},
    scaling::Replicas,
};

use super::{
    child::Launch,
    figures::Settled,
    member::{Member, Phase, Shown, Surroundings},
};

/// Crashes in a row after which a worker is said to crash again and again.
const CRASH_LOOP: u32 = 3;

/// The worker processes of one queue.
#[derive(Debug)]
pub(super) struct Fleet {
    pipeline: PipelineId,
    queue: QueueName,
    /// What is run; each worker has a name of its own.
    template: Launch,
    surroundings: Surroundings,
    /// In the order they were started.
    members: Vec<Member>,
    /// What workers have done that are gone.
    earlier: Settled,
}

/// What can be seen of a fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FleetState {
    /// Workers that are asked for.
    pub(super) current: Replicas,
    /// Those of them that take messages.
    pub(super) ready: Replicas,
    /// Those of them that have a consumer.
    pub(super) consuming: Replicas,
    /// Others, which finish what they have begun.
    pub(super) draining: usize,
    /// What became of messages in this run.
    pub(super) settled: Settled,
    /// What is wrong, when workers crash again and again.
    pub(super) crashing: Option<String>,
}

/// What matters of a worker when some have to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    number: u32,
    /// Whether a process runs at all.
    runs: bool,
    in_flight: u64,
}

impl Fleet {
    /// No worker yet; `template` is a launch before [`Launch::of`].
    pub(super) fn new(
        pipeline: PipelineId,
        queue: QueueName,
        template: Launch,
        surroundings: Surroundings,
    ) -> Self {
        Self {
            pipeline,
            queue,
            template,
            surroundings,
            members: Vec::new(),
            earlier: Settled::default(),
        }
    }

    /// Starts or retires workers until there are so many; does not wait for either.
    pub(super) fn set(&mut self, desired: Replicas) {
        let candidates = self.candidates();
        let present = Replicas::saturating(candidates.len() as u64);
        for _ in present.get()..desired.get() {
            self.start_one();
        }
        let excess = present.get().saturating_sub(desired.get());
        for number in victims(candidates, excess) {
            let chosen = self.members.iter().find(|member| member.number == number);
            if let Some(member) = chosen {
                member.retire();
            }
        }
    }

    /// Forgets workers that are gone, but not what they have done.
    pub(super) fn sweep(&mut self) {
        for member in self.members.extract_if(.., |member| member.is_gone()) {
            self.earlier += member.shown().settled();
        }
    }

    /// How many workers are not gone yet, as far as the last [`Fleet::sweep`] knows.
    pub(super) fn processes(&self) -> usize {
        self.members.len()
    }

    /// What can be seen of it now.
    pub(super) fn state(&self) -> FleetState {
        let mut state = FleetState { settled: self.earlier, ..FleetState::default() };
        let (mut current, mut ready, mut consuming) = (0_u64, 0_u64, 0_u64);
        for member in &self.members {
            let shown = member.shown();
            state.settled += shown.settled();
            if member.is_retired() {
                state.draining += usize::from(!member.is_gone());
                continue;
            }
            current += 1;
            ready += u64::from(shown.figures.ready);
            consuming += u64::from(shown.figures.consumes);
            if shown.crashes >= CRASH_LOOP {
                state.crashing = Some(format!(
                    "{} crashed {} times, last with {}: see {}",
                    self.name(member.number),
                    shown.crashes,
                    shown.last_crash,
                    self.log(member.number).display()
                ));
            }
        }
        state.current = Replicas::saturating(current);
        state.ready = Replicas::saturating(ready);
        state.consuming = Replicas::saturating(consuming);
        state
    }

    fn candidates(&self) -> Vec<Candidate> {
        let staying = self.members.iter().filter(|member| !member.is_retired());
        staying
            .map(|member| {
                let Shown { phase, figures, .. } = member.shown();
                Candidate {
                    number: member.number,
                    runs: phase == Phase::Running,
                    in_flight: figures.in_flight,
                }
            })
            .collect()
    }

    fn start_one(&mut self) {
        let taken = |number: &u32| self.members.iter().any(|member| member.number == *number);
        let Some(number) = (0..=u32::MAX).find(|number| !taken(number)) else {
            return;
        };
        let launch = self.template.clone().of(self.name(number));
        let member = Member::start(number, launch, self.surroundings.clone());
        self.members.push(member);
    }

    fn name(&self, number: u32) -> String {
        format!("{}-{}-{number}", self.pipeline.name(), self.queue)
    }

    fn log(&self, number: u32) -> std::path::PathBuf {
        self.template.log.join(format!("{}.log", self.name(number)))
    }
}

/// Which workers go: those without a process first, then the idle, then the least busy; among
/// equals the one that was started last.
fn victims(started: Vec<Candidate>, excess: u32) -> Vec<u32> {
    let mut ranked: Vec<(usize, Candidate)> = started.into_iter().enumerate().collect();
    ranked.sort_by_key(|(age, candidate)| {
        (candidate.runs, candidate.in_flight, std::cmp::Reverse(*age))
    });
    let numbers = ranked.into_iter().map(|(_, candidate)| candidate.number);
    numbers.zip(0..excess).map(|(number, _)| number).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::local::member::tests::{OBEDIENT, Stage, wait_until};

    fn fleet(stage: &Stage, script: &str) -> Fleet {
        let id = PipelineId::new("shop", "orders").unwrap();
        let queue = QueueName::new("email").unwrap();
        Fleet::new(id, queue, stage.template(script), stage.surroundings.clone())
    }

    async fn wait_until_processes(fleet: &mut Fleet, count: usize) {
        let fleet = RefCell::new(fleet);
        wait_until("processes", || {
            fleet.borrow_mut().sweep();
            fleet.borrow().processes() == count
        })
        .await;
    }

    #[tokio::test]
    async fn a_worker_that_goes_frees_its_name_when_it_is_gone_and_not_before() {
        let mut stage = Stage::new();
        let mut fleet = fleet(&stage, OBEDIENT);
        fleet.set(Replicas::new(2));
        stage.wait_for_line("started orders-email-1").await;
        fleet.set(Replicas::ONE);
        assert_eq!((fleet.state().current, fleet.state().draining), (Replicas::ONE, 1));
        fleet.set(Replicas::new(2));
        stage.wait_for_line("started orders-email-2").await;
        wait_until_processes(&mut fleet, 2).await;
        fleet.set(Replicas::new(3));
        stage.wait_for_line("started orders-email-1").await;
        fleet.set(Replicas::ZERO);
        wait_until_processes(&mut fleet, 0).await;
        assert_eq!(fleet.state(), FleetState::default());
    }

    #[tokio::test]
    async fn a_worker_that_crashes_again_and_again_is_trouble() {
        let mut stage = Stage::new();
        let mut fleet = fleet(&stage, "exit 78");
        fleet.set(Replicas::ONE);
        stage.wait_for_line("starts again in 2s").await;
        assert_eq!(fleet.state().crashing, None);
        stage.wait_for_line("starts again in 4s").await;
        let trouble = fleet.state().crashing.unwrap();
        let expected = "orders-email-0 crashed 3 times, last with exit code 78: see /";
        assert!(trouble.starts_with(expected), "{trouble}");
        fleet.set(Replicas::ZERO);
        wait_until_processes(&mut fleet, 0).await;
    }

    fn worker(number: u32, in_flight: u64) -> Candidate {
        Candidate { number, runs: true, in_flight }
    }

    #[test]
    fn among_equals_the_newest_goes_first() {
        let started = vec![worker(0, 0), worker(2, 0), worker(1, 0)];
        assert_eq!(victims(started, 2), [1, 2]);
    }

    #[test]
    fn an_idle_worker_goes_before_a_busy_one_and_a_crashed_one_before_both() {
        let crashed = Candidate { runs: false, ..worker(0, 0) };
        let started = vec![crashed, worker(1, 0), worker(2, 3), worker(3, 7)];
        assert_eq!(victims(started.clone(), 1), [0]);
        assert_eq!(victims(started.clone(), 3), [0, 1, 2]);
        assert_eq!(victims(started, 9), [0, 1, 2, 3]);
    }
}
