//! A program that runs beside the demo and serves it: started with it, ended with it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::folder::Folder;
use crate::deadline;
use crate::process::Process;

/// It has only to open a port.
const STARTED: Duration = Duration::from_secs(20);

/// How an address on this machine begins, wherever a program writes the one it listens at.
const LOOPBACK: &str = "127.0.0.1:";

/// The program, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    name: String,
    port: u16,
}

impl Program {
    /// Starts `command` and waits until it has said at which port it listens. It leads a process
    /// group of its own, so that a Ctrl-C of the terminal reaches the demo alone.
    ///
    /// # Errors
    /// When it cannot be started, or ends, or says nothing in time.
    pub(super) fn start(
        command: &mut Command,
        name: &str,
        folder: &Folder,
    ) -> anyhow::Result<Self> {
        let log = folder.log(name);
        let file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let errors = file.try_clone().with_context(|| format!("share {}", log.display()))?;
        // Open until this ends, however it ends: the receiver waits for that.
        let child = command
            .stdin(Stdio::piped())
            .stdout(file)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let mut program = Self { child, name: name.to_owned(), port: 0 };
        let port = deadline::wait_for(STARTED, || {
            program.check(&log)?;
            Ok(port(&fs::read_to_string(&log).unwrap_or_default()))
        })?;
        let unheard = || format!("{name} does not say where it listens; see {}", log.display());
        program.port = port.with_context(unheard)?;
        Ok(program)
    }

    /// The receiver of this checkout.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(super) fn receiver(program: &PathBuf, folder: &Folder) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0", "--exit-on-stdin-close"]);
        Self::start(&mut command, "receiver", folder)
    }

    /// Where it listens.
    pub(super) fn address(&self) -> String {
        format!("{LOOPBACK}{}", self.port)
    }

    /// Its process, as long as it runs.
    pub(super) fn process(&self) -> Option<Process> {
        i32::try_from(self.child.id()).ok().and_then(Process::with_id)
    }

    fn check(&mut self, log: &Path) -> anyhow::Result<()> {
        match self.child.try_wait().with_context(|| format!("ask about {}", self.name))? {
            None => Ok(()),
            Some(status) => {
                let said = fs::read_to_string(log).unwrap_or_default();
                bail!("{} ended by itself, with {status}: {}", self.name, said.trim())
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first port of this machine that a text names.
fn port(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once(LOOPBACK)?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_read_from_whatever_a_program_says() {
        for (text, expected) in [
            ("127.0.0.1:4321\n", Some(4321)),
            ("Starting to serve on 127.0.0.1:8001\n", Some(8001)),
            ("Forwarding from 127.0.0.1:40323 -> 15672\n", Some(40323)),
            ("Forwarding from 127.0.0.1:40", None),
            ("error: unable to listen", None),
        ] {
            assert_eq!(port(text), expected, "{text}");
        }
    }

    #[test]
    fn a_program_that_ends_at_once_is_quoted() {
        let base = tempfile::tempdir().expect("a folder");
        let folder = Folder::take(&base.path().join("demo")).expect("free");
        let mut command = Command::new("sh");
        command.args(["-c", "echo the port is taken >&2; exit 3"]);
        let error = Program::start(&mut command, "proxy", &folder).expect_err("it ended");
        assert!(error.to_string().contains("the port is taken"), "{error}");
    }
}
