//! `publish --ndjson`: a file of messages, one a line.
//!
//! Lines are read while at most a window of them waits for confirms, and their outcomes are told
//! in their order. A line that is malformed is found before anything after it is sent.

mod report;
mod source;

use std::path::PathBuf;

use futures_util::{Stream, StreamExt, future::BoxFuture, pin_mut, stream};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use warren_broker::publisher::PublishError;
use warren_core::{config::ProducerConfig, message::Publication};
use warren_service::exit::{Exit, Failure};

use self::{
    report::Report,
    source::{Broker, Source},
};
use super::{Connection, file, print, print_json, progress::Progress, tell};
use crate::{
    args::Output,
    message::Defaults,
    outcome::{Receipt, ResultLine, Tally, Unpublished},
    outlet::{Outlet, Publish},
    settings::Target,
};

/// How many failed lines are told of on standard error; the report has them all.
const TOLD: u64 = 20;

/// What to do with which file.
#[derive(Debug)]
pub(super) struct Run {
    /// The file, or `-`.
    pub(super) path: PathBuf,
    /// What holds for lines that do not say otherwise.
    pub(super) defaults: Defaults,
    /// How many lines may wait for confirms.
    pub(super) window: usize,
    /// Lines a second.
    pub(super) rate: Option<u32>,
    /// Where to write what became of each line.
    pub(super) report: Option<PathBuf>,
    /// Whether to go on after a line that is not published.
    pub(super) keep_going: bool,
    /// How the summary is written.
    pub(super) output: Output,
    /// Fires when the user wants the run to end.
    pub(super) stop: CancellationToken,
}

/// What became of a file, as data.
#[derive(Debug, Serialize)]
struct Summary {
    lines: u64,
    published: u64,
    malformed: u64,
    failed: u64,
    dry_run: bool,
}

/// A broker that takes everything and keeps nothing: what a dry run publishes to.
struct Nowhere;

impl Publish for Nowhere {
    fn publish(&self, _: Publication) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Publishes every line.
pub(super) async fn publish(run: Run, target: Target) -> Result<Exit, Failure> {
    let report = Report::create(run.report.as_deref())?;
    let input = file::open(&run.path).await?;
    let patience = target.timeout;
    let connection = tokio::select! {
        connection = Connection::open(target) => connection?,
        () = run.stop.cancelled() => {
            return Err(Exit::Unavailable.because("stopped before the broker was reached"));
        }
    };
    let outlet = connection.outlet().clone();
    let broker = Some((connection.state(), patience));
    let tally = all_lines(&run, input, &outlet, broker, report).await;
    connection.close().await;
    summarise(&run, &tally?, false)
}

/// Checks every line and publishes none.
pub(super) async fn check(run: Run, pipeline: ProducerConfig) -> Result<Exit, Failure> {
    let run = Run { keep_going: true, rate: None, ..run };
    let report = Report::create(run.report.as_deref())?;
    let input = file::open(&run.path).await?;
    let outlet = Outlet::new(pipeline, Nowhere).map_err(|error| Exit::Internal.because(error))?;
    let tally = all_lines(&run, input, &outlet, None, report).await?;
    summarise(&run, &tally, true)
}

async fn all_lines(
    run: &Run,
    input: file::Input,
    outlet: &Outlet,
    broker: Option<Broker>,
    report: Report,
) -> Result<Tally, Failure> {
    let halt = run.stop.child_token();
    let source = Source::new(run, input, outlet.clone(), halt.clone()).waiting_for(broker);
    let outcomes = stream::unfold(source, async |mut source| {
        let read = source.next().await?;
        Some((read, source))
    })
    .map(|(line, prepared)| async move {
        let outcome = match prepared {
            Ok(prepared) => outlet.send_in_turn(prepared).await,
            Err(error) => Err(error),
        };
        (line, outcome)
    })
    .buffered(run.window);
    record(run, outcomes, report, &halt).await
}

/// Counts, reports and tells of each outcome, and halts the source after the first failure.
async fn record(
    run: &Run,
    outcomes: impl Stream<Item = (u64, Result<Receipt, Unpublished>)>,
    mut report: Report,
    halt: &CancellationToken,
) -> Result<Tally, Failure> {
    pin_mut!(outcomes);
    let mut tally = Tally::default();
    let mut progress = Progress::new();
    while let Some((line, outcome)) = outcomes.next().await {
        let result = ResultLine { line: Some(line), ..ResultLine::new(tally.total(), &outcome) };
        report.write(&result)?;
        tally.count(&outcome);
        if let Err(error) = &outcome {
            progress.clear();
            tell_of(line, error, &tally);
            if !run.keep_going {
                halt.cancel();
            }
        }
        progress.show(&tally);
    }
    progress.clear();
    report.finish()?;
    Ok(tally)
}

fn tell_of(line: u64, error: &Unpublished, tally: &Tally) {
    let told = tally.malformed + tally.failed;
    if told <= TOLD {
        tell(&format!("line {line}: {error}"));
    }
    if told == TOLD {
        tell("further lines that fail are only in the report (--report)");
    }
}

fn summarise(run: &Run, tally: &Tally, dry_run: bool) -> Result<Exit, Failure> {
    let summary = Summary {
        lines: tally.total(),
        published: if dry_run { 0 } else { tally.published },
        malformed: tally.malformed,
        failed: tally.failed,
        dry_run,
    };
    match run.output {
        Output::Json => print_json(&summary)?,
        Output::Text if dry_run => {
            let Summary { lines, malformed, .. } = summary;
            print(&format!("{lines} lines checked, {malformed} malformed"))?;
        }
        Output::Text => {
            let Summary { lines, published, malformed, failed, .. } = summary;
            print(&format!(
                "{published} of {lines} lines published, {malformed} malformed, {failed} failed"
            ))?;
        }
    }
    let exit = match (dry_run, tally.malformed, run.keep_going) {
        // Nothing was published, so that it cannot be "in part".
        (true, 1.., _) => Exit::BadInput,
        (_, _, true) => tally.exit(),
        (_, _, false) => tally.exit_at_first(),
    };
    Ok(exit)
}
