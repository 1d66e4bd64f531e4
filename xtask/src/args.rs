//! What can be typed after `cargo xtask`, and the environment it may come from.
//!
//! Nothing is decided here: every field is what was typed, or its default.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, NonEmptyStringValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use warren_core::duration;

use crate::broker::Release;

/// Warren's own commands: brokers for development, tests, checks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) homes: Homes,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where a user's files live, by the XDG base directory specification. Set to nothing counts as not
/// set, which a path could not be.
#[derive(Debug, clap::Args)]
pub(crate) struct Homes {
    #[arg(long, env = "HOME", hide = true, global = true)]
    pub(crate) home: Option<OsString>,
    #[arg(long, env = "XDG_STATE_HOME", hide = true, global = true)]
    pub(crate) state_home: Option<OsString>,
    #[arg(long, env = "XDG_CACHE_HOME", hide = true, global = true)]
    pub(crate) cache_home: Option<OsString>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// RabbitMQ servers for development and tests, side by side, without root
    #[command(subcommand)]
    Broker(Broker),
    /// A real Kubernetes cluster of one node for development and tests, in namespaces of its own
    #[command(subcommand)]
    Cluster(Cluster),
    /// Every layer of tests, bringing up the brokers and the cluster they need and leaving them up
    Test(Test),
    /// Show it all: a pipeline on a real broker, messages through producer and workers, the workers
    /// from zero up and back to zero, and whether the totals add up
    Demo(Demo),
    /// Measure what Warren costs beside a bare client in the same run; figures, never a verdict
    #[command(subcommand)]
    Bench(Bench),
    /// Write the generated files anew
    Gen {
        /// The helm that renders deploy/default, if not the one built for the cluster
        #[arg(long, value_name = "PATH")]
        helm: Option<PathBuf>,
    },
    /// Check the rules of this repository that no compiler knows
    Tidy,
}

/// What can be done with the brokers of this machine.
#[derive(Debug, Subcommand)]
pub(crate) enum Broker {
    /// Start brokers, or say where they run; heals what a killed run left
    Up {
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        source: Source,
    },
    /// Stop brokers and remove their data
    Down {
        #[command(flatten)]
        selection: Selection,
    },
    /// Show every broker that was started and not taken down
    List {
        #[arg(long, short, value_enum, default_value = "table")]
        output: Output,
    },
    /// Stop one broker gently and start it again with the same ports, login and data
    Restart {
        #[arg(long, value_enum)]
        version: Release,
        #[command(flatten)]
        source: Source,
    },
    /// Kill one broker at once, as a crash would; `up` starts it again with its data
    Kill {
        #[arg(long, value_enum)]
        version: Release,
    },
}

/// What can be done with the cluster of this machine.
#[derive(Debug, Subcommand)]
pub(crate) enum Cluster {
    /// Build Kubernetes, helm and CoreDNS into the cache; `up` does so too, when it must
    Build,
    /// Start the cluster, or say where it runs; heals what a killed run left. Prints the path of
    /// the kubeconfig
    Up {
        /// Change this machine as `up` says without it
        #[arg(long)]
        yes: bool,
        /// Nobody is there to ask
        #[arg(long, env = "CI", value_parser = FalseyValueParser::new(), hide = true)]
        ci: bool,
    },
    /// Build the images of this checkout, and RabbitMQ's, and hand them to the cluster
    Load {
        /// Which images; all, if none is named
        #[arg(value_name = "IMAGE")]
        names: Vec<String>,
        /// The cargo that runs this, so that the programs are built by the same one
        #[arg(long, env = "CARGO", default_value = "cargo", hide = true)]
        cargo: PathBuf,
        #[command(flatten)]
        source: Source,
    },
    /// Stop the cluster and remove all it made
    Down {
        /// Remove as well what is left of clusters whose folder is gone
        #[arg(long)]
        strays: bool,
    },
    /// Show what of the cluster runs, and where its files are
    Status,
}

/// Which brokers a command is about.
#[derive(Debug, clap::Args)]
pub(crate) struct Selection {
    /// A RabbitMQ release; may be repeated
    #[arg(long = "version", value_enum, default_value = "4.3")]
    versions: Vec<Release>,
    /// Every release that Warren supports
    #[arg(long, conflicts_with = "versions")]
    all: bool,
}

impl Selection {
    /// The chosen releases, oldest first, each once.
    pub(crate) fn releases(&self) -> Vec<Release> {
        let chosen = |release: &Release| self.all || self.versions.contains(release);
        Release::ALL.into_iter().filter(chosen).collect()
    }
}

/// Where RabbitMQ comes from.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Source {
    /// The Debian archive that RabbitMQ and Erlang are taken from
    #[arg(
        long,
        env = "WARREN_DEBIAN_MIRROR",
        value_name = "URL",
        default_value = "http://deb.debian.org/debian",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub(crate) debian_mirror: String,
}

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// How the tests are run.
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// Leave out a layer that this machine cannot run
    #[arg(long, value_enum, value_name = "LAYER")]
    pub(crate) without: Vec<Layer>,
    /// Skipped tests count as failed
    #[arg(long, env = "CI", value_parser = FalseyValueParser::new(), hide = true)]
    pub(crate) ci: bool,
    /// The cargo that runs this, so that the tests are built by the same one
    #[arg(long, env = "CARGO", default_value = "cargo", hide = true)]
    pub(crate) cargo: PathBuf,
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) cluster: TestCluster,
    /// What is reached without the proxy of the environment
    #[arg(long, env = "NO_PROXY", hide = true)]
    pub(crate) no_proxy: Option<OsString>,
    /// Handed to `cargo test`; a second `--` begins what the test programs get
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) arguments: Vec<String>,
}

