//! The programs of this machine that xtask runs, and the packages that have them.

use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

/// Where system programs are; some people's `PATH` has no `sbin`.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables by which programs are told of a proxy.
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/// A program and the Debian package that has it.
pub(crate) type Program = (&'static str, &'static str);

/// Checks that all of `programs` are here.
///
/// # Errors
/// When some are missing: all of them are named, with the one command that gets them.
pub(crate) fn require(programs: &[Program]) -> anyhow::Result<()> {
    match advice(&missing(programs)) {
        None => Ok(()),
        Some(advice) => bail!(advice),
    }
}

/// Those of `programs` that are not here.
pub(crate) fn missing(programs: &[Program]) -> Vec<Program> {
    programs.iter().copied().filter(|(name, _)| !exists(name)).collect()
}

/// Says what is missing and how to get it; `None` when nothing is.
pub(crate) fn advice(missing: &[Program]) -> Option<String> {
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

/// A program of the system, found whatever the user's `PATH` is.
pub(crate) fn system(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", PATH);
    command
}

/// Lets `command` reach what is on this machine, also where the environment names a proxy.
pub(crate) fn without_proxy(command: &mut Command) -> &mut Command {
    for variable in PROXIES {
        command.env_remove(variable);
    }
    command
}

/// Runs `command` to its end and gives what it says on standard output.
///
/// # Errors
/// When it cannot be started, or fails: then with what it says on standard error.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {name}"))?;
    ensure!(
        output.status.success(),
        "`{}` failed ({}): {}",
        line(command),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).with_context(|| format!("read what {name} says"))
}

/// The program and its arguments, as one would type them.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn exists(program: &str) -> bool {
    let mut command = system(program);
    command.arg("--version");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
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

    #[test]
    fn no_proxy_is_asked_for_what_is_on_this_machine() {
        let mut command = system("env");
        for variable in PROXIES {
            command.env(variable, "http://proxy.example");
        }
        let said = output(without_proxy(&mut command)).expect("env");
        assert!(!said.contains("proxy.example"), "{said}");
    }

    #[test]
    fn a_failure_is_told_in_the_words_of_the_program() {
        let error = output(system("sh").args(["-c", "echo no disk >&2; exit 3"]));
        let text = error.expect_err("it fails").to_string();
        assert!(text.contains("no disk") && text.contains("exit status: 3"), "{text}");
        assert_eq!(output(system("echo").arg("yes")).expect("it works"), "yes\n");
    }
}
