//! How a program of another Debian release runs on this Linux: in namespaces of its own, with its
//! tree as the root directory.
//!
//! Everything that only Linux has is here. A process namespace also means that killing one process
//! ends all of the broker, Erlang's port mapper included.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::programs::{self, Program};

/// What is put together and entered before RabbitMQ starts.
const ENTER: &str = include_str!("enter.sh");

/// Needed whenever a broker starts.
const PROGRAMS: [Program; 4] = [
    ("chroot", "coreutils"),
    ("mount", "mount"),
    ("setsid", "util-linux"),
    ("unshare", "util-linux"),
];

/// `unshare` with mount and process namespaces; its death kills what runs inside.
const NAMESPACES: [&str; 4] = ["--mount", "--pid", "--fork", "--kill-child"];

/// Kernel settings that forbid user namespaces, the value that does, and what lifts it.
const LIMITS: [(&str, &str, &str); 3] = [
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
];

/// A way to get namespaces on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sandbox {
    /// In a user namespace, in which this user counts as root.
    User,
    /// As root, where user namespaces are forbidden.
    Root,
}

/// The folders that a broker sees in the place of those of its tree.
#[derive(Debug)]
pub(super) struct Folders<'a> {
    pub(super) tree: &'a Path,
    pub(super) data: &'a Path,
    pub(super) logs: &'a Path,
    pub(super) configuration: &'a Path,
}

impl Sandbox {
    /// Finds out what this machine allows.
    ///
    /// # Errors
    /// When it is not Linux, when a program is missing, or when neither way is open; the message
    /// says what would open one.
    pub(super) fn find() -> anyhow::Result<Self> {
        ensure!(
            cfg!(target_os = "linux"),
            "brokers can be started on Linux only; use any other RabbitMQ with --broker-dir"
        );
        programs::require(&PROGRAMS)?;
        let Some(refusal) = Self::User.attempt()? else {
            return Ok(Self::User);
        };
        if rustix::process::geteuid().is_root() && Self::Root.attempt()?.is_none() {
            return Ok(Self::Root);
        }
        bail!(advice(&refusal, |path| fs::read_to_string(path).ok()))
    }

    /// RabbitMQ inside `folders`, ready to be started with an environment of its own.
    ///
    /// It leads a session, so that no terminal takes it down. The process that is started stays
    /// the one whose end ends everything: `setsid` and the shell become what they run.
    pub(super) fn server(self, folders: &Folders<'_>) -> Command {
        let mut command = self.unshare("setsid");
        command.args(["sh", "-euc", ENTER, "enter.sh"]);
        command.args([folders.tree, folders.data, folders.logs, folders.configuration]);
        command
    }

    /// Tries to mount something; what was said against it, if it did not work.
    fn attempt(self) -> anyhow::Result<Option<String>> {
        let mut command = self.unshare("env");
        command.args(["mount", "-t", "tmpfs", "tmpfs", "/tmp"]);
        let output = command.stdin(Stdio::null()).output().context("start unshare")?;
        let refusal = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok((!output.status.success()).then_some(refusal))
    }

    fn unshare(self, starter: &str) -> Command {
        let mut command = Command::new(starter);
        command.env_clear().env("PATH", programs::PATH).arg("unshare");
        if self == Self::User {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(NAMESPACES).arg("--");
        command
    }
}

/// What to do about `refusal`, given the kernel's settings.
fn advice(refusal: &str, setting: impl Fn(&str) -> Option<String>) -> String {
    let forbids = |path: &str, value: &str| setting(path).is_some_and(|now| now.trim() == value);
    let lift = LIMITS
        .iter()
        .find(|(path, value, _)| forbids(path, value))
        .map(|(_, _, command)| format!(", or allow it to everybody: {command}"))
        .unwrap_or_default();
    format!(
        "RabbitMQ needs namespaces of its own, which this machine refuses ({refusal}). Run this as \
         root (in a container: with CAP_SYS_ADMIN){lift}; or use any other RabbitMQ with --broker-dir"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_forbids_namespaces_is_named_with_its_remedy() {
        let ubuntu = advice("Operation not permitted", |path| {
            path.contains("apparmor").then(|| "1\n".to_owned())
        });
        assert!(ubuntu.contains("apparmor_restrict_unprivileged_userns=0"), "{ubuntu}");
        let off = advice("No space left on device", |path| {
            path.contains("max_user").then(|| "0\n".to_owned())
        });
        assert!(off.contains("user.max_user_namespaces=10000"), "{off}");
    }

    #[test]
    fn without_such_a_setting_a_container_is_suspected() {
        let text = advice("unshare failed", |_| Some("31337".to_owned()));
        assert!(text.contains("CAP_SYS_ADMIN") && text.contains("unshare failed"), "{text}");
    }
}
