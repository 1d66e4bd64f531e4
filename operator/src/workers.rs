//! What is known of a pipeline's workers: told by whoever runs them, a cluster or local mode.

use std::collections::BTreeMap;

use jiff::Timestamp;
use warren_api::conditions::ConditionReason;
use warren_core::{
    names::QueueName,
    scaling::{Decision, Observation, Replicas},
};

/// What is known of a pipeline's workers; nothing of a queue whose workers were never started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkersReading {
    /// By queue.
    pub queues: BTreeMap<QueueName, QueueReading>,
    /// What keeps the HTTP producer from working; nothing when it works, or there is none.
    pub producer: Option<WorkersTrouble>,
}

/// What is known of a queue's workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueReading {
    /// How many are asked for.
    pub current: Replicas,
    /// How many of them are ready.
    pub ready: Replicas,
    /// What keeps them from working; nothing when they work, or merely start.
    pub trouble: Option<WorkersTrouble>,
    /// The last decision about their number; nothing before the first.
    pub scaling: Option<Scaling>,
    /// What else scales them, in the words of a person who looks for it.
    pub foreign_scaler: Option<String>,
    /// Whether the endpoint of their handler takes messages; nothing where there is none, or before
    /// a worker could be asked.
    pub endpoint: Option<EndpointReading>,
}

/// Whether an endpoint takes messages, as its workers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointReading {
    /// It does.
    Accepting,
    /// Most workers have stopped calling it.
    Refusing {
        /// Why.
        refusal: Refusal,
        /// The last HTTP status it gave; nothing when there was no answer at all.
        last_status: Option<u16>,
    },
}

/// Why workers have stopped calling an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be reached, or says that it is unavailable.
    Unavailable,
    /// It answers as if it were the wrong one.
    Rejected,
}

/// The last decision about the number of a queue's workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaling {
    /// The decision.
    pub decision: Decision,
    /// What it rests on.
    pub observation: Observation,
    /// When it was made.
    pub at: Timestamp,
    /// When the number last changed; nothing when it never did.
    pub last_change: Option<Timestamp>,
}

/// What keeps workers from working.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersTrouble {
    /// The class.
    pub reason: WorkersReason,
    /// What happened, to what, and what to do.
    pub message: String,
}

/// The classes of trouble with workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkersReason {
    /// An image cannot be pulled.
    ImagePull,
    /// Workers crash again and again.
    CrashLooping,
    /// No node takes them.
    Unschedulable,
    /// A quota forbids them.
    QuotaExceeded,
    /// They run, but consume nothing.
    NoConsumers,
    /// An object of the same name exists and is not ours.
    NameConflict,
    /// A Secret of a handler or a template does not exist.
    SecretNotFound,
    /// The API server refused an object.
    Forbidden,
}

impl WorkersReading {
    /// How many workers of all queues are asked for, and how many of them are ready.
    pub fn totals(&self) -> (u64, u64) {
        let sum = |count: fn(&QueueReading) -> Replicas| {
            self.queues.values().map(|queue| u64::from(count(queue).get())).sum()
        };
        (sum(|queue| queue.current), sum(|queue| queue.ready))
    }
}

impl WorkersReason {
    /// The reason in the condition.
    pub const fn as_condition(self) -> ConditionReason {
        match self {
            WorkersReason::ImagePull => ConditionReason::ImagePull,
            WorkersReason::CrashLooping => ConditionReason::CrashLooping,
            WorkersReason::Unschedulable => ConditionReason::Unschedulable,
            WorkersReason::QuotaExceeded => ConditionReason::QuotaExceeded,
            WorkersReason::NoConsumers => ConditionReason::NoConsumers,
            WorkersReason::NameConflict => ConditionReason::NameConflict,
            WorkersReason::SecretNotFound => ConditionReason::SecretNotFound,
            WorkersReason::Forbidden => ConditionReason::Forbidden,
        }
    }
}
