//! What can be typed. Nothing here is checked yet: `settings` turns it into what is valid.

use std::{net::IpAddr, path::PathBuf};

use clap::{Parser, Subcommand};
use warren_service::logging::LogArgs;

/// Takes messages from a queue of a pipeline, runs a handler for each, and settles them.
#[derive(Debug, Parser)]
#[command(name = "warren-worker", version)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What a worker can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Work until told to stop (SIGTERM: finish what runs, then end).
    Run(RunArgs),
    /// Check the configuration, the login and the queue, and say what is wrong.
    Check(ConfigArgs),
    /// Say what an HTTP status of the handler would lead to.
    ExplainStatus(ExplainArgs),
}

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
pub struct ConfigArgs {
    /// The queue's configuration.
    #[arg(long, default_value = "/etc/warren/worker.yaml", value_name = "FILE")]
    pub config: PathBuf,

    /// The directory with the broker's files: host, port, username, password, vhost, ca.crt …
    #[arg(long, default_value = "/etc/warren/broker", value_name = "DIR")]
    pub broker_dir: PathBuf,

    /// The directory with the handler's Secrets, as <secret>/<key>.
    #[arg(long, default_value = "/etc/warren/handler", value_name = "DIR")]
    pub handler_dir: PathBuf,

    /// How this worker is called; in Kubernetes the name of the pod.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod_name: Option<String>,

    /// What is logged, and how.
    #[command(flatten)]
    pub log: LogArgs,
}

/// How to work.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// The port of /metrics, /livez, /readyz and /admin/quiet.
    #[arg(long, env = "WARREN_HTTP_PORT", default_value_t = 8000, value_name = "PORT")]
    pub http_port: u16,

    /// The address that port is opened on.
    #[arg(long, env = "WARREN_HTTP_HOST", default_value = "::", value_name = "ADDRESS")]
    pub http_host: IpAddr,

    /// Drain and end when standard input is closed: the program that started this one is gone.
    #[arg(long)]
    pub exit_on_stdin_close: bool,

    /// End the process at the n-th pass of a named point, as POINT:N.
    #[cfg(feature = "failpoints")]
    #[arg(long, env = "WARREN_FAIL", hide = true)]
    pub fail: Option<String>,
}

/// Which status to explain.
#[derive(Debug, Clone, clap::Args)]
pub struct ExplainArgs {
    /// The HTTP status.
    #[arg(value_parser = clap::value_parser!(u16).range(100..=599))]
    pub status: u16,

    /// The queue's configuration, whose own codes come first; without it the table alone decides.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
