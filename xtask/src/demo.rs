//! `cargo xtask demo`: a pipeline file becomes queues on a real broker, messages go through
//! producer and workers, and the workers come and go with them.
//!
//! It runs what a user would run, `warren-operator local`, and counts from outside: confirms of the
//! producer, the receiver's own file, the dead-letter queues, the process table. It leaves nothing
//! but its files, whether it ends well, badly or by Ctrl-C.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, ensure};

use self::census::Census;
use self::folder::{Folder, Record};
use self::journal::{Copy, Journal};
use self::manifest::{Changes, Manifest};
use self::notes::Notes;
use self::operator::{Launch, Operator};
use self::place::{DeadLetters, Place};
use self::programs::Programs;
use self::receiver::Receiver;
use self::show::{Seen, Show};
use self::totals::{Counted, Totals};
use crate::args::Demo;
use crate::broker::{self, Release};
use crate::interrupt::Interrupt;
use crate::paths::{self, Paths};
use crate::process::Process;

mod census;
mod fate;
mod folder;
mod journal;
mod manifest;
mod notes;
mod operator;
mod place;
mod programs;
mod publisher;
mod receiver;
mod show;
mod totals;
mod worker;

/// The pipeline that is shown, below the root of the repository.
const EXAMPLE: &str = "examples/orders.yaml";

/// The release that is brought up when no broker is given: the newest.
const RELEASE: Release = Release::V4_3;

