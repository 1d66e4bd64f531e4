//! Shells in the place of workers: crashes, drains, and processes that do not end. Real processes,
//! so whatever takes time is waited for with a deadline.

use std::{ffi::OsString, path::Path};

use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;
use warren_core::names::PipelineId;

use super::*;
use crate::local::{
    child::Port,
    happening::{self, Line},
};

/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder, and ears for what is told.
pub(crate) struct Stage {
    folder: TempDir,
    told: UnboundedReceiver<Line>,
    pub(crate) surroundings: Surroundings,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let (lines, told) = happening::channel();
        let orders = PipelineId::new("shop", "orders").unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            told,
            surroundings: Surroundings {
                reporter: Reporter::new(orders, lines),
                scraper: Scraper::new().unwrap(),
                hurry: CancellationToken::new(),
            },
        }
    }

    /// A member whose process is a shell with this script.
    fn member(&self, script: &str) -> Member {
        Member::start(0, self.launch(script), self.surroundings.clone())
    }

    fn launch(&self, script: &str) -> Launch {
        self.template(script).of("orders-email-0".to_owned())
    }

    /// A launch without a name, of a shell with this script.
    pub(crate) fn template(&self, script: &str) -> Launch {
        Launch {
            name: String::new(),
            program: "/bin/sh".into(),
            arguments: ["-c", script].map(OsString::from).into(),
            port: Port::Any,
            kill_after: PATIENCE,
            log: self.folder.path().to_owned(),
            record: self.folder.path().to_owned(),
        }
    }

    /// Waits for a line with this text.
    pub(crate) async fn wait_for_line(&mut self, text: &str) -> String {
        let found = async {
            loop {
                let line = self.told.recv().await.unwrap().to_string();
                if line.contains(text) {
                    return line;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("no line with {text:?}"))
    }

    fn log(&self) -> String {
        read(&self.folder.path().join("orders-email-0.log"))
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

pub(crate) async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, poll).await.is_ok(), "{what}");
}

/// Keeps a shell alive until it gets SIGTERM, and says so; it reads no figures.
pub(crate) const OBEDIENT: &str =
    "trap 'echo drained; exit 0' TERM; echo up; while :; do sleep 0.05; done";

/// Does not care for SIGTERM.
const STUBBORN: &str = "trap '' TERM; echo up; while :; do sleep 0.05; done";

#[test]
fn what_a_process_told_before_its_crash_stays_counted() {
    let figures = |acked| {
        let settled = Settled { acked, retried: 1 };
        Figures { settled, in_flight: 2, consumes: true, ready: true }
    };
    let mut shown = Shown { figures: figures(7), ..Shown::default() };
    shown.crash("signal 9", 1);
    assert_eq!((shown.phase, shown.crashes, &*shown.last_crash), (Phase::Waiting, 1, "signal 9"));
    assert_eq!(shown.figures, Figures::default(), "no process runs");
    shown.figures = figures(5);
    shown.crash("signal 9", 2);
    assert_eq!(shown.settled(), Settled { acked: 12, retried: 2 });
}

#[tokio::test]
async fn a_process_that_ends_by_itself_is_started_again() {
    let mut stage = Stage::new();
    let member = stage.member("echo once more; exit 7");
    let first = stage.wait_for_line("crashed").await;
    assert!(first.contains("(exit code 7); starts again in 1s"), "{first}");
    assert_eq!(member.shown().phase, Phase::Waiting);
    let second = stage.wait_for_line("crashed").await;
    assert!(second.contains("starts again in 2s"), "{second}");
    assert_eq!(member.shown().crashes, 2);
    assert_eq!(stage.log(), "once more\nonce more\n");
    member.retire();
    wait_until("gone", || member.is_gone()).await;
}

#[tokio::test]
async fn a_program_that_cannot_be_run_is_told_and_tried_again() {
    let mut stage = Stage::new();
    let launch = Launch { program: "/nowhere/warren-worker".into(), ..stage.launch("") };
    let member = Member::start(0, launch, stage.surroundings.clone());
    let line = stage.wait_for_line("crashed").await;
    assert!(line.contains("run /nowhere/warren-worker: No such file"), "{line}");
    member.retire();
    wait_until("gone", || member.is_gone()).await;
}

#[tokio::test]
async fn a_retired_process_drains_and_leaves_no_record() {
    let mut stage = Stage::new();
    let member = stage.member(OBEDIENT);
    stage.wait_for_line("started").await;
    wait_until("up", || stage.log() == "up\n").await;
    let record = stage.folder.path().join("orders-email-0.json");
    assert!(read(&record).contains("orders-email-0"));
    member.retire();
    wait_until("gone", || member.is_gone()).await;
    assert_eq!(stage.log(), "up\ndrained\n");
    assert!(!record.exists());
}

#[tokio::test]
async fn a_process_that_does_not_end_in_time_is_killed() {
    let mut stage = Stage::new();
    let launch = Launch { kill_after: Duration::from_millis(300), ..stage.launch(STUBBORN) };
    let member = Member::start(0, launch, stage.surroundings.clone());
    wait_until("up", || stage.log() == "up\n").await;
    member.retire();
    stage.wait_for_line("killed orders-email-0").await;
    wait_until("gone", || member.is_gone()).await;
}

#[tokio::test]
async fn a_process_notices_when_its_starter_is_gone() {
    let stage = Stage::new();
    let member = stage.member("echo up; cat; echo alone");
    wait_until("up", || stage.log() == "up\n").await;
    // What happens to the pipe when this process is killed.
    member.task.abort();
    wait_until("alone", || stage.log() == "up\nalone\n").await;
}
