//! The broker objects of a pipeline as values: what should be, what is, and the way from one to
//! the other.
//!
//! [`desired`] says what should be, the operator fills [`Found`] with what is, and [`compare`]
//! gives the changes in the order in which they are safe, and the conflicts that nobody but a
//! person may settle. Nothing here talks to a broker.
//!
//! Structure goes into queue arguments, which are immutable and beat foreign policies; what people
//! tune goes into policies, which can change under a live queue. Integers only: RabbitMQ compares
//! arguments by type and refuses floats.

mod change;
mod compare;
mod desired;
mod facts;
mod reach;
mod role;
mod users;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

pub use change::{Change, Conflict, ObjectKind};
pub use compare::{
    Comparison, Found, FoundBinding, FoundExchange, FoundLink, FoundPolicy, FoundQueue, compare,
};
pub use desired::{BindingRule, Layout, QueueLayout, QueueLimits, desired};
pub use facts::{BrokerFacts, BrokerVersion};
pub use reach::PolicyReach;
pub use role::QueueRole;
pub use users::{Permissions, producer_permissions, worker_permissions};

/// The priority of every policy of Warren's: above the 0 that providers use for wildcards.
pub const POLICY_PRIORITY: i64 = 100;

/// A value of an argument or of a policy definition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Argument {
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A text.
    Text(String),
    /// Anything else, as JSON text: only ever read, never written.
    Other(String),
}

/// Arguments or a policy definition, by name.
pub type Arguments = BTreeMap<String, Argument>;

/// The type of the ingress exchange.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExchangeKind {
    /// Every queue gets every message.
    #[default]
    Fanout,
    /// Routing keys are matched by pattern.
    Topic,
    /// Routing keys are matched exactly.
    Direct,
    /// Header values are matched.
    Headers,
}

/// An exchange as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ExchangeKind,
    /// Its arguments, with the owner marker.
    pub arguments: Arguments,
}

/// A queue as it should be: durable, not exclusive, not auto-delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its arguments, with the owner marker.
    pub arguments: Arguments,
}

/// A binding from an exchange to a queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// The exchange.
    pub source: String,
    /// The queue.
    pub queue: String,
    /// The routing key.
    pub routing_key: String,
    /// The arguments; of a headers exchange only.
    pub arguments: Arguments,
}

/// A policy as it should be, with [`POLICY_PRIORITY`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// The anchored pattern of queue names.
    pub pattern: String,
    /// Which objects it applies to, as the broker spells it.
    pub apply_to: &'static str,
    /// What it sets.
    pub definition: Arguments,
}

/// All objects of a pipeline, each list in the order of declaration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// Policies come first, so that no queue runs unconfigured.
    pub policies: Vec<Policy>,
    /// `P.internal`, `P.unrouted`, and last the ingress exchange.
    pub exchanges: Vec<Exchange>,
    /// Dead-letter queues, main queues, tiers, and last the queue of what was not routed.
    pub queues: Vec<Queue>,
    /// Internal bindings first, ingress bindings last: nothing arrives before it can be handled.
    pub bindings: Vec<Binding>,
}

impl Topology {
    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.policies.len() + self.exchanges.len() + self.queues.len() + self.bindings.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ExchangeKind {
    /// The type as the broker spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ExchangeKind::Fanout => "fanout",
            ExchangeKind::Topic => "topic",
            ExchangeKind::Direct => "direct",
            ExchangeKind::Headers => "headers",
        }
    }
}

impl Argument {
    /// The text in it.
    pub fn as_text(&self) -> Option<&str> {
        if let Argument::Text(text) = self { Some(text) } else { None }
    }
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Argument::Text(text.to_owned())
    }
}

impl From<String> for Argument {
    fn from(text: String) -> Self {
        Argument::Text(text)
    }
}

impl From<i64> for Argument {
    fn from(number: i64) -> Self {
        Argument::Int(number)
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Bool(value) => write!(f, "{value}"),
            Argument::Int(value) => write!(f, "{value}"),
            Argument::Text(value) => write!(f, "{value:?}"),
            Argument::Other(value) => f.write_str(value),
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -[{}]-> {}", self.source, self.routing_key, self.queue)
    }
}

#[cfg(test)]
mod tests;
