//! Container images: collected in a folder, built by buildah, handed to containerd.
//!
//! An image's tag is the hash of what is in it and of how it is built, so that an unchanged image
//! is neither built nor imported again, and a changed one never passes for the old.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::digest;
use super::inside;
use super::layout::Layout;
use crate::paths;
use crate::process::Process;
use crate::programs::output;

/// Where references begin. Nothing answers there: an image that was not loaded cannot be pulled.
const REGISTRY: &str = "warren.dev";

/// An image that can be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    /// Its name, without registry and tag.
    pub(super) name: String,
    /// What a pod calls it.
    pub(super) reference: String,
    /// How it is built.
    recipe: Recipe,
}

/// What buildah needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    /// The text of the Containerfile.
    pub(super) containerfile: String,
    /// The stage of it that is wanted; the last, if none.
    pub(super) target: Option<String>,
    /// The folder it copies from.
    pub(super) folder: PathBuf,
    /// The name of that folder in the Containerfile; the context itself, if none.
    pub(super) folder_name: Option<&'static str>,
}

impl Image {
    /// The image `name` with the content that `recipe` says, named by `content`.
    pub(super) fn new(name: &str, recipe: Recipe, content: &str) -> Self {
        let target = recipe.target.as_deref().unwrap_or_default();
        let tag = digest::of_texts(&[content, &recipe.containerfile, target]);
        Self { name: name.to_owned(), reference: format!("{REGISTRY}/{name}:{tag}"), recipe }
    }
}

/// The container runtime of a cluster that runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Runtime<'a> {
    pub(super) layout: &'a Layout,
    /// The process whose namespaces containerd lives in.
    pub(super) holder: Process,
    /// The control group in which everything happens.
    pub(super) cgroup: &'a Path,
}

impl Runtime<'_> {
    /// Whether containerd answers.
    pub(super) fn answers(&self) -> bool {
        output(self.program("ctr").arg("version")).is_ok()
    }

    /// Whether it has an image.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn has(&self, reference: &str) -> anyhow::Result<bool> {
        let listing = ["--namespace", "k8s.io", "images", "list", "--quiet"];
        let images =
            output(self.program("ctr").args(listing)).context("list the images of the cluster")?;
        Ok(images.lines().any(|line| line == reference))
    }

    /// Builds `image` and hands it over.
    ///
    /// # Errors
    /// When either fails.
    pub(super) fn load(&self, image: &Image) -> anyhow::Result<()> {
        let work = workplace(self.layout).join("build");
        paths::remove_folder(&work)?;
        paths::create_private(&work)?;
        let archive = work.join("image.tar");
        self.build(image, &work, &archive)
            .with_context(|| format!("build the image {}", image.reference))?;
        let import = ["--namespace", "k8s.io", "images", "import"];
        output(self.program("ctr").args(import).arg(&archive))
            .with_context(|| format!("import the image {}", image.reference))?;
        paths::remove_folder(&work)
    }

    /// Builds into a store of its own, which goes with `work`: no other images of this machine are
    /// touched.
    fn build(&self, image: &Image, work: &Path, archive: &Path) -> anyhow::Result<()> {
        let Recipe { containerfile, target, folder, folder_name } = &image.recipe;
        let file = work.join("Containerfile");
        fs::write(&file, containerfile).with_context(|| format!("write {}", file.display()))?;
        let buildah = || {
            let mut command = self.program("buildah");
            command.arg("--storage-driver").arg("vfs");
            command.arg("--root").arg(work.join("store")).arg("--runroot").arg(work.join("run"));
            command
        };
        let mut bud = buildah();
        bud.args(["bud", "--quiet", "--isolation", "chroot", "--tag", &image.reference]);
        bud.arg("--file").arg(&file);
        if let Some(target) = target {
            bud.arg("--target").arg(target);
        }
        match folder_name {
            Some(name) => {
                bud.arg(format!("--build-context={name}={}", folder.display())).arg(work);
            }
            None => {
                bud.arg(folder);
            }
        }
        output(&mut bud)?;
        let place = format!("oci-archive:{}:{}", archive.display(), image.reference);
        output(buildah().args(["push", "--quiet", &image.reference, &place]))?;
        Ok(())
    }

    fn program(&self, name: &str) -> Command {
        inside::visitor(self.holder, self.cgroup, name)
    }
}

/// Where images are put together.
pub(super) fn workplace(layout: &Layout) -> PathBuf {
    layout.root().join("images")
}

/// A new, empty folder for what goes into the image `name`.
///
/// # Errors
/// When it cannot be made.
pub(super) fn stage(layout: &Layout, name: &str) -> anyhow::Result<PathBuf> {
    let folder = workplace(layout).join("stage").join(name);
    paths::remove_folder(&folder)?;
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(content: &str, containerfile: &str, target: Option<&str>) -> String {
        let recipe = Recipe {
            containerfile: containerfile.to_owned(),
            target: target.map(str::to_owned),
            folder: PathBuf::from("/anywhere"),
            folder_name: None,
        };
        Image::new("worker", recipe, content).reference
    }

    #[test]
    fn a_tag_stands_for_content_and_recipe() {
        let first = reference("abc", "FROM scratch", Some("worker"));
        assert!(first.starts_with("warren.dev/worker:"), "{first}");
        assert_eq!(first, reference("abc", "FROM scratch", Some("worker")));
        for other in [
            reference("abd", "FROM scratch", Some("worker")),
            reference("abc", "FROM scratch\nUSER 1", Some("worker")),
            reference("abc", "FROM scratch", Some("operator")),
        ] {
            assert_ne!(first, other);
        }
    }
}
