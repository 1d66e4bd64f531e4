//! The cluster's control groups: a tree of its own in every hierarchy of the machine.
//!
//! The kubelet puts pods below it, the components themselves lie in its group `system`. What is in
//! the tree belongs to the cluster: a process cannot leave it unnoticed, and no stranger gets in.
//! So a container's shim is found even when all who knew of it are dead.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::Signal;

use crate::deadline;
use crate::process::Process;

/// How long killed processes may take to be gone, and their groups with them.
const KILL_LIMIT: Duration = Duration::from_secs(30);

/// What the kubelet limits; in the unified hierarchy a group's parent must hand them down.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "hugetlb", "memory", "pids"];

/// The trees of one cluster.
#[derive(Debug, Clone)]
pub(super) struct Cgroups {
    name: String,
    hierarchies: Hierarchies,
}

impl Cgroups {
    /// Those of the cluster `id`.
    ///
    /// # Errors
    /// When this machine has no control groups that serve.
    pub(super) fn find(id: &str) -> anyhow::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").context("list the mounts")?;
        let hierarchies = Hierarchies::parse(&mounts).context(
            "find control groups: /sys/fs/cgroup has neither the unified hierarchy nor the \
             controller `pids`; in a container, run it privileged",
        )?;
        Ok(Self { name: format!("warren-{id}"), hierarchies })
    }

    /// What the kubelet takes as its root.
    pub(super) fn root(&self) -> String {
        format!("/{}", self.name)
    }

    /// The group of the components.
    pub(super) fn system(&self) -> PathBuf {
        self.hierarchies.members().join(&self.name).join("system")
    }

    /// The roots of the hierarchies that may hold something of a cluster.
    pub(super) fn mounts(&self) -> Vec<&Path> {
        self.hierarchies.all()
    }

    /// Whether a process is in the trees.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(super) fn hold_processes(&self) -> anyhow::Result<bool> {
        Ok(!members(&self.hierarchies.members().join(&self.name))?.is_empty())
    }

    /// Makes the trees.
    ///
    /// # Errors
    /// When a group cannot be made, or lacks what the kubelet limits.
    pub(super) fn create(&self) -> anyhow::Result<()> {
        for mount in self.hierarchies.controllers() {
            let group = mount.join(&self.name);
            fs::create_dir_all(&group).with_context(|| format!("make {}", group.display()))?;
        }
        if let Hierarchies::Unified(mount) = &self.hierarchies {
            let group = mount.join(&self.name);
            hand_down(mount);
            hand_down(&group);
            let missing = missing(&controllers(mount)?, &controllers(&group)?);
            ensure!(
                missing.is_empty(),
                "the kubelet needs controllers that {} does not get: {}. In a container, run it \
                 with --privileged --cgroupns=host; elsewhere, they must be turned on in {}",
                group.display(),
                missing.join(", "),
                mount.join("cgroup.subtree_control").display()
            );
        }
        let system = self.system();
        fs::create_dir_all(&system).with_context(|| format!("make {}", system.display()))
    }

    /// Kills all that is in the trees and removes them; what is not there is as good.
    ///
    /// # Errors
    /// When a process stays, or a group.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        let tree = self.hierarchies.members().join(&self.name);
        let empty = deadline::wait_for(KILL_LIMIT, || {
            let members = members(&tree)?;
            // Those that are left may have begun others meanwhile: all are asked for again.
            members.iter().try_for_each(|process| process.signal(Signal::KILL))?;
            Ok(members.is_empty().then_some(()))
        })?;
        ensure!(empty.is_some(), "processes in {} were killed and still run", tree.display());
        for mount in self.hierarchies.all() {
            let group = mount.join(&self.name);
            // A group can be busy for a moment after its last process ended.
            let gone = deadline::wait_for(KILL_LIMIT, || match remove_tree(&group) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy => Ok(None),
                other => Ok(Some(other.with_context(|| format!("remove {}", group.display()))?)),
            })?;
            ensure!(gone.is_some(), "{} stays busy", group.display());
        }
        Ok(())
    }
}

/// How this machine mounts control groups.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hierarchies {
    /// Version 2: one tree.
    Unified(PathBuf),
    /// Version 1, perhaps with version 2 beside it for those who follow processes.
    Split {
        /// The one that counts processes, by which ours are found.
        pids: PathBuf,
        controllers: BTreeSet<PathBuf>,
        /// Version 2, where runc makes groups too.
        unified: Option<PathBuf>,
    },
}

