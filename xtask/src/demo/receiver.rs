//! The endpoint that the handlers of the demo call, from outside: what it is told to answer, and
//! what it got.
//!
//! The endpoint itself is the program `warren-receiver`, on this machine or in a cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::StatusCode;

use super::manifest::Endpoint;
use super::tally::{Runs, Tally};

/// How long a request takes. With 10 handlers in a worker that is 200 messages a second: some
/// thousand orders are more than one worker can do at once, and still done in half a minute.
const WORK: &str = "50ms";

/// It answers from memory; the way to a cluster may take a while.
const ANSWER: Duration = Duration::from_secs(10);

/// A receiver that runs.
#[derive(Debug)]
pub(super) struct Receiver {
    agent: Agent,
    /// Where it is asked and told, without a slash at the end.
    url: String,
    /// What each queue's handler calls.
    endpoints: BTreeMap<String, Endpoint>,
}

/// What a path got, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Received {
    /// Messages that were done or refused for good.
    ended: usize,
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    messages: BTreeMap<String, Runs>,
}

impl Receiver {
    /// The receiver at `url`, for the handlers that call `endpoints`.
    pub(super) fn new(url: String, endpoints: BTreeMap<String, Endpoint>) -> Self {
        let agent =
            Agent::config_builder().timeout_global(Some(ANSWER)).proxy(None).build().new_agent();
        Self { agent, url, endpoints }
    }

    /// Tells it to take its time, and that some orders fail.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub(super) fn instruct(&self) -> anyhow::Result<()> {
        for Endpoint { path, status } in self.endpoints.values() {
            let told =
                json!({"path": path, "status": status, "delay": WORK, "unluckyOrders": true});
            let request = self.agent.post(format!("{}/behaviour", self.url));
            let request = request.header("content-type", "application/json");
            let response = request.send(told.to_string());
            let response = response.with_context(|| format!("tell the receiver about {path}"))?;
            ensure!(
                response.status() == StatusCode::NO_CONTENT,
                "the receiver answered {} when it was told about {path}",
                response.status()
            );
        }
        Ok(())
    }

    /// Makes it forget all that it was told and got.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        for Endpoint { path, .. } in self.endpoints.values() {
            let request = self.agent.delete(format!("{}/received{path}", self.url));
            request.call().with_context(|| format!("make the receiver forget {path}"))?;
        }
        Ok(())
    }

    /// How many copies were done or refused for good so far.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn ended(&self) -> anyhow::Result<usize> {
        let paths = self.endpoints.values();
        let ended = paths.map(|endpoint| Ok(self.received(&endpoint.path)?.ended));
        ended.sum()
    }

    /// What became of every copy that it got.
    ///
    /// # Errors
    /// When it does not answer, or could not remember everything.
    pub(super) fn tally(&self) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        for (queue, endpoint) in &self.endpoints {
            let received = self.received(&format!("{}?full", endpoint.path))?;
            ensure!(received.complete, "the receiver got more than it can remember");
            for (id, runs) in received.messages {
                tally.add(queue, id, runs);
            }
        }
        Ok(tally)
    }

    fn received(&self, path: &str) -> anyhow::Result<Received> {
        let what = || format!("ask the receiver about {path}");
        let response = self.agent.get(format!("{}/received{path}", self.url)).call();
        let text = response.and_then(|mut response| response.body_mut().read_to_vec());
        let value: Value = serde_json::from_slice(&text.with_context(what)?).with_context(what)?;
        serde_json::from_value(value).with_context(what)
    }
}
