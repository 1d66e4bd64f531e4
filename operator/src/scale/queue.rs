//! One queue and its workers in a cluster: what is seen of them, and whether a number is to be
//! written.
//!
//! Pure: it is told what was seen, and hands out an order for somebody else to carry out. There is
//! never more than one under way.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use warren_core::{
    config::HandlerConfig,
    names::QueueName,
    scaling::{Authority, Mode, Observation, Reading, Reason, Replicas, Why},
};

use super::{
    decider::Decider,
    endpoint::{self, Answer},
    observation::{self, Polls},
    observatory::Probes,
    order::{Order, Written},
    pods::{self, ReadyPod},
    silence::Silence,
    told::{self, Told},
    trouble::{Look, Program},
};
use crate::{
    events::Event,
    pipeline::{Pipeline, Queue},
    resources::names,
    workers::{EndpointReading, QueueReading, Scaling, WorkersReason, WorkersTrouble},
};

/// The least time between two writes.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);

/// How long nothing is written after a write that was refused or got no answer: it would be asked
/// each second otherwise, by every queue.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// How long no worker is taken away after that did not succeed: each try marks pods and takes the
/// marks back, and fewer workers are never urgent.
const PAUSE_BEFORE_FEWER: Duration = Duration::from_secs(5);

/// One queue and its workers.
#[derive(Debug)]
pub(crate) struct QueueKeeper {
    queue: QueueName,
    /// The Deployment of its workers.
    deployment: String,
    /// Its main queue on the broker.
    main: String,
    has_endpoint: bool,
    decider: Decider,
    silence: Silence,
    told: Told,
    /// What its workers said last.
    answers: Vec<Answer>,
    endpoint: Option<EndpointReading>,
    ready: Vec<ReadyPod>,
    write: WriteState,
    reading: Option<QueueReading>,
}

/// What is seen of a queue and its workers at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// Over AMQP.
    pub(crate) probes: &'a Probes,
    /// Over the management API.
    pub(crate) polls: &'a Polls,
    /// The Deployment of the workers, when it was made for the pipeline.
    pub(crate) deployment: Option<&'a Deployment>,
    /// Their pods.
    pub(crate) pods: &'a [Arc<Pod>],
    /// What else scales the Deployment.
    pub(crate) foreign: Option<&'a str>,
    /// Whether nothing may be written.
    pub(crate) paused: bool,
    /// The moment.
    pub(crate) now: Timestamp,
}

/// How the writing of the number stands.
#[derive(Debug, Default)]
struct WriteState {
    /// The order that is being carried out, and since when.
    under_way: Option<(Order, Timestamp)>,
    /// The version of the Deployment that was written to last, and the number. Until another
    /// version is seen the number of the old one is out of date.
    last: Option<(String, Replicas)>,
    not_before: Option<Timestamp>,
    /// The same for taking some workers away.
    not_fewer_before: Option<Timestamp>,
    /// What the API server said when it refused the last order.
    refusal: Option<String>,
}

impl QueueKeeper {
    /// Nothing is known yet.
    pub(crate) fn new(pipeline: &Pipeline, queue: &Queue) -> Self {
        Self {
            deployment: names::workers(&pipeline.id, &queue.name),
            main: pipeline.prefix.main(&queue.name),
            has_endpoint: has_endpoint(queue),
            decider: Decider::new(queue.scaling),
            silence: Silence::default(),
            told: Told::default(),
            answers: Vec::new(),
            endpoint: None,
            ready: Vec::new(),
            write: WriteState::default(),
            reading: None,
            queue: queue.name.clone(),
        }
    }

    /// Takes over when the number was last written, by whomever kept the queue before.
    pub(crate) fn was_changed(&mut self, at: Timestamp) {
        self.decider.changed(at);
    }

    /// The queue.
    pub(crate) fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// The Deployment of its workers.
    pub(crate) fn deployment(&self) -> &str {
        &self.deployment
    }

    /// Follows what the spec says now; what was seen so far still counts.
    pub(crate) fn follow(&mut self, queue: &Queue) {
        self.decider.follow(queue.scaling);
        self.has_endpoint = has_endpoint(queue);
        if !self.has_endpoint {
            self.endpoint = None;
        }
    }

