//! Runs a command per message: body on standard input, metadata in the environment.
//!
//! Nothing from a message ever reaches the argument list, where any user of the machine could
//! read it and a shell could interpret it. The command has a process group of its own, so that
//! whatever it started ends with it.

use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    time::timeout,
};
use warren_core::{
    classify,
    config::ExecHandler,
    duration,
    message::Incoming,
    outcome::{ErrorClass, Outcome, Report},
};

use super::{Context, GRACE, Handler, tail};

/// The longest part of the output that goes into the error text, in bytes.
const DETAIL_MAX: usize = 1024;

/// The longest output that is kept, in bytes; the rest is read and dropped.
const OUTPUT_MAX: usize = 64 * 1024;

/// The handler `exec`.
#[derive(Debug)]
pub struct Exec {
    settings: ExecHandler,
}

/// Ends the process group when it is dropped: at the end, on a timeout, on a lost session.
struct Group(Option<Pid>);

impl Exec {
    /// Runs this command.
    pub fn new(settings: ExecHandler) -> Self {
        Self { settings }
    }

    fn spawn(&self, message: &Incoming, cx: &Context) -> std::io::Result<Child> {
        let (program, arguments) = self.settings.command.split_first().ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "handler.exec.command is empty")
        })?;
        let content_type = message.message.properties.content_type.as_deref().unwrap_or_default();
        Command::new(program)
            .args(arguments)
            .env("WARREN_PIPELINE", cx.pipeline.to_string())
            .env("WARREN_QUEUE", cx.queue.as_str())
            .env("WARREN_MESSAGE_ID", printable(&cx.message_id))
            .env("WARREN_CONTENT_TYPE", printable(content_type))
            .env("WARREN_ROUTING_KEY", printable(&cx.routing_key))
            .env("WARREN_PUBLISHED_AT", cx.published_at.as_millisecond().to_string())
            .env("WARREN_ATTEMPT", cx.attempt.to_string())
            .env("WARREN_MAX_ATTEMPTS", cx.max_attempts.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    async fn run(&self, message: &Incoming, cx: &Context) -> Report {
        let mut child = match self.spawn(message, cx) {
            Ok(child) => child,
            Err(error) => {
                let program = self.settings.command.first().map_or("", String::as_str);
                return failed(ErrorClass::Other, format!("cannot start {program:?}: {error}"));
            }
        };
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let limit = self.settings.timeout;
        let talk = converse(&mut child, &group, &message.message.body);
        match timeout(limit, talk).await {
            Ok(Ok((status, output))) => self.judge(status, &output, cx),
            Ok(Err(error)) => failed(ErrorClass::Other, format!("lost the command: {error}")),
            Err(_) => {
                group.end(&mut child).await;
                let detail = format!("still running after {}", duration::format(limit));
                failed(ErrorClass::Timeout, detail)
            }
        }
    }

    fn judge(&self, status: ExitStatus, output: &str, cx: &Context) -> Report {
        let output = output.trim_end();
        if !output.is_empty() {
            tracing::info!(queue = %cx.queue, id = cx.message_id, output, "command output");
        }
        let end = status.code().map_or_else(
            || format!("ended by {status}"),
            |code| format!("ended with exit code {code}"),
        );
        let last_words = tail(output, DETAIL_MAX - end.len().min(DETAIL_MAX) - 2);
        let detail = if last_words.is_empty() { end } else { format!("{end}: {last_words}") };
        classify::exit(status.code(), &self.settings.exit_codes, detail)
    }
}

impl Handler for Exec {
    async fn handle(&self, message: &Incoming, cx: &Context) -> Report {
        self.run(message, cx).await
    }
}

impl Group {
    /// Asks the group to end, and after a grace period makes it.
    async fn end(&self, child: &mut Child) {
        self.signal(Signal::TERM);
        let _ = timeout(GRACE, child.wait()).await;
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // The group may be gone already, which is what is wanted.
        let _ = self.0.map(|group| kill_process_group(group, signal));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Writes the body while reading both outputs: a command may do either first, or neither.
///
/// What the command left running in its group ends with it; it could hold the outputs open.
async fn converse(
    child: &mut Child,
    group: &Group,
    body: &[u8],
) -> std::io::Result<(ExitStatus, String)> {
    let (mut input, output, errors) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(input) = input.as_mut() {
            // A command that does not read its input closes the pipe, and that is its right.
            let _ = input.write_all(body).await;
            let _ = input.shutdown().await;
        }
        drop(input.take());
    };
    let ended = async {
        let status = child.wait().await;
        group.signal(Signal::KILL);
        status
    };
    let (status, (), output, errors) =
        tokio::join!(ended, write, read_some(output), read_some(errors));
    let mut text = output;
    if !text.is_empty() && !text.ends_with('\n') && !errors.is_empty() {
        text.push('\n');
    }
    text.push_str(&errors);
    Ok((status?, text))
}

/// Reads to the end, keeping the last [`OUTPUT_MAX`] bytes.
async fn read_some(source: Option<impl AsyncReadExt + Unpin>) -> String {
    let Some(mut source) = source else {
        return String::new();
    };
    let mut kept: Vec<u8> = Vec::new();
    let mut chunk = vec![0; 8 * 1024];
    while let Ok(count @ 1..) = source.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..count]);
        let surplus = kept.len().saturating_sub(OUTPUT_MAX);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// An environment variable cannot hold a NUL byte.
fn printable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn failed(class: ErrorClass, detail: String) -> Report {
    Outcome::Retry { class, after: None, detail }.into()
}

#[cfg(test)]
mod tests;
