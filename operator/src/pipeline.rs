//! The pipeline as the operator understands it: validated, resolved, without a default left open.
//!
//! Below `validate` nobody sees the raw spec, because this is what is passed on. An `Option` here
//! means that something is absent, never that a default applies.

mod pods;

use std::time::Duration;

use warren_core::{
    breaker::BreakerPolicy,
    config::{HandlerConfig, SecretKey, Unrouted},
    names::{PipelineId, Prefix, QueueName, Slot, UserScope},
    owner::Owner,
    retry::RetryPolicy,
    scaling,
    topology::{
        BindingRule, ExchangeKind, Layout, Permissions, QueueLayout, QueueLimits,
        producer_permissions, worker_permissions,
    },
};

pub use self::pods::{Additions, Fields, Pods};

/// One pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Namespace and name.
    pub id: PipelineId,
    /// The marker on its broker objects.
    pub owner: Owner,
    /// What the names of its broker objects begin with.
    pub prefix: Prefix,
    /// How the broker is reached.
    pub broker: BrokerReference,
    /// As whom workers and producers log in.
    pub users: Users,
    /// The type of the ingress exchange.
    pub exchange: ExchangeKind,
    /// What becomes of messages that no binding matches.
    pub unrouted: Unrouted,
    /// The queues; at least one.
    pub queues: Vec<Queue>,
    /// What may be published, and by whom.
    pub producer: Producer,
    /// What becomes of the broker objects when the pipeline goes.
    pub deletion: Deletion,
    /// Whether no worker shall run.
    pub suspended: bool,
}

/// How the broker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerReference {
    /// The Secret with address and login.
    pub secret: String,
    /// In which virtual host.
    pub vhost: VhostChoice,
    /// Whether connections are encrypted.
    pub tls: TlsChoice,
    /// Whom an encrypted connection trusts.
    pub ca: CaChoice,
}

/// In which virtual host a pipeline lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VhostChoice {
    /// In this one.
    Named(String),
    /// In that of the Secret's key `vhost`, else in `/`.
    OfSecret,
}

/// Whether connections to the broker are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsChoice {
    /// Not on port 5672, else encrypted and verified.
    ByPort,
    /// Encrypted and verified.
    Verify,
    /// Not encrypted.
    Plaintext,
}

/// Whom an encrypted connection trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaChoice {
    /// The key `ca.crt` of the broker Secret, else the authorities of the platform.
    OfSecret,
    /// This key of another Secret, and nobody else.
    Key(SecretKey),
}

/// As whom workers and producers log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Users {
    /// Each queue's workers and the producers have a user of their own.
    Scoped,
    /// Everyone uses the login of the Secret.
    Shared,
}

/// One who logs in to the broker for a pipeline: with scoped users, as a user of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// The workers of a queue.
    Worker(QueueName),
    /// The producers, Warren's own and programs that publish by themselves.
    Producer,
}

/// One queue of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// Which messages of the ingress exchange it gets.
    pub bindings: Vec<BindingRule>,
    /// Attempts, back-off and the tiers that follow from them.
    pub retry: RetryPolicy,
    /// What its policies set.
    pub limits: QueueLimits,
    /// Where the consumer timeout among the limits comes from.
    pub consumer_timeout: Origin,
    /// The largest body its handler gets, in bytes.
    pub max_message_bytes: usize,
    /// What runs for a message.
    pub handler: HandlerConfig,
    /// When a sick endpoint pauses the queue.
    pub breaker: BreakerPolicy,
    /// How its workers run.
    pub worker: Worker,
    /// How many of them there are.
    pub scaling: scaling::Policy,
    /// What is promised of it.
    pub objective: Objective,
}

/// What is promised of a queue, for alerts; it changes nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Objective {
    /// The share of messages that must end well.
    pub success: Share,
    /// The share of the time in which waiting messages must be fresh.
    pub freshness: Share,
    /// Up to which age they are.
    pub fresh_for: Duration,
}

/// A share of a whole, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(pub u32);

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Somebody wrote it.
    Asked,
    /// It follows from other values.
    Derived,
}

/// How the workers of a queue run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// The pods they run in.
    pub pods: Pods,
    /// Handlers at once in one worker.
    pub concurrency: u16,
    /// Messages one worker holds at once, started or not.
    pub prefetch: u16,
    /// The longest a handler may take before it is cancelled.
    pub task_timeout: Duration,
    /// How long running handlers may go on when a worker is asked to stop.
    pub drain_timeout: Duration,
}

