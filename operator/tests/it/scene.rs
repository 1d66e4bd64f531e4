//! The surroundings of a pass, in memory: Secrets, passwords, and the statuses that were shown.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use warren_api::{MessagePipeline, MessagePipelineStatus, conditions::ConditionType, schema};
use warren_broker::login::{Login, Secret};
use warren_operator::{
    brokers::Brokers,
    children::{ChildError, ChildKey, ChildKind, ChildStep, ChildrenReading},
    login::SecretData,
    memory::Memory,
    pass::{Context, Pass, Request},
    pipeline::Holder,
    ports::{Account, PortError, Ports},
    reconcile,
    resources::broker_secret,
    settings::{Identity, ImagePull, Settings},
    status::condition,
    workers::WorkersReading,
};

use crate::server::Server;

/// The smallest pipeline there is.
pub(crate) const MINIMAL: &str = "
apiVersion: warren.dev/v1alpha1
kind: MessagePipeline
metadata: {name: orders, namespace: shop}
spec:
  broker: {secretRef: {name: rabbitmq}}
  queues:
  - name: email
    handler: {log: {}}
";

/// Surroundings in memory; as a process they begin with nothing but the Secret.
pub(crate) struct Scene {
    pub(crate) secrets: BTreeMap<String, SecretData>,
    pub(crate) passwords: Mutex<BTreeMap<String, Secret>>,
    pub(crate) published: Mutex<Vec<MessagePipelineStatus>>,
    pub(crate) context: Context,
    /// What passes remember.
    pub(crate) memory: Mutex<Memory>,
    /// The objects of an API server; nothing where nobody keeps any.
    pub(crate) children: Mutex<Option<Server>>,
    /// The time of the next pass.
    pub(crate) now: Mutex<Timestamp>,
}

/// An object as an API server would give it: from YAML, with every default.
pub(crate) fn object(yaml: &str) -> MessagePipeline {
    object_of(&serde_saphyr::from_str(yaml).unwrap())
}

/// The same from JSON.
pub(crate) fn object_of(value: &Value) -> MessagePipeline {
    let mut object: MessagePipeline = serde_json::from_value(schema::with_defaults(value)).unwrap();
    object.metadata.generation.get_or_insert(1);
    object
}

/// What the operator is told in tests.
pub(crate) fn settings() -> Settings {
    Settings {
        identity: Identity::Local,
        worker_image: "warren-worker:test".to_owned(),
        producer_image: "warren-producer:test".to_owned(),
        pull: ImagePull::default(),
    }
}

/// A moment that never changes, for what does not depend on it.
pub(crate) fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

impl Scene {
    /// A process whose broker Secret holds this login.
    pub(crate) fn new(login: &Login) -> Self {
        let mut data = broker_secret::files(login, None);
        let management = login.management_url().into_bytes();
        data.insert("management-uri".to_owned(), management);
        Self {
            secrets: BTreeMap::from([("rabbitmq".to_owned(), data)]),
            passwords: Mutex::default(),
            published: Mutex::default(),
            context: Context { settings: settings(), brokers: Brokers::default() },
            memory: Mutex::default(),
            children: Mutex::default(),
            now: Mutex::new(noon()),
        }
    }

