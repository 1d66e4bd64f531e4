//! What the pipeline's author asked for, as values that cannot contradict each other.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::Duration;

use thiserror::Error;

use super::replicas::Replicas;

/// The shortest time a queue is watched to be empty before its last worker goes.
///
/// RabbitMQ's statistics lag by up to 10 s; a shorter wait would judge by the past.
pub const SHORTEST_IDLE: Duration = Duration::from_secs(15);

/// The largest `maxReplicas` there is.
pub const MOST_REPLICAS: u32 = 1000;

/// How one queue is to be scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Who decides the number of replicas.
    pub mode: Mode,
    /// Whether the pipeline is suspended: no worker runs, in any mode.
    pub suspended: bool,
    /// The backlog one replica is meant to hold; 1 is exact mode, one replica for each message.
    pub messages_per_replica: NonZeroU32,
    /// How many unacknowledged messages one worker may hold.
    pub prefetch: NonZeroU16,
    /// What wakes a queue that has no worker.
    pub activation: Activation,
    /// How long a queue must be proven empty before its last worker goes; below
    /// [`SHORTEST_IDLE`] it counts as that.
    pub idle: Duration,
    /// Workers go down to the highest wish of this much time, never below it.
    pub scale_down_window: Duration,
}

/// Who decides the number of replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The backlog does, within bounds.
    Auto(Bounds),
    /// Somebody else does: an HPA, KEDA, a person. So many workers are there to begin with, at first
    /// and after a suspension: an HPA leaves zero alone.
    External(Replicas),
    /// The pipeline's author did.
    Fixed(NonZeroU32),
}

/// What wakes a queue that has no worker; it never holds a running one down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activation {
    /// So many ready messages wake at once.
    pub messages: NonZeroU64,
    /// Fewer wake after this time, so that none is stranded.
    pub max_wait: Duration,
}

/// The lowest and the highest number of replicas, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    min: Replicas,
    max: Replicas,
}

/// Two numbers that are no bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BoundsError {
    /// The lower bound is above the upper one.
    #[error(
        "minReplicas {min} is greater than maxReplicas {max}: lower minReplicas or raise maxReplicas"
    )]
    Crossed {
        /// The lower bound given.
        min: u32,
        /// The upper bound given.
        max: u32,
    },
    /// The upper bound is not one that may be asked for.
    #[error(
        "maxReplicas {max} is not between 1 and {MOST_REPLICAS}: to stop all workers set suspend"
    )]
    OutOfRange {
        /// The upper bound given.
        max: u32,
    },
}

impl Mode {
    /// Whether an empty queue has its last worker taken away.
    pub fn permits_zero(self) -> bool {
        match self {
            Self::Auto(bounds) => bounds.permit_zero(),
            Self::External(_) | Self::Fixed(_) => false,
        }
    }
}

impl Bounds {
    /// Takes `minReplicas` and `maxReplicas`.
    ///
    /// # Errors
    /// If `max` is not within 1..=[`MOST_REPLICAS`], or `min` is greater than `max`.
    pub fn new(min: u32, max: u32) -> Result<Self, BoundsError> {
        if !(1..=MOST_REPLICAS).contains(&max) {
            return Err(BoundsError::OutOfRange { max });
        }
        if min > max {
            return Err(BoundsError::Crossed { min, max });
        }
        Ok(Self { min: Replicas::new(min), max: Replicas::new(max) })
    }

    /// The lowest number of replicas.
    pub const fn min(self) -> Replicas {
        self.min
    }

    /// The highest number of replicas.
    pub const fn max(self) -> Replicas {
        self.max
    }

    /// Whether no replica is within the bounds.
    pub fn permit_zero(self) -> bool {
        self.min == Replicas::ZERO
    }

    /// The nearest number within the bounds.
    pub fn clamp(self, replicas: Replicas) -> Replicas {
        replicas.clamp(self.min, self.max)
    }
}
