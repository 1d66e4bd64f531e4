//! A value read from outside, together with how far it may be believed.
//!
//! What could not be measured stays visibly unknown: no conversion here turns it into a number.

use std::fmt;
use std::time::Duration;

use crate::duration;

/// How old a reading may be and still decide something.
///
/// Three periods of the management statistics (5 s each): two lost answers are weather, three are
/// an outage.
pub const FRESH_FOR: Duration = Duration::from_secs(15);

/// One measured value, or the reason why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading<T> {
    /// Young enough to act on: at most [`FRESH_FOR`] old.
    Fresh {
        /// What was read.
        value: T,
        /// How long ago it was read.
        age: Duration,
    },
    /// Too old to act on; shown to people, and nothing else.
    Stale {
        /// What was read.
        value: T,
        /// How long ago it was read.
        age: Duration,
    },
    /// There is no value.
    Unavailable(Why),
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Nothing was asked yet.
    NeverRead,
    /// The answer came without this field; an absent field is not 0.
    KeyMissing,
    /// No answer came in time.
    Timeout,
    /// The connection was refused or broke.
    Refused,
    /// The broker did not accept the login, or the login may not read this.
    Unauthorized,
    /// The queue or the virtual host does not exist.
    NotFound,
    /// The queue exists and has no running leader to answer for it.
    NotRunning,
    /// The broker is configured not to collect this.
    Disabled,
    /// A value came that contradicts what else is known.
    Distrusted,
}

/// Why a reading is not [`Reading::Fresh`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// The last value is this old.
    Stale(Duration),
    /// There is no value.
    Unavailable(Why),
}

impl<T> Reading<T> {
    /// A value of a given age: fresh up to and including [`FRESH_FOR`], stale after it.
    pub fn aged(value: T, age: Duration) -> Self {
        if age <= FRESH_FOR { Self::Fresh { value, age } } else { Self::Stale { value, age } }
    }

    /// The value, if it is fresh.
    ///
    /// # Errors
    /// Says why nothing may be decided from this reading.
    pub fn fresh(&self) -> Result<&T, Unknown> {
        self.fresh_with_age().map(|(value, _)| value)
    }

    /// The value and its age, if it is fresh.
    ///
    /// # Errors
    /// Says why nothing may be decided from this reading.
    pub fn fresh_with_age(&self) -> Result<(&T, Duration), Unknown> {
        match self {
            Self::Fresh { value, age } => Ok((value, *age)),
            Self::Stale { age, .. } => Err(Unknown::Stale(*age)),
            Self::Unavailable(why) => Err(Unknown::Unavailable(*why)),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverRead => "not read yet",
            Self::KeyMissing => "missing in the broker's answer",
            Self::Timeout => "no answer in time",
            Self::Refused => "connection refused or broken",
            Self::Unauthorized => "login refused",
            Self::NotFound => "not found",
            Self::NotRunning => "queue not running",
            Self::Disabled => "not collected by this broker",
            Self::Distrusted => "contradicts what else is known",
        })
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(age) => write!(f, "last read {} ago", seconds(*age)),
            Self::Unavailable(why) => why.fmt(f),
        }
    }
}

/// A duration in whole seconds: the only precision that helps a reader here.
pub(super) fn seconds(duration: Duration) -> String {
    duration::format(Duration::from_secs(duration.as_secs()))
}
