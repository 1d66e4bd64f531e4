//! Named points at which a test build ends its own process as `kill -9` would.
//!
//! Without the cargo feature `failpoints` nothing of this is compiled in.

/// Where a worker can be made to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Delivered, not started.
    Delivered,
    /// In the handler.
    Handling,
    /// The handler is done, nothing is acknowledged.
    Handled,
    /// The retry copy is confirmed, the source is not acknowledged.
    RetryCopied,
    /// The dead copy is confirmed, the source is not acknowledged.
    DeadCopied,
    /// The acknowledgement is written, the connection is open.
    Acked,
    /// The drain has begun.
    Draining,
}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn pass(_: Point) {}

#[cfg(feature = "failpoints")]
pub(crate) use armed::{arm, pass};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    };

    use rustix::process::{Signal, getpid, kill_process};

    use super::Point;

    static ARMED: OnceLock<(Point, u32)> = OnceLock::new();
    static PASSES: AtomicU32 = AtomicU32::new(0);

    /// Arms one point, as `POINT:N`.
    pub(crate) fn arm(text: &str) -> Result<(), String> {
        let wrong = || format!("{text:?} is not a point to fail at: write it as W2:1");
        let (name, pass) = text.split_once(':').ok_or_else(wrong)?;
        let point = match name {
            "W1" => Point::Delivered,
            "W2" => Point::Handling,
            "W3" => Point::Handled,
            "W5" => Point::RetryCopied,
            "W7" => Point::DeadCopied,
            "W8" => Point::Acked,
            "W9" => Point::Draining,
            _ => return Err(wrong()),
        };
        let pass = pass.parse().map_err(|_| wrong())?;
        ARMED.set((point, pass)).map_err(|_| "a point is armed already".to_owned())
    }

    /// Ends the process when the armed point is passed for the n-th time.
    pub(crate) fn pass(point: Point) {
        let Some((armed, n)) = ARMED.get() else {
            return;
        };
        if *armed == point && PASSES.fetch_add(1, Ordering::SeqCst) + 1 == *n {
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }
}
