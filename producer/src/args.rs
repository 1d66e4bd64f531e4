//! What was typed: the command line and the environment, exactly as given.
//!
//! Nothing is decided here; [`crate::settings`] turns this into what is valid. This is the only
//! file that knows the names of environment variables. The password can come from a file or the
//! environment alone: a command line is visible to every user of the machine.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{
    Arg, ArgGroup, ArgMatches, Command as ClapCommand, CommandFactory, FromArgMatches, Parser,
    Subcommand, ValueEnum, error::ErrorKind, parser::ValueSource,
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use warren_broker::login::Secret;
use warren_core::{
    duration,
    names::{PipelineId, Prefix},
};
use warren_service::logging::{Filter, LogArgs, LogFormat};

const EXIT_CODES: &str = "\
Exit codes:
   0  done: the broker confirmed every message
  64  the command line is wrong
  65  the input is malformed (standard error names the line)
  68  unroutable: no queue takes the message
  69  the broker was not reached within --timeout, or takes no messages now
  70  a fault of this program
  73  some messages were published and some were not; --report says which
  75  the broker refused, or the outcome is unknown: repeating with the same ids is safe
  77  the broker refused the login or its rights
  78  a configuration file or broker file is wrong";

const NDJSON: &str = "\
NDJSON:
  Each line is a message: {\"id\"?, \"payload\", \"processing_time\"?, \"routing_key\"?}. Empty lines are
  skipped. Without --continue-on-error the first line that cannot be published ends the run, once
  the outcome of those before it is known: with 65 when that line is malformed, with 73 when the
  broker refused it after others were published, else with the code of the refusal. With it every
  line is tried, and the run ends with 73 when some were published and some were not, else as above.
  A file in which every message has an id can be sent again as a whole.";

/// The inputs that hold one message, with which the options for files make no sense.
const SINGLE: [&str; 2] = ["file", "standard_input"];

/// Publishes to the exchange of a Warren pipeline, from HTTP or from a shell.
#[derive(Debug, Parser)]
#[command(name = "warren-producer", version, after_help = EXIT_CODES)]
pub struct Args {
    /// Which log lines to write: a level (off, error, warn, info, debug, trace), or a list such as
    /// `info,warren_broker=debug` [default: for serve info, else off; the library lapin, whose
    /// troubles are told anyway, only when named]
    #[arg(long, env = "WARREN_LOG", value_name = "FILTER", global = true)]
    pub log: Option<Filter>,
    /// How log lines look; without it text on a terminal, else JSON
    #[arg(long, env = "WARREN_LOG_FORMAT", value_name = "FORMAT", global = true)]
    pub log_format: Option<LogFormat>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// What is logged. A command tells of its troubles by itself, so that its log is off unless
    /// somebody asks for it.
    ///
    /// # Panics
    /// Never: both of the usual filters are sound.
    pub fn logging(&self) -> LogArgs {
        let usual = match self.command {
            Command::Serve(_) => "info,lapin=off",
            Command::Publish(_) | Command::Release(_) => "off",
        };
        let log =
            self.log.clone().unwrap_or_else(|| usual.parse().expect("both of these are filters"));
        LogArgs { log, log_format: self.log_format }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve HTTP: /produce, /batch-produce, /v1, health, metrics and documentation
    Serve(ServeArgs),
    /// Publish one message, or a file of them
    #[command(after_long_help = format!("{NDJSON}\n\n{EXIT_CODES}"))]
    Publish(PublishArgs),
    /// Publish {"release": …, "datetime": …}
    #[command(after_long_help = EXIT_CODES)]
    Release(ReleaseArgs),
}

/// `serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// What to serve, as the operator writes it; comes before --pipeline [default:
    /// /etc/warren/producer.yaml, unless --pipeline is given]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The pipeline, where there is no file about it
    #[arg(short, long, env = "WARREN_PIPELINE", value_name = "NAMESPACE/NAME")]
    pub pipeline: Option<PipelineId>,
    /// The exchange, where namePrefix is set [default: <namespace>.<name>]
    #[arg(long, env = "WARREN_EXCHANGE", value_name = "NAME")]
    pub exchange: Option<Prefix>,
    /// The address to listen on
    #[arg(long = "http-host", env = "WARREN_HTTP_HOST", value_name = "IP", default_value = "::")]
    pub address: IpAddr,
    /// The port to listen on
    #[arg(
        long = "http-port",
        env = "WARREN_HTTP_PORT",
        value_name = "PORT",
        default_value_t = 5000
    )]
    pub port: u16,
    /// Drain and end when standard input is closed: the program that started this one is gone
    #[arg(long)]
    pub exit_on_stdin_close: bool,
    /// The name of this process at the broker
    #[arg(long, env = "POD_NAME", value_name = "NAME", default_value = "producer")]
    pub pod_name: String,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// `release`.
