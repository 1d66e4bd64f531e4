//! Writes each message to the log, for a look at what flows.

use warren_core::{
    config::LogLevel,
    headers::cut,
    message::Incoming,
    outcome::{Outcome, Report},
};

use super::{Context, Handler};

/// The longest part of a body that is logged, in bytes.
const BODY_MAX: usize = 1024;

/// The handler `log`.
#[derive(Debug)]
pub struct Log {
    level: LogLevel,
}

impl Log {
    /// Logs at this level.
    pub fn new(level: LogLevel) -> Self {
        Self { level }
    }
}

/// One function for each level: the level of a log event must be known when it is compiled.
macro_rules! at_levels {
    ($($level:ident),*) => {$(
        fn $level(cx: &Context, body: &str) {
            let (queue, id, key, attempt) = (&cx.queue, &cx.message_id, &cx.routing_key, cx.attempt);
            tracing::$level!(%queue, id, key, attempt, body, "message");
        }
    )*};
}
at_levels!(trace, debug, info, warn, error);

impl Handler for Log {
    async fn handle(&self, message: &Incoming, cx: &Context) -> Report {
        let body = String::from_utf8_lossy(&message.message.body);
        let body = cut(&body, BODY_MAX);
        match self.level {
            LogLevel::Trace => trace(cx, body),
            LogLevel::Debug => debug(cx, body),
            LogLevel::Info => info(cx, body),
            LogLevel::Warn => warn(cx, body),
            LogLevel::Error => error(cx, body),
        }
        Outcome::Done.into()
    }
}
