//! Processes that an earlier run started, told apart from strangers who got their id.
//!
//! A process id is used again after its owner is gone. The id together with the moment at which the
//! process began is not; the command line is compared too, so that a record which somebody edited
//! or copied ends nobody else's process. Reads `/proc`; where there is none, no process is known.

use std::{ffi::OsString, fs, io};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

/// A process of ours: its id, when it began, and what was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    id: i32,
    /// Clock ticks since the machine booted (`proc_pid_stat(5)`, field 22).
    started: u64,
    /// Its arguments, without the program: a script has the name of its interpreter there.
    arguments: Vec<String>,
}

/// What `/proc/<pid>/stat` says.
struct Stat {
    state: char,
    started: u64,
}

impl Process {
    /// The process that has this id now and was started with these arguments; nothing when it is
    /// gone already.
    ///
    /// The arguments are not read from the process: for a moment after its start it has none yet.
    pub(super) fn started(id: u32, arguments: &[OsString]) -> Option<Self> {
        let id = i32::try_from(id).ok()?;
        let Stat { started, .. } = Stat::read(id)?;
        let text = |argument: &OsString| argument.to_string_lossy().into_owned();
        Some(Self { id, started, arguments: arguments.iter().map(text).collect() })
    }

    /// Its id.
    pub(super) fn id(&self) -> i32 {
        self.id
    }

    /// Whether this very process still runs; a zombie does not.
    pub(super) fn runs(&self) -> bool {
        let same_moment = Stat::read(self.id)
            .is_some_and(|stat| stat.started == self.started && !matches!(stat.state, 'Z' | 'X'));
        same_moment && command(self.id).is_some_and(|command| command.ends_with(&self.arguments))
    }

    /// Asks it to drain and end, unless it is gone.
    pub(super) fn terminate(&self) {
        self.signal(|pid| kill_process(pid, Signal::TERM));
    }

    /// Ends it and the group it leads at once, unless it is gone.
    pub(super) fn kill(&self) {
        self.signal(|pid| kill_process_group(pid, Signal::KILL));
    }

    fn signal(&self, send: impl FnOnce(Pid) -> rustix::io::Result<()>) {
        if let Some(pid) = Pid::from_raw(self.id).filter(|_| self.runs())
            && let Err(error) = send(pid)
        {
            tracing::warn!(pid = self.id, %error, "process of an earlier run takes no signal");
        }
    }
}

impl Stat {
    fn read(id: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// The name in parentheses may hold spaces and parentheses; what follows the last one does not.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        // `state` is field 3.
        let started = fields.nth(22 - 4)?.parse().ok()?;
        Some(Self { state, started })
    }
}

fn command(id: i32) -> Option<Vec<String>> {
    let bytes = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let arguments = bytes.strip_suffix(&[0])?.split(|byte| *byte == 0);
    Some(arguments.map(|argument| String::from_utf8_lossy(argument).into_owned()).collect())
}

/// Sends SIGTERM to a child of this process that was not waited for, so that its id is still its own.
///
/// # Errors
/// When the operating system refuses.
pub(super) fn terminate_child(id: u32) -> io::Result<()> {
    child(id).map_or(Ok(()), |pid| Ok(kill_process(pid, Signal::TERM)?))
}

/// Ends a child of this process and the group it leads; as [`terminate_child`].
///
/// # Errors
/// When the operating system refuses.
pub(super) fn kill_child(id: u32) -> io::Result<()> {
    child(id).map_or(Ok(()), |pid| Ok(kill_process_group(pid, Signal::KILL)?))
}

fn child(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        process::{Child, Command, Stdio},
        time::{Duration, Instant},
    };

    use super::*;

    /// A process that lives as long as its standard input is open.
    pub(crate) fn cat() -> (Child, Process) {
        let child = Command::new("cat")
            .arg("-u")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let process = Process::started(child.id(), &["-u".into()]).unwrap();
        wait_until_it_runs(&process);
        (child, process)
    }

    fn wait_until_it_runs(process: &Process) {
        let began = Instant::now();
        while !process.runs() {
            assert!(began.elapsed() < Duration::from_secs(20), "it never ran");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_process_is_known_until_it_ends() {
        let (mut child, process) = cat();
        assert!(process.runs());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!process.runs());
    }

    #[test]
    fn a_stranger_with_the_same_id_is_left_alone() {
        let (mut child, process) = cat();
        let later = Process { started: process.started + 1, ..process.clone() };
        let other = Process { arguments: vec!["-n".to_owned()], ..process.clone() };
        for stranger in [&later, &other] {
            assert!(!stranger.runs());
            stranger.kill();
        }
        assert!(process.runs());
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let after = "S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1";
        let stat = Stat::parse(&format!("42 (a) b (c)) {after}")).unwrap();
        assert_eq!((stat.state, stat.started), ('S', 987_654));
        assert!(Stat::parse("42 (cut").is_none());
    }
}