/// A cluster of the user's to test on, and programs for it. Set to nothing counts as not set.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TestCluster {
    #[arg(long, env = "WARREN_TEST_KUBECONFIG", hide = true)]
    pub(crate) kubeconfig: Option<OsString>,
    #[arg(long, env = "WARREN_TEST_IMAGES", hide = true)]
    pub(crate) images: Option<OsString>,
    #[arg(long, env = "WARREN_TEST_KUBECTL", hide = true)]
    pub(crate) kubectl: Option<OsString>,
    #[arg(long, env = "WARREN_TEST_HELM", hide = true)]
    pub(crate) helm: Option<OsString>,
}

/// A layer of tests that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layer {
    /// What needs a Kubernetes cluster, or Go, which builds helm.
    Cluster,
}

/// What is shown.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// A broker that runs already: the folder with its host, port, username, password …, one file
    /// each. An administrator's login gets a virtual host for the demo alone
    #[arg(long, value_name = "DIR")]
    pub(crate) broker_dir: Option<PathBuf>,
    /// How many orders are published
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 3000,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub(crate) messages: u32,
    /// Show it on a Kubernetes cluster: this machine's own, or the one of `WARREN_TEST_KUBECONFIG`
    #[arg(long)]
    pub(crate) cluster: bool,
    #[command(flatten)]
    pub(crate) given: GivenCluster,
    /// What goes wrong on purpose; the totals must be the same
    #[arg(long, value_enum, value_name = "FAULT")]
    pub(crate) fault: Option<Fault>,
    /// End the broker, or the cluster, afterwards and remove its data
    #[arg(long, conflicts_with = "broker_dir")]
    pub(crate) down: bool,
    /// The cargo that runs this, so that the programs are built by the same one
    #[arg(long, env = "CARGO", default_value = "cargo", hide = true)]
    pub(crate) cargo: PathBuf,
    #[command(flatten)]
    pub(crate) source: Source,
}

/// A cluster that is there already.
#[derive(Debug, clap::Args)]
pub(crate) struct GivenCluster {
    /// Its administrator's kubeconfig
    #[arg(long, env = "WARREN_TEST_KUBECONFIG", value_name = "FILE", hide = true)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The kubectl for it
    #[arg(long, env = "WARREN_TEST_KUBECTL", default_value = "kubectl", hide = true)]
    pub(crate) kubectl: PathBuf,
    /// The helm for it
    #[arg(long, env = "WARREN_TEST_HELM", default_value = "helm", hide = true)]
    pub(crate) helm: PathBuf,
    /// What it calls the images: a file with a JSON object
    #[arg(long, env = "WARREN_TEST_IMAGES", value_name = "FILE", hide = true)]
    pub(crate) images: Option<PathBuf>,
}

/// Something that goes wrong in a demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// A worker is killed while it works: by SIGKILL, or on a cluster by deleting its pod at once.
    KillWorker,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// The memory of an idle worker and producer, and how fast and at what CPU time they consume
    /// and publish; memory, CPU time and calls of an operator with idle pipelines
    Footprint(Footprint),
}

/// How the footprint is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Footprint {
    /// Measure nothing else
    #[arg(long, value_enum, value_name = "PART")]
    pub(crate) only: Option<Part>,
    /// How many idle pipelines the operator has, on a cluster made for it
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..=1_000)
    )]
    pub(crate) pipelines: u16,
    /// How long the programs have nothing to do before their memory is read
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    pub(crate) idle: Duration,
    /// How many messages are published and consumed in each round
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 50_000,
        value_parser = clap::value_parser!(u32).range(5_000..=1_000_000)
    )]
    pub(crate) messages: u32,
    /// A broker that runs already, without TLS: the folder with its host, port, username, password,
    /// one file each, of a login that may make a virtual host
    #[arg(long, value_name = "DIR")]
    pub(crate) broker_dir: Option<PathBuf>,
    #[arg(long, short, value_enum, default_value = "table")]
    pub(crate) output: Output,
    /// The cargo that runs this, so that the programs are built by the same one
    #[arg(long, env = "CARGO", default_value = "cargo", hide = true)]
    pub(crate) cargo: PathBuf,
    #[command(flatten)]
    pub(crate) source: Source,
}

/// A part of what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Worker and producer, for which a broker is enough.
    Messages,
    /// The operator, for which a cluster is made and removed.
    Operator,
}

impl Footprint {
    /// Whether this part is wanted.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(words: &[&str]) -> Vec<Release> {
        let words = ["xtask", "broker", "down"].iter().chain(words);
        match Args::try_parse_from(words).expect("valid words").command {
            Command::Broker(Broker::Down { selection }) => selection.releases(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_broker_is_meant_unless_more_are_named() {
        assert_eq!(selected(&[]), [Release::V4_3]);
        assert_eq!(selected(&["--all"]), Release::ALL);
        assert_eq!(
            selected(&["--version", "4.0", "--version", "3.10", "--version", "4.0"]),
            [Release::V3_10, Release::V4_0]
        );
    }

    #[test]
    fn words_after_two_dashes_reach_cargo_test_unread() {
        let words = ["xtask", "test", "--without", "cluster", "--", "-p", "x", "--", "--nocapture"];
        match Args::try_parse_from(words).expect("valid words").command {
            Command::Test(test) => {
                assert_eq!(test.arguments, ["-p", "x", "--", "--nocapture"]);
                assert_eq!(test.without, [Layer::Cluster]);
            }
            other => panic!("{other:?}"),
        }
    }
}
