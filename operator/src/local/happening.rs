//! What happens, in the words a person or a script reads on standard output.
//!
//! Happenings are transitions: nothing is told again while it stays as it is.

use std::{fmt, path::PathBuf, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tokio::sync::mpsc;
use warren_core::{
    duration,
    names::{PipelineId, QueueName},
    scaling::{Decision, LimitedBy, Replicas},
};
use warren_service::clock;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Happening {
    /// A condition of the pipeline changed.
    Condition {
        /// Its type.
        condition: String,
        /// True, False or Unknown.
        status: String,
        /// Why, in a word.
        reason: String,
        /// Why, in a sentence.
        message: String,
    },
    /// The operator did something to the broker, or found something there.
    Broker {
        /// What, in a word.
        reason: String,
        /// What, in a sentence.
        message: String,
    },
    /// The number of a queue's workers changed.
    Scaled {
        /// The queue.
        queue: QueueName,
        /// How many there were.
        from: u32,
        /// How many there are now.
        to: u32,
        /// Why.
        #[serde(flatten)]
        why: Why,
    },
    /// A process was started.
    Started {
        /// What it is called.
        name: String,
        /// Its process id.
        pid: u32,
        /// Where it serves HTTP.
        url: String,
    },
    /// A process ended, and nobody asked it to.
    Crashed {
        /// What it is called.
        name: String,
        /// How it ended.
        how: String,
        /// When it is started again.
        #[serde(serialize_with = "seconds")]
        again_in: Duration,
        /// Where its last words are.
        log: PathBuf,
    },
    /// A process did not end in time and was killed.
    Killed {
        /// What it is called.
        name: String,
    },
    /// Something could not be done on this machine; it is tried again.
    Failed {
        /// What, and why.
        message: String,
    },
    /// A process of an earlier run was found and is ended.
    Leftover {
        /// What it is called.
        name: String,
        /// Its process id.
        pid: i32,
    },
    /// The processes finish what they have begun.
    Draining {
        /// How many of them.
        processes: usize,
    },
    /// What became of a queue in this run.
    Ended {
        /// The queue.
        queue: QueueName,
        /// Messages done.
        done: u64,
        /// Messages to be tried again.
        retried: u64,
        /// Messages in the dead-letter queue; unknown when absent.
        dead: Option<u64>,
    },
}

/// Why a queue has as many workers as it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Why {
    /// What led to the number.
    reason: &'static str,
    /// What cut it; nothing when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    limited_by: Option<&'static str>,
    /// Messages that wait; unknown when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<u64>,
    /// Messages that workers hold; unknown when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    unacked: Option<u64>,
}

/// A happening with its time and pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    time: Timestamp,
    pipeline: PipelineId,
    #[serde(flatten)]
    happening: Happening,
}

/// Tells what happens to a pipeline.
#[derive(Debug, Clone)]
pub(super) struct Reporter {
    pipeline: PipelineId,
    lines: mpsc::UnboundedSender<Line>,
}

/// Where happenings are told, and where they are heard.
pub(super) fn channel() -> (mpsc::UnboundedSender<Line>, mpsc::UnboundedReceiver<Line>) {
    mpsc::unbounded_channel()
}

impl Reporter {
    /// A reporter for a pipeline.
    pub(super) fn new(pipeline: PipelineId, lines: mpsc::UnboundedSender<Line>) -> Self {
        Self { pipeline, lines }
    }

    /// Tells what happened just now.
    pub(super) fn tell(&self, happening: Happening) {
        let line = Line { time: clock::now(), pipeline: self.pipeline.clone(), happening };
        // Nobody listens any more when the program ends.
        let _ = self.lines.send(line);
    }
}

impl Line {
    /// The line as a JSON object.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("a line is plain data with texts as keys")
    }

    /// The line with the pipeline it is about, for where there are several.
    pub(super) fn with_pipeline(&self) -> String {
        format!("{}: {self}", self.pipeline)
    }
}

impl Happening {
    /// The number of a queue's workers changed, by this decision.
    pub(super) fn scaled(queue: &QueueName, from: Replicas, decision: &Decision) -> Self {
        Self::Scaled {
            queue: queue.clone(),
            from: from.get(),
            to: decision.desired.get(),
            why: Why::of(decision),
        }
    }
}

impl Why {
    /// The reasons of a decision.
    pub(super) fn of(decision: &Decision) -> Self {
        Self {
            reason: decision.reason.as_str(),
            limited_by: decision.limited_by.map(LimitedBy::as_str),
            ready: decision.terms.map(|terms| terms.ready),
            unacked: decision.terms.map(|terms| terms.unacked),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)?;
        if let (Some(ready), Some(unacked)) = (self.ready, self.unacked) {
            write!(f, ": {ready} ready, {unacked} unacked")?;
        }
        match self.limited_by {
            Some(limit) => write!(f, "; limited by {limit}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.happening.fmt(f)
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition { condition, status, reason, message } => {
                write!(f, "condition {condition}={status} {reason}: {message}")
            }
            Self::Broker { reason, message } => write!(f, "broker {reason}: {message}"),
            Self::Scaled { queue, from, to, why } => {
                write!(f, "scaled {queue} {from} -> {to} ({why})")
            }
            Self::Started { name, pid, url } => write!(f, "started {name} (process {pid}, {url})"),
            Self::Crashed { name, how, again_in, log } => {
                let (again_in, log) = (duration::format(*again_in), log.display());
                write!(f, "crashed {name} ({how}); starts again in {again_in}, see {log}")
            }
            Self::Killed { name } => write!(f, "killed {name}: it did not end in time"),
            Self::Failed { message } => write!(f, "failed: {message}"),
            Self::Leftover { name, pid } => {
                write!(f, "ending {name} (process {pid}), left over from an earlier run")
            }
            Self::Draining { processes: 1 } => {
                f.write_str("draining 1 process; Ctrl-C again hurries")
            }
            Self::Draining { processes } => {
                write!(f, "draining {processes} processes; Ctrl-C again hurries")
            }
            Self::Ended { queue, done, retried, dead } => {
                let dead = dead.map_or_else(|| "?".to_owned(), |dead| dead.to_string());
                write!(f, "ended {queue}: {done} done, {retried} retried, {dead} dead letters")
            }
        }
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

#[cfg(test)]
mod tests;
