//! `cargo xtask cluster`: a real Kubernetes cluster of one node for development and tests.
//!
//! Control plane, kubelet, containerd and pods live in a network namespace, a mount namespace and
//! control groups of their own: the machine keeps its firewall, routes and bridges. Every command
//! may be repeated, interrupted and run twice at a time: a lock keeps runs apart, and what an
//! interrupted one left is repaired by the next. Only what this cluster's processes are is ever
//! signalled, and nothing remains after `down`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use self::boot::Boot;
use self::cgroups::Cgroups;
use self::component::Component;
use self::configuration::Settings;
use self::image::{Image, Runtime};
use self::layout::Layout;
pub(crate) use self::load::References;
use self::load::Wanted;
use self::network::Network;
use self::record::{Need, Record};
use self::tools::Tools;
use crate::args::{Cluster as Command, Source};
use crate::broker;
use crate::cargo::Built;
use crate::lock::Lock;
use crate::paths::Paths;
use crate::process::Process;
use crate::progress::Progress;

mod boot;
mod cgroups;
mod component;
mod configuration;
mod digest;
mod image;
mod inside;
mod kubectl;
mod layout;
mod leftovers;
mod load;
mod network;
mod overview;
mod pki;
mod record;
mod requirements;
mod strays;
mod tools;

/// Where the addresses are at which clusters are reached from this machine.
pub(crate) const ADDRESSES: &str = network::CABLES;

/// A cluster that takes pods, with the images of this checkout.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    /// The administrator's login; the address in it is reached from this machine.
    pub(crate) kubeconfig: PathBuf,
    /// The programs that were built for it.
    pub(crate) kubectl: PathBuf,
    pub(crate) helm: PathBuf,
    /// The file with [`Self::references`] as JSON.
    pub(crate) images: PathBuf,
    /// The loaded images by name: `operator`, `worker`, `producer`, `receiver`, `rabbitmq`, and
    /// `busybox`, a shell.
    pub(crate) references: References,
}

/// A cluster without any of our images, and its administrator's way in.
#[derive(Debug, Clone)]
pub(crate) struct Empty {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) kubectl: PathBuf,
}

/// Whether somebody agreed that this machine is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    Given,
    Wanted,
}

/// Carries out one of the commands.
///
/// # Errors
/// When it cannot be done; the message says what to do.
pub(crate) fn run(paths: &Paths, root: &Path, command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Build => build(paths),
        Command::Up { yes, ci } => {
            let consent = if *yes || *ci { Consent::Given } else { Consent::Wanted };
            up(paths, root, consent)?;
            print(&format!("{}\n", Layout::new(paths).kubeconfig().display()))
        }
        Command::Load { names, cargo, source } => {
            let wanted = Wanted::new(names)?;
            let packages = load::packages(cargo, root, &wanted)?;
            // Without a word, cargo would build everything.
            let built = if packages.is_empty() {
                Built::default()
            } else {
                Built::new(cargo, root, &packages)?
            };
            let references = load(paths, root, &built, source, &wanted)?;
            let lines = references.iter().map(|(name, reference)| format!("{name} {reference}\n"));
            print(&lines.collect::<String>())
        }
        Command::Down { strays } => {
            down(paths)?;
            if *strays { strays::remove(&id(&Layout::new(paths))) } else { Ok(()) }
        }
        Command::Status => status(paths),
    }
}

/// Why this machine cannot run a cluster, in a few words; `None`, if it can.
pub(crate) fn refusal() -> Option<&'static str> {
    requirements::refusal()
}

/// The helm that was built for the cluster; `None`, if none was.
pub(crate) fn helm(paths: &Paths) -> Option<PathBuf> {
    Some(Tools::new(paths).helm()).filter(|helm| helm.exists())
}

/// The same, built when there is none: the chart is tested without a cluster, too.
///
/// # Errors
/// When Go is missing, or helm does not build.
pub(crate) fn ensure_helm(paths: &Paths) -> anyhow::Result<PathBuf> {
    let tools = Tools::new(paths);
    if !tools.helm().exists() {
        requirements::check_go()?;
        tools::build_helm(paths, &Progress::new())?;
    }
    Ok(tools.helm())
}

/// Brings the cluster up, unless it runs, with the images of `built`: those of Warren's programs
/// that are in it.
///
/// # Errors
/// When it does not come up, or an image cannot be loaded.
pub(crate) fn ensure(
    paths: &Paths,
    root: &Path,
    built: &Built,
    source: &Source,
) -> anyhow::Result<Cluster> {
    up(paths, root, Consent::Given)?;
    let references = load(paths, root, built, source, &Wanted::all())?;
    let (layout, tools) = (Layout::new(paths), Tools::new(paths));
    Ok(Cluster {
        kubeconfig: layout.kubeconfig(),
        kubectl: tools.kubectl(),
        helm: tools.helm(),
        images: layout.images(),
        references,
    })
}

/// Makes a cluster with nothing in it, in place of the one that is there.
///
/// # Errors
/// When it does not come up.
pub(crate) fn empty(paths: &Paths, root: &Path) -> anyhow::Result<Empty> {
    down(paths)?;
    up(paths, root, Consent::Given)?;
    let (layout, tools) = (Layout::new(paths), Tools::new(paths));
    Ok(Empty { kubeconfig: layout.kubeconfig(), kubectl: tools.kubectl() })
}

