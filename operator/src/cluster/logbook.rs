//! What is noted of pipelines from one pass to the next, by uid.
//!
//! The objects in the stores are a moment old: a status that was just published is not in them yet,
//! and judging by the one before would tell its events again. Nothing here outlives the process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use warren_api::MessagePipelineStatus;

use crate::{interval::Requeue, memory::Memory};

/// The least time between the beginnings of two passes, so that many reasons at once make one.
const PAUSE: Duration = Duration::from_secs(1);

/// What is noted.
#[derive(Debug, Default)]
pub(crate) struct Logbook {
    pipelines: Mutex<HashMap<String, Page>>,
}

/// A status that was published.
#[derive(Debug)]
struct Published {
    status: MessagePipelineStatus,
    /// The version of the object that it made.
    version: String,
}

/// What is noted of one pipeline.
#[derive(Debug, Default)]
struct Page {
    /// The status as others can see it, or will in a moment.
    published: Option<Published>,
    /// How many passes in a row were in trouble.
    failures: u32,
    /// When the last pass began.
    began: Option<Instant>,
    /// Since when a spec waits to be applied, and which one.
    unapplied: Option<(i64, Instant)>,
    /// What its passes leave to each other.
    memory: Memory,
}

impl Logbook {
    /// Begins a pass, or says how long it has to wait because the last one has just begun.
    pub(crate) fn begin(&self, uid: &str, now: Instant) -> Result<(), Duration> {
        self.with(uid, |page| {
            let since = page.began.map(|began| now.saturating_duration_since(began));
            match since.map(|since| PAUSE.saturating_sub(since)) {
                Some(rest) if !rest.is_zero() => Err(rest),
                Some(_) | None => {
                    page.began = Some(now);
                    Ok(())
                }
            }
        })
    }

    /// Counts a pass that ended like this; how many in trouble came before it.
    pub(crate) fn failures(&self, uid: &str, requeue: Requeue) -> u32 {
        self.with(uid, |page| {
            let before = page.failures;
            page.failures = match requeue {
                Requeue::Settled => 0,
                Requeue::Trouble | Requeue::Mending | Requeue::Within(_) => {
                    before.saturating_add(1)
                }
            };
            before
        })
    }

    /// Keeps a status that was published, and the version of the object that it made.
    pub(crate) fn published(&self, uid: &str, status: &MessagePipelineStatus, version: String) {
        let published = Published { status: status.clone(), version };
        self.with(uid, |page| page.published = Some(published));
    }

    /// The status that was published last; nothing before the first.
    pub(crate) fn status(&self, uid: &str) -> Option<MessagePipelineStatus> {
        self.with(uid, |page| Some(page.published.as_ref()?.status.clone()))
    }

    /// The status that was published last, if the object of this version does not have it yet: one
    /// that has it may have been changed by somebody else since.
    pub(crate) fn unseen(&self, uid: &str, version: &str) -> Option<MessagePipelineStatus> {
        self.with(uid, |page| {
            let published = page.published.as_ref();
            let published = published.filter(|it| !is_as_new(version, &it.version))?;
            Some(published.status.clone())
        })
    }

    /// How long a spec took that is applied now; nothing, when it was before.
    ///
    /// `generation` is that of the object, `told` that of the status before the pass.
    pub(crate) fn applied(&self, uid: &str, spec: Spec, now: Instant) -> Option<Duration> {
        let Spec { generation, told, done } = spec;
        self.with(uid, |page| {
            let known = page.unapplied.filter(|(of, _)| *of == generation);
            let since = known.or_else(|| {
                (told != Some(generation)).then_some((generation, page.began.unwrap_or(now)))
            });
            page.unapplied = since.filter(|_| !done);
            since.filter(|_| done).map(|(_, since)| now.saturating_duration_since(since))
        })
    }

    /// What the last pass left to the next.
    pub(crate) fn memory(&self, uid: &str) -> Memory {
        self.with(uid, |page| page.memory.clone())
    }

    /// Keeps what a pass left.
    pub(crate) fn remember(&self, uid: &str, memory: Memory) {
        self.with(uid, |page| page.memory = memory);
    }

    /// Forgets a pipeline that is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    fn with<T>(&self, uid: &str, act: impl FnOnce(&mut Page) -> T) -> T {
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        act(pipelines.entry(uid.to_owned()).or_default())
    }
}

/// Whether one version of an object is another, or a later one
/// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>: versions of
/// one kind are numbers that rise).
fn is_as_new(version: &str, than: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    match number(version).zip(number(than)) {
        Some((version, than)) => version >= than,
        None => version == than,
    }
}

/// Where a spec stands after a pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    /// Its generation.
    pub(crate) generation: i64,
    /// The one that the status before the pass was about.
    pub(crate) told: Option<i64>,
    /// Whether nothing is left to do.
    pub(crate) done: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_reasons_at_once_make_one_pass() {
        let logbook = Logbook::default();
        let start = Instant::now();
        assert_eq!(logbook.begin("a", start), Ok(()));
        let soon = start + Duration::from_millis(300);
        assert_eq!(logbook.begin("a", soon), Err(Duration::from_millis(700)));
        assert_eq!(logbook.begin("b", soon), Ok(()), "each pipeline has its own");
        assert_eq!(logbook.begin("a", start + PAUSE), Ok(()));
    }

    #[test]
    fn a_published_status_counts_until_the_object_has_it() {
        let logbook = Logbook::default();
        assert_eq!(logbook.unseen("a", "9"), None);
        let status =
            MessagePipelineStatus { queue_count: Some(1), ..MessagePipelineStatus::default() };
        logbook.published("a", &status, "10".to_owned());
        assert_eq!(logbook.unseen("a", "9").as_ref(), Some(&status));
        for changed_by_others in ["10", "11", "100"] {
            assert_eq!(logbook.unseen("a", changed_by_others), None);
        }
        assert_eq!(logbook.status("a"), Some(status));
    }

    #[test]
    fn trouble_is_counted_until_it_ends() {
        let logbook = Logbook::default();
        let trouble = [Requeue::Trouble, Requeue::Mending, Requeue::Settled, Requeue::Trouble];
        let before: Vec<u32> = trouble.map(|requeue| logbook.failures("a", requeue)).into();
        assert_eq!(before, [0, 1, 2, 0]);
    }

    #[test]
    fn a_new_spec_is_timed_from_its_first_pass_and_an_old_one_is_not() {
        let logbook = Logbook::default();
        let start = Instant::now();
        let later = start + Duration::from_secs(3);
        let spec = |generation, told, done| Spec { generation, told, done };
        assert_eq!(logbook.applied("old", spec(4, Some(4), true), start), None);
        assert_eq!(logbook.begin("new", start), Ok(()));
        assert_eq!(logbook.applied("new", spec(1, None, false), start), None);
        let took = logbook.applied("new", spec(1, Some(1), true), later);
        assert_eq!(took, Some(Duration::from_secs(3)));
        assert_eq!(logbook.applied("new", spec(1, Some(1), true), later), None);
    }
}
