//! The process of a pod, where pods run on this machine.

use std::fs;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use rustix::process::{Pid, Signal, kill_process};

/// Kills the program in a pod with signal 9; false where the pod runs on another machine.
pub(crate) fn kill(pod: &Pod, program: &str) -> bool {
    let uid = pod.uid().expect("a pod that was created");
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = processes.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut ids = names.filter_map(|name| name.parse().ok());
    let Some(id) = ids.find(|id| is(*id, program) && belongs(*id, &uid)) else {
        return false;
    };
    let id = Pid::from_raw(id).expect("no process has number 0");
    kill_process(id, Signal::KILL).expect("the tests run as whoever runs the node");
    true
}

fn is(id: i32, program: &str) -> bool {
    // The kernel keeps 15 characters of a name.
    let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    !name.trim().is_empty() && program.starts_with(name.trim())
}

fn belongs(id: i32, uid: &str) -> bool {
    let groups = fs::read_to_string(format!("/proc/{id}/cgroup")).unwrap_or_default();
    // Systemd's driver writes a uid with underscores.
    groups.contains(uid) || groups.contains(&uid.replace('-', "_"))
}
