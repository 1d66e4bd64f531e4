//! How a program gets into the cluster: its control group, its network, its mounts.
//!
//! The first program makes the mount namespace; those after it join it there. Nothing is forked on
//! the way, so the process that is started is the program itself, and its id can be remembered.

use std::path::Path;
use std::process::Command;

use super::network::Network;
use crate::process::Process;
use crate::programs;

/// Moves itself into the control group `$1` and becomes the rest of its arguments.
const JOIN: &str = r#"echo $$ >"$1/cgroup.procs"; shift; exec "$@""#;

/// Makes the mount namespace ready.
pub(super) const ENTER: &str = include_str!("config/enter.sh");

/// The first program of the cluster: `words`.
pub(super) fn first(network: &Network, cgroup: &Path, words: &[String]) -> Command {
    let mut command = in_group(cgroup);
    command.arg("nsenter").arg(format!("--net={}", network.namespace_file().display()));
    // Private: no mount is seen outside, and all go with the last process inside.
    command.args(["unshare", "--mount", "--propagation", "private"]);
    command.args(["sh", "-euc", ENTER, "enter.sh"]).args(words);
    command
}

/// A further program: `words`. `holder` is the first.
pub(super) fn further(holder: Process, cgroup: &Path, words: &[String]) -> Command {
    let mut command = in_group(cgroup);
    command.arg("nsenter").args(namespaces(holder)).args(words);
    command
}

/// A program that is run to its end, in the namespaces of `holder`. Should whoever started it be
/// killed, it is found and ended with the cluster.
pub(super) fn visitor(holder: Process, cgroup: &Path, program: &str) -> Command {
    let mut command = in_group(cgroup);
    command.arg("nsenter").args(namespaces(holder)).arg(program);
    command
}

/// It leads a session, so that no terminal takes it down, and has the environment of no user.
fn in_group(cgroup: &Path) -> Command {
    let mut command = Command::new("setsid");
    command.env_clear().env("PATH", programs::PATH);
    command.args(["sh", "-euc", JOIN, "join"]).arg(cgroup);
    command
}

fn namespaces(holder: Process) -> [String; 3] {
    [format!("--target={}", holder.id), "--mount".to_owned(), "--net".to_owned()]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::programs::{output, system};

    /// What the kubelet sets, as `setupKernelTunables` of its package `cm` has it.
    const SETTINGS: [&str; 6] = [
        "vm/overcommit_memory",
        "vm/panic_on_oom",
        "kernel/panic",
        "kernel/panic_on_oops",
        "kernel/keys/root_maxkeys",
        "kernel/keys/root_maxbytes",
    ];

    /// Writes as the kubelet does, to what can be nobody's kernel.
    const WRITE: &str = r#"for name; do
        test "$(stat --file-system --format=%T "/proc/sys/$name")" = tmpfs
        echo 1 >"/proc/sys/$name"
        test "$(cat "/proc/sys/$name")" = 1
    done"#;

    #[test]
    fn what_the_kubelet_sets_for_the_whole_kernel_stays_in_the_cluster() {
        let read = || SETTINGS.map(|name| fs::read_to_string(format!("/proc/sys/{name}")).ok());
        let before = read();
        let mut command = system("unshare");
        // The first two let those who are not root do it, too.
        command.args(["--user", "--map-root-user", "--mount", "--propagation", "private"]);
        command.args(["sh", "-euc", ENTER, "enter.sh", "sh", "-euc", WRITE, "write"]);
        output(command.args(SETTINGS)).expect("all are files of the cluster's own");
        assert_eq!(read(), before);
    }
}
