//! One place of a fleet: a process that is kept running until it is retired.
//!
//! A process that ends by itself is started again, after a wait that grows. It never decides how
//! many places there are.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    backoff::{CrashBackoff, HEALTHY},
    child::{Child, Launch},
    figures::{Figures, Scraper, Settled},
    happening::{Happening, Reporter},
};

/// What keeping a process needs from its surroundings.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// Where it is told what happens.
    pub(super) reporter: Reporter,
    /// Where figures come from.
    pub(super) scraper: Scraper,
    /// Cancelled when there is no time to drain.
    pub(super) hurry: CancellationToken,
}

/// A process that is kept running.
#[derive(Debug)]
pub(super) struct Member {
    /// Tells the places of a fleet apart.
    pub(super) number: u32,
    shown: watch::Receiver<Shown>,
    retire: CancellationToken,
    task: JoinHandle<()>,
}

/// What can be seen of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// What it is at.
    pub(super) phase: Phase,
    /// Where its present process serves HTTP.
    pub(super) url: Option<String>,
    /// What its present process told last.
    pub(super) figures: Figures,
    /// What its earlier processes have done.
    pub(super) earlier: Settled,
    /// Crashes since it was healthy.
    pub(super) crashes: u32,
    /// How the last one looked.
    pub(super) last_crash: String,
}

/// What a member is at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// A process runs, or is just being started.
    #[default]
    Running,
    /// The process crashed, and the next one has to wait.
    Waiting,
    /// The process finishes what it has begun.
    Draining,
}

/// How often a process is asked for its figures.
const LOOK: Duration = Duration::from_secs(1);

/// How often while it drains, so that little is missed of what it does last.
const LOOK_AT_END: Duration = Duration::from_millis(250);

/// How long a process may take when there is no time: it waits at most 5 s for confirms.
const HURRY: Duration = Duration::from_secs(10);

impl Member {
    /// Starts a process and keeps it running.
    pub(super) fn start(number: u32, launch: Launch, surroundings: Surroundings) -> Self {
        let (show, shown) = watch::channel(Shown::default());
        let retire = CancellationToken::new();
        let keeper = Keeper { launch, surroundings, show, retire: retire.clone() };
        Self { number, shown, retire, task: tokio::spawn(keeper.keep()) }
    }

    /// What can be seen of it now.
    pub(super) fn shown(&self) -> Shown {
        self.shown.borrow().clone()
    }

    /// Lets its process drain and starts no other.
    pub(super) fn retire(&self) {
        self.retire.cancel();
    }

    /// Whether it was told to retire.
    pub(super) fn is_retired(&self) -> bool {
        self.retire.is_cancelled()
    }

    /// Whether its process has ended and no other will be started.
    pub(super) fn is_gone(&self) -> bool {
        self.task.is_finished()
    }
}

impl Shown {
    /// What its processes have done so far.
    pub(super) fn settled(&self) -> Settled {
        let mut sum = self.earlier;
        sum += self.figures.settled;
        sum
    }

    /// Its process has crashed, this many times since it was healthy: what it has told stays counted.
    fn crash(&mut self, how: &str, crashes: u32) {
        self.phase = Phase::Waiting;
        self.earlier = self.settled();
        self.figures = Figures::default();
        self.crashes = crashes;
        how.clone_into(&mut self.last_crash);
    }
}

/// What runs for a member.
struct Keeper {
    launch: Launch,
    surroundings: Surroundings,
    show: watch::Sender<Shown>,
    retire: CancellationToken,
}

impl Keeper {
    async fn keep(self) {
        let mut backoff = CrashBackoff::default();
        while !self.retire.is_cancelled() {
            let began = Instant::now();
            let Some(how) = self.run().await else {
                break;
            };
            let wait = backoff.crashed_after(began.elapsed());
            self.tell_crash(how, wait, backoff);
            tokio::select! {
                () = sleep(wait) => {}
                () = self.retire.cancelled() => {}
            }
        }
    }

    /// Runs one process to its end; how it ended, if nobody asked for it.
    async fn run(&self) -> Option<String> {
        let mut child = match Child::start(&self.launch) {
            Ok(child) => child,
            Err(error) => return Some(chain(&error)),
        };
        self.tell_start(&child);
        let began = Instant::now();
        let mut looks = looks(LOOK);
        loop {
            tokio::select! {
                status = child.wait() => return Some(describe(status)),
                () = self.retire.cancelled() => break,
                _ = looks.tick() => {
                    self.look(&child).await;
                    if began.elapsed() >= HEALTHY {
                        self.show.send_modify(|shown| shown.crashes = 0);
                    }
                }
            }
        }
        self.drain(child).await;
        None
    }

    async fn drain(&self, mut child: Child) {
        self.show.send_modify(|shown| shown.phase = Phase::Draining);
        child.terminate();
        let mut deadline = Instant::now() + self.launch.kill_after;
        let mut looks = looks(LOOK_AT_END);
        let mut hurried = false;
        loop {
            tokio::select! {
                _ = child.wait() => return,
                () = sleep_until(deadline) => {
                    child.kill();
                    let name = self.launch.name.clone();
                    self.surroundings.reporter.tell(Happening::Killed { name });
                    let _ = child.wait().await;
                    return;
                }
                () = self.surroundings.hurry.cancelled(), if !hurried => {
                    hurried = true;
                    child.terminate();
                    deadline = deadline.min(Instant::now() + HURRY);
                }
                _ = looks.tick() => self.look(&child).await,
            }
        }
    }

    async fn look(&self, child: &Child) {
        if let Some(figures) = self.surroundings.scraper.ask(child.port()).await {
            self.show.send_modify(|shown| shown.figures = figures);
        }
    }

    fn tell_start(&self, child: &Child) {
        let url = format!("http://127.0.0.1:{}", child.port());
        self.show.send_modify(|shown| {
            shown.phase = Phase::Running;
            shown.url = Some(url.clone());
        });
        let Some(pid) = child.id() else {
            return;
        };
        let name = self.launch.name.clone();
        self.surroundings.reporter.tell(Happening::Started { name, pid, url });
    }

    fn tell_crash(&self, how: String, again_in: Duration, backoff: CrashBackoff) {
        self.show.send_modify(|shown| shown.crash(&how, backoff.crashes()));
        self.surroundings.reporter.tell(Happening::Crashed {
            name: self.launch.name.clone(),
            how,
            again_in,
            log: self.launch.log.clone(),
        });
    }
}

fn looks(every: Duration) -> tokio::time::Interval {
    let mut looks = interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

fn describe(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => status.to_string(),
        },
        Err(error) => format!("its end is not known: {error}"),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
pub(super) mod tests;
