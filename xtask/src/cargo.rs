//! Programs of this checkout, built by cargo.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use cargo_metadata::Message;

/// What `cargo build` made.
#[derive(Debug, Default)]
pub(crate) struct Built(BTreeMap<String, PathBuf>);

impl Built {
    /// Builds what `arguments` name, below the folder `root`. Progress is cargo's own.
    ///
    /// # Errors
    /// When the build fails.
    pub(crate) fn new(
        cargo: &Path,
        root: &Path,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(cargo)
            .current_dir(root)
            .args(["build", "--locked", "--message-format", "json-render-diagnostics"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start cargo")?;
        let output = child.stdout.take().context("read what cargo says")?;
        let mut programs = BTreeMap::new();
        for message in Message::parse_stream(BufReader::new(output)) {
            let message = message.context("read what cargo says")?;
            if let Message::CompilerArtifact(artifact) = message
                && !artifact.profile.test
                && let Some(path) = artifact.executable
            {
                programs.insert(artifact.target.name, path.into_std_path_buf());
            }
        }
        let status = child.wait().context("wait for cargo")?;
        ensure!(status.success(), "the programs do not build: cargo ended with {status}");
        Ok(Self(programs))
    }

    /// Where the program `name` is.
    ///
    /// # Errors
    /// When it was not among what was built.
    pub(crate) fn program(&self, name: &str) -> anyhow::Result<PathBuf> {
        self.0.get(name).cloned().with_context(|| format!("cargo built no program {name}"))
    }
}
