//! A `warren-operator local` under test.

use std::{
    fs,
    panic::{AssertUnwindSafe, resume_unwind},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use rustix::process::{Pid, Signal, getpgid, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};
use warren_broker::login::Login;
use warren_operator::resources::broker_secret;
use warren_test_support::eventually;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_warren-operator");

/// How long starting, ending and scaling may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A place with manifests, a broker's login and state.
pub(crate) struct Place(TempDir);

/// A running `warren-operator local` with lines of JSON on its standard output.
pub(crate) struct Local {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Place {
    pub(crate) fn new(manifest: &str, login: &Login) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.manifest(), manifest).unwrap();
        fs::create_dir(place.broker()).unwrap();
        let mut files = broker_secret::files(login, None);
        files.insert("management-uri".to_owned(), login.management_url().into_bytes());
        for (name, content) in files {
            fs::write(place.broker().join(name), content).unwrap();
        }
        place
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.0.path().join("pipeline.yaml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn broker(&self) -> PathBuf {
        self.0.path().join("broker")
    }

    /// The command line, with further arguments.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(["local", "--log", "debug,hyper_util=info,lapin=info", "-f"])
            .arg(self.manifest())
            .arg("--broker-dir")
            .arg(self.broker())
            .arg("--state-dir")
            .arg(self.state())
            .arg("--worker-binary")
            .arg(neighbour("warren-worker"))
            .arg("--producer-binary")
            .arg(neighbour("warren-producer"))
            .args(more)
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn output(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    /// Starts it.
    pub(crate) fn start(&self, more: &[&str]) -> Local {
        let log = self.0.path().join("operator.log");
        let log = fs::File::options().append(true).create(true).open(log).unwrap();
        let mut command = tokio::process::Command::from(self.command(more));
        let mut child =
            command.stdout(Stdio::piped()).stderr(log).kill_on_drop(true).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                told.lock().unwrap().push(line);
            }
        });
        Local { child, lines }
    }

    /// Runs a test here; when it fails, says what the program and its processes have logged.
    pub(crate) async fn test(&self, test: impl Future<Output = ()>) {
        if let Err(panic) = AssertUnwindSafe(test).catch_unwind().await {
            println!("{}", self.logs());
            resume_unwind(panic);
        }
    }

    /// What it and its processes have logged.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        collect_logs(self.0.path(), &mut text);
        text
    }
}

fn collect_logs(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect_logs(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            text.push_str(&fs::read_to_string(&path).unwrap_or_default());
        }
    }
}

impl Local {
    /// Everything it has told so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The events of a kind, so far.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let lines = self.lines();
        let events = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["event"] == kind).collect()
    }

    /// Waits for an event of a kind for which something holds.
    pub(crate) async fn wait_for(&self, kind: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let what = format!("event {kind}");
        let found = async || self.events(kind).into_iter().find(&holds);
        eventually(PATIENCE, &what, found).await
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("it runs");
        kill_process(pid(i64::from(id)), signal).unwrap();
    }

    /// Waits for its end, and tells its exit code.
    pub(crate) async fn end(&mut self) -> Option<i32> {
        let end = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        end.expect("it ends in time").unwrap().code()
    }

    /// The processes that it started, with their names.
    pub(crate) fn started(&self) -> Vec<(String, i64)> {
        let events = self.events("started");
        let process = |event: &Value| {
            let name = event["name"].as_str().unwrap().to_owned();
            (name, event["pid"].as_i64().unwrap())
        };
        events.iter().map(process).collect()
    }
}

/// A test that fails leaves no process behind.
impl Drop for Local {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (_, id) in self.started() {
                let _ = kill_process(pid(id), Signal::KILL);
            }
        }
    }
}

/// Whether a process with this id is there.
pub(crate) fn is_there(id: i64) -> bool {
    test_kill_process(pid(id)).is_ok()
}

/// Whether a process leads a process group of its own, or has ended already.
pub(crate) fn leads_a_group(id: i64) -> bool {
    getpgid(Some(pid(id))).map_or(true, |group| group == pid(id))
}

/// Kills a process as a crash would.
pub(crate) fn kill(id: i64) {
    kill_process(pid(id), Signal::KILL).unwrap();
}

fn pid(id: i64) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

/// A program of the same build.
fn neighbour(name: &str) -> PathBuf {
    let path = Path::new(PROGRAM).with_file_name(name);
    assert!(path.is_file(), "{} is not there: run `cargo build -p {name}` first", path.display());
    path
}