    /// Starts the proof of an empty queue again.
    pub(crate) fn forget_zero_proof(&mut self) {
        self.decider.forget_zero_proof();
    }

    /// What is known of the workers; nothing while they have no Deployment.
    pub(crate) fn reading(&self) -> Option<&QueueReading> {
        self.reading.as_ref()
    }

    /// Takes in what is seen; the number to write, if one is due.
    pub(crate) fn tick(&mut self, seen: &Seen<'_>) -> Option<Order> {
        let Some(deployment) = seen.deployment else {
            self.reading = None;
            return None;
        };
        self.ready = pods::ready(seen.pods);
        let version = deployment.metadata.resource_version.clone().unwrap_or_default();
        let (current, is_outdated) = self.write.number(deployment, &version);
        let foreign = seen.foreign.filter(|_| self.is_auto());
        let observation = self.observe(seen, current, foreign.is_some());
        if current == Replicas::ZERO && self.is_written_by_us(deployment) {
            // Where somebody else scales only a suspension is a reason for that.
            self.decider.begin_after_suspension(seen.now);
        }
        let decision = self.decider.decide(observation, seen.now);
        if decision.desired == current {
            self.write.refusal = None;
        }
        self.reading = Some(QueueReading {
            current,
            ready: observation.ready_workers,
            trouble: self.trouble(deployment, seen, &observation),
            scaling: self.decider.scaling().filter(|scaling| has_looked(scaling)).cloned(),
            foreign_scaler: foreign.map(str::to_owned),
            endpoint: self.endpoint,
        });
        if self.to_ask().is_empty() {
            // What nobody asks about any more is not known any more.
            self.answers.clear();
        }
        if decision.desired == current || is_outdated || !pods::is_handed_over(deployment) {
            return None;
        }
        let order = Order {
            queue: self.queue.clone(),
            deployment: self.deployment.clone(),
            resource_version: version,
            from: current,
            to: decision.desired,
        };
        self.write.begin(order, seen.now)
    }

    /// Whether the order that is being carried out takes workers away that are wanted by now.
    pub(crate) fn is_outgrown(&self) -> bool {
        let under_way = self.write.under_way.as_ref().filter(|(order, _)| order.is_choice());
        let desired = self.decider.scaling().map(|scaling| scaling.decision.desired);
        under_way.zip(desired).is_some_and(|((order, _), desired)| desired > order.to)
    }

    /// Takes in what became of an order, as it was carried out; what is to be told of it.
    pub(crate) fn written(
        &mut self,
        order: &Order,
        written: &Written,
        now: Timestamp,
    ) -> Option<Event> {
        self.write.ended(order, written, now);
        if *written != Written::Done {
            return None;
        }
        self.decider.changed(now);
        self.event(order, now)
    }

    /// The workers that are worth asking how they are: where there is an endpoint all that are
    /// ready, else only while nobody consumes.
    pub(crate) fn to_ask(&self) -> &[ReadyPod] {
        if self.has_endpoint || self.silence.is_suspected() { &self.ready } else { &[] }
    }

    /// Takes in what the workers said. What was last known of an endpoint stays where nobody
    /// answers.
    pub(crate) fn answered(&mut self, answers: Vec<Answer>) {
        if self.has_endpoint {
            self.endpoint = endpoint::judge(&answers, self.endpoint).or(self.endpoint);
        }
        self.answers = answers;
    }

    /// Whether nobody has written the number since we did, if we ever did.
    fn is_written_by_us(&self, deployment: &Deployment) -> bool {
        self.decider.has_changed() && pods::is_by_scaler(deployment)
    }

    fn is_auto(&self) -> bool {
        let policy = self.decider.policy();
        matches!(policy.mode, Mode::Auto(_)) && !policy.suspended
    }

    fn observe(&self, seen: &Seen<'_>, current: Replicas, foreign: bool) -> Observation {
        Observation {
            probe: observation::probe(seen.probes.queues.get(&self.main), seen.now),
            totals: observation::totals(seen.polls, &self.main, seen.now),
            current,
            ready_workers: pods::count(&self.ready).min(current),
            expected_consumers: endpoint::should_consume(&self.answers, &self.ready).min(current),
            authority: match (seen.paused, foreign) {
                (true, _) => Authority::Paused,
                (false, true) => Authority::ForeignScaler,
                (false, false) => Authority::Ours,
            },
        }
    }

