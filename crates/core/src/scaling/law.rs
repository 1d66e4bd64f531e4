//! The law: from a backlog to the number of replicas it deserves.
//!
//! The same value that computes the wish also prints it, so an explanation cannot differ from what
//! was done. It knows no bounds, no window and no present count.

use std::fmt;
use std::num::NonZeroU32;

use super::replicas::Replicas;

/// The numbers in the formula `(ready + unacked) / messagesPerReplica`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Messages ready for delivery.
    pub ready: u64,
    /// Where `ready` comes from.
    pub ready_from: ReadySource,
    /// Messages delivered and not acknowledged.
    pub unacked: u64,
    /// Where `unacked` comes from.
    pub unacked_from: UnackedSource,
    /// The backlog one replica is meant to hold.
    pub messages_per_replica: NonZeroU32,
}

/// Where the number of ready messages comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadySource {
    /// The queue itself, asked over AMQP.
    Amqp,
    /// The management API, which lags by up to 10 s.
    Management,
}

/// Where the number of unacknowledged messages comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnackedSource {
    /// The management API.
    Management,
    /// Nobody knows it; the consumers present are taken to be full.
    ///
    /// A consumer counts for its prefetch but for no more than `messagesPerReplica`, and no more
    /// consumers count than there are replicas: a guess may keep the present workers, but with
    /// nothing ready it must not ask for further ones.
    FullConsumers,
}

impl Terms {
    /// How many replicas the backlog deserves, before any bound.
    ///
    /// Rounded up, so that a single message already asks for one.
    pub fn want(&self) -> Replicas {
        let backlog = self.ready.saturating_add(self.unacked);
        Replicas::saturating(backlog.div_ceil(u64::from(self.messages_per_replica.get())))
    }

    /// Whether each message has a replica of its own.
    pub fn is_exact(&self) -> bool {
        self.messages_per_replica == NonZeroU32::MIN
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_most = match self.unacked_from {
            UnackedSource::Management => "",
            UnackedSource::FullConsumers => "at most ",
        };
        let Self { ready, unacked, messages_per_replica, .. } = self;
        if self.is_exact() {
            write!(f, "{ready} ready + {at_most}{unacked} unacked")
        } else {
            write!(f, "({ready} ready + {at_most}{unacked} unacked) / {messages_per_replica}")
        }
    }
}
