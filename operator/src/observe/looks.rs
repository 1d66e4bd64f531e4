//! I/O in: what queues that nobody wants any more say about themselves.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tracing::debug;
use warren_broker::{
    login::Login,
    management::Management,
    probe::{DepthProbe, OpenProbe, ProbeError},
};

use crate::proof::{Answer, Look};

/// How many queues are asked about at the same time, as many as the client has calls.
const AT_ONCE: usize = 4;

/// The broker's name for the connection that asks queues themselves.
const CONNECTION: &str = "warren-operator/proof";

/// How long a queue may take to answer: a busy broker takes longer than the scaler waits, and an
/// answer that is missing makes a proof begin anew.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at queues, all at the same moment as far as anybody needs to know.
pub(super) async fn read(
    management: &Management,
    login: &Login,
    queues: Vec<String>,
    at: Timestamp,
) -> BTreeMap<String, Look> {
    let vhost = login.vhost.as_str();
    let look = async |name: String| {
        let read = management.queue(vhost, &name).await;
        let statistics = read.inspect_err(|error| debug!(queue = name, %error, "not seen")).ok();
        (name, Look { at, statistics: statistics.flatten(), answer: Answer::None })
    };
    let looks = stream::iter(queues).map(look).buffer_unordered(AT_ONCE).collect();
    let mut looks: BTreeMap<String, Look> = looks.await;
    // What has messages and consumers is no candidate for anything.
    let is_doubtful = |look: &Look| {
        let statistics = look.statistics.as_ref();
        statistics.is_some_and(|s| s.total == Some(0) || s.consumers == Some(0))
    };
    if looks.values().any(is_doubtful) {
        let doubtful = looks.iter_mut().filter(|(_, look)| is_doubtful(look));
        ask(login, doubtful).await;
    }
    looks
}

/// Asks the queues themselves, on a connection that lasts no longer than this.
async fn ask<'a>(login: &Login, looks: impl Iterator<Item = (&'a String, &'a mut Look)>) {
    let probe = DepthProbe::new(login.clone(), CONNECTION);
    match probe.open().await {
        Ok(open) => ask_each(&open, looks).await,
        Err(error) => {
            debug!(%error, "queues are judged by statistics alone");
            looks.for_each(|(_, look)| look.answer = Answer::NoConnection);
        }
    }
    probe.close().await;
}

/// Who does not answer is not waited for once more for each of the other queues.
async fn ask_each<'a>(open: &OpenProbe, looks: impl Iterator<Item = (&'a String, &'a mut Look)>) {
    for (name, look) in looks {
        match open.ready_within(PATIENCE, name).await {
            Ok(depth) => look.answer = Answer::Told(depth),
            Err(error) => {
                debug!(queue = name, %error, "no answer");
                if matches!(error, ProbeError::Timeout { .. } | ProbeError::Lost { .. }) {
                    return;
                }
            }
        }
    }
}
