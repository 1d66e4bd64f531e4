//! What became of one message, and what that means to an HTTP client and to a shell.
//!
//! One table, [`Unpublished::meaning`], gives status, waiting time and exit code of every failure,
//! so that both ways in agree. Pure.

use std::time::Duration;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use warren_broker::publisher::{FailureReason, PublishError};
use warren_service::{exit::Exit, problem::Problem};

use crate::{item::Malformed, lines::TooLong, message::Refusal};

/// A message that is on disk in every queue whose binding matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its id.
    pub message_id: String,
    /// When it was published.
    pub published_at: Timestamp,
    /// Before when no worker handles it.
    pub not_before: Option<Timestamp>,
}

/// Why a message was not published, or is not known to be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unpublished {
    /// It could not be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It was too long to be read.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// It was read and does not comply.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It was not read, nor anything after it.
    #[error(transparent)]
    Cut(#[from] Cut),
    /// The broker did not take it, or did not say so.
    #[error("{source}")]
    Publish {
        /// The id it has, and must have again when it is repeated.
        message_id: String,
        /// What happened.
        source: PublishError,
    },
}

/// Why a stream of messages ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The client stopped sending.
    #[error("nothing arrived for a while; this message and all after it were not read")]
    Stalled,
    /// The connection broke, or what came over it was not HTTP.
    #[error("the input broke off; this message and all after it were not read")]
    Broken,
    /// The broker was away for too long.
    #[error("the broker was not reached in time; this message and all after it were not sent")]
    Unreachable,
    /// This process ends.
    #[error("this program was told to end; send this message and all after it again")]
    ShuttingDown,
}

/// What a failure means to those who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// To an HTTP client.
    pub status: StatusCode,
    /// When an HTTP client may try again, where trying again is likely to help.
    pub retry_after: Option<Duration>,
    /// To a shell.
    pub exit: Exit,
}

/// What became of one message of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResultLine {
    /// Its place among the messages, from 0.
    pub index: u64,
    /// Its line in the file, from 1; only in reports of files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Whether the broker confirmed it.
    pub status: Status,
    /// Its id, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Why it was not published: unroutable, nacked, timeout, blocked, disconnected, overloaded,
    /// too_large or malformed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Whether a message is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The broker confirmed it.
    Success,
    /// It did not, or not in time.
    Error,
}

/// What became of several messages together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Confirmed by the broker.
    pub published: u64,
    /// The client's fault: malformed, or over the limit.
    pub malformed: u64,
    /// Not taken, or not known to be taken, by the broker.
    pub failed: u64,
    /// The exit code of the first that was not published.
    first: Option<Exit>,
    /// The exit code of the first that the broker did not take.
    first_failed: Option<Exit>,
}

impl Unpublished {
    /// The reason, as metrics and results name it.
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::TooLong(_) | Self::Refused(Refusal::TooLarge { .. }) => FailureReason::TooLarge,
            Self::Malformed(_) | Self::Refused(_) | Self::Cut(Cut::Stalled | Cut::Broken) => {
                FailureReason::Malformed
            }
            Self::Cut(Cut::Unreachable | Cut::ShuttingDown) => FailureReason::Disconnected,
            Self::Publish { source, .. } => source.reason(),
        }
    }

    /// What the failure means to those who asked: the table of all failures.
    pub fn meaning(&self) -> Meaning {
        let (status, seconds, exit) = match self {
            Self::TooLong(_) | Self::Refused(Refusal::TooLarge { .. }) => TOO_LARGE,
            Self::Malformed(_) | Self::Refused(_) | Self::Cut(Cut::Stalled | Cut::Broken) => {
                MALFORMED
            }
            Self::Cut(Cut::Unreachable | Cut::ShuttingDown) => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(1), Exit::Unavailable)
            }
            Self::Publish { source, .. } => of_publish(source),
        };
        Meaning { status, retry_after: seconds.map(Duration::from_secs), exit }
    }

    /// The id of the message, where it got far enough to have one.
    pub fn message_id(&self) -> Option<&str> {
        match self {
            Self::Malformed(_) | Self::TooLong(_) | Self::Refused(_) | Self::Cut(_) => None,
            Self::Publish { message_id, .. } => Some(message_id),
        }
    }

    /// The same for an HTTP client.
    pub fn problem(&self) -> Problem {
        let meaning = self.meaning();
        let mut problem =
            Problem::new(meaning.status, self.to_string()).reason(self.reason().as_str());
        if let Some(id) = self.message_id() {
            problem = problem.message_id(id);
        }
        match meaning.retry_after {
            Some(after) => problem.retry_after(after),
            None => problem,
        }
    }
}

