//! A model of a queue and its workers, scaled by the real decision under outages and crashes.
//!
//! Messages have names and are counted one by one, so a lost one cannot hide in an average. Time
//! goes in quarters of a second; a seeded generator makes every run repeatable.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use warren_core::scaling::{
    Authority, Memory, Observation, Policy, Probe, QueueState, Reading, Replicas, Totals, Why,
    decide,
};

use super::{START, policy, seconds};

/// Ticks of the model in a second.
const TICKS: u64 = 4;

/// How far the model's statistics lag behind its queue.
const LAG: u64 = 9 * TICKS;

/// The minimal standard generator of Park and Miller.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        self.0 % bound
    }
}

/// One worker process.
struct Worker {
    ready_at: u64,
    /// Messages it holds; it works on the first.
    held: VecDeque<u64>,
    done_at: u64,
}

/// The queue as it was at one tick.
#[derive(Clone, Copy, Default)]
struct Figures {
    ready: u64,
    unacked: u64,
    published: u64,
}

struct World {
    dice: Dice,
    policy: Policy,
    tick: u64,
    queue: VecDeque<u64>,
    workers: Vec<Worker>,
    /// Told to stop, finishing the message in hand.
    leaving: Vec<Worker>,
    published: u64,
    /// The ticks at which something was published.
    publishes: Vec<u64>,
    done: Vec<u64>,
    past: Vec<Figures>,
    memory: Option<Memory>,
    zeros: u32,
}

/// What is out of order at a tick.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Amqp,
    Management,
    Both,
    /// A quorum queue without a leader answers 0 and 0.
    FalseZero,
}

impl World {
    fn new(seed: u64, policy: Policy) -> Self {
        Self {
            dice: Dice(seed),
            policy,
            tick: 0,
            queue: VecDeque::new(),
            workers: Vec::new(),
            leaving: Vec::new(),
            published: 0,
            publishes: Vec::new(),
            done: Vec::new(),
            past: Vec::new(),
            memory: Some(Memory::seeded(Replicas::ZERO, START)),
            zeros: 0,
        }
    }

    fn now(&self) -> Timestamp {
        START.checked_add(Duration::from_millis(self.tick * 1_000 / TICKS)).unwrap()
    }

    fn publish(&mut self, count: u64) {
        for _ in 0..count {
            self.queue.push_back(self.published);
            self.published += 1;
            self.publishes.push(self.tick);
        }
    }

    fn work(&mut self) {
        let service = 2 + self.dice.below(3);
        for worker in &mut self.workers {
            let prefetch = usize::from(self.policy.prefetch.get());
            while worker.ready_at <= self.tick && worker.held.len() < prefetch {
                let Some(message) = self.queue.pop_front() else {
                    break;
                };
                if worker.held.is_empty() {
                    worker.done_at = self.tick + service;
                }
                worker.held.push_back(message);
            }
        }
        for worker in self.workers.iter_mut().chain(&mut self.leaving) {
            if !worker.held.is_empty() && worker.done_at <= self.tick {
                self.done.extend(worker.held.pop_front());
                worker.done_at = self.tick + service;
            }
        }
        self.leaving.retain(|worker| !worker.held.is_empty());
    }

    /// Returns what a worker holds beyond its first `kept` messages, in order.
    fn give_back(&mut self, worker: &mut Worker, kept: usize) {
        let returned = worker.held.split_off(kept.min(worker.held.len()));
        for message in returned.into_iter().rev() {
            self.queue.push_front(message);
        }
    }

    /// A worker dies without a word; another is started in its place.
    fn crash(&mut self) {
        if let Some(mut worker) = self.workers.pop() {
            self.give_back(&mut worker, 0);
            self.start();
        }
    }

    fn start(&mut self) {
        let ready_at = self.tick + TICKS * (1 + self.dice.below(4));
        self.workers.push(Worker { ready_at, held: VecDeque::new(), done_at: 0 });
    }

    fn remember(&mut self) {
        let held = |workers: &[Worker]| workers.iter().map(|w| w.held.len() as u64).sum::<u64>();
        self.past.push(Figures {
            ready: self.queue.len() as u64,
            unacked: held(&self.workers) + held(&self.leaving),
            published: self.published,
        });
    }

    fn observe(&self, fault: Fault) -> Observation {
        let ready = self.workers.iter().filter(|worker| worker.ready_at <= self.tick).count();
        let ready = u32::try_from(ready).unwrap();
        let probe = match fault {
            Fault::Amqp | Fault::Both => Reading::Unavailable(Why::Refused),
            Fault::FalseZero => Reading::aged(Probe { ready: 0, consumers: 0 }, Duration::ZERO),
            Fault::None | Fault::Management => {
                let waiting = self.queue.len() as u64;
                Reading::aged(Probe { ready: waiting, consumers: ready }, Duration::ZERO)
            }
        };
        let totals = match fault {
            Fault::Management | Fault::Both => Totals::unavailable(Why::Timeout),
            Fault::None | Fault::Amqp | Fault::FalseZero => self.statistics(),
        };
        let current = Replicas::new(u32::try_from(self.workers.len()).unwrap());
        let ready_workers = Replicas::new(ready);
        Observation {
            probe,
            totals,
            current,
            ready_workers,
            expected_consumers: ready_workers,
            authority: Authority::Ours,
        }
    }