/// Ends the cluster and removes all it made; one that does not exist is as good.
///
/// # Errors
/// When something of it stays.
pub(crate) fn down(paths: &Paths) -> anyhow::Result<()> {
    let layout = Layout::new(paths);
    let known = layout.root().exists();
    if !known && requirements::refusal().is_some() {
        return Ok(());
    }
    let _lock = Lock::acquire(layout.lock())?;
    let id = id(&layout);
    leftovers::remove(&layout, &id, &Cgroups::find(&id)?)?;
    if known {
        eprintln!("the cluster is down, its data removed");
    }
    Ok(())
}

/// Builds what the cluster needs and no package has.
fn build(paths: &Paths) -> anyhow::Result<()> {
    let tools = Tools::new(paths);
    if !tools.exist() {
        requirements::check_go()?;
    }
    tools::build(paths, &Progress::new())
}

fn up(paths: &Paths, root: &Path, consent: Consent) -> anyhow::Result<()> {
    let layout = Layout::new(paths);
    let tools = Tools::new(paths);
    layout.check()?;
    let _lock = Lock::acquire(layout.lock())?;
    let recipe = recipe(&layout, &tools);
    // Without its network it cannot be mended: the processes hold on to the old one.
    let known = Record::load(&layout)?.filter(|record| record.network.exists());
    let running = known.as_ref().map(Record::running).unwrap_or_default();
    let progress = Progress::new();
    let kept = match (Need::of(known.as_ref(), &running, &recipe), known) {
        (Need::Nothing, Some(_)) => return Ok(()),
        (Need::Mend, Some(record)) => {
            requirements::check(false)?;
            Some(record)
        }
        _ => {
            requirements::check(!tools.exist())?;
            agree(consent, &layout)?;
            tools::build(paths, &progress)?;
            None
        }
    };
    let id = id(&layout);
    let cgroups = Cgroups::find(&id)?;
    if kept.is_none() {
        if layout.root().exists() {
            progress.note("the cluster is not as it should be; beginning with an empty one");
        }
        leftovers::remove(&layout, &id, &cgroups)?;
    }
    let sandbox = load::busybox(&layout, root)?;
    let record = if let Some(record) = kept {
        record
    } else {
        let record = Record::new(recipe, Network::find(&id)?);
        create(&layout, &record, &cgroups, &sandbox)?;
        record
    };
    let boot =
        Boot { layout: &layout, tools: &tools, cgroups: &cgroups, progress: &progress, record };
    boot.run(&sandbox)?;
    progress.note("the cluster is up");
    Ok(())
}

/// Makes everything that the components find when they start.
fn create(
    layout: &Layout,
    record: &Record,
    cgroups: &Cgroups,
    sandbox: &Image,
) -> anyhow::Result<()> {
    let network = &record.network;
    let sandbox = &sandbox.reference;
    Settings { layout, network, cgroup: &cgroups.root(), sandbox }.write()?;
    record.save(layout)?;
    cgroups.create()?;
    network.create(layout.root())
}

fn load(
    paths: &Paths,
    root: &Path,
    built: &Built,
    source: &Source,
    wanted: &Wanted,
) -> anyhow::Result<References> {
    let layout = Layout::new(paths);
    let _lock = Lock::acquire(layout.lock())?;
    let record = Record::load(&layout)?;
    let holder = record.and_then(|record| record.processes.get(&Component::Etcd).copied());
    let holder = holder
        .filter(Process::runs)
        .context("there is no cluster; start one with `cargo xtask cluster up`")?;
    let progress = Progress::new();
    let mut images = load::programs(&layout, root, built)?;
    if wanted.contains(load::BUSYBOX) {
        images.push(load::busybox(&layout, root)?);
    }
    if wanted.contains(load::RABBITMQ) {
        let tree = broker::tree(paths, broker::Release::V4_0, source, &progress)?;
        images.push(load::rabbitmq(tree)?);
    }
    let cgroup = Cgroups::find(&id(&layout))?.system();
    load::load(Runtime { layout: &layout, holder, cgroup: &cgroup }, &images, &progress)
}

fn status(paths: &Paths) -> anyhow::Result<()> {
    let (layout, tools) = (Layout::new(paths), Tools::new(paths));
    match Record::load(&layout)? {
        Some(record) => print(&overview::text(&record, &layout, &tools)),
        None => print("there is no cluster; start one with `cargo xtask cluster up`\n"),
    }
}

/// Tells clusters of this machine apart: by the folder each lives in.
fn id(layout: &Layout) -> String {
    let mut id = digest::of_texts(&[&layout.root().display().to_string()]);
    id.truncate(8);
    id
}

/// A name for everything that a cluster is made with: one of another name is made anew.
fn recipe(layout: &Layout, tools: &Tools) -> String {
    digest::of_texts(&[&configuration::templates(), inside::ENTER, &component::all(layout, tools)])
}

/// Says what will change, and asks for a word.
fn agree(consent: Consent, layout: &Layout) -> anyhow::Result<()> {
    let id = id(layout);
    let changes = format!(
        "The cluster adds to this machine, and `cargo xtask cluster down` removes:\n  \
         the network namespace warren-{id}, one veth pair to it, and an unused /30 of 10.97.0.0/16 \
         for the pair\n  \
         control groups named warren-{id}\n  \
         processes as root: etcd, containerd, Kubernetes v1.34 and its pods\n  \
         files in {}\n\
         Firewall, routes, bridges, services and kernel settings of this machine stay as they \
         are.\n",
        layout.root().display()
    );
    match consent {
        Consent::Given => {
            eprint!("{changes}");
            Ok(())
        }
        Consent::Wanted => bail!("{changes}To go on: cargo xtask cluster up --yes"),
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    io::stdout().write_all(text.as_bytes()).context("write to standard output")
}
