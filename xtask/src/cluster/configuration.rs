//! The files that the components read: certificates, logins, settings.
//!
//! Written once, when a cluster is made; a component that is started again finds them as they were.

use std::fs;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::component::{API_PORT, NODE_NAME};
use super::layout::Layout;
use super::network::{API_SERVICE, NODE, Network};
use super::pki::{self, Authority, Identity, Subject};
use crate::paths::{self, write_private};

const KUBELET: &str = include_str!("config/kubelet.yaml");
const CONTAINERD: &str = include_str!("config/containerd.toml");
const CNI: &str = include_str!("config/cni.conflist");
const COREFILE: &str = include_str!("config/Corefile");
const DNS: &str = include_str!("config/dns.yaml");

/// The manifest of what the cluster needs in itself.
pub(super) const MANIFEST: &str = "dns.yaml";

/// Pods that use the node's names, not the cluster's, get the same: there is no other.
const RESOLV_CONF: &str = "nameserver 10.96.0.10\n";

/// The settings, by file name.
const TEMPLATES: [(&str, &str); 6] = [
    ("kubelet.yaml", KUBELET),
    ("containerd.toml", CONTAINERD),
    ("cni/10-warren.conflist", CNI),
    ("Corefile", COREFILE),
    (MANIFEST, DNS),
    ("resolv.conf", RESOLV_CONF),
];

/// Those who log in with a file: its name, the user and the user's group.
const LOGINS: [(&str, &str, Option<&str>); 4] = [
    ("controller-manager", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
    ("proxy", "system:kube-proxy", None),
    ("coredns", "system:coredns", None),
];

/// What the settings depend on.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) layout: &'a Layout,
    pub(super) network: &'a Network,
    /// The control group for the kubelet.
    pub(super) cgroup: &'a str,
    /// The image of every pod's first container.
    pub(super) sandbox: &'a str,
}

impl Settings<'_> {
    /// Writes all files.
    ///
    /// # Errors
    /// When a key cannot be drawn or a file not written.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        create_folders(self.layout)?;
        self.identities()?;
        for (name, template) in TEMPLATES {
            write_private(&self.layout.configuration(name), &self.filled(template))?;
        }
        Ok(())
    }

    fn filled(&self, template: &str) -> String {
        template
            .replace("STATE", &self.layout.root().display().to_string())
            .replace("CGROUP", self.cgroup)
            .replace("INSIDE", &self.network.inside.to_string())
            .replace("SANDBOX", self.sandbox)
    }

    fn identities(&self) -> anyhow::Result<()> {
        let authority = Authority::new()?;
        let ca = authority.certificate();
        write_private(&self.layout.configuration("ca.crt"), &ca)?;
        let (private, public) = pki::token_keys()?;
        write_private(&self.layout.configuration("tokens.key"), &private)?;
        write_private(&self.layout.configuration("tokens.pub"), &public)?;

        let client = |name, group| Subject { name, group, hosts: Vec::new() };
        let server = Subject { hosts: self.api_hosts(), ..client("kube-apiserver", None) };
        self.certify("apiserver", &authority.issue(&server)?)?;
        self.certify("aggregator", &authority.issue(&client("aggregator", None))?)?;

        let admin = authority.issue(&client("warren-admin", Some("system:masters")))?;
        self.certify("admin", &admin)?;
        let outside = format!("https://{}:{API_PORT}", self.network.inside);
        write_private(&self.layout.kubeconfig(), &kubeconfig(&outside, &ca, &admin))?;

        let user = format!("system:node:{NODE_NAME}");
        let hosts = vec![NODE_NAME.to_owned(), NODE.to_string()];
        let node = Subject { name: &user, group: Some("system:nodes"), hosts };
        let node = authority.issue(&node)?;
        self.certify("node", &node)?;
        self.login("node", &ca, &node)?;
        for (name, user, group) in LOGINS {
            self.login(name, &ca, &authority.issue(&client(user, group))?)?;
        }
        Ok(())
    }

    fn certify(&self, name: &str, identity: &Identity) -> anyhow::Result<()> {
        let file = |kind| self.layout.configuration(&format!("{name}.{kind}"));
        write_private(&file("crt"), &identity.certificate)?;
        write_private(&file("key"), &identity.key)
    }

    fn login(&self, name: &str, ca: &str, identity: &Identity) -> anyhow::Result<()> {
        let server = format!("https://{NODE}:{API_PORT}");
        let file = self.layout.configuration(&format!("{name}.kubeconfig"));
        write_private(&file, &kubeconfig(&server, ca, identity))
    }

    fn api_hosts(&self) -> Vec<String> {
        let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let addresses = [NODE, API_SERVICE, self.network.inside].map(|address| address.to_string());
        let local = "127.0.0.1".to_owned();
        names.into_iter().map(str::to_owned).chain([local]).chain(addresses).collect()
    }
}

/// All settings, to tell one set of them from another.
pub(super) fn templates() -> String {
    TEMPLATES.map(|(name, template)| format!("{name}\n{template}")).concat()
}

/// Makes the folders that components expect to exist.
fn create_folders(layout: &Layout) -> anyhow::Result<()> {
    paths::create_private(&layout.configuration("cni"))?;
    paths::create_private(&layout.data("etcd"))?;
    let logs = layout.root().join("log");
    fs::create_dir_all(&logs).with_context(|| format!("create {}", logs.display()))
}

/// A login as a file (<https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>).
fn kubeconfig(server: &str, ca: &str, identity: &Identity) -> String {
    let [ca, certificate, key] =
        [ca, &identity.certificate, &identity.key].map(|text| STANDARD.encode(text));
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters:\n\
         - name: warren\n  \
           cluster: {{server: \"{server}\", certificate-authority-data: {ca}}}\n\
         users:\n\
         - name: warren\n  \
           user: {{client-certificate-data: {certificate}, client-key-data: {key}}}\n\
         contexts:\n\
         - name: warren\n  \
           context: {{cluster: warren, user: warren}}\n\
         current-context: warren\n"
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::args::Homes;
    use crate::paths::Paths;

    fn layout(folder: &tempfile::TempDir) -> Layout {
        let homes = Homes {
            home: None,
            state_home: Some(folder.path().into()),
            cache_home: Some(folder.path().into()),
        };
        Layout::new(&Paths::resolve(&homes).expect("folders"))
    }

    #[test]
    fn nothing_is_left_to_fill_in_and_only_the_user_reads_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = layout(&folder);
        let network = Network::example();
        let settings = Settings {
            layout: &layout,
            network: &network,
            cgroup: "/warren-1",
            sandbox: "warren.dev/busybox:1",
        };
        settings.write().expect("written");

        for name in ["kubelet.yaml", "containerd.toml", "Corefile", "node.kubeconfig"] {
            let text = fs::read_to_string(layout.configuration(name)).expect("a file");
            let code: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
            for word in ["STATE", "CGROUP", "INSIDE", "SANDBOX"] {
                assert!(!code.iter().any(|line| line.contains(word)), "{word} in {name}");
            }
        }
        let admin = fs::read_to_string(layout.kubeconfig()).expect("a kubeconfig");
        assert!(admin.contains("https://10.97.0.2:16443"), "the host reaches the cable alone");
        let mode = fs::metadata(layout.kubeconfig()).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
