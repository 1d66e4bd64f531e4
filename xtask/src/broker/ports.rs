//! Which ports of the loopback address a broker listens on.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::release::Release;

/// One port for each thing that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    pub(super) amqp: u16,
    pub(super) management: u16,
    pub(super) prometheus: u16,
    /// Between Erlang nodes, `rabbitmqctl` included.
    pub(super) distribution: u16,
    /// Erlang's own port mapper, one for each broker, so that they do not know of each other.
    pub(super) mapper: u16,
}

impl Ports {
    /// What `release` gets when nothing is taken.
    pub(super) fn preferred(release: Release) -> Self {
        let first = release.first_port();
        Self {
            amqp: first,
            management: first + 1,
            prometheus: first + 2,
            distribution: first + 3,
            mapper: first + 4,
        }
    }

    /// These ports, each moved to the next one for which `is_free` says yes.
    ///
    /// # Errors
    /// When no port above is free.
    pub(super) fn or_next_free(self, is_free: impl Fn(u16) -> bool) -> anyhow::Result<Self> {
        let mut chosen = BTreeSet::new();
        let mut next = |wanted: u16| {
            let port = (wanted..=u16::MAX)
                .find(|port| !chosen.contains(port) && is_free(*port))
                .with_context(|| format!("find a free port from {wanted} on"))?;
            chosen.insert(port);
            anyhow::Ok(port)
        };
        Ok(Self {
            amqp: next(self.amqp)?,
            management: next(self.management)?,
            prometheus: next(self.prometheus)?,
            distribution: next(self.distribution)?,
            mapper: next(self.mapper)?,
        })
    }
}

/// Whether nobody listens on this port of the loopback address.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ports: Ports) -> [u16; 5] {
        [ports.amqp, ports.management, ports.prometheus, ports.distribution, ports.mapper]
    }

    #[test]
    fn releases_side_by_side_share_no_port() {
        let ports = Release::ALL.map(Ports::preferred).map(all).concat();
        let distinct: BTreeSet<_> = ports.iter().collect();
        assert_eq!(distinct.len(), ports.len());
    }

    #[test]
    fn free_ports_are_taken_as_preferred() {
        let wanted = Ports::preferred(Release::V4_3);
        assert_eq!(wanted.or_next_free(|_| true).expect("free"), wanted);
    }

    #[test]
    fn a_taken_port_moves_on_without_two_uses_of_one_port() {
        let wanted = Ports::preferred(Release::V4_3);
        let ports = wanted.or_next_free(|port| port != wanted.amqp).expect("free ones");
        assert_eq!(ports.amqp, wanted.amqp + 1);
        assert_eq!(all(ports).into_iter().collect::<BTreeSet<_>>().len(), 5);
    }

    #[test]
    fn a_machine_without_a_free_port_is_an_error() {
        let error = Ports::preferred(Release::V4_0).or_next_free(|_| false);
        assert!(error.is_err());
    }
}
