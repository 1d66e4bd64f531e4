//! Events, told in the background: a pass does not wait for them, and none is worth a retry.

use std::{collections::HashMap, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{self, EventType, Recorder, Reporter},
};
use tokio::{sync::mpsc, task::JoinHandle};
use tracing::{debug, info, warn};

use super::fault::within;
use crate::events::{Event, Weight};

/// The most events that wait to be told; more are lost, and logged.
const WAITING: usize = 1024;
/// The longest note that the API server takes, in bytes
/// (<https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>).
const LONGEST_NOTE: usize = 1024;
/// How many recorders are kept; each remembers what it told.
const RECORDERS: usize = 1024;
/// Who tells, as events have it.
const CONTROLLER: &str = "warren.dev/operator";

/// Tells events; clones tell the same.
#[derive(Clone, Debug)]
pub(crate) struct Announcer {
    waiting: mpsc::Sender<(ObjectReference, Event)>,
}

/// The work behind announcers, which ends when the last of them is gone.
#[derive(Debug)]
pub(crate) struct Announcements(JoinHandle<()>);

impl Announcer {
    /// Begins to tell, in the name of this pod.
    pub(crate) fn start(client: Client, pod: String) -> (Self, Announcements) {
        let (waiting, told) = mpsc::channel(WAITING);
        let reporter = Reporter { controller: CONTROLLER.to_owned(), instance: Some(pod) };
        let desk = Desk { client, reporter, recorders: HashMap::new() };
        (Self { waiting }, Announcements(tokio::spawn(desk.work(told))))
    }

    /// Tells an event about an object, soon.
    pub(crate) fn tell(&self, about: &ObjectReference, event: &Event) {
        let (namespace, name) = (about.namespace.as_deref(), about.name.as_deref());
        info!(namespace, name, reason = %event.reason(), note = event.note(), "event");
        if self.waiting.try_send((about.clone(), event.clone())).is_err() {
            log_loss(about);
        }
    }
}

fn log_loss(about: &ObjectReference) {
    let (namespace, name) = (about.namespace.as_deref(), about.name.as_deref());
    warn!(namespace, name, "the event is not published: too many wait");
}

impl Announcements {
    /// Waits for the last events, for a while; all announcers must be gone by then.
    pub(crate) async fn finish(mut self, limit: Duration) {
        if tokio::time::timeout(limit, &mut self.0).await.is_err() {
            warn!("the last events are not published");
            self.0.abort();
        }
    }
}

struct Desk {
    client: Client,
    reporter: Reporter,
    /// By object and reason: what was told last, and by whom.
    ///
    /// A recorder makes a series of events with the same reason and keeps the note of the first,
    /// which would hide what the others say; so a new note has a new recorder.
    recorders: HashMap<(String, &'static str), (String, Recorder)>,
}

impl Desk {
    async fn work(mut self, mut told: mpsc::Receiver<(ObjectReference, Event)>) {
        while let Some((about, event)) = told.recv().await {
            let note = cut(event.note());
            let recorder = self.recorder(&about, event.reason().as_str(), &note);
            let event = publishable(&event, note);
            if let Err(fault) = within(recorder.publish(&event, &about)).await {
                debug!(%fault, reason = event.reason, "event not published");
            }
        }
    }

    fn recorder(&mut self, about: &ObjectReference, reason: &'static str, note: &str) -> Recorder {
        let key = (about.uid.clone().unwrap_or_default(), reason);
        if let Some((told, recorder)) = self.recorders.get(&key)
            && told == note
        {
            return recorder.clone();
        }
        if self.recorders.len() >= RECORDERS {
            // What is lost is only that a repetition would count up the event before it.
            self.recorders.clear();
        }
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        self.recorders.insert(key, (note.to_owned(), recorder.clone()));
        recorder
    }
}

fn publishable(event: &Event, note: String) -> events::Event {
    let reason = event.reason().as_str();
    events::Event {
        type_: match event.weight() {
            Weight::Normal => EventType::Normal,
            Weight::Warning => EventType::Warning,
        },
        reason: reason.to_owned(),
        note: Some(note),
        action: reason.to_owned(),
        secondary: None,
    }
}

/// As much of a note as fits, in whole characters.
fn cut(mut note: String) -> String {
    const MORE: &str = "…";
    if note.len() > LONGEST_NOTE {
        note.truncate(note.floor_char_boundary(LONGEST_NOTE - MORE.len()));
        note.push_str(MORE);
    }
    note
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let note = cut("ü".repeat(800));
        assert!(note.len() <= LONGEST_NOTE && note.ends_with("ü…"), "{} bytes", note.len());
        assert_eq!(cut("short".to_owned()), "short");
    }
}
