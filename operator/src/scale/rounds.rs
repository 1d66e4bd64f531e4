//! I/O in: worker pods are asked how they are, on `/readyz`.
//!
//! Nothing is concluded here, and no answer is no statement.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::{Client, redirect};
use warren_core::names::QueueName;
use warren_service::health::Readiness;

use super::{endpoint::Answer, pods::ReadyPod};
use crate::resources::WORKER_PORT;

/// How long a pod may take to answer; it only has to look at itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The longest answer that is read, in bytes; what a worker says is far shorter.
const ANSWER_MAX: usize = 16 * 1024;

/// How many pods of a pipeline are asked at once.
const AT_ONCE: usize = 16;

/// Asks pods how they are. Clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Rounds(Client);

/// The pods to ask, by queue.
pub(crate) type Ward = Vec<(QueueName, Vec<ReadyPod>)>;

/// What the pods of each queue answered.
pub(crate) type Answers = Vec<(QueueName, Vec<Answer>)>;

impl Rounds {
    /// Asks nobody yet.
    ///
    /// # Panics
    /// Never: nothing is read from this machine that could be missing.
    pub(crate) fn new() -> Self {
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .redirect(redirect::Policy::none())
            .timeout(ANSWER_WITHIN)
            .build();
        Self(client.expect("a client without certificates and proxies needs nothing from outside"))
    }

    /// Asks all these pods once.
    pub(crate) async fn make(self, ward: Ward) -> Answers {
        let mut answers = Vec::new();
        for (queue, pods) in ward {
            let questions = pods.into_iter().map(|pod| self.ask(pod));
            let said = stream::iter(questions).buffer_unordered(AT_ONCE).collect().await;
            answers.push((queue, said));
        }
        answers
    }

    async fn ask(&self, pod: ReadyPod) -> Answer {
        let said = match &pod.address {
            Some(address) => self.read(address).await,
            None => None,
        };
        Answer { pod: pod.name, said }
    }

    async fn read(&self, address: &str) -> Option<Readiness> {
        // An address of IPv6 stands in brackets.
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let url = format!("http://{host}:{WORKER_PORT}/readyz");
        let mut response = self.0.get(url).send().await.ok()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_MAX {
                return None;
            }
        }
        serde_json::from_slice(&body).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pod_that_does_not_answer_says_nothing() {
        let queue = QueueName::new("email").unwrap();
        let pods = ["127.0.0.1", "::1"].map(|address| ReadyPod {
            name: address.to_owned(),
            address: Some(format!("{address}%invalid")),
        });
        let nowhere = ReadyPod { name: "nowhere".to_owned(), address: None };
        let ward = vec![(queue, pods.into_iter().chain([nowhere]).collect())];
        let answers = Rounds::new().make(ward).await;
        assert_eq!(answers[0].1.len(), 3);
        assert!(answers[0].1.iter().all(|answer| answer.said.is_none()));
    }
}