impl Hierarchies {
    /// Reads the lines of `/proc/self/mounts` (`fstab(5)`: what, where, type, options).
    fn parse(mounts: &str) -> Option<Self> {
        let mut unified = None;
        let mut pids = None;
        let mut controllers = BTreeSet::new();
        for line in mounts.lines() {
            let mut fields = line.split(' ').skip(1);
            let (Some(place), Some(kind), Some(options)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let place = PathBuf::from(place);
            match kind {
                "cgroup2" => unified = Some(place),
                "cgroup" => {
                    if options.split(',').any(|option| option == "pids") {
                        pids = Some(place.clone());
                    }
                    controllers.insert(place);
                }
                _ => {}
            }
        }
        match (controllers.is_empty(), pids, unified) {
            (false, Some(pids), unified) => Some(Self::Split { pids, controllers, unified }),
            (true, _, Some(unified)) => Some(Self::Unified(unified)),
            _ => None,
        }
    }

    /// The one by which processes are found.
    fn members(&self) -> &Path {
        match self {
            Self::Unified(mount) => mount,
            Self::Split { pids, .. } => pids,
        }
    }

    /// Those in which the kubelet wants to find its root.
    fn controllers(&self) -> Vec<&Path> {
        match self {
            Self::Unified(mount) => vec![mount],
            Self::Split { controllers, .. } => controllers.iter().map(PathBuf::as_path).collect(),
        }
    }

    /// Those in which somebody may have made a group for the cluster.
    fn all(&self) -> Vec<&Path> {
        let mut all = self.controllers();
        if let Self::Split { unified: Some(unified), .. } = self {
            all.push(unified);
        }
        all
    }
}

/// Turns controllers on below `group`, those that it takes.
fn hand_down(group: &Path) {
    for controller in CONTROLLERS {
        let _ = fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// The controllers of `group`, as `cgroups(7)` has it: their names, with spaces between.
fn controllers(group: &Path) -> anyhow::Result<String> {
    let file = group.join("cgroup.controllers");
    fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))
}

/// What the kubelet misses in a group with the controllers `got` on a machine with `offered`. It
/// does without `hugetlb` where the kernel has none.
fn missing(offered: &str, got: &str) -> Vec<&'static str> {
    let has = |list: &str, name: &str| list.split_whitespace().any(|word| word == name);
    let needed = |name: &&str| *name != "hugetlb" || has(offered, name);
    CONTROLLERS.into_iter().filter(needed).filter(|name| !has(got, name)).collect()
}

/// All processes of `group` and the groups below it.
fn members(group: &Path) -> anyhow::Result<Vec<Process>> {
    let mut processes = Vec::new();
    for group in groups(group).with_context(|| format!("list {}", group.display()))? {
        // A group may be gone since it was listed.
        let ids = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        let ids = ids.lines().filter_map(|line| line.parse().ok());
        processes.extend(ids.filter_map(Process::with_id));
    }
    Ok(processes)
}

/// Removes `group` and the groups below it: only the folders, as `cgroups(7)` has it.
fn remove_tree(group: &Path) -> io::Result<()> {
    for group in groups(group)?.iter().rev() {
        match fs::remove_dir(group) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// `group` and all below it, each after the one that holds it; none if it does not exist.
fn groups(group: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(group) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = vec![group.to_owned()];
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(groups(&entry.path())?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIDS: &str = "cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0\n";
    const CPU: &str = "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n";
    const NAMED: &str = "cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0\n";
    const HYBRID: &str = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";
    const UNIFIED: &str = "cgroup2 /sys/fs/cgroup cgroup2 rw,relatime 0 0\n";

    #[test]
    fn both_versions_are_known_and_the_split_one_wins_where_both_are() {
        let unified = Hierarchies::parse(&format!("proc /proc proc rw 0 0\n{UNIFIED}"));
        assert_eq!(unified, Some(Hierarchies::Unified("/sys/fs/cgroup".into())));
        let hybrid = Hierarchies::parse(&[CPU, PIDS, NAMED, HYBRID].concat()).expect("groups");
        assert_eq!(hybrid.members(), Path::new("/sys/fs/cgroup/pids"));
        let unified = Path::new("/sys/fs/cgroup/unified");
        assert_eq!(hybrid.controllers().len(), 3);
        assert!(!hybrid.controllers().contains(&unified), "the kubelet asks for none there");
        assert!(hybrid.all().contains(&unified), "runc makes groups there");
    }

    #[test]
    fn a_machine_whose_processes_cannot_be_found_is_refused() {
        assert_eq!(Hierarchies::parse(""), None);
        assert_eq!(Hierarchies::parse(CPU), None);
    }

    #[test]
    fn controllers_that_are_not_handed_down_are_named() {
        let machine = "cpuset cpu io memory hugetlb pids rdma misc\n";
        assert_eq!(missing(machine, machine), [""; 0]);
        assert_eq!(missing(machine, "memory pids\n"), ["cpu", "cpuset", "hugetlb"]);
        assert_eq!(missing("cpu", ""), ["cpu", "cpuset", "memory", "pids"]);
        let small = "cpuset cpu memory pids\n";
        assert_eq!(missing(small, small), [""; 0], "a kernel without huge pages serves");
    }

    #[test]
    fn a_tree_goes_from_its_leaves_and_one_that_is_not_there_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let tree = folder.path().join("warren-1");
        fs::create_dir_all(tree.join("kubepods/pod1/container")).expect("groups");
        fs::create_dir_all(tree.join("system")).expect("groups");
        remove_tree(&tree).expect("removed");
        assert!(!tree.exists());
        remove_tree(&tree).expect("nothing to do");
    }
}
