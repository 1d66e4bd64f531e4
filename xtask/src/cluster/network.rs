//! The cluster's network: a namespace of its own, and one cable from it to the machine.
//!
//! Inside, pods hang on a bridge; outside, there is one end of a veth pair with its connected
//! route, and nothing else changes: no firewall rule, no other route, no bridge. Names and
//! addresses differ between state folders, so that clusters live side by side.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::programs::{output, system};

/// Where pods get addresses, inside the namespace.
pub(super) const PODS: &str = "10.88.0.0/16";
/// Where Services get addresses, inside the namespace.
pub(super) const SERVICES: &str = "10.96.0.0/16";
/// The bridge's address: that of the node and the gateway of every pod.
pub(super) const NODE: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// The first Service: the API server.
pub(super) const API_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// Cables get their addresses from here, four each.
pub(super) const CABLES: &str = "10.97.0.0/16";
const CABLE_RANGE: Block = Block { first: u32::from_be_bytes([10, 97, 0, 0]), prefix: 16 };
/// How many cables fit.
const SLOTS: u32 = 1 << (30 - 16);

/// The inner end of the cable and the bridge; both exist in the namespace only.
const INNER_END: &str = "host0";
const BRIDGE: &str = "wr0";

/// Where the kernel lists interfaces, and `ip` namespaces.
pub(super) const DEVICES: &str = "/sys/class/net";
pub(super) const NAMESPACES: &str = "/run/netns";

/// Names and addresses of one cluster's network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Network {
    /// The namespace, as `ip netns` lists it.
    pub(super) namespace: String,
    /// The outer end of the cable.
    interface: String,
    /// The machine's address on the cable.
    outside: Ipv4Addr,
    /// The cluster's address on the cable: that of the API server and of node ports.
    pub(super) inside: Ipv4Addr,
}

impl Network {
    /// A network for the cluster `id` (eight hexadecimal digits), clear of `taken`.
    ///
    /// # Errors
    /// When no address is left.
    fn choose(id: &str, taken: &[Block]) -> anyhow::Result<Self> {
        let start = u32::from_str_radix(id, 16).context("understand the cluster's id")?;
        let cable = (0..SLOTS)
            .map(|step| CABLE_RANGE.slot(start.wrapping_add(step) % SLOTS))
            .find(|cable| !taken.iter().any(|block| block.overlaps(*cable)))
            .context("find four free addresses in 10.97.0.0/16: all are routed elsewhere")?;
        Ok(Self {
            namespace: namespace(id),
            interface: interface(id),
            outside: Ipv4Addr::from(cable.first + 1),
            inside: Ipv4Addr::from(cable.first + 2),
        })
    }

    /// One for tests.
    #[cfg(test)]
    pub(super) fn example() -> Self {
        Self {
            namespace: namespace("00000000"),
            interface: interface("00000000"),
            outside: Ipv4Addr::from(CABLE_RANGE.first + 1),
            inside: Ipv4Addr::from(CABLE_RANGE.first + 2),
        }
    }

    /// Like [`Self::choose`], given the routes of this machine.
    ///
    /// # Errors
    /// When they cannot be listed, or no address is left.
    pub(super) fn find(id: &str) -> anyhow::Result<Self> {
        let listing = ["-4", "-json", "route", "show", "table", "all"];
        let routes = output(system("ip").args(listing)).context("list this machine's routes")?;
        Self::choose(id, &taken(&routes)?)
    }

    /// Whether namespace and cable are there.
    pub(super) fn exists(&self) -> bool {
        self.namespace_file().exists() && device(&self.interface).exists()
    }

    /// What `nsenter --net` takes.
    pub(super) fn namespace_file(&self) -> PathBuf {
        namespace_file(&self.namespace)
    }

    /// Makes namespace, cable and bridge. The cable says that `folder` is the cluster's.
    ///
    /// # Errors
    /// When one of them cannot be made.
    pub(super) fn create(&self, folder: &Path) -> anyhow::Result<()> {
        for words in self.recipe() {
            ip(&words)?;
        }
        output(system("ip").args(["link", "set", &self.interface, "alias"]).arg(folder))
            .context("say whose the cluster's cable is")?;
        let file = format!("--net={}", self.namespace_file().display());
        let forward = "echo 1 >/proc/sys/net/ipv4/ip_forward";
        output(system("nsenter").args([&file, "sh", "-euc", forward]))
            .context("let the cluster's network forward packets")?;
        Ok(())
    }

    /// The arguments of each call of `ip` that makes the network.
    fn recipe(&self) -> Vec<String> {
        let Self { namespace, interface, outside, inside } = self;
        let inner = |words: &str| format!("-netns {namespace} {words}");
        vec![
            format!("netns add {namespace}"),
            format!("link add {interface} type veth peer name {INNER_END} netns {namespace}"),
            format!("address add {outside}/30 dev {interface}"),
            format!("link set {interface} up"),
            inner("link set lo up"),
            inner(&format!("address add {inside}/30 dev {INNER_END}")),
            inner(&format!("link set {INNER_END} up")),
            inner(&format!("link add {BRIDGE} type bridge")),
            inner(&format!("address add {NODE}/16 dev {BRIDGE}")),
            inner(&format!("link set {BRIDGE} up")),
            // Without a route the kernel refuses a Service's address before kube-proxy's rules can
            // replace it.
            inner(&format!("route add {SERVICES} dev {BRIDGE}")),
        ]
    }
}

