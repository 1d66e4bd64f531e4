//! What runs for a message: the handler kinds and their settings.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    classify::{CodeRange, ExitMeaning, HttpRules},
    duration,
};

/// The handler of a queue: exactly one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HandlerConfig {
    /// An HTTP request per message.
    Http(HttpHandler),
    /// A command per message.
    Exec(ExecHandler),
    /// Sleeps, and fails as told: for tests of the pipeline itself.
    Simulate(SimulateHandler),
    /// Writes the message to the log.
    Log(LogHandler),
}

/// An HTTP request per message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpHandler {
    /// Where to send it: `http` or `https`; never taken from a message.
    pub url: String,
    /// The request method.
    #[serde(default)]
    pub method: HttpMethod,
    /// Headers of every request.
    #[serde(default)]
    pub headers: Vec<HttpHeader>,
    /// Codes that mean done.
    #[serde(default = "default_success_codes")]
    pub success_codes: Vec<CodeRange>,
    /// Codes that are worth another try.
    #[serde(default)]
    pub retry_codes: Vec<CodeRange>,
    /// Codes that no repetition can help.
    #[serde(default)]
    pub permanent_codes: Vec<CodeRange>,
    /// From the start of the request to the end of the reply.
    #[serde(with = "duration", default = "default_http_timeout")]
    pub timeout: Duration,
    /// For opening the connection.
    #[serde(with = "duration", default = "default_connect_timeout")]
    pub connect_timeout: Duration,
}

/// The method of an HTTP request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// `POST`
    #[default]
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `GET`
    Get,
    /// `DELETE`
    Delete,
}

/// A header of every request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpHeader {
    /// The header's name.
    pub name: String,
    /// The value as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value is to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<HeaderSource>,
}

/// Where the value of a header is to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderSource {
    /// A key of a Secret, mounted as `<handler directory>/<name>/<key>`.
    pub secret_key_ref: SecretKey,
}

/// A key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretKey {
    /// The Secret.
    pub name: String,
    /// The key in it.
    pub key: String,
}

/// A command per message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecHandler {
    /// The program and its arguments; no shell is involved.
    pub command: Vec<String>,
    /// How long it may run.
    #[serde(with = "duration", default = "default_exec_timeout")]
    pub timeout: Duration,
    /// What exit codes mean, where they mean something else than by default.
    #[serde(default)]
    pub exit_codes: BTreeMap<String, ExitMeaning>,
}

/// Sleeps, and fails as told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SimulateHandler {
    /// How long it works, unless the message's `warren-processing-time` says otherwise.
    #[serde(with = "duration", default = "default_simulated_work")]
    pub duration: Duration,
    /// How much the duration varies, up and down, in percent.
    #[serde(default)]
    pub jitter_percent: u8,
    /// How many messages fail with a retryable error, in percent.
    #[serde(default)]
    pub error_percent: u8,
    /// How many panic, in percent.
    #[serde(default)]
    pub panic_percent: u8,
    /// How many end the whole process, in percent.
    #[serde(default)]
    pub exit_percent: u8,
}

/// Writes the message to the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogHandler {
    /// The level it is logged at.
    #[serde(default)]
    pub level: LogLevel,
}

/// A log level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogLevel {
    /// For the development of Warren itself.
    Trace,
    /// For those who look for something.
    Debug,
    /// Ordinary.
    #[default]
    Info,
    /// Worth a look.
    Warn,
    /// Somebody must look.
    Error,
}

impl HttpHandler {
    /// How this handler judges a status.
    pub fn rules(&self) -> HttpRules<'_> {
        HttpRules {
            success: &self.success_codes,
            retry: &self.retry_codes,
            permanent: &self.permanent_codes,
        }
    }
}

impl HttpMethod {
    /// The method as it stands in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            HttpMethod::Post => "POST",
            HttpMethod::Put => "PUT",
            HttpMethod::Patch => "PATCH",
            HttpMethod::Get => "GET",
            HttpMethod::Delete => "DELETE",
        }
    }
}

impl HandlerConfig {
    /// The name of the kind, as in the custom resource.
    pub const fn kind(&self) -> &'static str {
        match self {
            HandlerConfig::Http(_) => "http",
            HandlerConfig::Exec(_) => "exec",
            HandlerConfig::Simulate(_) => "simulate",
            HandlerConfig::Log(_) => "log",
        }
    }

    /// The longest a single run takes by the handler's own settings.
    pub fn timeout(&self) -> Duration {
        match self {
            HandlerConfig::Http(http) => http.timeout,
            HandlerConfig::Exec(exec) => exec.timeout,
            HandlerConfig::Simulate(simulate) => simulate.duration,
            HandlerConfig::Log(_) => Duration::ZERO,
        }
    }
}

fn default_success_codes() -> Vec<CodeRange> {
    CodeRange::new(200..=299).into_iter().collect()
}

fn default_http_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_exec_timeout() -> Duration {
    Duration::from_mins(1)
}

fn default_simulated_work() -> Duration {
    Duration::from_millis(100)
}
