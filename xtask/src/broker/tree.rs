//! A directory tree with RabbitMQ and all it needs, made from a Debian suite's packages.
//!
//! Nothing is installed: apt works on lists, a package database and a configuration of its own
//! below the cache, and the packages are only unpacked. apt checks the archive's signature against
//! Debian's keyring, and every package against the signed lists.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use super::release::Release;
use crate::lock::Lock;
use crate::paths::{self, Paths};
use crate::programs::{self, Program};
use crate::progress::Progress;

/// To be raised when a tree is made otherwise than before: older ones are then left alone.
const RECIPE: u32 = 1;

/// Needed to make a tree.
const PROGRAMS: [Program; 3] = [("apt-get", "apt"), ("dpkg-deb", "dpkg"), ("tar", "tar")];

/// Debian's keyring, under the names that its package gave it over time.
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// RabbitMQ, and the essential packages that its scripts use; apt adds what they depend on.
const PACKAGES: [&str; 8] =
    ["rabbitmq-server", "coreutils", "dash", "grep", "hostname", "mawk", "sed", "util-linux"];

/// Links of a merged `/usr`: packages of older suites still unpack to the left side.
const MERGED: [(&str, &str); 4] =
    [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")];

/// Where a running broker mounts something.
const MOUNT_POINTS: [&str; 6] =
    ["dev", "etc/rabbitmq", "proc", "tmp", "var/lib/rabbitmq", "var/log/rabbitmq"];

/// What the packages' own scripts would have written.
const FILES: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:root:/var/lib/rabbitmq:/bin/sh\n"),
    ("etc/group", "root:x:0:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
    ("etc/nsswitch.conf", "hosts: files\n"),
];

/// The tree of `release`, made from `mirror` when this user has none yet.
///
/// # Errors
/// When something needed is missing, or the packages cannot be fetched, verified or unpacked.
pub(super) fn ensure(
    paths: &Paths,
    release: Release,
    mirror: &str,
    progress: &Progress,
) -> anyhow::Result<PathBuf> {
    let name = format!("{}-{RECIPE}", release.suite());
    let place = paths.cache().join("rabbitmq").join(name);
    let tree = place.join("tree");
    if tree.exists() {
        return Ok(tree);
    }
    programs::require(&PROGRAMS)?;
    let keyring = keyring()?;
    let _lock = Lock::acquire(&place.join("lock"))?;
    if tree.exists() {
        return Ok(tree);
    }
    let apt = Apt::new(place.join("apt"), release.suite(), mirror, keyring)?;
    progress.step(format!(
        "RabbitMQ {}: downloading it and Erlang from Debian {} (about 80 MB)",
        release.name(),
        release.suite()
    ));
    let packages = apt.download()?;
    progress.step(format!("RabbitMQ {}: unpacking {} packages", release.name(), packages.len()));
    let partial = place.join("tree.partial");
    paths::remove_folder(&partial)?;
    make(&partial, &packages)?;
    fs::rename(&partial, &tree).with_context(|| format!("finish {}", tree.display()))?;
    paths::remove_folder(&apt.folder)?;
    Ok(tree)
}

fn keyring() -> anyhow::Result<&'static str> {
    let found = KEYRINGS.into_iter().find(|path| Path::new(path).exists());
    found.context(
        "missing: Debian's signing keys. Install with: apt-get install debian-archive-keyring",
    )
}

