//! The programs of this machine that a broker needs, and the packages that have them.

use std::process::{Command, Stdio};

use anyhow::bail;

/// Where system programs are; some people's `PATH` has no `sbin`.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program and the Debian package that has it.
pub(super) type Program = (&'static str, &'static str);

/// Checks that all of `programs` are here.
///
/// # Errors
/// When some are missing: all of them are named, with the one command that gets them.
pub(super) fn require(programs: &[Program]) -> anyhow::Result<()> {
    let missing: Vec<_> = programs.iter().copied().filter(|(name, _)| !exists(name)).collect();
    match advice(&missing) {
        None => Ok(()),
        Some(advice) => bail!(advice),
    }
}

fn exists(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").env("PATH", PATH);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}

fn advice(missing: &[Program]) -> Option<String> {
    let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    (!missing.is_empty()).then(|| {
        format!(
            "missing: {}. Install with: apt-get install {}",
            names.join(", "),
            packages.join(" ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_missing_programs_are_named_and_each_package_once() {
        let missing = [("unshare", "util-linux"), ("tar", "tar"), ("setsid", "util-linux")];
        assert_eq!(
            advice(&missing).as_deref(),
            Some("missing: unshare, tar, setsid. Install with: apt-get install tar util-linux")
        );
        assert_eq!(advice(&[]), None);
    }

    #[test]
    fn a_program_that_nobody_has_is_missing() {
        assert!(exists("sh"));
        assert!(!exists("warren-no-such-program"));
    }
}
