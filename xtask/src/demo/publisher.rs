//! Publishes the orders over the producer's HTTP, and counts what the broker confirmed.
//!
//! What was refused, or has an unknown outcome, is sent again with the same id: at worst a message
//! is there twice, and it is known as the same one.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;

use crate::interrupt::Interrupt;

/// Messages in one request; as many as the producer has confirmed together.
const BATCH: usize = 256;

/// How long one batch is tried, however often it is refused.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request is answered by then: the producer gives up a confirm after 5 s.
const ANSWER: Duration = Duration::from_secs(30);

/// The pause before a batch is sent again.
const PAUSE: Duration = Duration::from_millis(500);

/// What was published.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// The ids that were confirmed.
    pub(super) ids: BTreeSet<String>,
    /// How often an order was sent again; each time it may have been there already.
    pub(super) repeats: usize,
}

/// Publishes orders.
#[derive(Debug)]
pub(super) struct Publisher {
    agent: Agent,
    url: String,
    interrupt: Interrupt,
}

/// What the producer answers to a batch, as far as it is needed (`POST /batch-produce`).
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    messages_produced: usize,
    /// One for each message, in order; absent when all were published.
    results: Option<Vec<Outcome>>,
    /// Why none was.
    detail: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    status: String,
    detail: Option<String>,
}

impl Publisher {
    /// A publisher by the producer at `producer`, a URL without a slash at the end.
    pub(super) fn new(producer: &str, interrupt: Interrupt) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(ANSWER))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .new_agent();
        Self { agent, url: format!("{producer}/batch-produce"), interrupt }
    }

    /// Publishes the orders 1 to `count`; all of them are confirmed.
    ///
    /// # Errors
    /// When some of a batch are not confirmed in time.
    pub(super) fn publish(&self, count: u32) -> anyhow::Result<Published> {
        let ids: Vec<_> = (1..=count).map(order_id).collect();
        let mut published = Published::default();
        for batch in ids.chunks(BATCH) {
            published.repeats += self.publish_batch(batch)?;
            published.ids.extend(batch.iter().cloned());
        }
        Ok(published)
    }

    /// Publishes until all are confirmed; gives how often one was sent again.
    fn publish_batch(&self, ids: &[String]) -> anyhow::Result<usize> {
        let begin = Instant::now();
        let mut waiting = ids.to_vec();
        let mut repeats = 0;
        loop {
            self.interrupt.check()?;
            let why = match self.send(&waiting) {
                Ok(answer) => {
                    let unpublished = answer.unpublished(&waiting);
                    waiting = unpublished;
                    answer.why()
                }
                Err(error) => format!("{error:#}"),
            };
            if waiting.is_empty() {
                return Ok(repeats);
            }
            if begin.elapsed() >= PATIENCE {
                bail!(
                    "{} messages are still not confirmed after {PATIENCE:?}: {why}",
                    waiting.len()
                );
            }
            repeats += waiting.len();
            thread::sleep(PAUSE);
        }
    }

    fn send(&self, ids: &[String]) -> anyhow::Result<Answer> {
        let request = self.agent.post(&self.url);
        let request = request.header("content-type", "application/json");
        let response = request.send(body(ids).to_string());
        let mut response = response.context("ask the producer to publish")?;
        let status = response.status();
        let text = response.body_mut().read_to_vec();
        let text = text.context("read the producer's answer")?;
        let answer = serde_json::from_slice(&text);
        answer.with_context(|| format!("the producer answered {status}"))
    }
}

/// The id of the order with this number. By the number the receiver knows the unlucky ones.
fn order_id(number: u32) -> String {
    format!("order-{number:06}")
}

fn body(ids: &[String]) -> Value {
    let message =
        |id: &String| json!({"id": id, "routing_key": "order.created", "payload": {"order": id}});
    json!({"messages": ids.iter().map(message).collect::<Vec<_>>()})
}

impl Answer {
    /// Those of `ids`, which were asked for, that were not published.
    fn unpublished(&self, ids: &[String]) -> Vec<String> {
        let Some(results) = &self.results else {
            let all = self.messages_produced == ids.len();
            return if all { Vec::new() } else { ids.to_vec() };
        };
        let published = |index| {
            let outcome: Option<&Outcome> = results.get(index);
            outcome.is_some_and(|outcome| outcome.status == "success")
        };
        let ids = ids.iter().enumerate();
        ids.filter(|(index, _)| !published(*index)).map(|(_, id)| id.clone()).collect()
    }

    fn why(&self) -> String {
        let mut results = self.results.iter().flatten();
        let first = results.find_map(|outcome| outcome.detail.clone());
        let why = first.or_else(|| self.detail.clone());
        why.unwrap_or_else(|| "the producer does not say why".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpublished(answer: &str) -> (Vec<String>, String) {
        let answer: Answer = serde_json::from_str(answer).expect("an answer");
        let ids: Vec<_> = (1..=3).map(order_id).collect();
        (answer.unpublished(&ids), answer.why())
    }

    #[test]
    fn only_a_confirm_counts_as_published() {
        let all = [1, 2, 3].map(order_id);
        assert!(unpublished(r#"{"status":"success","messages_produced":3}"#).0.is_empty());
        let partial = r#"{"status":"partial","messages_produced":2,"results":[
            {"index":0,"status":"success","message_id":"order-000001"},
            {"index":1,"status":"error","reason":"nacked","detail":"the queue is full"},
            {"index":2,"status":"success","message_id":"order-000003"}]}"#;
        let (left, why) = unpublished(partial);
        assert_eq!((left.as_slice(), why.as_str()), (&all[1..2], "the queue is full"));
        let cut = r#"{"status":"partial","messages_produced":1,"results":[{"status":"success"}]}"#;
        assert_eq!(unpublished(cut).0, all[1..]);
    }

    #[test]
    fn a_problem_publishes_nothing_and_says_why() {
        let (left, why) = unpublished(r#"{"title":"x","status":503,"detail":"blocked"}"#);
        assert_eq!((left.len(), why.as_str()), (3, "blocked"));
        let fewer = unpublished(r#"{"status":"success","messages_produced":2}"#).0;
        assert_eq!(fewer.len(), 3);
    }
}
