//! A port of a pod as a port of this machine.
//!
//! Through the API server, because nothing else of a cluster need be reachable from here. Each
//! connection looks for a ready pod anew, so that a pod may be replaced meanwhile.

use std::{net::Ipv4Addr, time::Duration};

use futures_util::FutureExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Portforwarder},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::cluster::{Cluster, runtime};

/// How long a connection may wait for a way to the pod.
const REACHED: Duration = Duration::from_secs(2);
/// How long until it is asked for again.
const STEP: Duration = Duration::from_millis(100);

/// A forwarded port, until it is dropped.
pub(crate) struct Forward {
    /// The port on the loopback address of this machine.
    pub(crate) port: u16,
    accepting: JoinHandle<()>,
}

impl Forward {
    /// Forwards a port of whichever ready pod carries these labels.
    pub(crate) async fn open(cluster: &Cluster, namespace: &str, labels: &str, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let here = listener.local_addr().expect("a listener has an address").port();
        let pods: Api<Pod> = cluster.api(namespace);
        let labels = labels.to_owned();
        let accepting = runtime().spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (pods, labels) = (pods.clone(), labels.clone());
                runtime().spawn(async move {
                    // Whoever asked sees the connection close, and asks again where that may be.
                    if let Err(error) = carry(&pods, &labels, port, connection).await {
                        println!("the way to port {port} of {labels} broke: {error}");
                    }
                });
            }
        });
        Self { port: here, accepting }
    }

    /// The address as the beginning of a URL.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(
    pods: &Api<Pod>,
    labels: &str,
    port: u16,
    mut here: TcpStream,
) -> Result<(), String> {
    let mut forwarded = wait_for_way(pods, labels, port).await?;
    let mut there = forwarded.take_stream(port).expect("the port that was asked for");
    let broken = forwarded.take_error(port).expect("asked for once");
    // However it ends, it ends: the side that still wants something sees the connection close.
    let copied = copy_bidirectional(&mut here, &mut there).await;
    drop((here, there));
    match broken.now_or_never().flatten() {
        Some(error) => Err(error),
        None => copied.map(drop).map_err(|error| error.to_string()),
    }
}

/// Nothing has been sent yet, so a way that cannot be had at once is asked for again.
async fn wait_for_way(pods: &Api<Pod>, labels: &str, port: u16) -> Result<Portforwarder, String> {
    let deadline = Instant::now() + REACHED;
    loop {
        match way(pods, labels, port).await {
            Err(_) if Instant::now() < deadline => sleep(STEP).await,
            result => return result,
        }
    }
}

async fn way(pods: &Api<Pod>, labels: &str, port: u16) -> Result<Portforwarder, String> {
    let list = pods.list(&ListParams::default().labels(labels)).await;
    let list = list.map_err(|error| error.to_string())?;
    let pod = list.into_iter().find(is_ready).ok_or("no pod is ready")?;
    let forwarded = pods.portforward(&pod.name_any(), &[port]).await;
    forwarded.map_err(|error| error.to_string())
}

/// Whether a pod takes requests and is not about to go.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"));
    ready && pod.metadata.deletion_timestamp.is_none()
}
