//! Local mode: the same plan as in a cluster, with processes in the place of Deployments.
//!
//! Manifests are read and judged as a whole before anything starts. Then each pipeline has two
//! loops: passes bring the broker's objects to what the spec says ([`passes`]), and a crew keeps the
//! workers' numbers right ([`crew`]). At the end workers drain and the topology stays.

mod backoff;
mod child;
mod credentials;
mod crew;
mod figures;
mod fleet;
mod happening;
mod installation;
mod leftovers;
mod manifests;
mod member;
mod output;
mod passes;
mod ports;
mod process;
mod programs;
mod queue;
mod references;
mod screen;
mod site;
mod state;
mod table;
mod view;

use std::{
    io::{self, IsTerminal},
    sync::Arc,
};

use futures_util::future::join_all;
use warren_service::{
    exit::{Exit, Failure},
    logging::{self, LogArgs},
    shutdown::Shutdown,
};

use self::{
    figures::Scraper,
    manifests::{Manifests, Mistakes},
    output::Output,
    programs::Programs,
    site::{Blueprint, Site},
};
use crate::{
    args::{LocalArgs, Output as Format},
    brokers::Brokers,
    pass::Context,
    scale::observatory::Observatory,
    settings::{Identity, ImagePull, Settings},
};

/// What the broker lists the connections as that queues are watched on.
const CONNECTION_NAME: &str = "warren-operator/local/scaler";

/// Runs pipelines until a signal ends it.
///
/// # Errors
/// With [`Exit::BadConfiguration`] when the manifests, the programs or the state directory cannot be
/// used; what happens to a broker or a worker later ends nothing.
pub fn run(args: &LocalArgs, log: &LogArgs) -> Result<Exit, Failure> {
    let format = format(args.output, io::stdout().is_terminal());
    start_log(format, log)?;
    let settings = settings();
    let wrong = |mistakes: Mistakes| Exit::BadConfiguration.because(mistakes);
    let manifests = manifests::read(&args.files, &settings).map_err(wrong)?;
    let blueprints = blueprints(manifests, args).map_err(wrong)?;
    let unusable = |error| Exit::BadConfiguration.because(error);
    let pipelines = blueprints.iter().map(|blueprint| &blueprint.pipeline);
    let programs = Programs::find(args, pipelines);
    let programs = programs.map_err(|error| Exit::BadConfiguration.because(error))?;
    let base = state::base(args).map_err(unusable)?;
    let sites = blueprints
        .into_iter()
        .map(|blueprint| blueprint.build(&base, &programs))
        .collect::<Result<Vec<Site>, _>>()
        .map_err(unusable)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Exit::Internal.because(error))?;
    let context = Context { settings, brokers: Brokers::default() };
    runtime.block_on(work(sites, context, args, format))
}

async fn work(
    sites: Vec<Site>,
    context: Context,
    args: &LocalArgs,
    format: Format,
) -> Result<Exit, Failure> {
    let internal = |error: io::Error| Exit::Internal.because(error);
    let (trigger, shutdown) = Shutdown::from_signals().map_err(internal)?;
    let scraper = Scraper::new().map_err(|error| Exit::Internal.because(error))?;
    let (lines, told) = happening::channel();
    let context = Arc::new(context);
    let observatory = Arc::new(Observatory::new(CONNECTION_NAME, Arc::clone(&context)));
    let mut views = Vec::new();
    let mut works = Vec::new();
    for site in sites {
        let shared = site::Shared {
            context: Arc::clone(&context),
            scraper: scraper.clone(),
            observatory: Arc::clone(&observatory),
            shutdown: shutdown.clone(),
            interval: args.interval,
        };
        let (view, work) = site.open(shared, &lines);
        views.push(view);
        works.push(work);
    }
    // What is told ends when everybody who tells is gone.
    drop(lines);
    let output = Output { format, lines: told, views };
    tokio::join!(join_all(works), output.run(trigger));
    Ok(Exit::Done)
}

/// What pipelines are to be run with; the files do not change while they run, so what they name
/// must be in them now.
fn blueprints(manifests: Manifests, args: &LocalArgs) -> Result<Vec<Blueprint>, Mistakes> {
    let Manifests { pipelines, secrets } = manifests;
    let mut mistakes = Vec::new();
    let mut blueprints = Vec::new();
    for manifest in pipelines {
        match Blueprint::draw(manifest, &secrets, args.broker_dir.as_deref()) {
            Ok(blueprint) => blueprints.push(blueprint),
            Err(more) => mistakes.extend(more),
        }
    }
    Mistakes::none_of(mistakes).map(|()| blueprints)
}

/// In local mode images are not used: programs of this machine run.
fn settings() -> Settings {
    Settings {
        identity: Identity::Local,
        worker_image: "warren-worker".to_owned(),
        producer_image: "warren-producer".to_owned(),
        pull: ImagePull::default(),
    }
}

fn format(asked: Option<Format>, terminal: bool) -> Format {
    asked.unwrap_or(if terminal { Format::Table } else { Format::Lines })
}

/// Log lines would tear the table apart, so on the same terminal there are none; what a person must
/// know is told above the table.
fn start_log(format: Format, log: &LogArgs) -> Result<(), Failure> {
    if format == Format::Table && io::stderr().is_terminal() {
        return Ok(());
    }
    logging::init(log).map_err(|error| Exit::Internal.because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_a_table_and_a_pipe_gets_lines() {
        assert_eq!(format(None, true), Format::Table);
        assert_eq!(format(None, false), Format::Lines);
        assert_eq!(format(Some(Format::Json), true), Format::Json);
    }
}
