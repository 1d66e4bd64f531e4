//! The images that tests and the demo run in the cluster: Warren's programs from this checkout,
//! RabbitMQ, and a shell.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use cargo_metadata::MetadataCommand;

use super::digest;
use super::image::{self, Image, Recipe, Runtime};
use super::layout::Layout;
use crate::cargo::Built;
use crate::paths::write_private;
use crate::programs::{output, system};
use crate::progress::Progress;

/// Warren's programs: the image's name, and that of program and package.
const PROGRAMS: [(&str, &str); 4] = [
    ("operator", "warren-operator"),
    ("worker", "warren-worker"),
    ("producer", "warren-producer"),
    ("receiver", "warren-receiver"),
];

/// The Containerfile and the script beside it, relative to the repository.
const CONTAINERFILE: &str = "deploy/image/Containerfile";
const ROOTFS: &str = "deploy/image/rootfs.sh";

/// The image with the shell.
pub(super) const BUSYBOX: &str = "busybox";
const BUSYBOX_RECIPE: &str = include_str!("image/busybox.Containerfile");
/// The image with the broker.
pub(super) const RABBITMQ: &str = "rabbitmq";
const RABBITMQ_RECIPE: &str = include_str!("image/rabbitmq.Containerfile");

/// Images by name, as pods call them.
pub(crate) type References = BTreeMap<String, String>;

/// Which images are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted(Vec<String>);

impl Wanted {
    /// All there are.
    pub(super) fn all() -> Self {
        let programs = PROGRAMS.map(|(name, _)| name);
        Self(programs.into_iter().chain([BUSYBOX, RABBITMQ]).map(str::to_owned).collect())
    }

    /// Those that are named; all, if none is.
    ///
    /// # Errors
    /// When one of the names is none of an image.
    pub(super) fn new(names: &[String]) -> anyhow::Result<Self> {
        let all = Self::all();
        if names.is_empty() {
            return Ok(all);
        }
        for name in names {
            ensure!(all.contains(name), "`{name}` is no image; there are: {}", all.0.join(", "));
        }
        Ok(Self(names.to_vec()))
    }

    /// Whether `name` is among them.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|wanted| wanted == name)
    }
}

/// What cargo builds for the images: those of their packages that this workspace has.
///
/// # Errors
/// When cargo does not know the workspace.
pub(super) fn packages(cargo: &Path, root: &Path, wanted: &Wanted) -> anyhow::Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .cargo_path(cargo)
        .current_dir(root)
        .no_deps()
        .exec()
        .context("read the workspace with cargo metadata")?;
    let known = |name: &str| metadata.packages.iter().any(|package| package.name.as_str() == name);
    let chosen =
        PROGRAMS.into_iter().filter(|(name, package)| wanted.contains(name) && known(package));
    Ok(chosen.map(|(_, package)| format!("--package={package}")).collect())
}

/// The image with the shell, from the machine's busybox.
///
/// # Errors
/// When it cannot be put together.
pub(super) fn busybox(layout: &Layout, root: &Path) -> anyhow::Result<Image> {
    let folder = image::stage(layout, BUSYBOX)?;
    let program = output(system("sh").args(["-c", "command -v busybox"]))?;
    collect(root, Path::new(program.trim_end()), &folder)?;
    let applets = output(system("busybox").arg("--list")).context("list what busybox can do")?;
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).with_context(|| format!("create {}", bin.display()))?;
    for applet in applets.lines() {
        let link = bin.join(applet);
        symlink("/usr/local/bin/busybox", &link)
            .with_context(|| format!("link {}", link.display()))?;
    }
    let content = digest::of_folder(&folder)?;
    let recipe = Recipe {
        containerfile: BUSYBOX_RECIPE.to_owned(),
        target: None,
        folder,
        folder_name: None,
    };
    Ok(Image::new(BUSYBOX, recipe, &content))
}

/// The images of those of Warren's programs that are in `built`.
///
/// # Errors
/// When one cannot be put together.
pub(super) fn programs(layout: &Layout, root: &Path, built: &Built) -> anyhow::Result<Vec<Image>> {
    let path = root.join(CONTAINERFILE);
    let containerfile =
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let mut images = Vec::new();
    for (name, program) in PROGRAMS {
        let Ok(executable) = built.program(program) else {
            continue;
        };
        let folder = image::stage(layout, name)?;
        // Most of a program is what a debugger wants to know.
        let stripped = image::workplace(layout).join(program);
        output(system("strip").arg("-o").arg(&stripped).arg(&executable))?;
        collect(root, &stripped, &folder.join("rootfs").join(program))?;
        let content = digest::of_folder(&folder)?;
        let recipe = Recipe {
            containerfile: containerfile.clone(),
            target: Some(name.to_owned()),
            folder,
            folder_name: Some("compiled"),
        };
        images.push(Image::new(name, recipe, &content));
    }
    Ok(images)
}

