//! `cargo xtask tidy`: the rules of this repository that no compiler knows.
//!
//! One rule is one file with one `check`, a plain function from what was read to all violations.
//! Reading happens first and once, in [`sources`] and [`tree`]. A rule repairs nothing and asks
//! nothing but its arguments; what clippy or rustfmt can judge (`clippy.toml`, `rustfmt.toml`) is
//! not judged here again.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::generated;

mod arrows;
mod bans;
mod budgets;
mod crypto;
mod deny;
mod headers;
mod leftovers;
mod licences;
mod machine_paths;
mod modules;
mod sources;
mod tree;
mod waits;

/// One thing that is not as the rules say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// File, file and line, or package.
    pub(crate) place: String,
    /// What is wrong there.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) fix: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, what, fix } = self;
        write!(f, "{place}: {what}\n    {fix}")
    }
}

/// Checks the repository at `root` against every rule and prints all that is wrong, not the first.
///
/// # Errors
/// When something is wrong, with the number of violations, or when cargo, git or a file could not
/// be read.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let violations = violations(root)?;
    for violation in &violations {
        eprintln!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        1 => bail!("tidy: 1 violation"),
        count => bail!("tidy: {count} violations"),
    }
}

fn violations(root: &Path) -> anyhow::Result<Vec<Violation>> {
    let deny = deny::read(root)?;
    let tree = tree::read(root)?;
    let files = sources::read(root)?;
    Ok([
        arrows::check(&tree.ours),
        bans::check(&tree.shipped, &deny.bans),
        crypto::check(&tree.shipped),
        licences::check(&tree.licences, &deny.licenses),
        budgets::check(&files),
        headers::check(&files),
        leftovers::check(&files),
        machine_paths::check(&files),
        modules::check(&files),
        waits::check(&files),
        generated::check(root)?,
    ]
    .concat())
}

/// What `program` says on standard output when run in `root`.
fn output_of(root: &Path, program: &str, args: &[&str]) -> anyhow::Result<String> {
    let command = || format!("`{program} {}`", args.join(" "));
    let output = Command::new(program)
        .args(args)
        .current_dir(root)
        .output()
        .with_context(|| format!("start {}", command()))?;
    ensure!(
        output.status.success(),
        "{} failed ({}): {}",
        command(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).with_context(|| format!("read the output of {}", command()))
}