    fn trouble(
        &mut self,
        deployment: &Deployment,
        seen: &Seen<'_>,
        observation: &Observation,
    ) -> Option<WorkersTrouble> {
        let Observation { probe, expected_consumers, .. } = observation;
        let is_silent = self.silence.next(*expected_consumers, probe, seen.now);
        let look = Look { program: Program::Worker, deployment, pods: seen.pods, now: seen.now };
        look.trouble().or_else(|| self.refused()).or_else(|| is_silent.then(|| self.silent()))
    }

    fn refused(&self) -> Option<WorkersTrouble> {
        let said = self.write.refusal.as_ref()?;
        let message = format!(
            "the number of replicas of Deployment {} cannot be written: {said}; give the operator's \
             account that right, or change what refuses it",
            self.deployment
        );
        Some(WorkersTrouble { reason: WorkersReason::Forbidden, message })
    }

    fn silent(&self) -> WorkersTrouble {
        let message = format!(
            "{} workers are ready, but {} has no consumer: do they connect to another broker or \
             virtual host, or is the image not built on the worker?",
            self.ready.len(),
            self.main
        );
        WorkersTrouble { reason: WorkersReason::NoConsumers, message }
    }

    fn event(&mut self, order: &Order, now: Timestamp) -> Option<Event> {
        let decision = self.decider.scaling()?.decision;
        let is_told = self.told.next(order.from, order.to, now);
        is_told.then(|| Event::Scaled {
            queue: order.queue.clone(),
            from: order.from,
            to: order.to,
            why: told::why(&decision),
        })
    }
}

impl WriteState {
    /// The number of workers asked for, and whether this comes from memory because what is seen of
    /// the Deployment is older than the last write.
    fn number(&self, deployment: &Deployment, version: &str) -> (Replicas, bool) {
        match &self.last {
            Some((written_to, replicas)) if written_to == version => (*replicas, true),
            _ => (pods::asked_for(deployment), false),
        }
    }

    /// Begins to carry an order out, unless it has to wait.
    fn begin(&mut self, order: Order, now: Timestamp) -> Option<Order> {
        let not_fewer_before = self.not_fewer_before.filter(|_| order.is_choice());
        let not_before = self.not_before.max(not_fewer_before);
        if self.under_way.is_some() || not_before.is_some_and(|at| at > now) {
            return None;
        }
        self.under_way = Some((order.clone(), now));
        Some(order)
    }

    fn ended(&mut self, order: &Order, written: &Written, now: Timestamp) {
        let began = self.under_way.take().map_or(now, |(_, began)| began);
        match written {
            Written::Done => {
                *self = Self {
                    last: Some((order.resource_version.clone(), order.to)),
                    not_before: Some(began + BETWEEN_WRITES),
                    ..Self::default()
                };
            }
            Written::Overtaken | Written::Withdrawn => {
                if *written == Written::Overtaken {
                    self.refusal = None;
                }
                if order.is_choice() {
                    self.not_fewer_before = Some(now + PAUSE_BEFORE_FEWER);
                }
            }
            Written::Refused(said) => {
                self.not_before = Some(now + PAUSE_AFTER_FAILURE);
                self.refusal = Some(said.clone());
            }
            Written::Unanswered(_) => self.not_before = Some(now + PAUSE_AFTER_FAILURE),
        }
    }
}

/// Whether a decision rests on more than that the broker was never asked.
///
/// A look at the beginning, before AMQP was asked once, knows nothing; that is no news of anything.
fn has_looked(scaling: &Scaling) -> bool {
    let knows_nothing = matches!(scaling.decision.reason, Reason::Hold | Reason::Fallback);
    !knows_nothing || scaling.observation.probe != Reading::Unavailable(Why::NeverRead)
}

fn has_endpoint(queue: &Queue) -> bool {
    matches!(queue.handler, HandlerConfig::Http(_))
}

#[cfg(test)]
mod tests;
