//! A queue on a real broker, an endpoint, and workers as processes.

use std::{
    collections::BTreeMap,
    io::Write,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use warren_broker::{login::Login, publisher::Publisher};
use warren_core::{
    config::{Unrouted, WorkerConfig},
    headers,
    message::{Incoming, Message, Publication},
    names::Prefix,
    owner::Owner,
    topology::{
        Arguments, BindingRule, BrokerFacts, ExchangeKind, Layout, Policy, QueueLayout,
        QueueLimits, desired,
    },
};
use warren_test_support::{Received, Receiver, TestVhost, wait_until};

/// How long anything in these tests may take that should take seconds.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// One queue with its worker configuration.
pub(crate) struct Rig<'a> {
    pub(crate) vhost: &'a TestVhost,
    pub(crate) config: WorkerConfig,
    pub(crate) publisher: Publisher,
    directory: TempDir,
}

/// A worker process; it is killed when the test is over.
pub(crate) struct Worker {
    child: Child,
    pub(crate) port: u16,
}

impl<'a> Rig<'a> {
    /// Declares the queue and writes the files a worker reads. `settings` are lines of
    /// `worker.yaml`; what they do not name has a value that suits a test.
    pub(crate) async fn new(vhost: &'a TestVhost, settings: &str) -> Rig<'a> {
        let text = filled(settings);
        let config: WorkerConfig = serde_saphyr::from_str(&text).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("worker.yaml"), &text).unwrap();
        write_login(&directory, &vhost.login);
        let version = vhost.management.overview().await.unwrap().version;
        vhost.declare(&desired(&layout(&config), BrokerFacts { version })).await;
        let publisher = vhost.patient_publisher().await;
        Self { vhost, config, publisher, directory }
    }

    /// Publishes one message with this id.
    pub(crate) async fn publish(&self, id: impl Into<String>) {
        self.publish_message(id, Message { body: "{}".into(), ..Message::default() }).await;
    }

    /// Publishes a message under this id.
    pub(crate) async fn publish_message(&self, id: impl Into<String>, mut message: Message) {
        message.properties.message_id = Some(id.into());
        let exchange = self.config.prefix.to_string();
        let routing_key = "order.new".to_owned();
        let publication = Publication { exchange, routing_key, message };
        let published = self.publisher.publish(publication.clone()).await;
        published.unwrap_or_else(|error| panic!("{error}: {:?}", publication.message));
    }

    /// Publishes messages `0..count`, many at a time.
    pub(crate) async fn publish_many(&self, count: usize) {
        let ids: Vec<usize> = (0..count).collect();
        for some in ids.chunks(200) {
            let all = some.iter().map(|id| self.publish(id.to_string()));
            futures_util::future::join_all(all).await;
        }
    }

    /// Starts a worker.
    pub(crate) fn worker(&self, pod: &str) -> Worker {
        self.worker_with(pod, &[])
    }

    /// Starts a worker with further environment variables.
    pub(crate) fn worker_with(&self, pod: &str, environment: &[(&str, &str)]) -> Worker {
        let port = free_port();
        let log = std::fs::File::create(self.directory.path().join(format!("{pod}.log"))).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_warren-worker"))
            .arg("run")
            .arg("--config")
            .arg(self.directory.path().join("worker.yaml"))
            .arg("--broker-dir")
            .arg(self.directory.path().join("broker"))
            .env("POD_NAME", pod)
            .env("WARREN_HTTP_PORT", port.to_string())
            .env("WARREN_HTTP_HOST", "127.0.0.1")
            .env("WARREN_LOG_FORMAT", "text")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Worker { child, port }
    }

    /// What a worker has logged.
    pub(crate) fn log(&self, pod: &str) -> String {
        let file = self.directory.path().join(format!("{pod}.log"));
        std::fs::read_to_string(file).unwrap_or_default()
    }

    /// Writes another login where running workers read theirs.
    pub(crate) fn change_login(&self, login: &Login) {
        write_login(&self.directory, login);
    }

    /// The main queue.
    pub(crate) fn main(&self) -> String {
        self.config.prefix.main(&self.config.queue)
    }

    /// The dead-letter queue.
    pub(crate) fn dead(&self) -> String {
        self.config.prefix.dead(&self.config.queue)
    }

    /// Waits until this many dead letters are there, and takes them.
    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<Incoming> {
        self.wait_ready(&self.dead(), count).await;
        self.vhost.take(&self.dead(), count).await
    }

    /// Waits until this many messages are ready in a queue.
    pub(crate) async fn wait_ready(&self, queue: &str, count: usize) {
        wait_until(SOON, &format!("{count} messages in {queue}"), async || {
            self.vhost.depth(queue).await.ready as usize >= count
        })
        .await;
    }

    /// Waits until every one of `published` messages is done or a dead letter.
    pub(crate) async fn settled(&self, receiver: &Receiver, published: usize) {
        wait_until(SOON * 2, &format!("{published} messages are settled"), async || {
            let requests = receiver.requests();
            let done = requests.iter().filter(|r| r.status < 300).map(id);
            let dead = self.vhost.depth(&self.dead()).await.ready as usize;
            counted(done).len() + dead >= published
        })
        .await;
    }

