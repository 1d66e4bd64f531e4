//! The lines of a file as messages, each at its time.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::{io::AsyncReadExt, sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use warren_broker::publisher::PublisherState;

use super::Run;
use crate::{
    command::{file::Input, pace::Pace},
    item,
    lines::{Line, Lines, TooLong},
    message::{Defaults, Prepared},
    outcome::{Cut, Unpublished},
    outlet::Outlet,
};

/// Room for the envelope around a payload, beside the payload's own limit.
const ENVELOPE: usize = 16 * 1024;
/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// The number of a line with its message, or with why there is none.
pub(super) type Read = (u64, Result<Prepared, Unpublished>);

/// How it stands with the broker, and how long it may be away.
pub(super) type Broker = (watch::Receiver<PublisherState>, Duration);

/// A file of which not every line has been taken yet.
pub(super) struct Source {
    input: Input,
    lines: Lines,
    defaults: Defaults,
    outlet: Outlet,
    pace: Option<Pace>,
    broker: Option<Broker>,
    keep_going: bool,
    /// Fires when the user wants the run to end.
    stop: CancellationToken,
    /// Fires with `stop`, and when a line was not published and that ends the run.
    halt: CancellationToken,
    /// The number of the line that was taken last.
    last: u64,
    /// Whether the end of the input was seen.
    at_end: bool,
    /// Whether no further line is taken.
    over: bool,
}

impl Source {
    pub(super) fn new(run: &Run, input: Input, outlet: Outlet, halt: CancellationToken) -> Self {
        Self {
            input,
            lines: Lines::new(outlet.pipeline().max_message_bytes + ENVELOPE),
            defaults: run.defaults.clone(),
            outlet,
            pace: run.rate.map(Pace::per_second),
            broker: None,
            keep_going: run.keep_going,
            stop: run.stop.clone(),
            halt,
            last: 0,
            at_end: false,
            over: false,
        }
    }

    /// Takes no line while this broker is away.
    pub(super) fn waiting_for(self, broker: Option<Broker>) -> Self {
        Self { broker, ..self }
    }

    /// The next line, at its time.
    pub(super) async fn next(&mut self) -> Option<Read> {
        if self.over {
            return None;
        }
        let halt = self.halt.clone();
        let line = tokio::select! {
            biased;
            () = halt.cancelled() => return self.halted(),
            line = self.line_in_time() => line,
        };
        match line {
            Ok(None) => {
                self.over = true;
                None
            }
            Ok(Some(line)) => {
                self.last = line.number;
                let prepared = self.prepare(line.text);
                self.over = prepared.is_err() && !self.keep_going;
                Some((line.number, prepared))
            }
            Err(cut) => Some(self.cut(cut)),
        }
    }

    /// Ends in order after a failure, and with a word to the user after a signal.
    fn halted(&mut self) -> Option<Read> {
        self.over = true;
        if self.stop.is_cancelled() {
            return Some(self.cut(Cut::ShuttingDown));
        }
        None
    }

    fn cut(&mut self, cut: Cut) -> Read {
        self.over = true;
        (self.last + 1, Err(cut.into()))
    }

    fn prepare(&self, text: Result<Bytes, TooLong>) -> Result<Prepared, Unpublished> {
        let request = item::read(&text?)?;
        self.outlet.prepare(self.defaults.add_to(request))
    }

    async fn line_in_time(&mut self) -> Result<Option<Line>, Cut> {
        if let Some((state, patience)) = &mut self.broker {
            let up = state.wait_for(|state| *state == PublisherState::Up);
            timeout(*patience, up).await.is_ok().then_some(()).ok_or(Cut::Unreachable)?;
        }
        if let Some(pace) = &mut self.pace {
            let due = pace.next(Instant::now());
            tokio::time::sleep_until(due.into()).await;
        }
        loop {
            if let Some(line) = self.lines.next_line() {
                return Ok(Some(line));
            }
            if self.at_end {
                return Ok(self.lines.last_line());
            }
            let mut chunk = BytesMut::with_capacity(CHUNK);
            let read = self.input.read_buf(&mut chunk).await;
            self.at_end = read.map_err(|_| Cut::Broken)? == 0;
            self.lines.push(&chunk);
        }
    }
}
