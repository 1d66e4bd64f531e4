//! Publishing over the producer of a pipeline, as a program of a user does.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Client;
use serde_json::{Value, json};

use super::{Cluster, forward::Forward, waiting::until};

/// Messages in one request; as many as the producer has confirmed together.
const BATCH: usize = 256;

/// A pod starts within seconds.
const READY: Duration = Duration::from_secs(60);

/// The producer of a pipeline.
pub(crate) struct Producer {
    client: Client,
    port: Forward,
}

impl Producer {
    /// The producer of this pipeline, once it is ready.
    pub(crate) async fn open(cluster: &Cluster, namespace: &str, pipeline: &str) -> Self {
        let labels = format!("warren.dev/pipeline={pipeline},warren.dev/queue=producer");
        let port = Forward::open(cluster, namespace, &labels, 5000).await;
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build();
        let producer = Self { client: client.expect("a client without TLS"), port };
        let ready = format!("{}/readyz", producer.port.url());
        until(READY, &format!("the producer of {pipeline} is ready"), async || {
            let answer = producer.client.get(&ready).send().await;
            let status = answer.map_err(|error| error.to_string())?.status();
            if status.is_success() { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
        producer
    }

    /// Publishes messages with these ids, each batch once; gives the ids that got a 2xx. Under
    /// pressure these may be fewer.
    pub(crate) async fn publish(&self, ids: &[String], routing_key: &str) -> BTreeSet<String> {
        let mut accepted = BTreeSet::new();
        for batch in ids.chunks(BATCH) {
            accepted.extend(self.batch(batch, routing_key).await);
        }
        accepted
    }

    async fn batch(&self, ids: &[String], routing_key: &str) -> Vec<String> {
        let message =
            |id: &String| json!({"id": id, "routing_key": routing_key, "payload": {"order": id}});
        let messages: Vec<Value> = ids.iter().map(message).collect();
        let request = self.client.post(format!("{}/batch-produce", self.port.url()));
        let request = request.header("content-type", "application/json");
        let answer = request.body(json!({ "messages": messages }).to_string()).send().await;
        let answer = answer.expect("the producer answers");
        let status = answer.status().as_u16();
        let said = answer.bytes().await.expect("an answer to its end");
        let said: Value = serde_json::from_slice(&said).expect("JSON");
        match status {
            200 => ids.to_vec(),
            207 => said["results"]
                .as_array()
                .expect("one result a message")
                .iter()
                .filter(|result| result["status"] == "success")
                .map(|result| result["message_id"].as_str().expect("an id").to_owned())
                .collect(),
            // The broker's refusals, and a confirm that did not come: no promise was made.
            429 | 503 | 504 => {
                println!("the producer answered {status}: {said}");
                Vec::new()
            }
            _ => panic!("the producer answered {status}: {said}"),
        }
    }
}

/// Ids that no other story has.
pub(crate) fn ids(what: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{what}-{number:06}")).collect()
}