/// An apt that knows one suite and an empty machine.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(folder: PathBuf, suite: &str, mirror: &str, keyring: &str) -> anyhow::Result<Self> {
        for below in ["lists/partial", "archives/partial", "state"] {
            paths::create_private(&folder.join(below))?;
        }
        let files = [
            ("apt.conf", configuration(&folder)),
            ("sources.list", source(suite, mirror, keyring)),
            ("state/status", String::new()),
        ];
        for (name, text) in files {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(Self { folder })
    }

    /// The package files, verified.
    fn download(&self) -> anyhow::Result<Vec<PathBuf>> {
        self.run(&["update"])?;
        let install = ["install", "--download-only", "--no-install-recommends"];
        self.run(&[&install[..], &PACKAGES].concat())?;
        let archives = self.folder.join("archives");
        let mut packages = Vec::new();
        for entry in fs::read_dir(&archives).context("list the downloaded packages")? {
            let path = entry.context("list the downloaded packages")?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                packages.push(path);
            }
        }
        packages.sort_unstable();
        ensure!(!packages.is_empty(), "apt-get put no package into {}", archives.display());
        Ok(packages)
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = Command::new("apt-get")
            .env("LC_ALL", "C.UTF-8")
            .arg("-qq")
            .arg("--yes")
            .arg("--config-file")
            .arg(self.folder.join("apt.conf"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .context("start apt-get")?;
        ensure!(
            output.status.success(),
            "apt-get {} failed; another archive is used with WARREN_DEBIAN_MIRROR=URL. It says:\n{}",
            arguments.first().copied().unwrap_or_default(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }
}

/// apt's configuration: read after the machine's own, so that its proxies still hold.
fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"// The machine's hooks are about the machine's packages.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
// As root, apt would fetch as the user _apt, who may not enter this folder.
APT::Sandbox::User "root";
// A failed download must not end with success and older lists.
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "{folder}/state";
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/state/status";
Dir::Cache "{folder}";
Dir::Cache::archives "{folder}/archives";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"#
    )
}

/// The one source: package lists alone, trusted only with the signature of `keyring`.
fn source(suite: &str, mirror: &str, keyring: &str) -> String {
    format!("deb [signed-by={keyring} target=Packages] {mirror} {suite} main\n")
}

/// Unpacks `packages` into `tree` and adds what makes it a root directory.
fn make(tree: &Path, packages: &[PathBuf]) -> anyhow::Result<()> {
    for (link, target) in MERGED {
        paths::create_private(&tree.join(target))?;
        link_to(target, &tree.join(link))?;
    }
    for package in packages {
        unpack(package, tree)?;
    }
    for point in MOUNT_POINTS {
        paths::create_private(&tree.join(point))?;
    }
    for (name, text) in FILES {
        let path = tree.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        let readable = fs::set_permissions(&path, Permissions::from_mode(0o644));
        readable.with_context(|| format!("make {} readable", path.display()))?;
    }
    link_to("mawk", &tree.join("usr/bin/awk"))
}

fn link_to(target: &str, link: &Path) -> anyhow::Result<()> {
    match symlink(target, link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.with_context(|| format!("link {} to {target}", link.display())),
    }
}

/// `dpkg-deb --extract` would replace the links of [`MERGED`] by directories; tar can be told not to.
fn unpack(package: &Path, tree: &Path) -> anyhow::Result<()> {
    let what = || format!("unpack {}", package.display());
    let mut reader = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(what)?;
    let Some(archive) = reader.stdout.take() else {
        bail!("{}: dpkg-deb has no output", what());
    };
    let writer = Command::new("tar")
        .args(["--extract", "--keep-directory-symlink", "--no-same-owner", "--file", "-"])
        .arg("--directory")
        .arg(tree)
        .stdin(archive)
        .status();
    let read = reader.wait().with_context(what)?;
    let written = writer.with_context(what)?;
    ensure!(
        read.success() && written.success(),
        "{}: dpkg-deb ended with {read}, tar with {written}; is the disk full?",
        what()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_verified_with_debians_keyring() {
        let line = source("sid", "http://deb.debian.org/debian", KEYRINGS[0]);
        assert_eq!(
            line,
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg target=Packages] \
             http://deb.debian.org/debian sid main\n"
        );
        assert!(!configuration(Path::new("/c")).contains("Unauthenticated"));
    }

    #[test]
    fn apt_touches_nothing_outside_its_folder() {
        let text = configuration(Path::new("/cache/apt"));
        let places = text.lines().filter(|line| line.starts_with("Dir::"));
        for line in places {
            let own = line.contains("\"/cache/apt") || line.contains("\"/dev/null\"");
            assert!(own, "{line}");
        }
    }
}
