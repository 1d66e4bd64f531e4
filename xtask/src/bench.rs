//! `cargo xtask bench`: what Warren costs, each figure beside a floor from the same run.
//!
//! Nothing here judges: what a machine can do depends on what else it does, so that a limit would
//! fail for reasons that are not Warren's. A ratio to the floor is what can be compared.

use std::path::Path;

use crate::args::Bench;
use crate::paths::Paths;

mod child;
mod consume;
mod figures;
mod footprint;
mod memory;
mod operator;
mod programs;
mod publish;
mod report;
mod service;
mod stage;
mod usage;

/// Measures and prints.
///
/// # Errors
/// When it cannot be measured; the message says what to do.
pub(crate) fn run(paths: &Paths, root: &Path, command: &Bench) -> anyhow::Result<()> {
    match command {
        Bench::Footprint(options) => footprint::run(paths, root, options),
    }
}
