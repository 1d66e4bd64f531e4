//! Processes of an earlier run that was killed before it could end them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, interval};
use warren_service::shutdown::Shutdown;

use super::{
    child::Record,
    happening::{Happening, Reporter},
};

/// How often it is looked whether a process is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Ends the processes that are recorded in a directory and still run.
///
/// They drain; who does not end in time, or when there is no time, is killed.
pub(super) async fn end(records: &Path, reporter: &Reporter, shutdown: &Shutdown) {
    let began = Instant::now();
    let mut running = read(records);
    for (_, record) in &running {
        let (name, pid) = (record.name.clone(), record.process.id());
        reporter.tell(Happening::Leftover { name, pid });
        record.process.terminate();
    }
    let mut ticks = interval(LOOK_AGAIN);
    while !running.is_empty() {
        ticks.tick().await;
        let hurry = shutdown.hurry().is_cancelled();
        running.retain(|(file, record)| {
            if !record.process.runs() {
                forget(file);
                return false;
            }
            if hurry || began.elapsed() > Duration::from_secs(record.kill_after) {
                record.process.kill();
            }
            true
        });
    }
}

/// The records of processes that run; those of others are removed.
fn read(records: &Path) -> Vec<(PathBuf, Record)> {
    let entries = fs::read_dir(records).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let file = entry.path();
            let record = fs::read(&file)
                .ok()
                .and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
            match record {
                Some(record) if record.process.runs() => Some((file, record)),
                _ => {
                    forget(&file);
                    None
                }
            }
        })
        .collect()
}

fn forget(file: &Path) {
    if let Err(error) = fs::remove_file(file) {
        tracing::warn!(file = %file.display(), %error, "record of a process stays");
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::UnboundedReceiver;
    use warren_core::names::PipelineId;

    use super::*;
    use crate::local::{
        happening::{self, Line},
        process::{Process, tests::cat},
    };

    fn reporter() -> (Reporter, UnboundedReceiver<Line>) {
        let (lines, told) = happening::channel();
        let orders = PipelineId::new("shop", "orders").unwrap();
        (Reporter::new(orders, lines), told)
    }

    fn record(folder: &Path, process: Process) -> PathBuf {
        let record = Record { process, name: "orders-email-0".to_owned(), kill_after: 60 };
        let file = folder.join("orders-email-0.json");
        fs::write(&file, serde_json::to_vec(&record).unwrap()).unwrap();
        file
    }

    #[tokio::test]
    async fn a_process_that_was_left_over_is_ended_and_its_record_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, process) = cat();
        let file = record(folder.path(), process);
        let (reporter, mut told) = reporter();
        let (_trigger, shutdown) = Shutdown::manual();
        end(folder.path(), &reporter, &shutdown).await;
        assert!(!child.wait().unwrap().success());
        assert!(!file.exists());
        let line = told.recv().await.unwrap().to_string();
        assert!(line.contains("orders-email-0"), "{line}");
    }

    #[tokio::test]
    async fn a_record_of_a_process_that_is_gone_is_removed_without_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, process) = cat();
        let file = record(folder.path(), process);
        drop(child.stdin.take());
        child.wait().unwrap();
        let (reporter, mut told) = reporter();
        let (_trigger, shutdown) = Shutdown::manual();
        end(folder.path(), &reporter, &shutdown).await;
        assert!(!file.exists());
        drop(reporter);
        assert!(told.recv().await.is_none());
    }
}
