//! The programs that the demo shows, built by cargo from this checkout.

use std::path::{Path, PathBuf};

use crate::cargo::Built;

/// The operator's program and package.
pub(super) const OPERATOR: &str = "warren-operator";
/// The worker's program and package.
pub(super) const WORKER: &str = "warren-worker";
/// The producer's program and package.
pub(super) const PRODUCER: &str = "warren-producer";

/// The receiver's program and package.
pub(super) const RECEIVER: &str = "warren-receiver";

/// Where the programs are.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) operator: PathBuf,
    pub(super) worker: PathBuf,
    pub(super) producer: PathBuf,
    pub(super) receiver: PathBuf,
}

impl Programs {
    /// Builds them, without optimisation: what a demo waits for is mostly the compiler.
    ///
    /// # Errors
    /// When the build fails.
    pub(super) fn build(cargo: &Path, root: &Path) -> anyhow::Result<Self> {
        let built = Self::built(cargo, root)?;
        Ok(Self {
            operator: built.program(OPERATOR)?,
            worker: built.program(WORKER)?,
            producer: built.program(PRODUCER)?,
            receiver: built.program(RECEIVER)?,
        })
    }

    /// The same, as what cargo built.
    ///
    /// # Errors
    /// When the build fails.
    pub(super) fn built(cargo: &Path, root: &Path) -> anyhow::Result<Built> {
        let packages = [OPERATOR, WORKER, PRODUCER, RECEIVER];
        Built::new(cargo, root, packages.map(|package| format!("--package={package}")))
    }
}
