//! How a delivery is settled: the copy first, confirmed, and only then the acknowledgement.
//!
//! Acknowledgements are collected and flushed together. A delivery whose copy cannot be stored is
//! handed back, never acknowledged.

use std::time::Duration;

use tokio::time::Instant as TokioInstant;
use warren_broker::consumer::SessionError;
use warren_core::{
    copies::published_at,
    ledger::Tag,
    message::Publication,
    settlement::{Settled, Settlement},
};
use warren_service::clock;

use super::{CopyEnd, Session};
use crate::{
    copying::{Copied, copy},
    dispatch::Job,
    failpoint::{self, Point},
    handler::Handler,
    happenings,
};

/// How long finished deliveries are collected before one frame settles them.
const FLUSH_AFTER: Duration = Duration::from_millis(5);

/// The most settle frames written in one go.
///
/// A channel of a quorum queue buffers settlements beyond a window, and drops them when it is
/// closed.
const FRAMES_AT_ONCE: usize = 32;

impl<H: Handler> Session<'_, H> {
    /// Begins to settle: an acknowledgement is noted, a copy is sent on its way.
    pub(super) fn settle(&mut self, job: Job, settlement: &Settlement) {
        let now = clock::now();
        let copier = &self.shell.copier;
        let (publication, settled) = match settlement {
            Settlement::Ack => {
                self.acknowledge(&job, Settled::Acked);
                return;
            }
            Settlement::Retry { tier, attempt, failure } => {
                let copy = copier.retry(&job.incoming, *tier, *attempt, failure.as_ref(), now);
                (copy, Settled::Retried)
            }
            Settlement::Dead { reason, failure } => {
                happenings::dead_letter(&self.shell.config.queue, &job.id, *reason, failure);
                (copier.dead(&job.incoming, *reason, failure, now), Settled::DeadLettered)
            }
        };
        self.send(job, publication, settled);
    }

    fn send(&mut self, job: Job, publication: Publication, settled: Settled) {
        let publisher = self.shell.publisher.clone();
        let patience = self.shell.config.task_timeout;
        self.copies.spawn(async move {
            let copied = copy(&publisher, &publication, patience).await;
            CopyEnd { job, copied, settled }
        });
    }

    pub(super) async fn copied(&mut self, end: CopyEnd) -> Result<(), SessionError> {
        match end.copied {
            Copied::Confirmed => {
                failpoint::pass(match end.settled {
                    Settled::DeadLettered => Point::DeadCopied,
                    Settled::Acked | Settled::Retried | Settled::Returned => Point::RetryCopied,
                });
                self.acknowledge(&end.job, end.settled);
                Ok(())
            }
            Copied::GivenUp(error) => {
                happenings::copy_given_up(&end.job.id, &error);
                self.dispatcher.copy_given_up();
                self.hand_back(end.job.tag).await
            }
            Copied::Impossible(error) => {
                happenings::copy_impossible(&end.job.id, &error);
                self.reject(end.job.tag).await
            }
        }
    }

    /// Notes that a delivery may be acknowledged; a flush within [`FLUSH_AFTER`] says so.
    fn acknowledge(&mut self, job: &Job, settled: Settled) {
        if let Err(error) = self.ledger.finished(job.tag) {
            // The dispatcher settles each delivery once; a repetition must not reach the broker.
            happenings::not_settled(error);
            return;
        }
        self.flush_at.get_or_insert_with(|| TokioInstant::now() + FLUSH_AFTER);
        self.dispatcher.acknowledged();
        self.shell.metrics.settled(settled);
        if settled != Settled::Retried {
            let now = clock::now();
            let age = Duration::try_from(now.duration_since(published_at(&job.incoming, now))).ok();
            let attempt = job.incoming.message.headers.attempt();
            self.shell.metrics.ended(attempt, age.filter(|_| settled == Settled::Acked));
        }
    }

    pub(super) async fn hand_back(&mut self, tag: Tag) -> Result<(), SessionError> {
        if let Err(error) = self.ledger.released(tag) {
            happenings::not_settled(error);
            return Ok(());
        }
        self.broker.nack(tag).await?;
        self.watchdog.calm(TokioInstant::now());
        self.dispatcher.settled();
        self.shell.metrics.settled(Settled::Returned);
        Ok(())
    }

    /// Hands back a delivery in a way that counts, so that the broker's own limit ends it.
    async fn reject(&mut self, tag: Tag) -> Result<(), SessionError> {
        if let Err(error) = self.ledger.released(tag) {
            happenings::not_settled(error);
            return Ok(());
        }
        self.broker.reject(tag).await?;
        self.watchdog.calm(TokioInstant::now());
        self.dispatcher.settled();
        self.shell.metrics.settled(Settled::Returned);
        Ok(())
    }

    pub(super) async fn flush(&mut self) -> Result<(), SessionError> {
        self.flush_at = None;
        let frames = self.ledger.flush();
        for some in frames.chunks(FRAMES_AT_ONCE) {
            self.broker.settle(some).await?;
        }
        if !frames.is_empty() {
            self.watchdog.calm(TokioInstant::now());
            failpoint::pass(Point::Acked);
        }
        Ok(())
    }
}
