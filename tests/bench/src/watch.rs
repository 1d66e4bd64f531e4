//! The least that can stand in for an idle operator: it watches what the operator watches, asks the
//! broker what the operator must ask as often as it must, in the fewest calls, and does nothing.
//!
//! It is the floor that `cargo xtask bench` prints the operator's figures beside.

use std::io::{Write, sink, stdin, stdout};
use std::sync::{Arc, atomic::AtomicU32, atomic::Ordering::Relaxed};
use std::{fs, path::Path, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Parser;
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Config, Resource, client::ClientBuilder, core::NamespaceResourceScope};
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Connection, ConnectionProperties, options::QueueDeclareOptions};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{Instant, interval, sleep};
use tower::util::MapRequestLayer;
use warren_api::MessagePipeline;

/// The label of all that is made for pipelines.
const OURS: &str = "app.kubernetes.io/managed-by=warren-operator";
/// How many messages are where, and how many seconds apart that is asked.
const NUMBERS: [&str; 2] =
    ["queues/VHOST?disable_stats=true&enable_queue_totals=true", "queues/VHOST"];
const NUMBERS_EVERY: u32 = 5;
/// All objects of a virtual host, and how many seconds apart they are asked for.
const OBJECTS: [&str; 6] = [
    "exchanges/VHOST",
    "queues/VHOST?disable_stats=true",
    "bindings/VHOST",
    "policies/VHOST",
    "vhosts/VHOST/permissions",
    "users",
];
const OBJECTS_EVERY: u32 = 60;

/// Watches and asks as an idle operator must, and says how many calls that took
#[derive(Parser)]
struct Args {
    /// A folder with the files host, port, username, password, vhost and management-uri
    broker_dir: PathBuf,
    namespace: String,
    /// The Secret that every pipeline reads its login from
    secret: String,
    /// A file with the full name of the queue of each pipeline, one a line
    queues: PathBuf,
    /// After how many seconds counting begins, and for how many it goes on
    settle: u64,
    idle: u64,
}

#[derive(Default)]
struct Calls {
    api_server: AtomicU32,
    management: AtomicU32,
}

struct Broker {
    channel: Channel,
    http: reqwest::Client,
    folder: PathBuf,
    calls: Arc<Calls>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let calls = Arc::new(Calls::default());
    let client = client(Arc::clone(&calls)).await.context("find the API server")?;
    let namespace = &args.namespace;
    watch::<MessagePipeline>(&client, namespace, None);
    watch::<Deployment>(&client, namespace, Some(OURS));
    watch::<ConfigMap>(&client, namespace, Some(OURS));
    watch::<Service>(&client, namespace, Some(OURS));
    watch::<ServiceAccount>(&client, namespace, Some(OURS));
    watch::<PodDisruptionBudget>(&client, namespace, Some(OURS));
    watch::<Pod>(&client, namespace, Some(OURS));
    watch::<HorizontalPodAutoscaler>(&client, namespace, None);
    let queues = fs::read_to_string(&args.queues).context("read the names of the queues")?;
    let broker = Broker::open(args.broker_dir.clone(), Arc::clone(&calls)).await?;
    let secrets = Api::<Secret>::namespaced(client, namespace);
    let asking = async {
        let mut seconds = interval(Duration::from_secs(1));
        for second in 0_u32.. {
            seconds.tick().await;
            broker.ask(second, &queues).await?;
            if second.is_multiple_of(OBJECTS_EVERY) {
                for _ in queues.lines() {
                    secrets.get(&args.secret).await?;
                }
            }
        }
        anyhow::Ok(())
    };
    tokio::select! {
        failed = asking => failed,
        told = wait_and_tell(&calls, args.settle, args.idle) => told,
    }
}

/// Says what was counted, and goes on until standard input is closed.
async fn wait_and_tell(calls: &Calls, settle: u64, idle: u64) -> anyhow::Result<()> {
    let now = || [&calls.api_server, &calls.management].map(|count| count.load(Relaxed));
    sleep(Duration::from_secs(settle)).await;
    let (begun, before) = (Instant::now(), now());
    sleep(Duration::from_secs(idle)).await;
    let after = now();
    let figures = json!({
        "seconds": begun.elapsed().as_secs_f64(),
        "apiServer": after[0] - before[0], "management": after[1] - before[1],
    });
    writeln!(stdout(), "{figures}")?;
    tokio::task::spawn_blocking(|| std::io::copy(&mut stdin(), &mut sink())).await??;
    Ok(())
}

async fn client(calls: Arc<Calls>) -> anyhow::Result<Client> {
    let counted = MapRequestLayer::new(move |request| {
        calls.api_server.fetch_add(1, Relaxed);
        request
    });
    let builder = ClientBuilder::try_from(Config::infer().await?)?;
    Ok(builder.with_layer(&counted).build())
}

fn watch<K>(client: &Client, namespace: &str, labels: Option<&str>)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let config =
        watcher::Config { label_selector: labels.map(str::to_owned), ..Default::default() };
    let (_, writer) = reflector::store::<K>();
    let events = watcher(Api::namespaced(client.clone(), namespace), config).default_backoff();
    let events = events.modify(|object: &mut K| object.meta_mut().managed_fields = None);
    tokio::spawn(events.reflect(writer).for_each(|_| std::future::ready(())));
}

impl Broker {
    async fn open(folder: PathBuf, calls: Arc<Calls>) -> anyhow::Result<Self> {
        let file = |name| file(&folder, name);
        let userinfo = AMQPUserInfo { username: file("username")?, password: file("password")? };
        let (host, port) = (file("host")?, file("port")?.parse().context("read port")?);
        let authority = AMQPAuthority { userinfo, host, port };
        let (scheme, query) = (AMQPScheme::AMQP, AMQPQueryString::default());
        let uri = AMQPUri { scheme, authority, vhost: file("vhost")?, query };
        let named = ConnectionProperties::default().with_connection_name("bare-watch".into());
        let channel = Connection::connect_uri(uri, named).await?.create_channel().await?;
        Ok(Self { channel, http: reqwest::Client::new(), folder, calls })
    }

    async fn ask(&self, second: u32, queues: &str) -> anyhow::Result<()> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        for queue in queues.lines() {
            self.channel.queue_declare(queue.into(), passive, FieldTable::default()).await?;
        }
        let due = |list: &'static [&str], every| {
            list.iter().filter(move |_| second.is_multiple_of(every)).copied()
        };
        for path in due(&NUMBERS, NUMBERS_EVERY).chain(due(&OBJECTS, OBJECTS_EVERY)) {
            self.get(path).await?;
        }
        Ok(())
    }

    async fn get(&self, path: &str) -> anyhow::Result<()> {
        let file = |name| file(&self.folder, name);
        let url = format!("{}/api/{path}", file("management-uri")?);
        let url = url.replace("VHOST", &file("vhost")?);
        let call = self.http.get(url).basic_auth(file("username")?, Some(file("password")?));
        self.calls.management.fetch_add(1, Relaxed);
        call.send().await?.error_for_status()?.bytes().await?;
        Ok(())
    }
}

fn file(folder: &Path, name: &str) -> anyhow::Result<String> {
    let text = fs::read_to_string(folder.join(name));
    text.map(|text| text.trim_end().to_owned()).with_context(|| format!("read {name}"))
}
