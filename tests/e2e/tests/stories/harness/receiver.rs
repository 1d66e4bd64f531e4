//! The receiver in the cluster: what it got, and what it is told to answer.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;
use warren_receiver::book::Received;

use super::{Cluster, forward::Forward, waiting::until};

/// The way to a pod breaks at times.
const ANSWERED: Duration = Duration::from_secs(20);

/// A receiver.
pub(crate) struct Receiver {
    client: Client,
    port: Forward,
}

impl Receiver {
    /// The receiver that runs in this namespace.
    pub(crate) async fn open(cluster: &Cluster, namespace: &str) -> Self {
        let labels = "app.kubernetes.io/name=receiver";
        let port = Forward::open(cluster, namespace, labels, 8080).await;
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build();
        Self { client: client.expect("a client without TLS"), port }
    }

    /// Changes what a path answers.
    pub(crate) async fn tell(&self, behaviour: &Value) {
        let url = format!("{}/behaviour", self.port.url());
        let status = until(ANSWERED, "the receiver answers", async || {
            let request = self.client.post(&url).header("content-type", "application/json");
            let answer = request.body(behaviour.to_string()).send().await;
            answer.map(|answer| answer.status()).map_err(|error| error.to_string())
        });
        assert_eq!(status.await, StatusCode::NO_CONTENT, "{behaviour}");
    }

    /// What a path got.
    pub(crate) async fn received(&self, path: &str) -> Result<Received, String> {
        self.ask(&format!("{path}?")).await
    }

    /// The same with every message.
    pub(crate) async fn received_in_full(&self, path: &str) -> Result<Received, String> {
        self.ask(&format!("{path}?full")).await
    }

    /// Forgets what a path got.
    pub(crate) async fn forget(&self, path: &str) {
        let request = self.client.delete(format!("{}/received{path}", self.port.url()));
        let _ = request.send().await;
    }

    async fn ask(&self, path: &str) -> Result<Received, String> {
        let request = self.client.get(format!("{}/received{path}", self.port.url()));
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let bytes = answer.bytes().await.map_err(|error| error.to_string())?;
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    }
}
