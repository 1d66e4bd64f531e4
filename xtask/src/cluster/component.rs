//! The programs that make up the cluster, and the words each is started with.
//!
//! Plain data: nothing here starts anything.

use std::fmt::Display;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::network::{NODE, PODS, SERVICES};
use super::tools::Tools;

/// The node's name.
pub(super) const NODE_NAME: &str = "warren";
/// Where the API server listens, on the node's address and on the cable.
pub(super) const API_PORT: u16 = 16443;
/// Where CoreDNS says, on the cable, whether it is ready.
pub(super) const DNS_READY_PORT: u16 = 8181;

/// A program of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Component {
    Etcd,
    Containerd,
    ApiServer,
    ControllerManager,
    Scheduler,
    Proxy,
    Dns,
    Kubelet,
}

/// What the words depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) layout: &'a Layout,
    pub(super) tools: &'a Tools,
}

impl Component {
    /// All, in the order in which they are started. Etcd is the first: it holds the namespaces that
    /// the others join.
    pub(super) const ALL: [Self; 8] = [
        Self::Etcd,
        Self::Containerd,
        Self::ApiServer,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Proxy,
        Self::Dns,
        Self::Kubelet,
    ];

    /// The program's name, and that of its log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Containerd => "containerd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Proxy => "kube-proxy",
            Self::Dns => "coredns",
            Self::Kubelet => "kubelet",
        }
    }

    /// Program and arguments.
    pub(super) fn words(self, site: &Site<'_>) -> Vec<String> {
        let arguments = match self {
            Self::Etcd => etcd(site),
            Self::Containerd => {
                vec![flag("config", site.layout.configuration("containerd.toml").display())]
            }
            Self::ApiServer => api_server(site),
            Self::ControllerManager => controller_manager(site),
            Self::Scheduler => scheduler(site),
            Self::Proxy => proxy(site),
            Self::Dns => vec![
                "-conf".to_owned(),
                site.layout.configuration("Corefile").display().to_string(),
            ],
            Self::Kubelet => kubelet(site),
        };
        let program = match self {
            Self::Etcd | Self::Containerd => Path::new(self.name()).to_owned(),
            Self::Dns => site.tools.coredns(),
            _ => site.tools.kubernetes(self.name()),
        };
        [vec![program.display().to_string()], arguments].concat()
    }
}

fn flag(name: &str, value: impl Display) -> String {
    format!("--{name}={value}")
}

fn etcd(site: &Site<'_>) -> Vec<String> {
    vec![
        flag("name", NODE_NAME),
        flag("data-dir", site.layout.data("etcd").display()),
        flag("listen-client-urls", "http://127.0.0.1:2379"),
        flag("advertise-client-urls", "http://127.0.0.1:2379"),
        flag("listen-peer-urls", "http://127.0.0.1:2380"),
        flag("initial-advertise-peer-urls", "http://127.0.0.1:2380"),
        flag("initial-cluster", format_args!("{NODE_NAME}=http://127.0.0.1:2380")),
        flag("logger", "zap"),
        // Its data is never used after a crash of the machine.
        "--unsafe-no-fsync".to_owned(),
    ]
}

