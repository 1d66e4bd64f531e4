//! What is done with a message: the seven kinds of handler.
//!
//! A handler is a struct of options with a rule instead of an enum, because a structural schema
//! has no tagged unions; the operator turns it into one.

mod http;

pub use http::{HeaderSpec, HeaderValueFrom, HttpFormat, HttpMethod, HttpSpec, SigningSpec};

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::all_defaults;
use crate::duration::{Positive24h, UpTo24h};
use crate::exchange::TargetExchange;

/// What is done with a message: exactly one of the kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "[has(self.http), has(self.exec), has(self.urlCheck), has(self.simulate), has(self.log), \
     has(self.forward), has(self.custom)].exists_one(given, given)",
    "give exactly one of http, exec, urlCheck, simulate, log, forward, custom",
))]
pub struct HandlerSpec {
    /// Sends the message to an HTTP endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpSpec>,
    /// Runs a command with the message on its standard input. Needs worker.image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecSpec>,
    /// Fetches the URL that the message names and reports the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_check: Option<UrlCheckSpec>,
    /// Waits and fails as told, to try a pipeline out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulate: Option<SimulateSpec>,
    /// Writes the message to the worker's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogSpec>,
    /// Publishes the message to another exchange of the same virtual host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<ForwardSpec>,
    /// Runs the handler that is part of worker.image, which is built on the warren-worker library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<CustomSpec>,
}

/// A command that gets the message on its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecSpec {
    /// The program and its arguments; no shell in between.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 4096)))]
    pub command: Vec<String>,
    /// How long one run may take; then it is stopped and counts as failed.
    #[serde(default = "exec_timeout")]
    pub timeout: Positive24h,
    /// What an exit code means, by the code as a string. 0 is always done. Unless given here, 65 is
    /// Dead, 78 is Pause and every other code is Retry.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 64))]
    pub exit_codes: BTreeMap<String, ExitOutcome>,
}

/// What an exit code other than 0 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExitOutcome {
    /// Try again later.
    Retry,
    /// A dead letter at once.
    Dead,
    /// The other side is sick: stop taking messages for a while, and use no attempt.
    Pause,
}

/// A check of the URL that a message names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UrlCheckSpec {
    /// How long one check may take.
    #[serde(default = "check_timeout")]
    pub timeout: Positive24h,
    /// Status codes, or ranges of them, that count as reachable.
    #[serde(default = "check_success_codes")]
    #[schemars(
        length(max = 32),
        inner(length(max = 7), regex(pattern = "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"))
    )]
    pub success_codes: Vec<String>,
    /// Exchange that gets the results. Not given: they are logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_exchange: Option<TargetExchange>,
    /// Whether addresses of private networks may be checked.
    #[serde(default)]
    pub allow_private: bool,
}

/// A handler that waits and fails as told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "self.errorPercent + self.panicPercent + self.exitPercent <= 100",
    "errorPercent, panicPercent and exitPercent together must be at most 100",
))]
pub struct SimulateSpec {
    /// How long one run takes, unless the message says so itself.
    #[serde(default = "simulate_duration")]
    pub duration: UpTo24h,
    /// By how much the duration may differ from run to run.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub jitter_percent: u32,
    /// Share of runs that fail.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub error_percent: u32,
    /// Share of runs that panic.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub panic_percent: u32,
    /// Share of runs that end the whole worker process.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub exit_percent: u32,
}

/// A handler that writes messages to the worker's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogSpec {
    /// Level of the log lines.
    #[serde(default)]
    pub level: LogLevel,
}

/// Level of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LogLevel {
    /// For reading code.
    Trace,
    /// For looking into a case.
    Debug,
    /// What happened.
    #[default]
    Info,
    /// What may need a look.
    Warn,
    /// What failed.
    Error,
}

/// A bridge to another exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForwardSpec {
    /// Exchange that gets the copy.
    pub exchange: TargetExchange,
    /// Routing key of the copy.
    #[serde(default)]
    #[schemars(length(max = 255))]
    pub routing_key: String,
}

/// A handler of the team's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomSpec {
    /// Exchanges that the handler may publish to.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub publish_to: Vec<TargetExchange>,
}

impl Default for UrlCheckSpec {
    fn default() -> Self {
        all_defaults()
    }
}

impl Default for SimulateSpec {
    fn default() -> Self {
        all_defaults()
    }
}

fn exec_timeout() -> Positive24h {
    "60s".into()
}

fn check_timeout() -> Positive24h {
    "10s".into()
}

fn check_success_codes() -> Vec<String> {
    vec!["200-399".to_owned()]
}

fn simulate_duration() -> UpTo24h {
    "100ms".into()
}