/// Shows the pipeline and says how it ended.
///
/// # Errors
/// When it cannot be shown to its end, or cannot be removed again.
pub(crate) fn run(paths: &Paths, root: &Path, options: &Demo) -> anyhow::Result<ExitCode> {
    ensure!(
        Path::new("/proc/self/stat").exists(),
        "the demo counts processes in /proc, which this system does not have"
    );
    let programs = Programs::build(&options.cargo, root)?;
    let broker_dir = match &options.broker_dir {
        Some(given) => std::path::absolute(given).context("find the broker folder")?,
        None => start_broker(paths, options)?,
    };
    let folder = Folder::take(&paths.dev().join("demo"))?;
    let interrupt = Interrupt::listen()?;
    clear_left(&folder)?;
    folder.empty()?;

    let stage = Stage {
        folder: &folder,
        programs: &programs,
        interrupt: &interrupt,
        broker_dir: &broker_dir,
        options,
    };
    let ending = stage.show(&root.join(EXAMPLE));
    end_broker(paths, options)?;
    let ending = ending?;
    for problem in &ending.problems {
        eprintln!("error: {problem}");
    }
    writeln!(io::stdout(), "{}", ending.line).context("write to standard output")?;
    Ok(if ending.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn start_broker(paths: &Paths, options: &Demo) -> anyhow::Result<PathBuf> {
    let brokers = broker::up(paths, &[RELEASE], &options.source)?;
    let broker = brokers.into_iter().next();
    broker.map(|broker| broker.broker_dir).context("a broker that was brought up has a folder")
}

fn end_broker(paths: &Paths, options: &Demo) -> anyhow::Result<()> {
    if options.down {
        return broker::down(paths, &[RELEASE]);
    }
    if options.broker_dir.is_none() {
        let name = RELEASE.name();
        eprintln!("the broker stays up; `cargo xtask broker down --version {name}` ends it");
    }
    Ok(())
}

/// Removes what an earlier demo could not, because it was killed.
fn clear_left(folder: &Folder) -> anyhow::Result<()> {
    let Some(record) = folder.left()? else {
        return Ok(());
    };
    eprintln!("removing what an interrupted demo left");
    if let Some(operator) = record.operator.filter(Process::runs) {
        operator::end(operator)?;
    }
    let cleared = Place::left(&record.broker_dir, &record.vhost, record.own_vhost)
        .and_then(|place| place.clear(&record.prefix));
    if let Err(error) = cleared {
        // That broker may be gone for good, and this demo needs nothing of it.
        eprintln!(
            "warning: what it made on the broker of {} in the virtual host {} as {} is left \
             there: {error:#}",
            record.broker_dir.display(),
            record.vhost,
            record.prefix
        );
    }
    folder.forget()
}

/// How a demo ended.
struct Ending {
    /// The line with the totals.
    line: String,
    /// What does not add up.
    problems: Vec<String>,
}

/// What a demo is shown with.
#[derive(Clone, Copy)]
struct Stage<'a> {
    folder: &'a Folder,
    programs: &'a Programs,
    interrupt: &'a Interrupt,
    broker_dir: &'a Path,
    options: &'a Demo,
}

impl Stage<'_> {
    /// Shows the pipeline in the file `example`, and removes what it made.
    fn show(self, example: &Path) -> anyhow::Result<Ending> {
        let what = || format!("read {}", example.display());
        let text = fs::read_to_string(example).with_context(what)?;
        let manifest = Manifest::read(&text).with_context(what)?;
        let journal = Journal::create(&self.folder.received())?;
        let receiver = Receiver::start(journal, manifest.queues.clone())?;

        let suffix = suffix()?;
        let place = Place::find(self.broker_dir, &suffix)?;
        let manifest = manifest.with(Changes {
            suffix: &suffix,
            receiver: receiver.address(),
            users: place.users(),
        });
        let manifest = manifest.with_context(what)?;
        let mut record = Record {
            broker_dir: self.broker_dir.to_owned(),
            vhost: place.vhost().to_owned(),
            own_vhost: place.is_own(),
            prefix: manifest.prefix.clone(),
            operator: None,
        };
        self.folder.remember(&record)?;
        let shown =
            place.make().and_then(|()| self.perform(&place, &manifest, &receiver, &mut record));
        let cleared = place.clear(&manifest.prefix);
        let cleared = cleared.and_then(|()| self.folder.forget());
        match (shown, cleared) {
            (Ok(ending), cleared) => cleared.map(|()| ending),
            (Err(error), Ok(())) => Err(error),
            (Err(error), Err(left)) => {
                eprintln!("warning: the next demo has to tidy up: {left:#}");
                Err(error)
            }
        }
    }

    fn perform(
        self,
        place: &Place,
        manifest: &Manifest,
        receiver: &Receiver,
        record: &mut Record,
    ) -> anyhow::Result<Ending> {
        let begin = Instant::now();
        let mut notes = Notes::default();
        notes.tell(format!(
            "pipeline {} in virtual host {}, receiver http://{}",
            manifest.prefix,
            place.vhost(),
            receiver.address()
        ));
        let file = self.folder.manifest();
        paths::write_private(&file, &manifest.text())?;
        let mut operator = Operator::start(Launch {
            programs: self.programs,
            manifest: &file,
            broker_dir: &self.folder.login(self.broker_dir, place.vhost())?,
            state: &self.folder.state(),
        })?;
        notes.begin_table();
        record.operator = Some(operator.process());
        let show = Show {
            operator: &mut operator,
            journal: receiver.journal(),
            interrupt: self.interrupt,
            notes: &mut notes,
            census: Census::default(),
            fault: self.options.fault,
        };
        let seen = self.folder.remember(record).and_then(|()| {
            let queues = manifest.queues.len();
            show.play(self.options.messages, queues)
        });
        let ended = operator.end();
        notes.end_table();
        let seen = seen?;
        ended?;
        let ending = count(place, manifest, receiver.journal(), seen, &mut notes)?;
        notes.tell(format!(
            "{:.0} s; the receiver's file is {}, the logs of all processes are below {}",
            begin.elapsed().as_secs_f64(),
            self.folder.received().display(),
            self.folder.state().display()
        ));
        Ok(ending)
    }
}

/// Counts what came of it all, and tells it by queue and by worker.
fn count(
    place: &Place,
    manifest: &Manifest,
    journal: &Journal,
    seen: Seen,
    notes: &mut Notes,
) -> anyhow::Result<Ending> {
    let received = journal.read()?;
    let queues: Vec<_> = manifest.queues.keys().map(String::as_str).collect();
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
    for worker in seen.census.at_peak() {
        let (id, queue) = (worker.process.id, worker.queue());
        notes.tell(format!("worker {id} of queue {queue} settled {}", worker.settled()));
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
