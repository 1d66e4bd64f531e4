//! The broker and the receiver of `deploy/demo`, applied once for all stories.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use warren_broker::{
    login::{Login, Secret as Password},
    management::Management,
};
use warren_test_support::TestBroker;

use super::{Cluster, forward::Forward, receiver::Receiver, waiting::until};

/// Where broker and receiver run.
pub(crate) const NAMESPACE: &str = "warren-demo";
/// Where the example's pipeline belongs, and its Secret.
pub(crate) const SHOP: &str = "shop";
/// The Secret that the example names.
pub(crate) const SECRET: &str = "rabbitmq";
/// The manifests.
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/demo");
/// A broker takes some seconds to boot, and longer while everything else starts.
const BOOTED: Duration = Duration::from_secs(120);

/// The way to a broker in a cluster breaks at times.
const ANSWERED: Duration = Duration::from_secs(20);

/// What is on the stage.
pub(crate) struct Stage {
    /// The broker's administrator, reached from here.
    pub(crate) broker: TestBroker,
    /// The files of a login for pods.
    pub(crate) secret: BTreeMap<String, String>,
    /// The receiver.
    pub(crate) receiver: Receiver,
    /// The way to the broker.
    _amqp: Forward,
    management: Forward,
}

impl Stage {
    /// The stage; sets it for the first story that asks.
    pub(crate) async fn get() -> &'static Self {
        static STAGE: OnceCell<Stage> = OnceCell::const_new();
        STAGE.get_or_init(Self::set).await
    }

    async fn set() -> Self {
        let cluster = Cluster::get().await;
        cluster.apply(&manifests(cluster).await).await;
        for workload in ["statefulset/rabbitmq", "deployment/receiver"] {
            let rolled = ["rollout", "status", workload, "-n", NAMESPACE, "--timeout=120s"];
            cluster.kubectl(&rolled).await;
        }
        let secret = cluster.api::<Secret>(SHOP).get(SECRET).await.expect("the demo's Secret");
        let secret: BTreeMap<_, _> = secret.data.into_iter().flatten().collect();
        let text = |bytes| String::from_utf8(bytes).expect("a login is text");
        let secret: BTreeMap<_, _> =
            secret.into_iter().map(|(key, value)| (key, text(value.0))).collect();

        let rabbitmq = "app.kubernetes.io/name=rabbitmq";
        let amqp = Forward::open(cluster, NAMESPACE, rabbitmq, 5672).await;
        let management = Forward::open(cluster, NAMESPACE, rabbitmq, 15672).await;
        let password = Password::new(secret["password"].clone());
        let login = Login {
            port: amqp.port,
            management_uri: Some(management.url()),
            ..Login::new("127.0.0.1", secret["username"].clone(), password)
        };
        let receiver = Receiver::open(cluster, NAMESPACE).await;
        let broker = TestBroker {
            version: version(&login).await,
            management: Management::new(&login).expect("a login that was made here"),
            login,
        };
        Self { broker, secret, receiver, _amqp: amqp, management }
    }

    /// The names of all users of the broker.
    pub(crate) async fn users(&self) -> Vec<String> {
        self.names("users").await
    }

    /// The names of all virtual hosts of the broker.
    pub(crate) async fn vhosts(&self) -> Vec<String> {
        self.names("vhosts").await
    }

    async fn names(&self, kind: &str) -> Vec<String> {
        let answer = self.request(Method::GET, &[kind]).await;
        let all: Vec<Value> = serde_json::from_slice(&answer).expect("a list");
        all.iter().map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Deletes an object of the broker, whatever else depends on it.
    pub(crate) async fn delete(&self, path: &[&str]) {
        self.request(Method::DELETE, path).await;
    }

    /// A call of the management API that the product itself has no use for.
    async fn request(&self, method: Method, path: &[&str]) -> Vec<u8> {
        let mut url = Url::parse(&self.management.url()).expect("a URL");
        url.path_segments_mut().expect("an http URL").push("api").extend(path);
        let login = &self.broker.login;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        // What was asked for twice and is gone the second time is gone.
        let may_be_gone = method == Method::DELETE;
        until(ANSWERED, &format!("{method} {url} is answered"), async || {
            let request = client.request(method.clone(), url.clone());
            let request = request.basic_auth(&login.username, Some(login.password.reveal()));
            let answer = request.send().await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let is_gone = may_be_gone && status == StatusCode::NOT_FOUND;
            assert!(status.is_success() || is_gone, "{url}: {status}");
            answer.bytes().await.map_err(|error| error.to_string())
        })
        .await
        .to_vec()
    }
}

/// The version of the broker, once it answers.
async fn version(login: &Login) -> String {
    let management = Management::new(login).expect("a login that was made here");
    let overview = until(BOOTED, "the broker's management API answers", async || {
        management.overview().await.map_err(|error| error.to_string())
    });
    overview.await.version.to_string()
}

/// The demo as `kubectl apply -k` would apply it, with the images of this checkout.
async fn manifests(cluster: &Cluster) -> String {
    let text = cluster.kubectl(&["kustomize", DEMO]).await;
    let mut items: Vec<Value> = serde_saphyr::from_multiple(&text).expect("kustomize writes YAML");
    for item in &mut items {
        let containers = item.pointer_mut("/spec/template/spec/containers");
        for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
            let program = container["name"].as_str().expect("a container has a name");
            container["image"] = json!(cluster.image(program));
        }
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}