    /// Another process with the same Secret and the passwords that were kept.
    pub(crate) fn restarted(&self) -> Self {
        Self {
            secrets: self.secrets.clone(),
            passwords: Mutex::new(self.passwords.lock().unwrap().clone()),
            published: Mutex::default(),
            context: Context { settings: settings(), brokers: Brokers::default() },
            memory: Mutex::default(),
            children: Mutex::new(self.children.lock().unwrap().clone()),
            now: Mutex::new(self.now()),
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    /// As if this long had passed.
    pub(crate) fn wait(&self, duration: Duration) {
        *self.now.lock().unwrap() += duration;
    }

    /// One pass over an object that was never seen before.
    pub(crate) async fn first_pass(&self, object: &MessagePipeline) -> Pass {
        self.pass(object, &MessagePipelineStatus::default()).await
    }

    /// One pass after another.
    pub(crate) async fn pass(
        &self,
        object: &MessagePipeline,
        previous: &MessagePipelineStatus,
    ) -> Pass {
        let (workers, memory) = (WorkersReading::default(), self.memory());
        let request =
            Request { object, previous, workers: &workers, memory: &memory, now: self.now() };
        self.remembered(reconcile::pipeline(self, &self.context, request).await)
    }

    /// One pass over an object that is being deleted.
    pub(crate) async fn deletion(
        &self,
        object: &MessagePipeline,
        previous: &MessagePipelineStatus,
    ) -> Pass {
        let (workers, memory) = (WorkersReading::default(), self.memory());
        let request =
            Request { object, previous, workers: &workers, memory: &memory, now: self.now() };
        self.remembered(reconcile::deletion(self, &self.context, request).await)
    }

    /// A Deployment has pods.
    pub(crate) fn set_replicas(&self, deployment: &str, wanted: u32, running: u32) {
        self.with_deployment(deployment, |live| {
            live["spec"]["replicas"] = wanted.into();
            live["status"]["replicas"] = running.into();
        });
    }

    /// How many pods a Deployment shall have, and has.
    pub(crate) fn replicas(&self, deployment: &str) -> (u64, u64) {
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        self.with_deployment(deployment, |live| {
            (count(&live["spec"]["replicas"]), count(&live["status"]["replicas"]))
        })
    }

    fn with_deployment<T>(&self, name: &str, f: impl FnOnce(&mut Value) -> T) -> T {
        let mut children = self.children.lock().unwrap();
        let server = children.as_mut().expect("somebody keeps objects");
        f(server.object(&ChildKey::new(ChildKind::Deployment, name)))
    }

    fn memory(&self) -> Memory {
        self.memory.lock().unwrap().clone()
    }

    fn remembered(&self, pass: Pass) -> Pass {
        self.memory.lock().unwrap().clone_from(&pass.memory);
        pass
    }

    /// The calls that changed something on the broker of this login.
    pub(crate) fn writes(&self, login: &Login) -> u64 {
        let login = Login { management_uri: Some(login.management_url()), ..login.clone() };
        self.context.brokers.client(&login).unwrap().writes()
    }

    /// The login of a user whose password was kept.
    pub(crate) fn login_of(&self, login: &Login, user: &str) -> Login {
        Login {
            username: user.to_owned(),
            password: self.passwords.lock().unwrap()[user].clone(),
            ..login.clone()
        }
    }
}

impl Ports for Scene {
    async fn secret(&self, name: &str) -> Result<Option<SecretData>, PortError> {
        Ok(self.secrets.get(name).cloned())
    }

    async fn password(&self, _: &Holder, user: &str) -> Result<Option<Secret>, PortError> {
        Ok(self.passwords.lock().unwrap().get(user).cloned())
    }

    async fn keep_password(&self, account: Account<'_>) -> Result<(), PortError> {
        let mut passwords = self.passwords.lock().unwrap();
        passwords.insert(account.user.to_owned(), account.password.clone());
        Ok(())
    }

    async fn hold(&self) -> Result<(), PortError> {
        Ok(())
    }

    async fn children(&self, _: &[ChildKey]) -> ChildrenReading {
        let children = self.children.lock().unwrap();
        children.as_ref().map_or(ChildrenReading::NotKept, Server::reading)
    }

    async fn write(&self, step: &ChildStep) -> Result<(), ChildError> {
        let mut children = self.children.lock().unwrap();
        let Some(server) = children.as_mut() else {
            panic!("nobody keeps objects here, but the plan says: {step}");
        };
        server.write(step);
        Ok(())
    }

    async fn publish(&self, status: &MessagePipelineStatus) -> Result<(), PortError> {
        self.published.lock().unwrap().push(status.clone());
        Ok(())
    }
}

/// A condition as `status reason`, or nothing.
pub(crate) fn says(status: &MessagePipelineStatus, wanted: ConditionType) -> String {
    condition(status, wanted).map_or_else(String::new, |c| format!("{} {}", c.status, c.reason))
}

/// The message of a condition.
pub(crate) fn message(status: &MessagePipelineStatus, wanted: ConditionType) -> String {
    condition(status, wanted).unwrap().message.clone()
}
