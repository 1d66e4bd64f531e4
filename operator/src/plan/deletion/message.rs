//! The words for how far a deletion is, as the condition `Reconciling` and events use them.

use std::fmt;

use jiff::Timestamp;
use warren_api::metadata::FORCE_FINALIZE;

use super::{Fate, Leavings, LeftQueue, Orphans, Waiting};
use crate::{departing::Departing, trouble::Trouble};

pub(super) const PRODUCER_STOPS: &str = "the producer stops";
pub(super) const CLOSING: &str = "nothing new gets in any more";
pub(super) const WORKERS_STOP: &str = "the workers stop";
pub(super) const USERS_GO: &str = "the broker users go";
pub(super) const BINDING: &str = "queues that stay are bound again";
pub(super) const REST_GOES: &str = "exchanges and policies go";
pub(super) const EVERYTHING_GOES: &str = "everything goes, messages too, as spec.deletion says";

pub(super) fn unread(why: &str) -> String {
    format!("nobody knows what still runs: {why}")
}

pub(super) fn draining(queue: &str, until: Timestamp) -> String {
    format!("workers may empty queue {queue} until {until:.0}")
}

pub(super) fn in_use(queue: &str, until: Timestamp) -> String {
    format!(
        "queue {queue} still has consumers, or messages that one of them works on, or the broker \
         does not tell; it is waited for until {until:.0}"
    )
}

pub(super) fn queue(name: &str, fate: &Fate) -> String {
    format!("queue {name}: {fate}")
}

pub(super) fn full(name: &str, fate: &Fate, until: Timestamp) -> String {
    format!(
        "{}; it is waited for until {until:.0}, then it stays, unless spec.deletion.policy is \
         changed to Delete, which takes the messages too",
        queue(name, fate)
    )
}

pub(super) fn unreachable(trouble: &Trouble, until: Timestamp, departing: &Departing) -> String {
    format!(
        "{}; it is tried until {until:.0}, then the objects on it are left; to leave them now, \
         annotate the pipeline with {FORCE_FINALIZE}={}",
        trouble.message, departing.owner.uid
    )
}

impl Waiting {
    /// The word that a message begins with; nothing while things just take their time.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Waiting::Draining => Some("Draining"),
            Waiting::NotEmpty => Some("NotEmpty"),
            Waiting::BrokerUnreachable => Some("BrokerUnreachable"),
            Waiting::Removing => None,
        }
    }
}

impl fmt::Display for LeftQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, messages, why } = self;
        match messages {
            Some(1) => write!(f, "{name} with 1 message ({why})"),
            Some(messages) => write!(f, "{name} with {messages} messages ({why})"),
            None => write!(f, "{name} ({why})"),
        }
    }
}

impl Leavings {
    /// Whether nothing stays.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.exchanges.is_empty() && self.orphaned.is_none()
    }
}

impl fmt::Display for Orphans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, objects } = self;
        write!(
            f,
            "left on the broker, because {why}; make the pipeline again to go on with them, or \
             delete them yourself: {}",
            objects.join(", ")
        )
    }
}
