//! One thing taken away from the broker, and how it is told.

use std::fmt;

use warren_core::topology::FoundBinding;

use super::Kind;

/// One thing taken away from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// A binding that leads to a queue of ours.
    Binding(FoundBinding),
    /// A queue, with whatever is in it.
    Queue(String),
    /// An exchange, unless something is bound to it.
    Exchange(String),
    /// A policy.
    Policy(String),
    /// A user.
    User(String),
}

impl Removal {
    /// The kind of what it takes away.
    pub const fn kind(&self) -> Kind {
        match self {
            Removal::Binding(_) => Kind::Binding,
            Removal::Queue(_) => Kind::Queue,
            Removal::Exchange(_) => Kind::Exchange,
            Removal::Policy(_) => Kind::Policy,
            Removal::User(_) => Kind::User,
        }
    }

    /// The name of what it takes away.
    pub fn name(&self) -> String {
        match self {
            Removal::Binding(found) => found.binding.to_string(),
            Removal::Queue(name)
            | Removal::Exchange(name)
            | Removal::Policy(name)
            | Removal::User(name) => name.clone(),
        }
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Removal::Binding(_) => write!(f, "unbind {name}"),
            Removal::Queue(_) => write!(f, "delete queue {name}"),
            Removal::Exchange(_) => write!(f, "delete exchange {name} unless it is used"),
            Removal::Policy(_) => write!(f, "delete policy {name}"),
            Removal::User(_) => write!(f, "delete user {name}"),
        }
    }
}
