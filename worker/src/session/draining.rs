//! The end of a session that was asked for: what runs may finish, nothing is repeated.
//!
//! A close-ok does not prove that a quorum queue has the acknowledgements: the channel buffers
//! them and drops them when it is closed. So few frames are written, and the close waits.

use std::time::Duration;

use tokio::time::{Instant as TokioInstant, sleep_until};
use warren_broker::consumer::SessionError;
use warren_service::health::Readiness;

use super::{Drain, Event, Session, show, until};
use crate::{
    dispatch::Window,
    failpoint::{self, Point},
    handler::Handler,
    happenings,
};

/// How long copies may take after the last handler ended.
const COPIES_WITHIN: Duration = Duration::from_secs(5);

impl<H: Handler> Session<'_, H> {
    /// Stops the intake, gives back what has not started, and lets the rest finish.
    pub(super) async fn drain(&mut self, drain: Drain) -> Result<(), SessionError> {
        failpoint::pass(Point::Draining);
        show(&self.shell.readiness, Readiness::not_ready("draining"));
        happenings::draining(drain.end().as_str(), self.dispatcher.running());
        self.dispatcher.stop();
        self.intake.set(&self.broker, Window::Closed).await?;
        let give_up = TokioInstant::now() + self.shell.config.drain_timeout;
        self.finish_running(give_up).await?;
        happenings::handlers_cut_off(self.dispatcher.running());
        self.handlers.shutdown().await;
        self.finish_copies(TokioInstant::now() + COPIES_WITHIN).await?;
        self.flush().await
    }

    /// Runs until no handler runs and no consumer has anything buffered.
    async fn finish_running(&mut self, give_up: TokioInstant) -> Result<(), SessionError> {
        let hurry = self.shell.shutdown.hurry().clone();
        loop {
            self.step().await?;
            if self.dispatcher.running() == 0 && self.intake.is_dry() {
                return Ok(());
            }
            let alarm = self.alarm();
            tokio::select! {
                () = hurry.cancelled() => return Ok(()),
                () = sleep_until(give_up) => return Ok(()),
                event = self.next_event() => self.take_in(event?).await?,
                () = until(alarm) => {}
            }
        }
    }

    async fn finish_copies(&mut self, give_up: TokioInstant) -> Result<(), SessionError> {
        while !self.copies.is_empty() {
            tokio::select! {
                () = sleep_until(give_up) => {
                    happenings::copies_cut_off(self.copies.len());
                    return Ok(());
                }
                Some(Ok(end)) = self.copies.join_next() => self.take_in(Event::Copied(end)).await?,
            }
        }
        Ok(())
    }
}
