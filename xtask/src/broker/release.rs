//! The RabbitMQ releases that Warren is tested against, and what sets them apart.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A release line, with the Debian suite that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Release {
    /// The oldest: Debian 12, bookworm.
    #[value(name = "3.10")]
    #[serde(rename = "3.10")]
    V3_10,
    /// Debian 13, trixie.
    #[value(name = "4.0")]
    #[serde(rename = "4.0")]
    V4_0,
    /// The newest: Debian unstable, sid, which moves on; so this one means "4.3 or newer".
    #[value(name = "4.3")]
    #[serde(rename = "4.3")]
    V4_3,
}

impl Release {
    /// Every release, oldest first.
    pub(crate) const ALL: [Self; 3] = [Self::V3_10, Self::V4_0, Self::V4_3];

    /// As it is typed after `--version`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V3_10 => "3.10",
            Self::V4_0 => "4.0",
            Self::V4_3 => "4.3",
        }
    }

    /// The Debian suite it is taken from.
    pub(super) fn suite(self) -> &'static str {
        match self {
            Self::V3_10 => "bookworm",
            Self::V4_0 => "trixie",
            Self::V4_3 => "sid",
        }
    }

    /// The first of its ports when nobody else has them: far from RabbitMQ's own, and below the
    /// range from which Linux gives out ports (32768 and above).
    pub(super) fn first_port(self) -> u16 {
        match self {
            Self::V3_10 => 21_310,
            Self::V4_0 => 21_400,
            Self::V4_3 => 21_430,
        }
    }

    /// Which server versions count as this release, in words.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Self::V3_10 => "3.10.x",
            Self::V4_0 => "4.0.x",
            Self::V4_3 => "4.3 or newer",
        }
    }

    /// Whether a server that reports `version` is of this release.
    pub(super) fn accepts(self, version: &str) -> bool {
        let mut numbers = version.split('.').map(|part| part.parse::<u16>().ok());
        let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else {
            return false;
        };
        match self {
            Self::V3_10 => (major, minor) == (3, 10),
            Self::V4_0 => (major, minor) == (4, 0),
            Self::V4_3 => (major, minor) >= (4, 3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_another_release_is_refused() {
        for (release, version, accepted) in [
            (Release::V3_10, "3.10.8", true),
            (Release::V3_10, "3.1.0", false),
            (Release::V3_10, "3.11.0", false),
            (Release::V4_0, "4.0.5", true),
            (Release::V4_0, "4.3.6", false),
            (Release::V4_3, "4.3.0-rc.1", true),
            (Release::V4_3, "4.10.0", true),
            (Release::V4_3, "5.0.1", true),
            (Release::V4_3, "4.2.9", false),
            (Release::V4_3, "unknown", false),
            (Release::V4_3, "4", false),
        ] {
            assert_eq!(release.accepts(version), accepted, "{release:?} {version}");
        }
    }
}
