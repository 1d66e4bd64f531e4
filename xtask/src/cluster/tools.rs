//! The programs that no Debian package has: Kubernetes itself, helm and CoreDNS, from Go modules.
//!
//! Each is built once per version and kept in the cache. Go checks every module against the sums
//! in `kubernetes/go.sum`, or against its checksum database.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::digest;
use crate::lock::Lock;
use crate::paths::{self, Paths};
use crate::progress::Progress;

/// What Kubernetes is built from: its commands as tools, its staging modules as replacements.
const GO_MOD: &str = include_str!("kubernetes/go.mod");
const GO_SUM: &str = include_str!("kubernetes/go.sum");

/// To be raised when something is built otherwise than before.
const RECIPE: u32 = 1;

/// How often something is said to those who see no spinner.
const NEWS: Duration = Duration::from_secs(30);

/// The versions of what is installed by name.
const HELM: (&str, &str) = ("helm.sh/helm/v3/cmd/helm", "v3.21.4");
const COREDNS: (&str, &str) = ("github.com/coredns/coredns", "v1.14.7");

/// Where the programs are.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    kubernetes: PathBuf,
    helm: PathBuf,
    coredns: PathBuf,
}

/// One thing to build.
#[derive(Debug)]
struct Build {
    /// What people call it, with its version.
    title: String,
    /// The folder of its programs in the cache.
    folder: String,
    /// What `go` is called with; `OUT` stands for the folder.
    words: Vec<String>,
}

impl Tools {
    /// Where they are or will be.
    pub(super) fn new(paths: &Paths) -> Self {
        let [kubernetes, helm, coredns] = builds().map(|build| place(paths).join(build.folder));
        Self { kubernetes, helm, coredns }
    }

    /// A program of Kubernetes.
    pub(super) fn kubernetes(&self, name: &str) -> PathBuf {
        self.kubernetes.join(name)
    }

    /// The program `kubectl`.
    pub(super) fn kubectl(&self) -> PathBuf {
        self.kubernetes("kubectl")
    }

    /// The program `helm`.
    pub(super) fn helm(&self) -> PathBuf {
        self.helm.join("helm")
    }

    /// The program `coredns`.
    pub(super) fn coredns(&self) -> PathBuf {
        self.coredns.join("coredns")
    }

    /// Whether all are built.
    pub(super) fn exist(&self) -> bool {
        [&self.kubernetes, &self.helm, &self.coredns].iter().all(|folder| folder.exists())
    }
}

/// Builds what is not in the cache; five minutes for Kubernetes, on two cores.
///
/// # Errors
/// When a build fails.
pub(super) fn build(paths: &Paths, progress: &Progress) -> anyhow::Result<()> {
    builds().iter().try_for_each(|build| build.ensure(paths, progress))
}

/// Builds helm alone, if it is not in the cache.
///
/// # Errors
/// When the build fails.
pub(super) fn build_helm(paths: &Paths, progress: &Progress) -> anyhow::Result<()> {
    let [_, helm, _] = builds();
    helm.ensure(paths, progress)
}

fn place(paths: &Paths) -> PathBuf {
    paths.cache().join("cluster")
}

/// Kubernetes, helm, CoreDNS.
fn builds() -> [Build; 3] {
    let version = required(GO_MOD, "k8s.io/kubernetes").expect("go.mod names Kubernetes");
    [kubernetes(version), helm(version), installed("CoreDNS", COREDNS, "")]
}

fn kubernetes(version: &str) -> Build {
    let stamp = stamps("k8s.io/component-base/version", version, ["gitMajor", "gitMinor"]);
    let stamp = format!("{stamp} -X k8s.io/component-base/version.gitVersion={version}");
    let words = ["build", "-v", "-trimpath", "-ldflags", &format!("-s -w {stamp}"), "-o", "OUT/"];
    let words: Vec<_> = words.into_iter().chain(["tool"]).map(str::to_owned).collect();
    Build::new("kubernetes", version, words, &[GO_MOD, GO_SUM])
}

/// Helm, which judges a chart's `kubeVersion` without a cluster by the version it is stamped with.
fn helm(kubernetes: &str) -> Build {
    let stamp = ["pkg/chartutil", "pkg/lint/rules"].map(|package| {
        let package = format!("helm.sh/helm/v3/{package}");
        stamps(&package, kubernetes, ["k8sVersionMajor", "k8sVersionMinor"])
    });
    installed("helm", HELM, &stamp.join(" "))
}

fn installed(title: &str, (module, version): (&str, &str), stamp: &str) -> Build {
    let flags = format!("-s -w {stamp}");
    let module = format!("{module}@{version}");
    let words = ["install", "-v", "-trimpath", "-ldflags", flags.trim_end(), &module];
    Build::new(title, version, words.map(str::to_owned).to_vec(), &[])
}