/// The image of RabbitMQ from `tree`, a root directory with it.
///
/// # Errors
/// When the tree cannot be looked at or opened to others.
pub(super) fn rabbitmq(tree: PathBuf) -> anyhow::Result<Image> {
    // Made for a broker that runs as the owner; in a pod others must get in, and what is mounted
    // over a folder takes its mode.
    for folder in ["dev", "proc", "etc/rabbitmq"] {
        let folder = tree.join(folder);
        fs::set_permissions(&folder, Permissions::from_mode(0o755))
            .with_context(|| format!("open {}", folder.display()))?;
    }
    // Some 180 MB that never change once they are there: when they were made says what they are.
    let made = fs::metadata(&tree).and_then(|tree| tree.modified());
    let made = made.with_context(|| format!("look at {}", tree.display()))?;
    let recipe = Recipe {
        containerfile: RABBITMQ_RECIPE.to_owned(),
        target: None,
        folder: tree,
        folder_name: Some("tree"),
    };
    Ok(Image::new(RABBITMQ, recipe, &format!("{made:?}")))
}

/// Loads those of `images` that the cluster does not have, and remembers their names beside those
/// of the images that were loaded before.
///
/// # Errors
/// When one cannot be built or imported.
pub(super) fn load(
    runtime: Runtime<'_>,
    images: &[Image],
    progress: &Progress,
) -> anyhow::Result<References> {
    let path = runtime.layout.images();
    // Nothing was loaded yet, or by a run that was killed: then it is loaded again.
    let known = fs::read(&path).ok();
    let mut references: References =
        known.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    for image in images {
        if !runtime.has(&image.reference)? {
            progress.step(format!("cluster: loading the image {}", image.reference));
            runtime.load(image)?;
            progress.note(&format!("loaded {}", image.reference));
        }
        references.insert(image.name.clone(), image.reference.clone());
    }
    let text = serde_json::to_string_pretty(&references).context("write the images' names")?;
    write_private(&path, &(text + "\n"))?;
    Ok(references)
}

/// Puts `program` and what it needs into `folder`, by the script that the Containerfile uses too.
fn collect(root: &Path, program: &Path, folder: &Path) -> anyhow::Result<()> {
    output(system("sh").arg(root.join(ROOTFS)).arg(program).arg(folder))
        .with_context(|| format!("collect what {} needs", program.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository")
    }

    #[test]
    fn the_containerfile_has_a_target_for_each_program_and_the_path_that_handlers_copy() {
        let text = fs::read_to_string(repository().join(CONTAINERFILE)).expect("a file");
        for (target, program) in PROGRAMS {
            for line in [
                format!("FROM base AS {target}\n"),
                format!("COPY --from=compiled /rootfs/{program} /\n"),
                format!("ENTRYPOINT [\"/usr/local/bin/{program}\"]\n"),
            ] {
                assert!(text.contains(&line), "{line}");
            }
        }
    }

    #[test]
    fn a_name_that_no_image_has_is_answered_with_those_that_there_are() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let error = Wanted::new(&names(&["worker", "workre"])).expect_err("a slip");
        assert!(error.to_string().contains("operator, worker, producer"), "{error}");
        assert_eq!(Wanted::new(&[]).expect("all"), Wanted::all());
        let one = Wanted::new(&names(&["worker"])).expect("a name");
        assert!(one.contains("worker") && !one.contains("rabbitmq"));
    }

    #[test]
    fn images_are_compiled_by_the_toolchain_of_the_workspace() {
        let toolchain = repository().join("rust-toolchain.toml");
        let toolchain = fs::read_to_string(toolchain).expect("a file");
        let toolchain: toml::Table = toolchain.parse().expect("TOML");
        let version = toolchain["toolchain"]["channel"].as_str().expect("a version");
        let text = fs::read_to_string(repository().join(CONTAINERFILE)).expect("a file");
        assert!(text.contains(&format!("FROM docker.io/library/rust:{version}-")), "{version}");
        assert!(text.contains(&format!("ENV RUSTUP_TOOLCHAIN={version}\n")), "{version}");
    }
}
