//! What the cluster needs of this machine: root on Linux, and programs.

use std::path::Path;
use std::process::Command;

use anyhow::{bail, ensure};

use crate::programs::{self, Program};

/// Needed to run the cluster and to load images.
const PROGRAMS: [Program; 19] = [
    ("buildah", "buildah"),
    ("busybox", "busybox-static"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("etcd", "etcd-server"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("ldd", "libc-bin"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
    ("runc", "runc"),
    ("sed", "sed"),
    ("setsid", "util-linux"),
    ("sha256sum", "coreutils"),
    ("strip", "binutils"),
    ("tar", "tar"),
    ("umount", "mount"),
    ("unshare", "util-linux"),
    ("install", "coreutils"),
];

/// Files that are needed, and the Debian packages that have them.
const FILES: [Program; 3] = [
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/etc/ssl/certs/ca-certificates.crt", "ca-certificates"),
    ("/usr/share/zoneinfo/UTC", "tzdata"),
];

/// The oldest Go that builds all of it: major and minor version. That of Debian 12 is too old even
/// to fetch a newer one by itself.
const GO: (u32, u32) = (1, 26);

/// Why no cluster can run here; `None`, if one can.
pub(super) fn refusal() -> Option<&'static str> {
    let possible = cfg!(target_os = "linux") && rustix::process::geteuid().is_root();
    (!possible).then_some("needs root on Linux, or WARREN_TEST_KUBECONFIG")
}

/// Checks what the cluster needs, and Go, if something is still to be built.
///
/// # Errors
/// When something is missing: all of it is named in one message.
pub(super) fn check(building: bool) -> anyhow::Result<()> {
    ensure!(
        refusal().is_none(),
        "the dev cluster needs root on Linux (namespaces, mounts, control groups). With any other \
         cluster: WARREN_TEST_KUBECONFIG=FILE cargo xtask test"
    );
    let files = FILES.into_iter().filter(|(path, _)| !Path::new(path).exists());
    let missing: Vec<_> = programs::missing(&PROGRAMS).into_iter().chain(files).collect();
    let go = if building { go_advice(go_version().as_deref()) } else { None };
    match advice(&missing, go) {
        None => Ok(()),
        Some(advice) => bail!(advice),
    }
}

/// Checks that Go is there, and new enough.
///
/// # Errors
/// When it is not; the message names the version that was found and the one that is wanted.
pub(super) fn check_go() -> anyhow::Result<()> {
    match go_advice(go_version().as_deref()) {
        None => Ok(()),
        Some(advice) => bail!(advice),
    }
}

/// How the Go of this machine calls itself; `None`, if there is none.
fn go_version() -> Option<String> {
    programs::output(Command::new("go").args(["env", "GOVERSION"])).ok()
}

/// Judges that; `None`, if it serves.
fn go_advice(found: Option<&str>) -> Option<String> {
    let (major, minor) = GO;
    let wanted = format!("Go {major}.{minor} or newer, from https://go.dev/doc/install");
    match found {
        None => Some(format!("missing: {wanted}")),
        Some(found) if numbers(found).is_some_and(|numbers| numbers >= GO) => None,
        Some(found) => Some(format!("too old: `go` is `{}`; wanted: {wanted}", found.trim())),
    }
}

/// Major and minor of a version such as `go1.26.1`, `go1.27rc1` or `devel go1.28-0a1b2c3`.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let (_, version) = version.split_once("go")?;
    let (major, rest) = version.split_once('.')?;
    let minor = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn advice(missing: &[Program], go: Option<String>) -> Option<String> {
    let advice: Vec<_> = programs::advice(missing).into_iter().chain(go).collect();
    (!advice.is_empty()).then(|| advice.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_go_are_named_together() {
        let missing =
            [("ctr", "containerd"), ("containerd", "containerd"), ("etcd", "etcd-server")];
        let text = advice(&missing, go_advice(None)).expect("something is missing");
        assert!(text.contains("apt-get install containerd etcd-server\n"), "{text}");
        assert!(text.contains("https://go.dev/doc/install"), "{text}");
        assert_eq!(advice(&[], None), None);
    }

    #[test]
    fn an_old_go_is_told_with_both_versions() {
        for old in ["go1.19.8\n", "go1.25.9", "go1.9", ""] {
            let text = go_advice(Some(old)).expect("too old");
            assert!(text.contains(&format!("`{}`", old.trim())), "{text}");
            assert!(text.contains("Go 1.26 or newer"), "{text}");
        }
        for new in ["go1.26", "go1.26.1\n", "go1.27rc1", "devel go1.28-0a1b2c3 Tue", "go2.0"] {
            assert_eq!(go_advice(Some(new)), None, "{new}");
        }
    }
}
