//! Ready and alive: two questions with two different answers.
//!
//! *Ready* means "send me work" and is decided by the program, which publishes a [`Readiness`].
//! *Alive* means "do not restart me" and looks only at this process: whether its tasks still get
//! their turn, and whether a part of it has broken for good. It never asks the broker, or an outage
//! of the broker would become a storm of restarts.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the heartbeat proves that tasks get their turn.
const BEAT: Duration = Duration::from_secs(1);

/// The usual age at which a heartbeat is stale: far above any pause of a busy node, well below the
/// 30 s in which three failed probes of Kubernetes' default period end the container.
pub const STALE_AFTER: Duration = Duration::from_secs(15);

/// Whether a program takes work, and why not: the body of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether the program takes work.
    pub ready: bool,
    /// What the program is doing, in one word: `running`, `connecting`, `draining`.
    pub state: Cow<'static, str>,
    /// Why, in one word, where the state alone does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// The HTTP status that led to this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_status: Option<u16>,
    /// One sentence for a person; no secret in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Readiness {
    /// The program takes work.
    pub fn ready(state: impl Into<Cow<'static, str>>) -> Self {
        Self::new(true, state.into())
    }

    /// The program takes no work.
    pub fn not_ready(state: impl Into<Cow<'static, str>>) -> Self {
        Self::new(false, state.into())
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds the HTTP status that led to this state.
    #[must_use]
    pub fn last_status(mut self, status: u16) -> Self {
        self.last_status = Some(status);
        self
    }

    /// Adds a sentence for a person.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    fn new(ready: bool, state: Cow<'static, str>) -> Self {
        Self { ready, state, reason: None, last_status: None, detail: None }
    }
}

/// Whether this process still works.
#[derive(Clone, Debug)]
pub struct Liveness {
    heartbeat: watch::Receiver<Instant>,
    fatal: watch::Receiver<Option<String>>,
    stale_after: Duration,
}

/// The right to say that this process is beyond help and wants a restart.
#[derive(Clone, Debug)]
pub struct Fatal(watch::Sender<Option<String>>);

impl Liveness {
    /// Starts the heartbeat, a task that lives until the last clone of the result is dropped.
    ///
    /// Must be called in a tokio runtime.
    pub fn start(stale_after: Duration) -> (Self, Fatal) {
        let (beat, heartbeat) = watch::channel(Instant::now());
        let (report, fatal) = watch::channel(None);
        tokio::spawn(keep_beating(beat));
        let liveness = Self { heartbeat, fatal, stale_after };
        (liveness, Fatal(report))
    }

    /// Judges at the instant `now`.
    ///
    /// # Errors
    ///
    /// What is wrong, in a sentence.
    pub fn check(&self, now: Instant) -> Result<(), String> {
        if let Some(what) = &*self.fatal.borrow() {
            return Err(what.clone());
        }
        let age = now.saturating_duration_since(*self.heartbeat.borrow());
        if age > self.stale_after {
            return Err(format!("tasks have not had their turn for {} s", age.as_secs()));
        }
        Ok(())
    }
}

impl Fatal {
    /// Says what broke for good. The first report stays: it is nearest to the cause.
    pub fn report(&self, what: impl Into<String>) {
        self.0.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(what.into());
            }
            first
        });
    }
}

async fn keep_beating(beat: watch::Sender<Instant>) {
    let mut ticks = interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while beat.send(Instant::now()).is_ok() {
        ticks.tick().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_program_says_no_more_than_its_state() {
        let text = serde_json::to_string(&Readiness::ready("running")).unwrap();
        assert_eq!(text, r#"{"ready":true,"state":"running"}"#);
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        let paused = Readiness::ready("paused")
            .because("endpoint")
            .last_status(503)
            .detail("the endpoint failed 5 times in a row");
        let text = serde_json::to_string(&paused).unwrap();
        assert_eq!(
            text,
            r#"{"ready":true,"state":"paused","reason":"endpoint","last_status":503,"detail":"the endpoint failed 5 times in a row"}"#
        );
        assert_eq!(serde_json::from_str::<Readiness>(&text).unwrap(), paused);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_whose_tasks_run_stays_alive() {
        let (liveness, _fatal) = Liveness::start(STALE_AFTER);
        tokio::time::timeout(10 * STALE_AFTER, std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(liveness.check(Instant::now()), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_whose_tasks_do_not_run_is_dead() {
        let (liveness, _fatal) = Liveness::start(STALE_AFTER);
        let at_limit = Instant::now() + STALE_AFTER;
        assert_eq!(liveness.check(at_limit), Ok(()));
        assert_eq!(
            liveness.check(at_limit + Duration::from_secs(1)),
            Err("tasks have not had their turn for 16 s".to_owned())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_fatal_report_is_the_one_that_is_told() {
        let (liveness, fatal) = Liveness::start(STALE_AFTER);
        fatal.report("the session loop ended");
        fatal.clone().report("the settle task has nobody to talk to");
        assert_eq!(liveness.check(Instant::now()), Err("the session loop ended".to_owned()));
    }
}
