//! A decision with its reasons, from which status, events, metrics and explanations are rendered.

use jiff::Timestamp;

use super::law::Terms;
use super::replicas::Replicas;
use super::zero::Zero;
use crate::outcome::labels;

/// How many workers a queue should have, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The number to write; equal to the present one when nothing is to be done.
    pub desired: Replicas,
    /// What led to it.
    pub reason: Reason,
    /// What keeps it from being what the backlog deserves.
    pub limited_by: Option<LimitedBy>,
    /// The formula with its numbers; none while the backlog is not known.
    pub terms: Option<Terms>,
    /// Whether the queue is proven to be empty.
    pub zero: Zero,
    /// The earliest moment at which time alone, with readings as they are, changes the decision.
    pub held_until: Option<Timestamp>,
}

labels! {
    /// What led to a number of replicas.
    Reason {
        /// The backlog, divided by what one replica is meant to hold.
        PerReplica => "PerReplica",
        /// One replica for each message.
        Exact => "Exact",
        /// `minReplicas`.
        Floor => "Floor",
        /// Messages wait in a queue that had no worker.
        Waking => "Waking",
        /// There is nothing to do.
        Idle => "Idle",
        /// The wish differs too little from the present number.
        Steady => "Steady",
        /// The backlog is not known, so the present number stays.
        Hold => "Hold",
        /// The backlog has not been known for long, so the fallback says how many.
        Fallback => "Fallback",
        /// Nobody may write the number at present.
        Paused => "Paused",
        /// The pipeline is suspended.
        Suspended => "Suspended",
        /// Somebody else decides.
        External => "External",
        /// The number is fixed.
        Fixed => "Fixed",
    }
}

labels! {
    /// What keeps a decision from being what the backlog deserves.
    LimitedBy {
        /// `maxReplicas`.
        MaxReplicas => "MaxReplicas",
        /// The highest wish of the scale-down window.
        Stabilization => "Stabilization",
        /// The difference is within the tolerance.
        Tolerance => "Tolerance",
        /// Another autoscaler is set on the same workers.
        ForeignScaler => "ForeignScaler",
        /// Something that must be known for this step is not.
        ObservationUnknown => "ObservationUnknown",
    }
}

impl Decision {
    /// How many replicas the backlog deserves, before any bound; none while it is not known.
    pub fn want(&self) -> Option<Replicas> {
        self.terms.map(|terms| terms.want())
    }
}
