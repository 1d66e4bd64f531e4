//! Short names for contents: equal content, equal name.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};

use crate::programs::system;

/// How many hexadecimal digits are enough to tell the builds of one machine apart.
const LENGTH: usize = 12;

/// The name of `parts`; where one ends counts too.
pub(super) fn of_texts(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut text = hash.finalize().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every write");
        text
    });
    text.truncate(LENGTH);
    text
}

/// The name of a folder: the names, modes, links and contents of all files in it, whoever owns them
/// and whenever they were written.
///
/// # Errors
/// When it cannot be read.
pub(super) fn of_folder(folder: &Path) -> anyhow::Result<String> {
    let what = || format!("read {}", folder.display());
    // Not by our own code, which is not optimised in this build: images are some 100 MB.
    let mut archive = system("tar")
        .args(["--create", "--sort=name", "--mtime=@0", "--owner=0", "--group=0"])
        .args(["--numeric-owner", "--file=-", "--directory"])
        .arg(folder)
        .arg(".")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(what)?;
    let bytes = archive.stdout.take().context("read what tar says")?;
    let sum = system("sha256sum").stdin(bytes).output().with_context(what)?;
    let archived = archive.wait().with_context(what)?;
    ensure!(archived.success() && sum.status.success(), "{}: tar {archived}", what());
    let mut text = String::from_utf8(sum.stdout).with_context(what)?;
    text.truncate(LENGTH);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn texts_that_only_join_alike_differ() {
        assert_eq!(of_texts(&["a", "bc"]).len(), LENGTH);
        assert_ne!(of_texts(&["a", "bc"]), of_texts(&["ab", "c"]));
    }

    #[test]
    fn a_folder_is_named_by_content_and_mode_and_not_by_place_or_time() {
        let folder = || {
            let folder = tempfile::tempdir().expect("a folder");
            fs::write(folder.path().join("program"), "x").expect("written");
            folder
        };
        let (one, other) = (folder(), folder());
        let name = of_folder(one.path()).expect("a name");
        assert_eq!(name, of_folder(other.path()).expect("a name"));
        let program = other.path().join("program");
        fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("set");
        assert_ne!(name, of_folder(other.path()).expect("a name"));
        fs::write(one.path().join("program"), "y").expect("written");
        assert_ne!(name, of_folder(one.path()).expect("a name"));
    }
}
