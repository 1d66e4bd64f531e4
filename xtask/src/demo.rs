//! `cargo xtask demo`: a pipeline file becomes queues on a real broker, messages go through
//! producer and workers, and the workers come and go with them.
//!
//! It runs what a user would run, `warren-operator local` or the chart on a cluster, and counts
//! from outside: confirms of the producer, what the receiver got, the dead-letter queues, the
//! workers that run. It leaves nothing but its files, whether it ends well, badly or by Ctrl-C; on
//! a cluster also Warren and the services that a pipeline needs.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use self::census::Census;
use self::manifest::Manifest;
use self::notes::Notes;
use self::place::{DeadLetters, Place};
use self::receiver::Receiver;
use self::show::{Seen, Show};
use self::tally::Copy;
use self::theatre::Theatre;
use self::totals::{Counted, Totals};
use crate::args::Demo;
use crate::interrupt::Interrupt;
use crate::paths::Paths;

mod census;
mod cluster;
mod folder;
mod local;
mod manifest;
mod notes;
mod operator;
mod place;
mod program;
mod programs;
mod publisher;
mod receiver;
mod show;
mod tally;
mod theatre;
mod totals;
mod worker;

/// The pipeline that is shown, below the root of the repository.
const EXAMPLE: &str = "examples/orders.yaml";

/// How a demo ended.
struct Ending {
    /// The line with the totals.
    line: String,
    /// What does not add up.
    problems: Vec<String>,
}

/// The story, wherever it is played.
struct Performance<'a> {
    receiver: &'a Receiver,
    interrupt: &'a Interrupt,
    options: &'a Demo,
    /// How many queues get a copy of each message.
    queues: usize,
}

/// Shows the pipeline and says how it ended.
///
/// # Errors
/// When it cannot be shown to its end, or cannot be removed again.
pub(crate) fn run(paths: &Paths, root: &Path, options: &Demo) -> anyhow::Result<ExitCode> {
    let example = root.join(EXAMPLE);
    let ending = if options.cluster {
        cluster::show(paths, root, options, &example)?
    } else {
        local::show(paths, root, options, &example)?
    };
    for problem in &ending.problems {
        eprintln!("error: {problem}");
    }
    writeln!(io::stdout(), "{}", ending.line).context("write to standard output")?;
    Ok(if ending.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Performance<'_> {
    fn play(&self, theatre: &mut dyn Theatre, notes: &mut Notes) -> anyhow::Result<Seen> {
        let show = Show {
            theatre,
            receiver: self.receiver,
            interrupt: self.interrupt,
            notes,
            census: Census::default(),
            fault: self.options.fault,
        };
        show.play(self.options.messages, self.queues)
    }
}

/// What was shown, unless it could not be removed afterwards.
fn ended(shown: anyhow::Result<Ending>, cleared: anyhow::Result<()>) -> anyhow::Result<Ending> {
    match (shown, cleared) {
        (Ok(ending), cleared) => cleared.map(|()| ending),
        (Err(error), Ok(())) => Err(error),
        (Err(error), Err(left)) => {
            eprintln!("warning: the next demo has to tidy up: {left:#}");
            Err(error)
        }
    }
}

/// Counts what came of it all, and tells it by queue and by worker.
fn count(
    place: &Place,
    manifest: &Manifest,
    receiver: &Receiver,
    seen: Seen,
    notes: &mut Notes,
) -> anyhow::Result<Ending> {
    let received = receiver.tally()?;
    let queues: Vec<_> = manifest.endpoints.keys().map(String::as_str).collect();
    let mut letters = DeadLetters::default();
    for queue in &queues {
        let read = place.read_dead_letters(&manifest.prefix, queue, &mut letters);
        read.with_context(|| format!("read the dead letters of {queue}"))?;
    }
    let (done, dead) = (received.done(), &letters.copies);
    let totals = Totals::of(Counted {
        published: &seen.published,
        queues: &queues,
        done: &done,
        dead,
        workers: &seen.census,
    });
    for queue in &queues {
        let of = |copies: &BTreeSet<Copy>| copies.iter().filter(|c| c.queue == *queue).count();
        notes.tell(format!("{queue}: {} done, {} dead", of(&done), of(dead)));
    }
    notes.tell(format!(
        "runs that failed and were repeated: {}; that were repeated though they were done: {}; \
         dead letters written twice: {}",
        received.failures(),
        received.repeats(),
        letters.repeats
    ));
    if totals.strangers() > 0 {
        notes.tell(format!("not counted, because of somebody else: {}", totals.strangers()));
    }
    for sighting in seen.census.at_peak() {
        let (worker, queue) = (&sighting.worker, sighting.queue());
        notes.tell(format!("worker {worker} of queue {queue} settled {}", sighting.settled()));
    }
    let mut problems = seen.missed;
    problems.extend(totals.problems());
    Ok(Ending { line: totals.to_string(), problems })
}

/// Six hexadecimal digits: demos of one broker from several machines do not meet.
fn suffix() -> anyhow::Result<String> {
    let mut bytes = [0; 3];
    getrandom::fill(&mut bytes).context("draw a name for the demo")?;
    let [a, b, c] = bytes;
    Ok(format!("{a:02x}{b:02x}{c:02x}"))
}