    /// Figures read every five seconds, which were old already when they were read.
    fn statistics(&self) -> Totals {
        let read = self.tick - self.tick % (5 * TICKS);
        let age = Duration::from_millis((self.tick - read) * 1_000 / TICKS);
        let about = usize::try_from(read.saturating_sub(LAG)).unwrap();
        let past = self.past.get(about).copied().unwrap_or_default();
        Totals {
            ready: Reading::aged(past.ready, age),
            unacked: Reading::aged(past.unacked, age),
            state: Reading::aged(QueueState::Running, age),
            published: if past.published == 0 {
                Reading::Unavailable(Why::KeyMissing)
            } else {
                Reading::aged(past.published, age)
            },
        }
    }

    fn scale(&mut self, fault: Fault) {
        let observation = self.observe(fault);
        let memory = self.memory.take().unwrap();
        let (decision, memory) = decide(&self.policy, memory, &observation, self.now());
        self.memory = Some(memory);
        let desired = decision.desired.get() as usize;
        if desired == 0 && !self.workers.is_empty() {
            self.zeros += 1;
            self.assert_empty_as_far_as_can_be_known();
        }
        while self.workers.len() < desired {
            self.start();
        }
        while self.workers.len() > desired {
            let Some(mut worker) = self.workers.pop() else {
                break;
            };
            self.give_back(&mut worker, 1);
            self.leaving.push(worker);
        }
    }

    /// Of the last moments nobody can know; what is published then finds a worker that finishes
    /// what it holds, or wakes one.
    fn assert_empty_as_far_as_can_be_known(&self) {
        assert_eq!(self.queue.len(), 0, "to zero over a backlog, tick {}", self.tick);
        let unknowable = LAG + 5 * TICKS;
        let idle = self.policy.idle.as_secs() * TICKS;
        let since_publish: Vec<_> = self.publishes.iter().map(|tick| self.tick - tick).collect();
        let overlooked = since_publish.iter().find(|ago| (unknowable + 1..idle).contains(ago));
        assert_eq!(overlooked, None, "to zero in spite of a message, tick {}", self.tick);
    }

    fn step(&mut self, arrivals: u64, fault: Fault) {
        self.publish(arrivals);
        self.work();
        self.remember();
        if self.tick.is_multiple_of(TICKS) {
            self.scale(fault);
        }
        self.tick += 1;
    }

    /// Ten minutes of load and trouble.
    fn trouble(&mut self) {
        let mut fault = Fault::None;
        let mut fault_until = 0;
        while self.tick < 600 * TICKS {
            if self.tick >= fault_until {
                let (kind, most) = match self.dice.below(8) {
                    0 => (Fault::Amqp, 60),
                    1 => (Fault::Management, 120),
                    2 => (Fault::Both, 60),
                    3 => (Fault::FalseZero, 2),
                    _ => (Fault::None, 60),
                };
                fault = kind;
                fault_until = self.tick + TICKS * (1 + self.dice.below(most));
            }
            if self.dice.below(200) == 0 {
                self.crash();
            }
            let arrivals = self.arrivals();
            self.step(arrivals, fault);
        }
    }

    /// Two quiet minutes after each two of bursts and trickle.
    fn arrivals(&mut self) -> u64 {
        let quiet = (self.tick / (120 * TICKS)) % 2 == 1;
        match self.dice.below(400) {
            _ if quiet => 0,
            0 => self.dice.below(300),
            1..=20 => 1,
            _ => 0,
        }
    }
}

#[test]
fn whatever_happens_the_queue_drains_sleeps_and_loses_nothing() {
    let mut zeros = 0;
    for seed in 1..=60 {
        let mut world = World::new(seed * 7_919, policy());
        world.trouble();
        for _ in 0..400 * TICKS {
            world.step(0, Fault::None);
        }
        assert_eq!(world.queue.len(), 0, "seed {seed}: messages are stranded");
        assert!(world.workers.is_empty(), "seed {seed}: {} workers stay", world.workers.len());
        world.done.sort_unstable();
        world.done.dedup();
        let all: Vec<u64> = (0..world.published).collect();
        assert_eq!(world.done, all, "seed {seed}: messages are lost");
        zeros += world.zeros;
    }
    assert!(zeros > 60, "the queues slept only at the very end");
}

#[test]
fn a_burst_is_met_at_once_and_left_in_peace() {
    let mut world = World::new(1, Policy { idle: seconds(30), ..policy() });
    world.publish(190);
    let mut counts = Vec::new();
    for _ in 0..600 * TICKS {
        world.step(0, Fault::None);
        counts.push(world.workers.len());
    }
    counts.dedup();
    assert_eq!(counts, [10, 0], "up in one step, down in one");
}

#[test]
fn without_the_management_api_the_queue_is_served_and_keeps_its_workers() {
    let mut world = World::new(3, policy());
    world.publish(500);
    for _ in 0..600 * TICKS {
        world.step(0, Fault::Management);
    }
    assert_eq!((world.queue.len(), world.done.len(), world.workers.len()), (0, 500, 10));
}

#[test]
fn without_amqp_the_queue_is_served_and_keeps_its_last_worker() {
    let mut world = World::new(3, policy());
    world.publish(500);
    for _ in 0..600 * TICKS {
        world.step(0, Fault::Amqp);
    }
    assert_eq!((world.queue.len(), world.done.len(), world.workers.len()), (0, 500, 1));
}
