//! What is on this machine of clusters whose folder is gone: no other command finds them.
//!
//! A cluster whose folder exists is somebody's and is left alone, whether it runs or not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::cgroups::Cgroups;
use super::network;

/// What becomes of a cluster that was found.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Somebody may still want it: whoever has this folder.
    Stays(Option<PathBuf>),
    Goes,
}

/// Removes what was left of clusters whose folder is gone, and tells what it finds.
///
/// # Errors
/// When something of one stays.
pub(super) fn remove(own: &str) -> anyhow::Result<()> {
    let cgroups = Cgroups::find(own)?;
    let mut ids = BTreeSet::new();
    for mount in cgroups.mounts() {
        ids.extend(ids_in(mount, "warren-"));
    }
    ids.extend(ids_in(Path::new(network::NAMESPACES), "warren-"));
    ids.extend(ids_in(Path::new(network::DEVICES), "wr-"));
    ids.remove(own);
    for id in ids {
        let cgroups = Cgroups::find(&id)?;
        match fate(network::folder(&id), cgroups.hold_processes()?) {
            Fate::Goes => {
                cgroups.remove()?;
                network::remove(&id)?;
                eprintln!("what was left of the cluster warren-{id} is removed");
            }
            Fate::Stays(Some(folder)) => {
                eprintln!("the cluster warren-{id} stays: it is that of {}", folder.display());
            }
            Fate::Stays(None) => {
                eprintln!("the cluster warren-{id} stays: it runs, and does not say whose it is");
            }
        }
    }
    Ok(())
}

/// Judges a cluster by the folder that it names, if it got so far, and by whether it runs.
fn fate(folder: Option<PathBuf>, runs: bool) -> Fate {
    match folder {
        Some(folder) if folder.exists() => Fate::Stays(Some(folder)),
        None if runs => Fate::Stays(None),
        _ => Fate::Goes,
    }
}

/// The ids of clusters in the names of what is in `folder`; none, if it is not there.
fn ids_in(folder: &Path, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| id_in(entry.file_name().to_str()?, prefix)).collect()
}

fn id_in(name: &str, prefix: &str) -> Option<String> {
    let id = name.strip_prefix(prefix)?;
    let digits = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (id.len() == 8 && digits).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_goes_with_its_folder_and_never_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let there = folder.path().to_owned();
        let gone = there.join("gone");
        for runs in [false, true] {
            assert_eq!(fate(Some(there.clone()), runs), Fate::Stays(Some(there.clone())));
            assert_eq!(fate(Some(gone.clone()), runs), Fate::Goes);
        }
    }

    #[test]
    fn one_that_names_no_folder_goes_when_it_does_not_run() {
        assert_eq!(fate(None, true), Fate::Stays(None));
        assert_eq!(fate(None, false), Fate::Goes);
    }

    #[test]
    fn only_our_names_have_an_id() {
        assert_eq!(id_in("warren-0a1b2c3d", "warren-").as_deref(), Some("0a1b2c3d"));
        for name in ["warren-system", "warren-0a1b2c3", "warren-0A1B2C3D", "wr-0a1b2c3d", "eth0"] {
            assert_eq!(id_in(name, "warren-"), None, "{name}");
        }
    }
}
