//! What is worth a line in the log, each in one place, so that the words stay the same.

use warren_broker::{
    consumer::{Ended, SessionError},
    publisher::PublishError,
};
use warren_core::{
    copies::Failure,
    ledger::{SessionNumber, TagError},
    names::QueueName,
    outcome::DeadReason,
};

pub(crate) fn session_begins(queue: &QueueName, session: SessionNumber) {
    tracing::info!(%queue, session = session.0, "session begins");
}

pub(crate) fn session_ended(ended: &Ended) {
    tracing::info!(end = ended.end.as_str(), detail = ended.detail, "session ended");
}

pub(crate) fn no_session(error: &SessionError) {
    let reason = error.reason();
    tracing::warn!(%error, reason, "no session; trying again until there is one");
}

pub(crate) fn draining(why: &'static str, running: usize) {
    tracing::info!(why, running, "draining");
}

pub(crate) fn handlers_cut_off(running: usize) {
    if running > 0 {
        tracing::warn!(
            running,
            "handlers are cancelled at the end of the drain; the broker redelivers"
        );
    }
}

pub(crate) fn copies_cut_off(copies: usize) {
    if copies > 0 {
        tracing::warn!(copies, "copies are not confirmed in time; the broker redelivers");
    }
}

pub(crate) fn dead_letter(queue: &QueueName, id: &str, reason: DeadReason, failure: &Failure) {
    let Failure { class, detail, .. } = failure;
    tracing::warn!(%queue, id, %reason, %class, detail, "dead letter");
}

pub(crate) fn copy_refused(key: &str, error: &PublishError) {
    tracing::warn!(key, %error, "copy not stored yet; trying again");
}

pub(crate) fn copy_given_up(id: &str, error: &PublishError) {
    tracing::error!(id, %error, "copy given up; the message goes back to its queue");
}

pub(crate) fn copy_impossible(id: &str, error: &PublishError) {
    tracing::error!(id, %error, "no copy can be made; the broker dead-letters at its own limit");
}

pub(crate) fn not_settled(error: TagError) {
    tracing::error!(%error, "delivery not settled: it is not this session's to settle");
}
