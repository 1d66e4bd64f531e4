//! Producers to test: in this process over loopback, or as the program itself.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use warren_broker::{
    login::Login,
    publisher::{PublishError, PublisherState},
};
use warren_core::{config::ProducerConfig, message::Publication, topology::ExchangeKind};
use warren_producer::{
    auth::Bearer,
    http::{self, App},
    outlet::{Outlet, Publish},
    serve,
    settings::{Broker, Serve},
};
use warren_service::{
    admin::Admin,
    exit::Exit,
    health::{Liveness, Readiness, STALE_AFTER},
    server::{self, Limits},
    shutdown::{Shutdown, Trigger},
};
use warren_test_support::{TestVhost, wait_until};

/// How long anything may take that should take no time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The exchange of the pipeline under test.
pub(crate) const EXCHANGE: &str = "shop.orders";

/// The pipeline `shop/orders` as the operator would describe it.
pub(crate) fn pipeline() -> ProducerConfig {
    serde_saphyr::from_str("{pipeline: shop/orders, prefix: shop.orders, maxDelay: 20s}").unwrap()
}

/// An exchange of the pipeline, with one queue `q` that gets everything.
pub(crate) async fn topology(vhost: &TestVhost) {
    vhost.exchange(EXCHANGE, ExchangeKind::Topic).await;
    vhost.queue("q", []).await;
    vhost.bind(EXCHANGE, "#", "q").await;
}

/// A producer in this process.
pub(crate) struct Producer {
    pub(crate) address: SocketAddr,
    pub(crate) client: reqwest::Client,
    trigger: Trigger,
    running: JoinHandle<Exit>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts that it is a problem of this status, and gives its detail.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], status, "{self:?}");
        json["detail"].as_str().unwrap().to_owned()
    }
}

impl Producer {
    /// A producer of the pipeline on this broker, with its connection open.
    pub(crate) async fn on(vhost: &TestVhost) -> Self {
        Self::with(vhost, pipeline()).await
    }

    /// The same with another configuration.
    pub(crate) async fn with(vhost: &TestVhost, pipeline: ProducerConfig) -> Self {
        let settings = Serve {
            pipeline,
            broker: Broker::Values(Box::new(vhost.login.clone())),
            address: ([127, 0, 0, 1], 0).into(),
            pod_name: "test".to_owned(),
            bearer: None,
            body_deadline: http::BODY_DEADLINE,
        };
        let producer = Self::start(settings).await;
        wait_until(PATIENCE, "the producer is ready", async || {
            producer.get("/readyz").await.status == 200
        })
        .await;
        producer
    }

    /// Starts one and does not wait for its broker.
    pub(crate) async fn start(settings: Serve) -> Self {
        let listener = TcpListener::bind(settings.address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = Shutdown::manual();
        let running = async { serve::on(listener, settings, shutdown).await.unwrap() };
        Self { address, client: client(), trigger, running: tokio::spawn(running) }
    }

    /// One that publishes to `broker` instead of a broker.
    pub(crate) async fn scripted(
        broker: impl Publish,
        change: impl FnOnce(&mut App),
        bearer: Option<Bearer>,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = Shutdown::manual();
        let outlet = Outlet::new(ProducerConfig { max_message_bytes: 1000, ..pipeline() }, broker);
        let outlet = outlet.unwrap();
        let up = watch::channel(PublisherState::Up).1;
        let draining: CancellationToken = shutdown.draining().clone();
        let admin = Admin {
            metrics: outlet.metrics().registry().clone(),
            readiness: watch::channel(Readiness::ready("connected")).1,
            liveness: Liveness::start(STALE_AFTER).0,
        };
        let mut app = App::new(outlet, up, draining.clone());
        change(&mut app);
        let router = http::router(&app, admin, bearer);
        let running = async {
            server::serve(listener, router, Limits::default(), draining).await;
            Exit::Done
        };
        Self { address, client: client(), trigger, running: tokio::spawn(running) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.client.get(self.url(path))).await
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, body: impl Into<String>) -> Answer {
        let request = self.client.post(self.url(path)).body(body.into());
        answer(request.header("content-type", "application/json")).await
    }

    /// The value of a series in `/metrics`, by its name and a part of its labels.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> f64 {
        let text = self.get("/metrics").await.text;
        let mut lines = text.lines();
        let found = lines.find(|line| {
            let rest = line.strip_prefix(name).unwrap_or_default();
            rest.starts_with(['{', ' ']) && rest.contains(labels)
        });
        let line = found.unwrap_or_else(|| panic!("no {name} with {labels} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Begins the end, as SIGTERM does.
    pub(crate) fn drain(&self) {
        self.trigger.drain();
    }

    /// Waits for the end.
    pub(crate) async fn ended(self) -> Exit {
        timeout(PATIENCE, self.running).await.expect("the producer ends").unwrap()
    }

    pub(crate) async fn stop(self) {
        self.drain();
        assert_eq!(self.ended().await, Exit::Done);
    }
}

/// Sends a request and reads its answer whole.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = timeout(PATIENCE, request.send()).await.expect("an answer in time").unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: timeout(PATIENCE, response.text()).await.expect("a whole answer in time").unwrap(),
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A client that can misbehave.
pub(crate) struct RawClient(pub(crate) TcpStream);

impl RawClient {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self(TcpStream::connect(to).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let read = self.0.read_to_end(&mut all);
        let _ = timeout(PATIENCE, read).await.expect("the connection ends");
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Everything until `text` has come.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut all = String::new();
        let mut buffer = [0; 4096];
        while !all.contains(text) {
            let read = timeout(PATIENCE, self.0.read(&mut buffer)).await;
            let count = read.unwrap_or_else(|_| panic!("no {text:?} in {all:?}")).unwrap();
            assert!(count > 0, "the end came before {text:?}: {all:?}");
            all.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        all
    }
}

/// A broker that gives each message the same answer, and counts them.
#[derive(Clone)]
pub(crate) struct Always {
    answer: Result<(), PublishError>,
    pub(crate) asked: Arc<AtomicUsize>,
}

impl Always {
    pub(crate) fn new(answer: Result<(), PublishError>) -> Self {
        Self { answer, asked: Arc::default() }
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Publish for Always {
    fn publish(&self, _: Publication) -> BoxFuture<'_, Result<(), PublishError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(self.answer.clone()))
    }
}

/// The files of a login, as the operator mounts them.
pub(crate) fn broker_dir(login: &Login) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| std::fs::write(dir.path().join(name), content).unwrap();
    write("host", &login.host);
    write("port", &login.port.to_string());
    write("username", &login.username);
    write("password", login.password.reveal());
    write("vhost", &login.vhost);
    dir
}

/// The program with an environment of its own.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren-producer"));
    command.env_clear().kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program to its end.
pub(crate) async fn run(arguments: &[&str], dir: Option<&Path>, input: &str) -> Ran {
    let mut command = program();
    command.args(arguments).stdin(Stdio::piped());
    if let Some(dir) = dir {
        command.arg("--broker-dir").arg(dir);
    }
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that ends without reading its input is what some tests are about.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = timeout(PATIENCE, child.wait_with_output()).await;
    ran(output.expect("the program ends").unwrap())
}

pub(crate) fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
