//! One write, and how it is told: in a log line, an event, a dry run and a test in the same words.

use std::fmt;

use warren_core::topology::{Change, ObjectKind, Permissions};

use super::Removal;
use crate::{
    children::{ChildKind, ChildStep},
    pipeline::Holder,
};

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A change of the broker's objects.
    Broker(Change),
    /// Write a broker user, with a password that is kept.
    PutUser {
        /// Who logs in as it.
        holder: Holder,
        /// Its name.
        user: String,
        /// What is wrong with the one there is.
        gap: UserGap,
    },
    /// Give a broker user its permissions.
    Permit {
        /// Its name.
        user: String,
        /// What it may do.
        permissions: Permissions,
    },
    /// A write to the Kubernetes objects made for the pipeline.
    Child(ChildStep),
    /// Take something away that nothing asks for any more.
    Remove(Removal),
}

/// What is wrong with a broker user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserGap {
    /// There is none.
    Missing,
    /// Nobody knows its password any more.
    PasswordLost,
    /// It has a tag, and needs none.
    Tagged,
}

/// The kind of what a step writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An exchange.
    Exchange,
    /// A queue.
    Queue,
    /// A binding.
    Binding,
    /// A policy.
    Policy,
    /// A broker user.
    User,
    /// What a broker user may do.
    Permission,
    /// A Kubernetes object made for the pipeline.
    Child(ChildKind),
}

impl Step {
    /// The kind of what it writes.
    pub fn kind(&self) -> Kind {
        match self {
            Step::Broker(change) => change.kind().into(),
            Step::PutUser { .. } => Kind::User,
            Step::Permit { .. } => Kind::Permission,
            Step::Child(step) => Kind::Child(step.key().kind),
            Step::Remove(removal) => removal.kind(),
        }
    }

    /// Whether it makes the broker what the spec says, and so repairs where that was so before.
    pub const fn is_repair(&self) -> bool {
        match self {
            Step::Broker(_) | Step::PutUser { .. } | Step::Permit { .. } => true,
            Step::Child(_) | Step::Remove(_) => false,
        }
    }

    /// The name of what it writes.
    pub fn name(&self) -> String {
        match self {
            Step::Broker(change) => change.name(),
            Step::PutUser { user, .. } | Step::Permit { user, .. } => user.clone(),
            Step::Child(step) => step.key().name,
            Step::Remove(removal) => removal.name(),
        }
    }
}

impl Kind {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Kind> {
        let broker = [
            Kind::Exchange,
            Kind::Queue,
            Kind::Binding,
            Kind::Policy,
            Kind::User,
            Kind::Permission,
        ];
        broker.into_iter().chain(ChildKind::ALL.into_iter().map(Kind::Child))
    }

    /// Whether it is kept by the broker.
    pub const fn is_of_broker(self) -> bool {
        !matches!(self, Kind::Child(_))
    }

    /// The kind in a status and as a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Exchange => "Exchange",
            Kind::Queue => "Queue",
            Kind::Binding => "Binding",
            Kind::Policy => "Policy",
            Kind::User => "User",
            Kind::Permission => "Permission",
            Kind::Child(kind) => kind.as_str(),
        }
    }
}

impl From<ObjectKind> for Kind {
    fn from(kind: ObjectKind) -> Self {
        match kind {
            ObjectKind::Exchange => Kind::Exchange,
            ObjectKind::Queue => Kind::Queue,
            ObjectKind::Binding => Kind::Binding,
            ObjectKind::Policy => Kind::Policy,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Broker(change) => change.fmt(f),
            Step::Child(step) => step.fmt(f),
            Step::Remove(removal) => removal.fmt(f),
            Step::PutUser { user, gap: UserGap::Missing, .. } => write!(f, "make user {user}"),
            Step::PutUser { user, gap: UserGap::PasswordLost, .. } => {
                write!(f, "give user {user} a new password")
            }
            Step::PutUser { user, gap: UserGap::Tagged, .. } => {
                write!(f, "take the tags of user {user} away")
            }
            Step::Permit { user, permissions } => {
                let Permissions { configure, write, read } = permissions;
                write!(f, "permit user {user}: configure {configure} write {write} read {read}")
            }
        }
    }
}