/// Removes the network of the cluster `id`, whatever there is of it.
///
/// # Errors
/// When something stays.
pub(super) fn remove(id: &str) -> anyhow::Result<()> {
    let interface = interface(id);
    let there = || device(&interface).exists();
    if there() {
        // The other end goes with it. A namespace that has just lost its last process may take
        // both in the same moment.
        let deleted = ip(&format!("link delete {interface}"));
        if deleted.is_err() && there() {
            return deleted;
        }
    }
    let namespace = namespace(id);
    if namespace_file(&namespace).exists() {
        ip(&format!("netns delete {namespace}"))?;
    }
    Ok(())
}

/// Which folder the cluster `id` said to be its own, when its network was made.
pub(super) fn folder(id: &str) -> Option<PathBuf> {
    let alias = fs::read_to_string(device(&interface(id)).join("ifalias")).ok()?;
    let folder = alias.trim_end_matches('\n');
    (!folder.is_empty()).then(|| folder.into())
}

fn namespace(id: &str) -> String {
    format!("warren-{id}")
}

fn interface(id: &str) -> String {
    format!("wr-{id}")
}

fn device(interface: &str) -> PathBuf {
    Path::new(DEVICES).join(interface)
}

fn namespace_file(name: &str) -> PathBuf {
    Path::new(NAMESPACES).join(name)
}

fn ip(words: &str) -> anyhow::Result<()> {
    output(system("ip").args(words.split_whitespace())).context("set up the cluster's network")?;
    Ok(())
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    first: u32,
    prefix: u8,
}

impl Block {
    /// As `ip` writes a destination: `10.97.0.0/30`, or one address.
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, prefix.parse().ok()?),
            None => (text, 32),
        };
        let first = u32::from(address.parse::<Ipv4Addr>().ok()?);
        (prefix <= 32).then_some(Self { first, prefix })
    }

    /// The block of four addresses with this number in it.
    fn slot(self, number: u32) -> Self {
        Self { first: self.first + number * 4, prefix: 30 }
    }

    fn overlaps(self, other: Self) -> bool {
        let prefix = self.prefix.min(other.prefix);
        let network = |address: u32| address.checked_shr(32 - u32::from(prefix)).unwrap_or(0);
        network(self.first) == network(other.first)
    }
}

/// What `routes`, the JSON of `ip route`, leads elsewhere. A route to more than all of our range,
/// such as a VPN's to 10.0.0.0/8, does not count: ours is narrower, and only on this machine.
fn taken(routes: &str) -> anyhow::Result<Vec<Block>> {
    #[derive(Deserialize)]
    struct Route {
        dst: String,
    }
    let routes: Vec<Route> = serde_json::from_str(routes).context("read this machine's routes")?;
    let mut taken = Vec::new();
    for Route { dst } in routes.iter().filter(|route| route.dst != "default") {
        match Block::parse(dst) {
            Some(block) if block.prefix >= CABLE_RANGE.prefix => taken.push(block),
            Some(_) => {}
            None => bail!("`ip route` says `{dst}`, which is no destination"),
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Block {
        Block::parse(text).expect("a block")
    }

    #[test]
    fn a_cluster_without_neighbours_gets_the_cable_of_its_id() {
        let network = Network::choose("00000001", &[]).expect("free");
        assert_eq!(network.outside, Ipv4Addr::new(10, 97, 0, 5));
        assert_eq!(network.inside, Ipv4Addr::new(10, 97, 0, 6));
        assert_eq!(network.namespace, "warren-00000001");
    }

    #[test]
    fn addresses_that_are_routed_elsewhere_are_passed_over() {
        let taken = ["10.97.0.4/30", "10.97.0.9", "10.97.0.12/31"].map(block);
        let network = Network::choose("00000001", &taken).expect("free");
        assert_eq!(network.outside, Ipv4Addr::new(10, 97, 0, 17));
        let last = Network::choose("ffffffff", &[block("10.97.255.0/24")]).expect("free");
        assert_eq!(last.outside, Ipv4Addr::new(10, 97, 0, 1), "it goes on at the beginning");
    }

    #[test]
    fn a_machine_that_routes_the_whole_range_is_told_so() {
        let error = Network::choose("00000001", &[block("10.97.0.0/16")]).expect_err("none");
        assert!(error.to_string().contains("10.97.0.0/16"), "{error}");
    }

    #[test]
    fn only_routes_into_the_range_count_and_none_that_holds_more() {
        let routes = r#"[{"dst":"default","gateway":"192.0.2.1"},{"dst":"10.0.0.0/8"},
            {"type":"local","dst":"10.97.3.1"},{"dst":"10.97.3.0/30"}]"#;
        assert_eq!(taken(routes).expect("routes"), ["10.97.3.1", "10.97.3.0/30"].map(block));
        assert!(taken(r#"[{"dst":"unreadable"}]"#).is_err());
    }

    #[test]
    fn the_range_is_the_one_that_is_told() {
        assert_eq!(block(CABLES), CABLE_RANGE);
    }

    #[test]
    fn names_fit_where_linux_wants_at_most_fifteen_letters() {
        let network = Network::choose("deadbeef", &[]).expect("free");
        assert!(network.interface.len() <= 15);
    }
}