fn api_server(site: &Site<'_>) -> Vec<String> {
    let file = |name: &str| site.layout.configuration(name).display().to_string();
    vec![
        flag("etcd-servers", "http://127.0.0.1:2379"),
        flag("secure-port", API_PORT),
        flag("advertise-address", NODE),
        flag("service-cluster-ip-range", SERVICES),
        flag("allow-privileged", true),
        flag("authorization-mode", "Node,RBAC"),
        flag("enable-admission-plugins", "NodeRestriction"),
        flag("client-ca-file", file("ca.crt")),
        flag("tls-cert-file", file("apiserver.crt")),
        flag("tls-private-key-file", file("apiserver.key")),
        flag("service-account-issuer", "https://kubernetes.default.svc"),
        flag("service-account-key-file", file("tokens.pub")),
        flag("service-account-signing-key-file", file("tokens.key")),
        flag("kubelet-certificate-authority", file("ca.crt")),
        flag("kubelet-client-certificate", file("admin.crt")),
        flag("kubelet-client-key", file("admin.key")),
        flag("kubelet-preferred-address-types", "InternalIP"),
        // Aggregated APIs are reached by their pods' addresses.
        flag("enable-aggregator-routing", true),
        flag("proxy-client-cert-file", file("aggregator.crt")),
        flag("proxy-client-key-file", file("aggregator.key")),
        flag("requestheader-client-ca-file", file("ca.crt")),
        flag("requestheader-allowed-names", "aggregator"),
        flag("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
        flag("requestheader-group-headers", "X-Remote-Group"),
        flag("requestheader-username-headers", "X-Remote-User"),
    ]
}

fn controller_manager(site: &Site<'_>) -> Vec<String> {
    let file = |name: &str| site.layout.configuration(name).display().to_string();
    vec![
        flag("kubeconfig", file("controller-manager.kubeconfig")),
        flag("bind-address", "127.0.0.1"),
        flag("leader-elect", false),
        flag("use-service-account-credentials", true),
        flag("service-account-private-key-file", file("tokens.key")),
        flag("root-ca-file", file("ca.crt")),
    ]
}

fn scheduler(site: &Site<'_>) -> Vec<String> {
    vec![
        flag("kubeconfig", site.layout.configuration("scheduler.kubeconfig").display()),
        flag("bind-address", "127.0.0.1"),
        flag("leader-elect", false),
    ]
}

fn proxy(site: &Site<'_>) -> Vec<String> {
    vec![
        flag("kubeconfig", site.layout.configuration("proxy.kubeconfig").display()),
        flag("hostname-override", NODE_NAME),
        flag("proxy-mode", "iptables"),
        flag("cluster-cidr", PODS),
        flag("healthz-bind-address", "127.0.0.1"),
        flag("metrics-bind-address", "127.0.0.1"),
        // The first two are settings of the whole machine, not of this network.
        flag("conntrack-max-per-core", 0),
        flag("conntrack-min", 0),
        flag("conntrack-tcp-timeout-established", 0),
        flag("conntrack-tcp-timeout-close-wait", 0),
    ]
}

fn kubelet(site: &Site<'_>) -> Vec<String> {
    vec![
        flag("config", site.layout.configuration("kubelet.yaml").display()),
        flag("kubeconfig", site.layout.configuration("node.kubeconfig").display()),
        flag("root-dir", site.layout.data("kubelet").display()),
        flag("hostname-override", NODE_NAME),
        flag("node-ip", NODE),
    ]
}

/// All words of all components, to tell one way of starting them from another.
pub(super) fn all(layout: &Layout, tools: &Tools) -> String {
    let site = Site { layout, tools };
    Component::ALL.map(|component| component.words(&site).join(" ")).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Homes;
    use crate::paths::Paths;

    fn words(component: Component) -> Vec<String> {
        let homes = Homes { home: Some("/h".into()), state_home: None, cache_home: None };
        let paths = Paths::resolve(&homes).expect("folders");
        let (layout, tools) = (Layout::new(&paths), Tools::new(&paths));
        component.words(&Site { layout: &layout, tools: &tools })
    }

    #[test]
    fn what_has_no_login_listens_on_the_loopback_address() {
        let etcd = words(Component::Etcd);
        let listening = etcd.iter().filter(|word| word.starts_with("--listen-"));
        assert_eq!(listening.filter(|word| word.contains("http://127.0.0.1:")).count(), 2);
        for component in [Component::ControllerManager, Component::Scheduler] {
            assert!(words(component).contains(&"--bind-address=127.0.0.1".to_owned()));
        }
    }

    #[test]
    fn the_proxy_leaves_the_settings_of_the_whole_machine_alone() {
        let proxy = words(Component::Proxy);
        for flag in ["--conntrack-max-per-core=0", "--conntrack-min=0"] {
            assert!(proxy.contains(&flag.to_owned()), "{flag}");
        }
    }
}
