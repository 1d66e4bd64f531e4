//! What runs for a message: the trait, what it gets to know, and the built-in kinds.
//!
//! A handler says what happened; it never settles a message and never decides about retries.

mod exec;
mod http;
mod log;
mod simulate;

use std::{future::Future, path::Path, time::Duration};

use jiff::Timestamp;
use warren_core::{
    config::{HandlerConfig, WorkerConfig},
    message::Incoming,
    names::{PipelineId, QueueName},
    outcome::Report,
};

pub use self::{exec::Exec, http::Http, log::Log, simulate::Simulate};

/// Work on messages.
pub trait Handler: Send + Sync + 'static {
    /// Handles one message and says what came of it.
    ///
    /// The future is dropped when the task timeout ends or the session is lost; a panic in it is
    /// a failure of this attempt and of nothing else.
    fn handle(&self, message: &Incoming, cx: &Context) -> impl Future<Output = Report> + Send;
}

/// What a handler knows beside the message.
#[derive(Debug, Clone)]
pub struct Context {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The queue.
    pub queue: QueueName,
    /// What names the message in every copy and on every repetition.
    pub message_id: String,
    /// The number of this run, from 1.
    pub attempt: u32,
    /// How many runs there are in all.
    pub max_attempts: u32,
    /// When the message was first published.
    pub published_at: Timestamp,
    /// The routing key it was first published with.
    pub routing_key: String,
}

/// Why a handler cannot be made from its settings.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The URL is not one.
    #[error("handler.http.url is not a URL: {0}")]
    Url(#[source] url::ParseError),
    /// A header cannot stand in a request.
    #[error("handler.http.headers {name:?}: not a valid HTTP header name or value")]
    Header {
        /// The header's name.
        name: String,
    },
    /// The value of a header could not be read from its file.
    #[error("handler.http.headers {name:?}: cannot read {file}: {source}")]
    ReadHeader {
        /// The header's name.
        name: String,
        /// The file, as mounted from the Secret.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The HTTP client could not be made.
    #[error("cannot set up the HTTP client: {0}")]
    Client(#[source] reqwest::Error),
}

/// The handler that a `worker.yaml` names.
#[derive(Debug)]
pub enum Configured {
    /// `handler.http`
    Http(Box<Http>),
    /// `handler.exec`
    Exec(Exec),
    /// `handler.simulate`
    Simulate(Simulate),
    /// `handler.log`
    Log(Log),
}

impl Configured {
    /// Makes the handler; `secrets` is the directory with `<secret>/<key>` files.
    ///
    /// # Errors
    /// When a setting cannot work or a Secret's file cannot be read.
    pub fn new(config: &WorkerConfig, secrets: &Path) -> Result<Self, HandlerError> {
        Ok(match &config.handler {
            HandlerConfig::Http(http) => {
                Self::Http(Box::new(Http::new(http, config.task_timeout, secrets)?))
            }
            HandlerConfig::Exec(exec) => Self::Exec(Exec::new(exec.clone())),
            HandlerConfig::Simulate(simulate) => Self::Simulate(Simulate::new(simulate.clone())),
            HandlerConfig::Log(log) => Self::Log(Log::new(log.level)),
        })
    }
}

impl Handler for Configured {
    async fn handle(&self, message: &Incoming, cx: &Context) -> Report {
        match self {
            Self::Http(http) => http.handle(message, cx).await,
            Self::Exec(exec) => exec.handle(message, cx).await,
            Self::Simulate(simulate) => simulate.handle(message, cx).await,
            Self::Log(log) => log.handle(message, cx).await,
        }
    }
}

/// The last part of an output, at most this many bytes, between characters.
fn tail(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// How long a process may go on after it was asked to end.
const GRACE: Duration = Duration::from_secs(5);
