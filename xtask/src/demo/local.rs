//! The demo on this machine: `warren-operator local`, a broker, and the receiver as processes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::manifest::{Changes, Manifest, Named};
use super::notes::Notes;
use super::operator::{self, Launch, Operator};
use super::place::Place;
use super::program::Program;
use super::programs::Programs;
use super::receiver::Receiver;
use super::{Ending, Performance, suffix};
use crate::args::Demo;
use crate::broker::{self, Release};
use crate::interrupt::Interrupt;
use crate::paths::{self, Paths};
use crate::process::Process;

/// The release that is brought up when no broker is given: the newest.
const RELEASE: Release = Release::V4_3;

/// What a demo made and has to remove.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The broker folder that was given.
    broker_dir: PathBuf,
    vhost: String,
    /// Whether the virtual host is the demo's own.
    own_vhost: bool,
    /// What its objects on the broker are called, or begin with and a dot.
    prefix: String,
    operator: Option<Process>,
}

/// What a demo is shown with.
struct Stage<'a> {
    folder: Folder,
    programs: Programs,
    interrupt: Interrupt,
    broker_dir: PathBuf,
    options: &'a Demo,
}

/// Shows the pipeline in the file `example`, and removes what it made.
///
/// # Errors
/// When it cannot be shown to its end, or cannot be removed again.
pub(super) fn show(
    paths: &Paths,
    root: &Path,
    options: &Demo,
    example: &Path,
) -> anyhow::Result<Ending> {
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
    let stage = Stage { folder, programs, interrupt, broker_dir, options };
    let ending = stage.show(example);
    end_broker(paths, options)?;
    ending
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
    let Some(record) = folder.left::<Record>()? else {
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

impl Stage<'_> {
    fn show(&self, example: &Path) -> anyhow::Result<Ending> {
        let what = || format!("read {}", example.display());
        let text = fs::read_to_string(example).with_context(what)?;
        let manifest = Manifest::read(&text).with_context(what)?;
        let endpoint = Program::receiver(&self.programs.receiver, &self.folder)?;
        let address = endpoint.address();

        let suffix = suffix()?;
        let place = Place::find(&self.broker_dir, &suffix)?;
        let manifest = manifest.with(Changes {
            suffix: &suffix,
            named: Named::Pipeline,
            receiver: &address,
            users: place.users(),
        });
        let manifest = manifest.with_context(what)?;
        let receiver = Receiver::new(format!("http://{address}"), manifest.endpoints.clone());
        receiver.instruct()?;
        let mut record = Record {
            broker_dir: self.broker_dir.clone(),
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
        super::ended(shown, cleared)
    }

    fn perform(
        &self,
        place: &Place,
        manifest: &Manifest,
        receiver: &Receiver,
        record: &mut Record,
    ) -> anyhow::Result<Ending> {
        let mut notes = Notes::default();
        notes.tell(format!("pipeline {} in virtual host {}", manifest.prefix, place.vhost()));
        let file = self.folder.manifest();
        paths::write_private(&file, &manifest.text())?;
        let mut operator = Operator::start(Launch {
            programs: &self.programs,
            manifest: &file,
            broker_dir: &self.folder.login(&self.broker_dir, place.vhost())?,
            state: &self.folder.state(),
        })?;
        notes.begin_table();
        record.operator = Some(operator.process());
        let performance = Performance {
            receiver,
            interrupt: &self.interrupt,
            options: self.options,
            queues: manifest.endpoints.len(),
        };
        let seen = self.folder.remember(record);
        let seen = seen.and_then(|()| performance.play(&mut operator, &mut notes));
        let ended = operator.end();
        notes.end_table();
        let seen = seen?;
        ended?;
        let ending = super::count(place, manifest, receiver, seen, &mut notes)?;
        notes.tell(format!("the logs are below {}", self.folder.state().display()));
        Ok(ending)
    }
}
