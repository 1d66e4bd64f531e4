//! What the broker is known to be able to do.

use std::{fmt, str::FromStr};

/// A RabbitMQ version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerVersion {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
    /// The third number.
    pub patch: u16,
}

/// What plans depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerFacts {
    /// The lowest version among the nodes that count.
    pub version: BrokerVersion,
}

impl BrokerVersion {
    /// The oldest version Warren is tested against.
    pub const OLDEST: BrokerVersion = BrokerVersion { major: 3, minor: 10, patch: 0 };

    fn at_least(self, major: u16, minor: u16) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

impl BrokerFacts {
    /// From 3.12 a policy can be limited to quorum queues.
    pub fn has_queue_type_policies(self) -> bool {
        self.version.at_least(3, 12)
    }

    /// From 3.12 a policy can set the consumer timeout of a queue; before, it is the node's.
    pub fn has_queue_consumer_timeout(self) -> bool {
        self.version.at_least(3, 12)
    }

    /// From 4.0 a quorum queue has a delivery limit of 20 unless another is set.
    pub fn limits_deliveries_by_default(self) -> bool {
        self.version.at_least(4, 0)
    }

    /// The names that stand in `status.broker.capabilities`.
    pub fn capabilities(self) -> Vec<&'static str> {
        let queue_type = self.has_queue_type_policies().then_some("QueueTypePolicies");
        let timeout = self.has_queue_consumer_timeout().then_some("QueueConsumerTimeout");
        queue_type.into_iter().chain(timeout).collect()
    }
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a RabbitMQ version")]
pub struct VersionError(String);

impl FromStr for BrokerVersion {
    type Err = VersionError;

    /// Reads `4.3.6`, and also what pre-releases append (`4.3.0-rc.1`, `4.3.6+1`).
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let refuse = || VersionError(text.to_owned());
        let core = text.split(['-', '+', '~']).next().unwrap_or_default();
        let mut numbers = core.split('.').map(str::parse::<u16>);
        let mut next = || numbers.next().and_then(Result::ok);
        let (major, minor) = (next().ok_or_else(refuse)?, next().ok_or_else(refuse)?);
        Ok(Self { major, minor, patch: next().unwrap_or(0) })
    }
}

impl fmt::Display for BrokerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_brokers_write_them() {
        let read = |text: &str| text.parse::<BrokerVersion>().map(|v| v.to_string());
        assert_eq!(read("3.10.8"), Ok("3.10.8".to_owned()));
        assert_eq!(read("4.3.0-rc.1"), Ok("4.3.0".to_owned()));
        for text in ["", "four", "4"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_older_minor_with_more_digits_is_still_older() {
        let old = BrokerFacts { version: "3.9.30".parse().unwrap() };
        let new = BrokerFacts { version: "3.12.0".parse().unwrap() };
        assert!(!old.has_queue_type_policies() && new.has_queue_type_policies());
    }
}
