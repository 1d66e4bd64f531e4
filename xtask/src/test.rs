//! `cargo xtask test`: brings up brokers and cluster, runs every layer of tests, and adds up the
//! results.
//!
//! `cargo test` is the runner. What this adds: real servers for the tests that need one, one total
//! instead of one a program, and skipped tests that nobody can overlook. The servers stay up for
//! the next run.
//!
//! When everything is tested, the stories of the cluster, the longest of the other tests and, once
//! the cluster is up, the rest run side by side: each waits most of the time, for pods, for brokers
//! that boot, for intervals to pass. What each of them says on standard output is kept in a file
//! until the next run.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::panic::resume_unwind;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context, ensure};
use cargo_metadata::MetadataCommand;

use self::arguments::{Arguments, FAILPOINTS, Lane, WORKER};
use self::echo::Echo;
use self::ground::{CHART, Ground, STORIES, Stories};
use self::tally::Tally;
use crate::args::{Layer, Test};
use crate::broker::{self, Ready, Release};
use crate::cargo::Built;
use crate::cluster;
use crate::paths::{Paths, create_private, remove_folder};

mod arguments;
mod echo;
mod ground;
mod tally;

/// Where tests find the brokers: `3.10=<broker folder>,4.0=<broker folder>,…`.
const BROKERS: &str = "WARREN_TEST_BROKERS";

