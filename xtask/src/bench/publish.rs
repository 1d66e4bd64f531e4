//! How fast messages are published and confirmed: the producer with a file of them, beside the bare
//! client with as many under way.
//!
//! The bare client times its loop itself. The producer is timed from its start to its end, and the
//! same without any message is taken off, which leaves its loop.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::child::{Child, Finished};
use super::figures::{Comparison, ROUNDS, Run, Side};
use super::footprint::{BODY_BYTES, Scene};
use super::programs::{BARE, PRODUCER};

/// Messages that wait for their confirm at once.
const WINDOW: u16 = 1024;

/// The files that the producer is given.
pub(super) struct Lines {
    all: PathBuf,
    none: PathBuf,
}

impl Lines {
    /// Writes a file of `count` messages, and an empty one.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn write(folder: &Path, count: u32) -> anyhow::Result<Self> {
        let (all, none) = (folder.join("lines.ndjson"), folder.join("none.ndjson"));
        for (path, text) in [(&all, lines(count)), (&none, String::new())] {
            fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(Self { all, none })
    }
}

/// Measures both in turns.
///
/// # Errors
/// When one of them fails.
pub(super) fn measure(scene: &Scene<'_>, lines: &Lines) -> anyhow::Result<Comparison> {
    let (mut floor, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        scene.progress.step(format!("publishing: round {round} of {ROUNDS}"));
        scene.stage.purge()?;
        floor.push(bare(scene)?);
        scene.stage.purge()?;
        ours.push(producer(scene, lines)?);
    }
    Ok(Comparison::new(WINDOW, Side::new(BARE, floor), Side::new(PRODUCER, ours)))
}

/// Fills the queue with the messages of the producer.
///
/// # Errors
/// When it fails.
pub(super) fn fill(scene: &Scene<'_>, lines: &Lines) -> anyhow::Result<()> {
    scene.stage.purge()?;
    publish(scene, &lines.all).map(drop)
}

fn bare(scene: &Scene<'_>) -> anyhow::Result<Run> {
    let Scene { programs, stage, .. } = scene;
    let command = programs.bare_publish(stage.login(), scene.messages, WINDOW, BODY_BYTES);
    let finished = Child::start(BARE, command, stage.folder())?.finish(scene.interrupt)?;
    serde_json::from_str(&finished.output).context("understand the figures of the bare client")
}

fn producer(scene: &Scene<'_>, lines: &Lines) -> anyhow::Result<Run> {
    let nothing = publish(scene, &lines.none)?;
    let all = publish(scene, &lines.all)?;
    let elapsed = all.elapsed.saturating_sub(nothing.elapsed);
    Ok(Run::new(scene.messages, elapsed, all.cpu.saturating_sub(nothing.cpu)))
}

fn publish(scene: &Scene<'_>, lines: &Path) -> anyhow::Result<Finished> {
    let Scene { programs, stage, .. } = scene;
    let command = programs.publish(stage.login(), lines, WINDOW);
    Child::start(PRODUCER, command, stage.folder())?.finish(scene.interrupt)
}

/// Messages whose body, which is the text of `payload`, has [`BODY_BYTES`].
fn lines(count: u32) -> String {
    let mut text = String::new();
    for number in 0..count {
        let begin = format!("{{\"number\":{number},\"rest\":\"");
        let rest = "x".repeat((BODY_BYTES as usize).saturating_sub(begin.len() + 2));
        writeln!(text, "{{\"payload\":{begin}{rest}\"}}}}").expect("a String takes every write");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_body_has_the_size_of_the_floors() {
        let text = lines(12);
        assert_eq!(text.lines().count(), 12);
        for line in text.lines() {
            let payload =
                line.strip_prefix("{\"payload\":").and_then(|rest| rest.strip_suffix('}'));
            let payload = payload.expect("a message");
            assert_eq!(payload.len(), BODY_BYTES as usize, "{line}");
            assert!(serde_json::from_str::<Value>(payload).is_ok(), "{line}");
        }
    }
}