    /// Waits until, for longer than any tier's delay, nothing waits and this worker does nothing.
    #[cfg(feature = "failpoints")]
    pub(crate) async fn comes_to_rest(&self, worker: &Worker) {
        let (prefix, queue) = (&self.config.prefix, &self.config.queue);
        let tiers = self.config.retry.tiers().iter().map(|tier| prefix.tier(queue, *tier));
        let queues: Vec<String> = tiers.chain([self.main()]).collect();
        let rest = self.config.retry.largest_tier() + Duration::from_secs(1);
        let mut since = None;
        wait_until(SOON * 2, "the queue comes to rest", async || {
            let mut waiting = 0;
            for queue in &queues {
                waiting += self.vhost.depth(queue).await.ready;
            }
            let begun = worker.metric("messages_consumed_total", "").await;
            let settled = worker.metric("warren_worker_settled_total", "").await;
            if waiting > 0 || (begun - settled).abs() > 0.5 {
                since = None;
            }
            since.get_or_insert_with(std::time::Instant::now).elapsed() > rest
        })
        .await;
    }

    /// Lets the dead-letter queue hold at most this many bytes.
    pub(crate) async fn limit_dead(&self, bytes: i64) {
        let name = self.dead();
        let policy = Policy {
            pattern: format!("^{}$", name.replace('.', "\\.")),
            name,
            apply_to: "queues",
            definition: [
                ("overflow".to_owned(), "reject-publish".into()),
                ("max-length-bytes".to_owned(), bytes.into()),
            ]
            .into(),
        };
        self.vhost.management.put_policy(&self.vhost.name, &policy).await.unwrap();
    }
}

impl Worker {
    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end, and gives the exit code; nothing for a death by signal.
    pub(crate) async fn end(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until(SOON, "the worker has ended", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.and_then(|status| status.code())
    }

    /// The body of `/readyz`.
    pub(crate) async fn readiness(&self) -> Option<serde_json::Value> {
        let body = self.get("/readyz").await?;
        serde_json::from_str(&body).ok()
    }

    /// Waits until `/readyz` shows this state, and this reason where one is given.
    pub(crate) async fn shows(&self, state: &str, reason: Option<&str>) {
        let what = format!("the worker shows {state} {reason:?}");
        wait_until(SOON, &what, async || {
            self.readiness().await.is_some_and(|shown| {
                shown["state"] == state && reason.is_none_or(|reason| shown["reason"] == reason)
            })
        })
        .await;
    }

    /// A sample of `/metrics`: the sum of all series of this name and these labels.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> f64 {
        let text = self.get("/metrics").await.unwrap_or_default();
        let of_name =
            |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let samples = text.lines().filter(of_name).filter(|line| line.contains(labels));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    async fn get(&self, path: &str) -> Option<String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        reqwest::get(url).await.ok()?.text().await.ok()
    }

    /// Whether the process is gone.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The id of the message of a request.
pub(crate) fn id(request: &Received) -> &str {
    request.id.as_deref().unwrap_or_default()
}

/// The number of the attempt of a request.
pub(crate) fn nth(request: &Received) -> u32 {
    request.attempt.unwrap_or_default()
}

/// How often each id was seen.
pub(crate) fn counted<'a>(ids: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for id in ids {
        *counts.entry(id.to_owned()).or_default() += 1;
    }
    counts
}

/// The text of a header.
pub(crate) fn header<'a>(message: &'a Incoming, name: &str) -> &'a str {
    let value = message.message.headers.get(name);
    value.and_then(warren_core::message::Value::as_text).unwrap_or_default()
}

/// The number of the attempt a copy is for.
pub(crate) fn attempt(message: &Incoming) -> i64 {
    let value = message.message.headers.get(headers::ATTEMPT);
    value.and_then(warren_core::message::Value::as_int).unwrap_or_default()
}

fn filled(settings: &str) -> String {
    let defaults = [
        ("pipeline", "shop/orders"),
        ("prefix", "shop.orders"),
        ("queue", "email"),
        ("retry", "{attempts: 5, backoff: {type: Custom, delays: [200ms, 600ms]}}"),
        ("concurrency", "10"),
        ("prefetch", "10"),
        ("taskTimeout", "60s"),
        ("drainTimeout", "30s"),
        ("consumerTimeout", "30m"),
    ];
    let given = |name: &str| settings.lines().any(|line| line.starts_with(&format!("{name}:")));
    let mut text = settings.trim().to_owned();
    for (name, value) in defaults.into_iter().filter(|(name, _)| !given(name)) {
        text.extend(["\n", name, ": ", value]);
    }
    text.push('\n');
    text
}

fn layout(config: &WorkerConfig) -> Layout {
    let rule = BindingRule { routing_key: "order.*".to_owned(), arguments: Arguments::new() };
    let owner: Owner = "local/shop/orders/test".parse().unwrap();
    Layout {
        prefix: Prefix::clone(&config.prefix),
        owner,
        exchange: ExchangeKind::Topic,
        unrouted: Unrouted::Capture,
        queues: vec![QueueLayout {
            name: config.queue.clone(),
            bindings: vec![rule],
            tiers: config.retry.tiers().to_vec(),
            limits: QueueLimits {
                delivery_limit: config.delivery_limit,
                max_length: None,
                max_length_bytes: None,
                message_ttl: None,
                consumer_timeout: config.consumer_timeout,
                dead_max_length_bytes: None,
                dead_retention: None,
            },
        }],
    }
}

fn write_login(directory: &TempDir, login: &Login) {
    let broker: PathBuf = directory.path().join("broker");
    std::fs::create_dir_all(&broker).unwrap();
    let port = login.port.to_string();
    for (name, value) in [
        ("host", login.host.as_str()),
        ("port", port.as_str()),
        ("username", login.username.as_str()),
        ("password", login.password.reveal()),
        ("vhost", login.vhost.as_str()),
    ] {
        let mut file = std::fs::File::create(broker.join(name)).unwrap();
        file.write_all(value.as_bytes()).unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
