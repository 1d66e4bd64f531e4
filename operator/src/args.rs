//! What can be typed, and the environment it may come from. Nothing is decided here.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use warren_core::duration;
use warren_service::logging::LogArgs;

/// Declares message pipelines on RabbitMQ and runs their workers.
#[derive(Debug, Parser)]
#[command(name = "warren-operator", version)]
pub struct Args {
    /// What is logged, and how.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run in a Kubernetes cluster: follow its MessagePipelines, declare their topology, run and
    /// scale their workers
    Run(Box<RunArgs>),
    /// Run pipelines on this machine, without Kubernetes: the topology is declared on the broker,
    /// and workers are processes, scaled by their queues
    Local(Box<LocalArgs>),
    /// Write the CustomResourceDefinition of MessagePipeline, as YAML
    Crd,
    /// Ask whether the operator of a cluster is at work, as `helm test` does
    #[command(hide = true)]
    Smoke(SmokeArgs),
}

/// What the operator in a cluster is told, usually by the environment of its pod.
///
/// Everything is text: what is wrong is told all at once, with the variable it is in.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// The image of workers that ask for none
    #[arg(long, env = "WARREN_WORKER_IMAGE", value_name = "IMAGE")]
    pub worker_image: Option<String>,

    /// The image of producers that ask for none
    #[arg(long, env = "WARREN_PRODUCER_IMAGE", value_name = "IMAGE")]
    pub producer_image: Option<String>,

    /// When nodes ask the registry for an image: Always, IfNotPresent or Never
    #[arg(
        long = "image-pull-policy",
        env = "WARREN_IMAGE_PULL_POLICY",
        default_value = "IfNotPresent",
        value_name = "POLICY"
    )]
    pub pull_policy: String,

    /// Secrets with logins of registries, separated by commas, for the pods of every pipeline
    #[arg(long = "image-pull-secrets", env = "WARREN_IMAGE_PULL_SECRETS", value_name = "NAMES")]
    pub pull_secrets: Option<String>,

    /// What owner markers on the broker call this cluster [default: uid of namespace kube-system]
    #[arg(long, env = "WARREN_CLUSTER_ID", value_name = "ID")]
    pub cluster_id: Option<String>,

    /// Namespaces to look at, separated by commas [default: all]
    #[arg(long = "watch-namespaces", env = "WARREN_WATCH_NAMESPACES", value_name = "NAMES")]
    pub namespaces: Option<String>,

    /// Labels that a MessagePipeline must have, as a label selector [default: any]
    #[arg(long = "watch-labels", env = "WARREN_WATCH_LABELS", value_name = "SELECTOR")]
    pub labels: Option<String>,

    /// How often the broker's objects are compared with a pipeline when nothing happens
    #[arg(
        long = "reconcile-interval",
        env = "WARREN_RECONCILE_INTERVAL",
        default_value = "60s",
        value_name = "DURATION"
    )]
    pub interval: String,

    /// How many pipelines are worked on at once
    #[arg(
        long = "reconcile-concurrency",
        env = "WARREN_RECONCILE_CONCURRENCY",
        default_value = "8",
        value_name = "NUMBER"
    )]
    pub concurrency: String,

    /// The port of /metrics, /livez and /readyz
    #[arg(long, env = "WARREN_HTTP_PORT", default_value = "8080", value_name = "PORT")]
    pub http_port: String,

    /// The address they are shown at
    #[arg(long, default_value_t = IpAddr::V6(Ipv6Addr::UNSPECIFIED), hide = true)]
    pub http_host: IpAddr,

    /// The name of this pod, as events tell it
    #[arg(long = "pod-name", env = "POD_NAME", hide = true)]
    pub pod: Option<String>,
}

/// With which pipeline the operator of a cluster is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct SmokeArgs {
    /// A namespace that the operator looks at
    #[arg(long)]
    pub namespace: String,

    /// What the pipeline is called; one of this name is deleted first
    #[arg(long)]
    pub name: String,

    /// How long each of making, judging and deleting it may take
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = duration::parse)]
    pub timeout: Duration,
}

/// Which pipelines to run, and with what.
#[derive(Debug, Clone, clap::Args)]
pub struct LocalArgs {
    /// Manifests of kind MessagePipeline and Secret; `-` reads standard input
    #[arg(short = 'f', long = "file", required = true, num_args = 1.., value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// A directory with the broker's login (host, port, username, password …) instead of the Secret
    /// that the pipeline names
    #[arg(long, value_name = "DIR")]
    pub broker_dir: Option<PathBuf>,

    /// Where configurations, logins and logs of the processes are kept, in one directory for each
    /// pipeline [default: $XDG_STATE_HOME/warren/local, else ~/.local/state/warren/local]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// The worker program [default: warren-worker beside this program, else in PATH]
    #[arg(long, value_name = "PATH")]
    pub worker_binary: Option<PathBuf>,

    /// The producer program [default: warren-producer beside this program, else in PATH]
    #[arg(long, value_name = "PATH")]
    pub producer_binary: Option<PathBuf>,

    /// What standard output gets [default: a live table on a terminal, else lines]
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Output>,

    /// How often the broker's objects are compared with the manifests
    #[arg(long, default_value = "60s", value_parser = duration::parse, hide = true)]
    pub interval: Duration,

    /// Where things are when nothing above says it.
    #[command(flatten)]
    pub homes: Homes,
}

/// What standard output gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table that is kept up to date, with what happens above it
    Table,
    /// A line for everything that happens
    Lines,
    /// The same as JSON objects, one a line
    Json,
}

/// Where a user's state lives, by the XDG base directory specification, and programs are.
#[derive(Debug, Clone, clap::Args)]
pub struct Homes {
    /// The user's home directory.
    #[arg(long, env = "HOME", hide = true)]
    pub home: Option<OsString>,
    /// The place for state, if it is not below the home directory.
    #[arg(long, env = "XDG_STATE_HOME", hide = true)]
    pub state_home: Option<OsString>,
    /// The directories with programs.
    #[arg(long, env = "PATH", hide = true)]
    pub path: Option<OsString>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn local(arguments: &[&str]) -> LocalArgs {
        let typed = ["warren-operator", "local"].iter().chain(arguments);
        match Args::try_parse_from(typed).unwrap().command {
            Command::Local(local) => *local,
            Command::Run(_) | Command::Crd | Command::Smoke(_) => panic!("another command"),
        }
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn files_may_follow_one_flag_or_many() {
        let files = ["a.yaml", "b.yaml", "-"].map(PathBuf::from);
        assert_eq!(local(&["-f", "a.yaml", "b.yaml", "-"]).files, files);
        assert_eq!(local(&["-f", "a.yaml", "-f", "b.yaml", "--file", "-"]).files, files);
    }

    #[test]
    fn the_interval_is_a_duration_as_in_a_manifest() {
        assert_eq!(local(&["-f", "a"]).interval, Duration::from_secs(60));
        assert_eq!(local(&["-f", "a", "--interval", "1m30s"]).interval, Duration::from_secs(90));
    }
}
