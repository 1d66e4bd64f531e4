//! The commands that publish from a shell: `release` and `publish`.
//!
//! Results are data and go to standard output; everything for people goes to standard error. What
//! an exit code means stands in [`crate::outcome`] and, for the connection, here.

mod connection;
mod file;
mod ndjson;
mod pace;
mod progress;
mod publish;
mod release;

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use warren_service::exit::{Exit, Failure};

use self::connection::Connection;
pub use self::{publish::publish, release::release};
use crate::{
    args::Output,
    message::Request,
    outcome::{Receipt, Status, Unpublished},
};

/// What became of the one message of a command.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Publishes one message, shows what became of it, and closes the connection.
async fn publish_one(
    connection: Connection,
    request: Request,
    output: Output,
) -> Result<Exit, Failure> {
    let outcome = connection.outlet().send(request).await;
    connection.close().await;
    match output {
        Output::Json => print_json(&Answer::new(&outcome))?,
        Output::Text => {
            if let Ok(receipt) = &outcome {
                print(&receipt.message_id)?;
            }
        }
    }
    match outcome {
        Ok(_) => Ok(Exit::Done),
        Err(error) => Err(error.meaning().exit.because(with_id(&error))),
    }
}

/// The error, with the id that a repeat must have.
fn with_id(error: &Unpublished) -> String {
    match error.message_id() {
        Some(id) => format!("message {id}: {error}"),
        None => error.to_string(),
    }
}

impl<'a> Answer<'a> {
    fn new(outcome: &'a Result<Receipt, Unpublished>) -> Self {
        let time = |moment: Timestamp| format!("{moment:.3}");
        let receipt = outcome.as_ref().ok();
        let error = outcome.as_ref().err();
        Self {
            status: receipt.map_or(Status::Error, |_| Status::Success),
            message_id: match outcome {
                Ok(receipt) => Some(&receipt.message_id),
                Err(error) => error.message_id(),
            },
            timestamp: receipt.map(|receipt| time(receipt.published_at)),
            not_before: receipt.and_then(|receipt| receipt.not_before.map(time)),
            reason: error.map(|error| error.reason().as_str()),
            detail: error.map(ToString::to_string),
        }
    }
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Exit::Internal.because(error))?;
    print(&text)
}

/// Writes one line of data.
fn print(line: &str) -> Result<(), Failure> {
    // Not `println!`, which panics when the reader of a pipe is gone.
    writeln!(io::stdout(), "{line}").map_err(|error| {
        let what = format!("cannot write the result on standard output: {error}");
        Exit::Internal.because(what)
    })
}

/// Writes one line for people. That nobody reads it any more is no reason to stop.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
