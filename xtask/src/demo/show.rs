//! The story itself: wait for the topology, publish, watch the workers come, work and go.
//!
//! Every wait has an end. What does not come in time is not an error here: the totals tell it. What
//! ends the story is an operator that ends, messages that cannot be published, and Ctrl-C.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::census::Census;
use super::notes::Notes;
use super::publisher::{Published, Publisher};
use super::receiver::Receiver;
use super::theatre::{Producer, Theatre};
use crate::args::Fault;
use crate::deadline;
use crate::interrupt::Interrupt;

/// Declaring the objects of three queues and starting the producer takes some seconds; a cluster
/// may have to pull the producer's image first.
const DECLARED: Duration = Duration::from_mins(2);
/// For the largest number of messages on a slow machine; a batch has its own, shorter limit.
const PUBLISHED: Duration = Duration::from_mins(20);
/// What fails once waits a second or less before it is tried again, and a worker that was killed is
/// back after one.
const STALLED: Duration = Duration::from_mins(1);
/// Proving a queue empty takes 15 s, reading it twice with fresh statistics and the workers' end
/// some more.
const GONE: Duration = Duration::from_mins(2);

/// What is on the stage.
pub(super) struct Show<'a> {
    pub(super) theatre: &'a mut dyn Theatre,
    pub(super) receiver: &'a Receiver,
    pub(super) interrupt: &'a Interrupt,
    pub(super) notes: &'a mut Notes,
    pub(super) census: Census,
    /// What is still to go wrong.
    pub(super) fault: Option<Fault>,
}

/// What was seen.
pub(super) struct Seen {
    pub(super) published: BTreeSet<String>,
    pub(super) census: Census,
    /// What should have happened and did not, a sentence each.
    pub(super) missed: Vec<String>,
}

impl Show<'_> {
    /// Shows a pipeline of so many queues with so many orders.
    ///
    /// # Errors
    /// When the story cannot go on.
    pub(super) fn play(mut self, orders: u32, queues: usize) -> anyhow::Result<Seen> {
        let producer = self.await_topology()?;
        self.look()?;
        // Trouble belongs to the peak, which is after the last publish.
        let fault = self.fault.take();
        let Published { ids: published, repeats } = self.publish(&producer, orders)?;
        self.fault = fault;
        let count = published.len();
        let again = match repeats {
            0 => String::new(),
            repeats => format!(", after {repeats} were sent again: they may be there twice"),
        };
        self.notes.tell(format!("{count} orders published and confirmed{again}"));
        let settled = self.await_settled(count * queues)?;
        if settled {
            let what = "every message is done or dead; waiting for the workers to go";
            self.notes.tell(what);
        }
        self.await_no_workers()?;
        let fault = self.fault.map(|Fault::KillWorker| {
            "no worker was killed, because none was busy at a standing peak; try more --messages"
        });
        let stalled = (!settled).then_some("messages were left when nothing moved any more");
        Ok(Seen {
            published,
            census: self.census,
            missed: fault.into_iter().chain(stalled).map(str::to_owned).collect(),
        })
    }

    fn await_topology(&mut self) -> anyhow::Result<String> {
        let mut missing = String::new();
        let producer = deadline::wait_for(DECLARED, || {
            self.interrupt.check()?;
            self.theatre.check()?;
            Ok(match self.theatre.producer()? {
                Producer::Ready(url) => Some(url),
                Producer::NotYet(why) => {
                    missing = why;
                    None
                }
            })
        })?;
        producer.with_context(|| {
            format!("pipeline and producer are not ready after {DECLARED:?}: {missing}")
        })
    }

    fn publish(&mut self, producer: &str, orders: u32) -> anyhow::Result<Published> {
        let publisher = Publisher::new(producer, self.interrupt.clone());
        let publishing = thread::spawn(move || publisher.publish(orders));
        deadline::wait_for(PUBLISHED, || {
            self.look()?;
            Ok(publishing.is_finished().then_some(()))
        })?
        .with_context(|| format!("the orders are not published after {PUBLISHED:?}"))?;
        let result = publishing.join();
        result.map_err(|_| anyhow!("the publisher panicked"))?
    }

    /// Whether all `copies` were done or refused for good before nothing moved any more.
    fn await_settled(&mut self, copies: usize) -> anyhow::Result<bool> {
        loop {
            let before = self.receiver.ended()?;
            if before >= copies {
                return Ok(true);
            }
            let moved = deadline::wait_for(STALLED, || {
                self.look()?;
                Ok((self.receiver.ended()? > before).then_some(()))
            })?;
            if moved.is_none() {
                return Ok(false);
            }
        }
    }

    fn await_no_workers(&mut self) -> anyhow::Result<()> {
        deadline::wait_for(GONE, || {
            self.look()?;
            Ok((self.census.now() == 0).then_some(()))
        })?;
        Ok(())
    }

    /// Looks at the workers once.
    fn look(&mut self) -> anyhow::Result<()> {
        self.interrupt.check()?;
        self.theatre.check()?;
        self.census.see(self.theatre.workers()?);
        if let Some(Fault::KillWorker) = self.fault {
            self.kill_worker()?;
        }
        Ok(())
    }

    /// Kills the busiest worker, once the peak stands.
    fn kill_worker(&mut self) -> anyhow::Result<()> {
        let Some(victim) = self.census.victim() else {
            return Ok(());
        };
        self.theatre.kill(victim)?;
        self.fault = None;
        self.notes.tell(format!(
            "killed worker {} of queue {}: it had settled {} messages and ran {} more",
            victim.worker,
            victim.queue(),
            victim.settled(),
            victim.in_flight(),
        ));
        Ok(())
    }
}
