//! The surroundings of a pass, in memory: Secrets, passwords, and the statuses that were shown.

use std::{collections::BTreeMap, sync::Mutex};

use jiff::Timestamp;
use serde_json::Value;
use warren_api::{MessagePipeline, MessagePipelineStatus, conditions::ConditionType, schema};
use warren_broker::login::{Login, Secret};
use warren_operator::{
    brokers::Brokers,
    children::{ChildError, ChildKey, ChildStep, ChildrenReading},
    login::SecretData,
    pass::{Context, Pass, Request},
    pipeline::Holder,
    ports::{Account, PortError, Ports},
    reconcile,
    resources::broker_secret,
    settings::{Identity, Settings},
    status::condition,
    workers::WorkersReading,
};

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
        }
    }

    /// Another process with the same Secret and the passwords that were kept.
    pub(crate) fn restarted(&self) -> Self {
        Self {
            secrets: self.secrets.clone(),
            passwords: Mutex::new(self.passwords.lock().unwrap().clone()),
            published: Mutex::default(),
            context: Context { settings: settings(), brokers: Brokers::default() },
        }
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
        let workers = WorkersReading::default();
        let request = Request { object, previous, workers: &workers, now: noon() };
        reconcile::pipeline(self, &self.context, request).await
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

    async fn children(&self, _: &[ChildKey]) -> ChildrenReading {
        ChildrenReading::NotKept
    }

    async fn write(&self, step: &ChildStep) -> Result<(), ChildError> {
        panic!("nobody keeps objects here, but the plan says: {step}")
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
