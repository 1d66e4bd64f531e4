//! What cargo knows of the packages: ours and what they declare, all licences, and what is really
//! built.
//!
//! `cargo metadata` has declarations and licences. Its graph, however, holds optional dependencies
//! that no feature turns on, and features that only tests turn on
//! (<https://github.com/rust-lang/cargo/issues/10801>); so what ships is asked of `cargo tree`,
//! which resolves features as a build does.

use std::path::Path;

use anyhow::{Context, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Everything the rules about packages judge.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The members of the workspace.
    pub(crate) ours: Vec<Package>,
    /// Every package of the lock file, ours and those of tests too.
    pub(crate) licences: Vec<Licensed>,
    /// What a build without tests compiles, on any platform.
    pub(crate) shipped: Vec<Shipped>,
}

/// A member of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    /// The package name.
    pub(crate) name: String,
    /// Its folder, relative to the root.
    pub(crate) folder: String,
    /// What its manifest declares.
    pub(crate) dependencies: Vec<Dependency>,
}

/// A declared dependency.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    /// The name of the package it is on.
    pub(crate) name: String,
    /// A member of this workspace, rather than a package from a registry.
    pub(crate) ours: bool,
    /// Only tests use it.
    pub(crate) dev: bool,
    /// The features it turns on.
    pub(crate) features: Vec<String>,
}

/// A package and what it may be used under.
#[derive(Debug, Clone)]
pub(crate) struct Licensed {
    /// Name and version.
    pub(crate) package: String,
    /// The SPDX expression of its manifest.
    pub(crate) licence: Option<String>,
}

/// A package that is compiled into what we build.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shipped {
    /// The package name.
    pub(crate) name: String,
    /// The version, as cargo prints it.
    pub(crate) version: String,
}

/// Asks cargo in `root`.
pub(crate) fn read(root: &Path) -> anyhow::Result<Tree> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(vec!["--locked".to_owned()])
        .exec()
        .context("run `cargo metadata --locked`")?;
    let lines = super::output_of(root, "cargo", &SHIPPED)?;
    Ok(Tree { ours: ours(&metadata), licences: licences(&metadata), shipped: shipped(&lines)? })
}

/// One line a package, `name v1.2.3` and then what does not matter here.
const SHIPPED: [&str; 12] = [
    "tree",
    "--locked",
    "--workspace",
    "--edges",
    "normal,build",
    "--target",
    "all",
    "--prefix",
    "none",
    "--format",
    "{p}",
    "--quiet",
];

fn ours(metadata: &Metadata) -> Vec<Package> {
    let dependency = |declared: &cargo_metadata::Dependency| Dependency {
        name: declared.name.clone(),
        ours: declared.path.is_some(),
        dev: declared.kind == DependencyKind::Development,
        features: declared.features.clone(),
    };
    let folder = |manifest: &cargo_metadata::camino::Utf8Path| {
        let folder = manifest.parent().unwrap_or(manifest);
        folder.strip_prefix(&metadata.workspace_root).unwrap_or(folder).to_string()
    };
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| Package {
            name: package.name.to_string(),
            folder: folder(&package.manifest_path),
            dependencies: package.dependencies.iter().map(dependency).collect(),
        })
        .collect()
}

fn licences(metadata: &Metadata) -> Vec<Licensed> {
    metadata
        .packages
        .iter()
        .map(|package| Licensed {
            package: format!("{} {}", package.name, package.version),
            licence: package.license.clone(),
        })
        .collect()
}

fn shipped(lines: &str) -> anyhow::Result<Vec<Shipped>> {
    let mut packages = lines
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default().to_owned();
            let version = words.next().and_then(|version| version.strip_prefix('v'));
            let version =
                version.with_context(|| format!("no version in cargo's line `{line}`"))?;
            Ok(Shipped { name, version: version.to_owned() })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    packages.sort();
    packages.dedup();
    // Rules that ban pass over an empty list in silence.
    ensure!(!packages.is_empty(), "`cargo tree` printed no package");
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_of_cargo_tree_is_counted_once() {
        let lines = "xtask v0.1.0 (/somewhere/xtask)\nsyn v2.0.1\n\nsyn v1.0.9\nsyn v2.0.1 (*)\n";
        let packages = shipped(lines).unwrap();
        let names: Vec<_> = packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
        assert_eq!(names, ["syn 1.0.9", "syn 2.0.1", "xtask 0.1.0"]);
    }

    #[test]
    fn an_empty_or_strange_tree_is_an_error() {
        assert!(shipped("").is_err());
        assert!(shipped("syn 2.0.1").is_err());
    }
}