/// Linker flags that tell `package` the numbers of `version`.
fn stamps(package: &str, version: &str, variables: [&str; 2]) -> String {
    let numbers = version.trim_start_matches('v').split('.');
    let stamps = variables.into_iter().zip(numbers);
    stamps
        .map(|(name, number)| format!("-X {package}.{name}={number}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The version that `go_mod` requires of `module`.
fn required<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let words = line.trim().trim_start_matches("require ");
        words.strip_prefix(module)?.strip_prefix(' ')?.split(' ').next()
    })
}

impl Build {
    fn new(title: &str, version: &str, words: Vec<String>, inputs: &[&str]) -> Self {
        let recipe = RECIPE.to_string();
        let words_text = words.join("\n");
        let parts: Vec<_> =
            [recipe.as_str(), &words_text].into_iter().chain(inputs.iter().copied()).collect();
        let key = digest::of_texts(&parts);
        let folder = format!("{}-{version}-{key}", title.to_lowercase());
        Self { title: format!("{title} {version}"), folder, words }
    }

    /// Builds, unless the cache has it.
    fn ensure(&self, paths: &Paths, progress: &Progress) -> anyhow::Result<()> {
        let place = place(paths);
        let folder = place.join(&self.folder);
        if folder.exists() {
            return Ok(());
        }
        // Each has a lock of its own: who wants helm alone need not wait for Kubernetes.
        let _lock = Lock::acquire(&place.join(format!("{}.lock", self.folder)))?;
        if folder.exists() {
            return Ok(());
        }
        self.run(&folder, progress)
    }

    /// Builds into `folder`, which exists only when all is done.
    fn run(&self, folder: &Path, progress: &Progress) -> anyhow::Result<()> {
        let source = folder.with_added_extension("source");
        let partial = folder.with_added_extension("partial");
        for made in [&source, &partial] {
            paths::remove_folder(made)?;
            paths::create_private(made)?;
        }
        for (name, text) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
            let path = source.join(name);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        }
        self.compile(&source, &partial, progress)?;
        paths::remove_folder(&source)?;
        fs::rename(&partial, folder).with_context(|| format!("finish {}", folder.display()))
    }

    fn compile(&self, source: &Path, partial: &Path, progress: &Progress) -> anyhow::Result<()> {
        let out = format!("{}/", partial.display());
        progress.step(format!("{}: compiling", self.title));
        let mut child = Command::new("go")
            .args(self.words.iter().map(|word| if word == "OUT/" { &out } else { word }))
            .current_dir(source)
            .env("CGO_ENABLED", "0")
            .env("GOBIN", partial)
            .env("GOFLAGS", "-buildvcs=false")
            .env("GOWORK", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("start go")?;
        let words = child.stderr.take().context("read what go says")?;
        let last = self.follow(BufReader::new(words), progress)?;
        let status = child.wait().context("wait for go")?;
        ensure!(
            status.success(),
            "{} does not build: go ended with {status}. It says:\n{}",
            self.title,
            last.join("\n")
        );
        Ok(())
    }

    /// Tells how far the build is; gives the last lines of what was said.
    fn follow(&self, words: impl BufRead, progress: &Progress) -> anyhow::Result<Vec<String>> {
        const KEPT: usize = 20;
        let mut last: Vec<String> = Vec::new();
        let mut packages = 0_u32;
        let mut told = Instant::now();
        for line in words.split(b'\n') {
            let line = line.context("read what go says")?;
            let line = String::from_utf8_lossy(&line).into_owned();
            packages += u32::from(!line.contains(' '));
            if told.elapsed() >= NEWS || (progress.turns() && packages.is_multiple_of(10)) {
                told = Instant::now();
                progress.step(format!("{}: compiling, {packages} packages so far", self.title));
            }
            if last.len() == KEPT {
                last.remove(0);
            }
            last.push(line);
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_go_mod_requires() {
        let go_mod =
            "require (\n\tk8s.io/kubernetes-x v9.9.9\n\tk8s.io/kubernetes v1.34.2 // x\n)\n";
        assert_eq!(required(go_mod, "k8s.io/kubernetes"), Some("v1.34.2"));
        assert_eq!(required(go_mod, "k8s.io/kube"), None);
        assert!(builds()[0].title.starts_with("kubernetes v1."));
    }

    #[test]
    fn programs_are_told_major_and_minor() {
        assert_eq!(
            stamps("p", "v1.34.2", ["gitMajor", "gitMinor"]),
            "-X p.gitMajor=1 -X p.gitMinor=34"
        );
    }

    #[test]
    fn another_version_or_another_way_of_building_is_built_anew() {
        let build = |version, words: &[&str], inputs: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            Build::new("helm", version, words, inputs).folder
        };
        let first = build("v1", &["install"], &["sum"]);
        assert_eq!(first, build("v1", &["install"], &["sum"]));
        for other in [
            build("v2", &["install"], &["sum"]),
            build("v1", &["install", "-v"], &["sum"]),
            build("v1", &["install"], &["sum 2"]),
        ] {
            assert_ne!(first, other);
        }
    }
}