/// What tests are told by variables.
type Variables = Vec<(&'static str, OsString)>;

/// Runs the tests and says how they ended.
///
/// # Errors
/// When a broker or the cluster does not come up, or when no test could be run.
pub(crate) fn run(paths: &Paths, root: &Path, options: &Test) -> anyhow::Result<ExitCode> {
    let runner = Runner { cargo: &options.cargo, root, logs: &paths.dev().join("tests") };
    let workspace = Workspace::read(&runner)?;
    let mut arguments = Arguments::new(&options.arguments, workspace.has_failpoints);
    let stories = stories(&arguments, &options.without);
    let ground = Ground::choose(stories, &options.cluster, cluster::refusal())?;
    if !ground.exists() {
        arguments.exclude(STORIES);
    }
    if options.without.contains(&Layer::Cluster) {
        arguments.exclude(CHART);
    }
    let brokers = broker::up(paths, &Release::ALL, &options.source)?;
    let mut variables = vec![(BROKERS, list(&brokers).into())];

    // Every program first: a test of one package may start the program of another.
    let built = Built::new(&options.cargo, root, arguments.build())?;
    if ground.exists() || arguments.concern(CHART) {
        let helm = ground::named_helm(&options.cluster);
        let helm = helm.map_or_else(|| cluster::ensure_helm(paths), Ok)?;
        variables.push((ground::HELM, helm.into_os_string()));
    }
    let tell = || told(&ground, paths, root, options, &built);
    remove_folder(runner.logs)?;
    create_private(runner.logs)?;
    let results = if arguments.is_whole_workspace() {
        let lanes = Lanes {
            stories: ground.exists().then(|| arguments.stories()),
            long: arguments.long(),
            rest: arguments.rest(&workspace.tests),
        };
        runner.beside(&lanes, &variables, tell)
    } else {
        variables.extend(tell()?);
        runner.test(&arguments.chosen(), &variables)
    };
    let Results { ended_well, tally } = results;

    ensure!(tally.programs() > 0, "no test was run: cargo has said why");

    let mut out = io::stdout().lock();
    writeln!(out, "\n{tally}").context("write to standard output")?;
    let mut good = ended_well && tally.good();
    if options.ci && tally.skipped() > 0 {
        eprintln!("error: under CI a skipped test is a failed one");
        good = false;
    }
    if let Ground::Missing(refusal) = ground {
        writeln!(out, "cluster: NOT RUN ({refusal})").context("write to standard output")?;
        good = false;
    }
    if !good {
        eprintln!("what the tests said: {}/*.log", runner.logs.display());
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the stories of the cluster layer are among what is tested.
fn stories(arguments: &Arguments, without: &[Layer]) -> Stories {
    if without.contains(&Layer::Cluster) || !arguments.concern(STORIES) {
        Stories::Without
    } else if arguments.name(STORIES) {
        Stories::Named
    } else {
        Stories::Among
    }
}

/// Makes the cluster ready, and says what the stories are told of it.
fn told(
    ground: &Ground,
    paths: &Paths,
    root: &Path,
    options: &Test,
    built: &Built,
) -> anyhow::Result<Variables> {
    let named = match ground {
        Ground::Unwanted | Ground::Missing(_) => Vec::new(),
        Ground::Ours => ground::variables(&cluster::ensure(paths, root, built, &options.source)?),
        Ground::Theirs(theirs) => theirs.variables(&options.cluster),
    };
    let named = named.into_iter().map(|(name, path)| (name, path.into_os_string()));
    let direct = (*ground == Ground::Ours).then(|| direct(options.no_proxy.as_deref()));
    Ok(named.chain(direct).collect())
}

/// The variable that lets kubectl and helm reach the cluster of this machine past a proxy.
fn direct(no_proxy: Option<&OsStr>) -> (&'static str, OsString) {
    let already = no_proxy.filter(|hosts| !hosts.is_empty());
    let hosts = already.into_iter().chain([OsStr::new(cluster::ADDRESSES)]);
    ("NO_PROXY", hosts.collect::<Vec<_>>().join(OsStr::new(",")))
}

/// The cargo that builds and runs the tests.
struct Runner<'a> {
    cargo: &'a Path,
    root: &'a Path,
    /// Where what the tests say is kept, a file for each lane.
    logs: &'a Path,
}

/// What the workspace declares.
struct Workspace {
    /// Whether the worker can be made to crash at a chosen point.
    has_failpoints: bool,
    /// The names of all test targets.
    tests: BTreeSet<String>,
}

/// What runs side by side when everything is tested.
struct Lanes {
    /// Where there is a cluster.
    stories: Option<Lane>,
    long: Lane,
    rest: Lane,
}

/// How the calls of cargo ended.
struct Results {
    ended_well: bool,
    tally: Tally,
}

impl Workspace {
    fn read(runner: &Runner<'_>) -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new()
            .cargo_path(runner.cargo)
            .current_dir(runner.root)
            .no_deps()
            .exec()
            .context("read the workspace with cargo metadata")?;
        let mut packages = metadata.packages.iter();
        let worker = packages.find(|package| package.name.as_str() == WORKER);
        let targets = metadata.packages.iter().flat_map(|package| &package.targets);
        let tests = targets.filter(|target| target.is_test());
        Ok(Self {
            has_failpoints: worker.is_some_and(|it| it.features.contains_key(FAILPOINTS)),
            tests: tests.map(|target| target.name.clone()).collect(),
        })
    }
}

impl Results {
    /// Of no call.
    fn nothing() -> Self {
        Self { ended_well: true, tally: Tally::default() }
    }

    /// Of what could not be run, which is told here.
    fn none(error: &anyhow::Error) -> Self {
        eprintln!("error: {error:#}");
        Self { ended_well: false, tally: Tally::default() }
    }

    fn and(self, other: Self) -> Self {
        Self { ended_well: self.ended_well && other.ended_well, tally: self.tally.and(other.tally) }
    }
}

impl Runner<'_> {
    /// Runs lanes side by side. The long one begins at once, because it mostly waits. The others
    /// begin when `tell` has made the cluster ready: the rest would take the processor from the
    /// control plane while that comes up.
    fn beside(
        &self,
        lanes: &Lanes,
        variables: &Variables,
        tell: impl FnOnce() -> anyhow::Result<Variables>,
    ) -> Results {
        thread::scope(|scope| {
            let long = scope.spawn(|| self.test(&lanes.long, variables));
            let told = lanes.stories.as_ref().map(|lane| (lane, tell()));
            let rest = scope.spawn(|| self.test(&lanes.rest, variables));
            let stories = told.map_or_else(Results::nothing, |(lane, told)| match told {
                Ok(told) => self.test(lane, &variables.iter().cloned().chain(told).collect()),
                Err(error) => Results::none(&error),
            });
            let join =
                |lane: ScopedJoinHandle<'_, _>| lane.join().unwrap_or_else(|it| resume_unwind(it));
            stories.and(join(rest)).and(join(long))
        })
    }

    /// Calls cargo; what the tests say passes through as it comes.
    fn test(&self, lane: &Lane, variables: &Variables) -> Results {
        let run = |log: &mut File| {
            let call = |words: &Vec<String>| {
                let results = self.call(words, lane.threads, variables, log);
                results.unwrap_or_else(|error| Results::none(&error))
            };
            lane.calls.iter().map(call).fold(Results::nothing(), Results::and)
        };
        match self.log(lane) {
            Ok(mut log) => run(&mut log),
            Err(error) => Results::none(&error),
        }
    }

    /// Where what a lane says is kept.
    fn log(&self, lane: &Lane) -> anyhow::Result<File> {
        let path = self.logs.join(lane.name).with_added_extension("log");
        File::create(&path).with_context(|| format!("create {}", path.display()))
    }

    fn call(
        &self,
        words: &[String],
        threads: u8,
        variables: &Variables,
        log: &mut File,
    ) -> anyhow::Result<Results> {
        let mut child = self
            .command()
            .args(words)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("RUST_TEST_THREADS", threads.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .context("start cargo")?;
        let output = child.stdout.take().context("read what cargo says")?;
        let mut echo = Echo::default();
        let mut tally = Tally::default();
        let mut said = Ok(());
        for line in BufReader::new(output).split(b'\n') {
            match line.context("read what cargo says") {
                Ok(line) => {
                    let line = String::from_utf8_lossy(&line);
                    tally.read(&line);
                    said = said.and(say(&echo.next(&line), log));
                }
                Err(error) => {
                    said = said.and(Err(error));
                    break;
                }
            }
        }
        said = said.and(say(&echo.rest(), log));
        let status = child.wait().context("wait for cargo")?;
        if let Err(error) = &said {
            eprintln!("error: {error:#}");
        }
        Ok(Results { ended_well: status.success() && said.is_ok(), tally })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.cargo);
        command.current_dir(self.root).stdin(Stdio::null());
        command
    }
}

/// Says what belongs together without a line of somebody else in between, and keeps it.
fn say(text: &str, log: &mut File) -> anyhow::Result<()> {
    log.write_all(text.as_bytes()).context("keep what the tests say")?;
    io::stdout().lock().write_all(text.as_bytes()).context("write to standard output")
}

fn list(brokers: &[Ready]) -> String {
    let entries: Vec<_> = brokers
        .iter()
        .map(|broker| format!("{}={}", broker.release.name(), broker.broker_dir.display()))
        .collect();
    entries.join(",")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn tests_learn_the_folder_of_each_broker() {
        let ready = |release, folder: &str| Ready { release, broker_dir: folder.into() };
        let brokers = [ready(Release::V3_10, "/a/b"), ready(Release::V4_3, "/c")];
        assert_eq!(list(&brokers), "3.10=/a/b,4.3=/c");
    }

    /// A word, when the shell stands in for cargo: results of tests would be counted as ours.
    fn lane(name: &'static str) -> Lane {
        Lane { name, calls: vec![vec!["-c".to_owned(), format!("echo {name}")]], threads: 1 }
    }

    /// Runs three lanes with the shell; `tell` gets the folder of their logs.
    fn beside(tell: impl FnOnce(&Path) -> anyhow::Result<Variables>) -> (TempDir, Results) {
        let place = tempfile::tempdir().expect("a folder");
        let runner = Runner { cargo: Path::new("sh"), root: place.path(), logs: place.path() };
        let lanes =
            Lanes { stories: Some(lane("stories")), long: lane("long"), rest: lane("rest") };
        let results = runner.beside(&lanes, &Vec::new(), || tell(place.path()));
        (place, results)
    }

    #[test]
    fn what_each_lane_says_is_kept() {
        let (place, results) = beside(|_| Ok(Vec::new()));
        assert!(results.ended_well);
        for name in ["stories", "long", "rest"] {
            let said = fs::read_to_string(place.path().join(format!("{name}.log")));
            assert_eq!(said.expect("a log"), format!("{name}\n"));
        }
    }

    #[test]
    fn what_is_short_begins_when_the_cluster_is_up_and_also_if_it_never_is() {
        let (place, results) = beside(|logs| {
            assert!(!logs.join("rest.log").exists(), "it has begun");
            Err(anyhow::anyhow!("no cluster"))
        });
        assert!(!results.ended_well);
        let has_run = |name: &str| place.path().join(name).exists();
        assert!(has_run("rest.log") && has_run("long.log") && !has_run("stories.log"));
    }

    #[test]
    fn our_cluster_is_added_to_what_no_proxy_stands_before() {
        for nothing in [None, Some("")] {
            assert_eq!(direct(nothing.map(OsStr::new)).1, "10.97.0.0/16");
        }
        assert_eq!(direct(Some(OsStr::new("a.example"))).1, "a.example,10.97.0.0/16");
    }
}