#[derive(Debug, clap::Args)]
pub struct ReleaseArgs {
    /// The release
    #[arg(value_parser = non_empty)]
    pub release: String,
    /// When, in RFC 3339 or as "YYYY-MM-DD HH:MM:SS" in UTC [default: now]
    #[arg(value_parser = datetime)]
    pub datetime: Option<Timestamp>,
    /// The routing key
    #[arg(long, value_name = "KEY", default_value = "")]
    pub routing_key: String,
    /// Where to.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// `publish`.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("input").required(true))]
pub struct PublishArgs {
    /// The message's id: a repeat with the same id is the same message [default: a new UUID]
    #[arg(long, conflicts_with = "ndjson")]
    pub id: Option<String>,
    /// A header of your own; may be repeated
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// The routing key; with --ndjson, of lines without one
    #[arg(long, value_name = "KEY", default_value = "")]
    pub routing_key: String,
    /// The priority, 0 to 31
    #[arg(long, value_name = "NUMBER")]
    pub priority: Option<u8>,
    /// Not to be handled for this long, such as 90s; approximate, and only for pipelines whose
    /// queues all have retry tiers
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub delay: Option<Duration>,
    /// The media type of the message; JSON is checked
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "application/json",
        conflicts_with = "ndjson"
    )]
    pub content_type: String,
    /// The file that holds the message
    #[arg(long, value_name = "FILE", group = "input")]
    pub file: Option<PathBuf>,
    /// Read the message from standard input
    #[arg(value_name = "-", group = "input", value_parser = ["-"])]
    pub standard_input: Option<String>,
    /// A file with one message a line, or - for standard input
    #[arg(long, value_name = "FILE", group = "input")]
    pub ndjson: Option<PathBuf>,
    /// Lines a second [default: no limit]
    #[arg(long, value_name = "NUMBER", conflicts_with_all = SINGLE, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// Lines that may wait for the broker's confirm at once; with 1 their order is kept
    #[arg(long, value_name = "NUMBER", conflicts_with_all = SINGLE, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=2048))]
    pub window: u16,
    /// Write what became of each line into this file, as NDJSON
    #[arg(long, value_name = "FILE", conflicts_with_all = SINGLE)]
    pub report: Option<PathBuf>,
    /// Go on after a line that cannot be published
    #[arg(long, conflicts_with_all = SINGLE)]
    pub continue_on_error: bool,
    /// Check every line and publish none; needs no broker, and the report says which lines would
    /// be refused
    #[arg(long, conflicts_with_all = SINGLE)]
    pub dry_run: bool,
    /// The largest message, in bytes (maxMessageBytes of the queues)
    #[arg(
        long,
        env = "WARREN_MAX_MESSAGE_BYTES",
        value_name = "BYTES",
        default_value_t = 1_048_576
    )]
    pub max_message_bytes: usize,
    /// Where to.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Where a command publishes to, and how it answers.
#[derive(Debug, clap::Args)]
pub struct TargetArgs {
    /// The pipeline
    #[arg(short, long, env = "WARREN_PIPELINE", value_name = "NAMESPACE/NAME")]
    pub pipeline: PipelineId,
    /// The exchange, where namePrefix is set [default: <namespace>.<name>]
    #[arg(long, env = "WARREN_EXCHANGE", value_name = "NAME")]
    pub exchange: Option<Prefix>,
    /// How long to wait for the broker
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// How the result is written on standard output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Words, for people.
    Text,
    /// One JSON object, for programs.
    Json,
}

