//! Removes the cluster, whole or in pieces: what runs, what is mounted, what it made.
//!
//! Everything is found by the cluster's id or below its folder, so that it works without a record
//! as well, and on what a killed run left.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::Signal;

use super::cgroups::Cgroups;
use super::layout::Layout;
use super::network;
use super::record::Record;
use crate::deadline;
use crate::paths;
use crate::process::Process;
use crate::programs::{output, system};

/// A killed process that writes much may be slow to go.
const KILL_LIMIT: Duration = Duration::from_secs(15);

/// Removes all that there is of the cluster `id`; nothing is as good.
///
/// # Errors
/// When something stays.
pub(super) fn remove(layout: &Layout, id: &str, cgroups: &Cgroups) -> anyhow::Result<()> {
    // No gentle stop: what it would write goes next.
    let record = Record::load(layout)?;
    let processes: Vec<Process> =
        record.map(|record| record.processes.into_values().collect()).unwrap_or_default();
    for process in &processes {
        process.signal(Signal::KILL)?;
    }
    for process in &processes {
        let gone = process.wait_gone(KILL_LIMIT);
        ensure!(gone, "process {} was killed and still runs", process.id);
    }
    cgroups.remove()?;
    network::remove(id)?;
    unmount(layout.root())?;
    remove_files(layout.root())
}

/// Removes `folder`, even while something that a killed run of xtask began still writes there: it
/// ends by itself soon.
fn remove_files(folder: &Path) -> anyhow::Result<()> {
    let removed = deadline::wait_for(KILL_LIMIT, || {
        let error = match paths::remove_folder(folder) {
            Ok(()) => return Ok(Some(())),
            Err(error) => error,
        };
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(ErrorKind::DirectoryNotEmpty) => Ok(None),
            _ => Err(error),
        }
    })?;
    removed.with_context(|| format!("remove {}: something keeps writing there", folder.display()))
}

/// Unmounts all that is mounted below `folder`: never delete through somebody's mount.
fn unmount(folder: &Path) -> anyhow::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("list the mounts")?;
    for place in below(&mounts, folder) {
        output(system("umount").arg("--lazy").arg(place))?;
    }
    Ok(())
}

/// The places of `mounts` (lines of `/proc/self/mounts`) below `folder`, innermost first.
fn below(mounts: &str, folder: &Path) -> Vec<PathBuf> {
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let mut found: Vec<_> =
        places.map(unescaped).filter(|place| place.starts_with(folder)).collect();
    found.reverse();
    found
}

/// `fstab(5)`: a space is written `\040`.
fn unescaped(place: &str) -> PathBuf {
    PathBuf::from(place.replace("\\040", " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_the_folder_go_innermost_first_and_no_others() {
        let mounts = "/dev/vda / ext4 rw 0 0\n\
                      tmpfs /s/a tmpfs rw 0 0\n\
                      tmpfs /s/a/b\\040c tmpfs rw 0 0\n\
                      tmpfs /sibling tmpfs rw 0 0\n";
        let found = below(mounts, Path::new("/s"));
        assert_eq!(found, [Path::new("/s/a/b c"), Path::new("/s/a")]);
    }
}