/// A row of the table: status, seconds until one may try again, exit code.
type Row = (StatusCode, Option<u64>, Exit);

const TOO_LARGE: Row = (StatusCode::PAYLOAD_TOO_LARGE, None, Exit::BadInput);
const MALFORMED: Row = (StatusCode::BAD_REQUEST, None, Exit::BadInput);

const fn of_publish(error: &PublishError) -> Row {
    use PublishError as E;
    const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    match error {
        E::Unroutable { .. } | E::ExchangeNotFound { .. } => {
            (UNAVAILABLE, Some(30), Exit::Unroutable)
        }
        E::AccessRefused { .. } => (UNAVAILABLE, Some(30), Exit::AccessRefused),
        E::Nacked => (StatusCode::TOO_MANY_REQUESTS, Some(5), Exit::Uncertain),
        E::Timeout => (StatusCode::GATEWAY_TIMEOUT, None, Exit::Uncertain),
        E::Blocked { .. } => (UNAVAILABLE, Some(10), Exit::Unavailable),
        E::Disconnected { sent: false, .. } => (UNAVAILABLE, Some(5), Exit::Unavailable),
        E::Disconnected { sent: true, .. } => (UNAVAILABLE, Some(5), Exit::Uncertain),
        E::Overloaded => (UNAVAILABLE, Some(1), Exit::Unavailable),
        E::TooLarge { .. } => TOO_LARGE,
        E::Malformed { .. } => MALFORMED,
    }
}

impl ResultLine {
    /// What became of the message at `index`.
    pub fn new(index: u64, outcome: &Result<Receipt, Unpublished>) -> Self {
        let (status, message_id) = match outcome {
            Ok(receipt) => (Status::Success, Some(receipt.message_id.clone())),
            Err(error) => (Status::Error, error.message_id().map(str::to_owned)),
        };
        let error = outcome.as_ref().err();
        Self {
            index,
            line: None,
            status,
            message_id,
            reason: error.map(|error| error.reason().as_str()),
            detail: error.map(ToString::to_string),
        }
    }

    /// As one line of NDJSON, with its newline.
    ///
    /// # Panics
    /// Never: strings and numbers can always be written as JSON.
    pub fn to_ndjson(&self) -> String {
        let mut text =
            serde_json::to_string(self).expect("strings and numbers can always be written as JSON");
        text.push('\n');
        text
    }
}

impl Tally {
    /// Adds one more outcome.
    pub fn count(&mut self, outcome: &Result<Receipt, Unpublished>) {
        let Err(error) = outcome else {
            self.published += 1;
            return;
        };
        let exit = error.meaning().exit;
        self.first.get_or_insert(exit);
        if exit == Exit::BadInput {
            self.malformed += 1;
        } else {
            self.failed += 1;
            self.first_failed.get_or_insert(exit);
        }
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.published + self.malformed + self.failed
    }

    /// Whether everything was confirmed.
    pub fn is_complete(&self) -> bool {
        self.malformed == 0 && self.failed == 0
    }

    /// How a command ends that stopped at the first that was not published.
    pub fn exit_at_first(&self) -> Exit {
        match self.first {
            Some(Exit::BadInput) => Exit::BadInput,
            Some(_) | None => self.exit(),
        }
    }

    /// How a command ends that tried all of them.
    pub fn exit(&self) -> Exit {
        match self {
            _ if self.is_complete() => Exit::Done,
            Self { published: 1.., .. } => Exit::PartlyPublished,
            // Whatever the broker said matters more than lines that were hopeless anyway.
            _ => self.first_failed.unwrap_or(Exit::BadInput),
        }
    }
}

#[cfg(test)]
mod tests;