/// Where the broker is and who logs in: a directory, or else one value each.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Broker")]
pub struct BrokerArgs {
    /// A directory with the files host, port, username, password, vhost, ca.crt, tls.crt, tls.key;
    /// comes before the values that follow
    #[arg(long, env = "WARREN_BROKER_DIR", value_name = "DIR")]
    pub broker_dir: Option<PathBuf>,
    /// The broker's host
    #[arg(long, env = "WARREN_BROKER_HOST", value_name = "HOST")]
    pub broker_host: Option<String>,
    /// The broker's port [default: 5672, with TLS 5671]
    #[arg(long, env = "WARREN_BROKER_PORT", value_name = "PORT")]
    pub broker_port: Option<u16>,
    /// The user
    #[arg(long, env = "WARREN_BROKER_USERNAME", value_name = "USER", hide_env_values = true)]
    pub broker_username: Option<String>,
    /// The virtual host [default: /]
    #[arg(long, env = "WARREN_BROKER_VHOST", value_name = "VHOST")]
    pub broker_vhost: Option<String>,
    /// What must not stand on a command line.
    #[command(flatten)]
    pub secrets: BrokerSecrets,
}

/// The parts of a login that come from the environment alone.
#[derive(Debug, Clone, Default)]
pub struct BrokerSecrets {
    /// `WARREN_BROKER_PASSWORD`.
    pub password: Option<Secret>,
    /// `WARREN_BROKER_CA_CRT`, in PEM.
    pub ca: Option<Secret>,
    /// `WARREN_BROKER_TLS_CRT`, in PEM.
    pub certificate: Option<Secret>,
    /// `WARREN_BROKER_TLS_KEY`, in PEM.
    pub key: Option<Secret>,
}

/// The arguments behind [`BrokerSecrets`], and the variables they are read from.
const SECRETS: [(&str, &str); 4] = [
    ("broker-password", "WARREN_BROKER_PASSWORD"),
    ("broker-ca-crt", "WARREN_BROKER_CA_CRT"),
    ("broker-tls-crt", "WARREN_BROKER_TLS_CRT"),
    ("broker-tls-key", "WARREN_BROKER_TLS_KEY"),
];

// By hand, because the derive has no argument that only the environment can give.
impl clap::Args for BrokerSecrets {
    fn augment_args(command: ClapCommand) -> ClapCommand {
        command.args(SECRETS.map(|(name, variable)| {
            Arg::new(name).long(name).env(variable).hide_env_values(true).hide(true)
        }))
    }

    fn augment_args_for_update(command: ClapCommand) -> ClapCommand {
        Self::augment_args(command)
    }
}

impl FromArgMatches for BrokerSecrets {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let [password, ca, certificate, key] =
            SECRETS.map(|secret| from_environment(matches, secret));
        Ok(Self { password: password?, ca: ca?, certificate: certificate?, key: key? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn from_environment(
    matches: &ArgMatches,
    (name, variable): (&str, &str),
) -> Result<Option<Secret>, clap::Error> {
    if matches.value_source(name) == Some(ValueSource::CommandLine) {
        let text = format!(
            "--{name} is not taken from the command line, which every user of this machine can \
             read; set {variable}, or use --broker-dir"
        );
        return Err(Args::command().error(ErrorKind::UnknownArgument, text));
    }
    Ok(matches.get_one::<String>(name).map(Secret::new))
}

fn non_empty(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        return Err("it must not be empty");
    }
    Ok(text.to_owned())
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or("write it as NAME=VALUE")
}

fn datetime(text: &str) -> Result<Timestamp, &'static str> {
    let without_zone = || {
        let local = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
        TimeZone::UTC.to_timestamp(local).ok()
    };
    text.parse::<Timestamp>()
        .ok()
        .or_else(without_zone)
        .ok_or("write it as 2026-11-21T10:00:00Z or \"2026-11-21 10:00:00\"")
}

#[cfg(test)]
mod tests;
