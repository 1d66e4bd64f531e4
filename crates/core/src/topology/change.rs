//! What a comparison asks for: writes to the broker, and conflicts for a person to settle.
//!
//! Their texts stand in logs, events, conditions and dry runs alike.

use std::fmt;

use super::{Binding, Exchange, FoundBinding, Policy, Queue};

/// One write to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Write a policy.
    PutPolicy(Policy),
    /// Make an exchange.
    DeclareExchange(Exchange),
    /// Make a queue.
    DeclareQueue(Queue),
    /// Make a binding.
    Bind(Binding),
    /// Remove a binding between two objects of ours.
    Unbind(FoundBinding),
}

/// The kind of a broker object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// An exchange.
    Exchange,
    /// A queue.
    Queue,
    /// A binding.
    Binding,
    /// A policy.
    Policy,
}

/// Why an object cannot be what it should be unless a person acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// It carries the marker of another owner.
    Owned {
        /// Its kind.
        kind: ObjectKind,
        /// Its name.
        name: String,
        /// The marker.
        owner: String,
    },
    /// It carries no marker.
    Unmarked {
        /// Its kind.
        kind: ObjectKind,
        /// Its name.
        name: String,
        /// What also differs, as `key: is X, should be Y`.
        differences: Vec<String>,
    },
    /// It is ours, but has other arguments, which cannot be changed.
    Inequivalent {
        /// Its kind.
        kind: ObjectKind,
        /// Its name.
        name: String,
        /// What differs, as `key: is X, should be Y`.
        differences: Vec<String>,
    },
}

impl Change {
    /// The kind of the object it is about.
    pub fn kind(&self) -> ObjectKind {
        match self {
            Change::PutPolicy(_) => ObjectKind::Policy,
            Change::DeclareExchange(_) => ObjectKind::Exchange,
            Change::DeclareQueue(_) => ObjectKind::Queue,
            Change::Bind(_) | Change::Unbind(_) => ObjectKind::Binding,
        }
    }

    /// The name of the object it is about; of a binding, its `source -[key]-> queue`.
    pub fn name(&self) -> String {
        match self {
            Change::PutPolicy(policy) => policy.name.clone(),
            Change::DeclareExchange(exchange) => exchange.name.clone(),
            Change::DeclareQueue(queue) => queue.name.clone(),
            Change::Bind(binding) => binding.to_string(),
            Change::Unbind(found) => found.binding.to_string(),
        }
    }
}

impl Conflict {
    /// The kind of the object.
    pub fn kind(&self) -> ObjectKind {
        match self {
            Conflict::Owned { kind, .. }
            | Conflict::Unmarked { kind, .. }
            | Conflict::Inequivalent { kind, .. } => *kind,
        }
    }

    /// The name of the object.
    pub fn name(&self) -> &str {
        match self {
            Conflict::Owned { name, .. }
            | Conflict::Unmarked { name, .. }
            | Conflict::Inequivalent { name, .. } => name,
        }
    }
}

impl ObjectKind {
    /// The kind in labels and status.
    pub const fn as_str(self) -> &'static str {
        match self {
            ObjectKind::Exchange => "Exchange",
            ObjectKind::Queue => "Queue",
            ObjectKind::Binding => "Binding",
            ObjectKind::Policy => "Policy",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self {
            Change::PutPolicy(_) => "put policy",
            Change::DeclareExchange(_) => "declare exchange",
            Change::DeclareQueue(_) => "declare queue",
            Change::Bind(_) => "bind",
            Change::Unbind(_) => "unbind",
        };
        write!(f, "{verb} {}", self.name())
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind().as_str().to_lowercase();
        let name = self.name();
        match self {
            Conflict::Owned { owner, .. } => {
                write!(f, "{kind} {name} belongs to {owner}; choose another spec.namePrefix")
            }
            Conflict::Unmarked { differences, .. } => {
                write!(f, "{kind} {name} exists without Warren's owner marker; delete it")?;
                match differences.as_slice() {
                    [] => Ok(()),
                    some => write!(f, " (it also differs: {})", some.join("; ")),
                }
            }
            Conflict::Inequivalent { differences, .. } => write!(
                f,
                "{kind} {name} has arguments that cannot be changed ({}); drain and delete it",
                differences.join("; ")
            ),
        }
    }
}