/// What may be published, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// The largest body accepted, in bytes.
    pub max_message_bytes: usize,
    /// Who may publish over HTTP.
    pub access: Access,
    /// The HTTP producer to run; none was asked for when absent.
    pub server: Option<ProducerServer>,
}

/// Who may publish over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everyone who can reach the producer.
    Open,
    /// Who bears the token in this key.
    Bearer(SecretKey),
}

/// The HTTP producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerServer {
    /// How many of them.
    pub replicas: u32,
    /// The pods they run in.
    pub pods: Pods,
}

/// What becomes of the broker objects when the pipeline goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// What is deleted.
    pub policy: DeletionPolicy,
    /// How long workers may still empty the queues.
    pub drain: Duration,
    /// How long to try where nothing can be proven.
    pub timeout: Duration,
}

/// Which broker objects a deletion removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// Those that are proven empty.
    DeleteIfEmpty,
    /// None.
    Retain,
    /// All, with their messages.
    Delete,
}

/// The most bytes of virtual host, separator and object name together.
///
/// RabbitMQ makes one term of the three and keeps it under 256 bytes.
const LONGEST_NAME: usize = 255;

/// How many times its longest tier a queue lets a message wait before its first attempt.
///
/// Each round through the tier is a copy, so a delay is bounded by how many are reasonable.
const DELAY_ROUNDS: u32 = 20;

impl Pipeline {
    /// What of the pipeline shapes its broker objects.
    pub fn layout(&self) -> Layout {
        Layout {
            prefix: self.prefix.clone(),
            owner: self.owner.clone(),
            exchange: self.exchange,
            unrouted: self.unrouted,
            queues: self.queues.iter().map(Queue::layout).collect(),
        }
    }

    /// The broker user of a queue's workers in this virtual host.
    pub fn worker_user(&self, queue: &QueueName, vhost: &str) -> String {
        self.prefix.worker_user(queue, &self.user_scope(vhost), Slot::A)
    }

    /// The broker user of the pipeline's producers in this virtual host.
    pub fn producer_user(&self, vhost: &str) -> String {
        self.prefix.producer_user(&self.user_scope(vhost), Slot::A)
    }

    /// Everybody who logs in for the pipeline.
    pub fn holders(&self) -> impl Iterator<Item = Holder> {
        let workers = self.queues.iter().map(|queue| Holder::Worker(queue.name.clone()));
        workers.chain([Holder::Producer])
    }

    /// The broker user of one who logs in.
    pub fn user_of(&self, holder: &Holder, vhost: &str) -> String {
        match holder {
            Holder::Worker(queue) => self.worker_user(queue, vhost),
            Holder::Producer => self.producer_user(vhost),
        }
    }

    /// What one who logs in may do in the virtual host.
    pub fn permissions_of(&self, holder: &Holder) -> Permissions {
        match holder {
            Holder::Worker(queue) => worker_permissions(&self.prefix, queue),
            Holder::Producer => producer_permissions(&self.prefix),
        }
    }

    /// The longest delay that every queue can give a message before its first attempt.
    pub fn longest_delay(&self) -> Duration {
        let of_queue = |queue: &Queue| queue.retry.largest_tier().saturating_mul(DELAY_ROUNDS);
        self.queues.iter().map(of_queue).min().unwrap_or_default()
    }

    /// How many bytes the longest object name in this virtual host has over what the broker takes.
    pub fn excess_in(&self, vhost: &str) -> usize {
        let tiers = self.queues.iter().flat_map(|queue| {
            let names =
                queue.retry.tiers().iter().map(|tier| self.prefix.tier(&queue.name, *tier).len());
            names.chain([self.prefix.dead(&queue.name).len()])
        });
        let own = [self.prefix.internal().len(), self.prefix.unrouted().len()];
        let longest = tiers.chain(own).max().unwrap_or_default();
        (vhost.len() + 1 + longest).saturating_sub(LONGEST_NAME)
    }

    /// What the names of its users end in, in this virtual host.
    pub fn user_scope(&self, vhost: &str) -> UserScope {
        UserScope::new(&self.owner.cluster, &self.id, vhost)
    }
}

impl Share {
    /// As a number from 0 to 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl Queue {
    fn layout(&self) -> QueueLayout {
        QueueLayout {
            name: self.name.clone(),
            bindings: self.bindings.clone(),
            tiers: self.retry.tiers().to_vec(),
            limits: self.limits.clone(),
        }
    }
}
