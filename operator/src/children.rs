//! The Kubernetes objects made for a pipeline: what there is, and how one is written.
//!
//! Manifests are plain JSON, so that all kinds are compared and applied in one way. Their contents
//! are never shown, because Secrets are among them.

pub(crate) mod difference;
pub(crate) mod owners;
mod quantity;

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

/// The field manager of everything that a pass applies, and the label of who made an object.
pub const OPERATOR: &str = "warren-operator";

/// The kinds of objects that are made, in the order in which they are written: what a Deployment
/// names comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChildKind {
    /// A ServiceAccount.
    ServiceAccount,
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
    /// A Service.
    Service,
    /// A PodDisruptionBudget.
    PodDisruptionBudget,
    /// A Deployment.
    Deployment,
}

/// Which object of the pipeline's namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey {
    /// Its kind.
    pub kind: ChildKind,
    /// Its name.
    pub name: String,
}

/// An object as the API server has it or shall have it, with apiVersion, kind and metadata.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest(pub Value);

/// What is known of the objects made for a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildrenReading {
    /// Nobody keeps any: workers are something else here.
    NotKept,
    /// They could not be read, and why.
    Unknown(String),
    /// These are there.
    Seen(BTreeMap<ChildKey, Child>),
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// As the API server has it.
    pub live: Manifest,
    /// Whether it was made for this pipeline: its controller is the object with this uid.
    pub is_ours: bool,
}

/// A write to an object made for a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildStep {
    /// Apply it as `warren-operator`.
    Apply(Manifest),
    /// Make `warren-scaler` the owner of a Deployment's replicas, at the number they have.
    HandOver {
        /// The Deployment.
        deployment: String,
        /// The number.
        replicas: u32,
        /// The version of the Deployment this is about.
        resource_version: String,
    },
    /// Scale a Deployment to zero as `warren-scaler`: its pipeline is being deleted.
    Stop {
        /// The Deployment.
        deployment: String,
        /// The version of the Deployment this is about.
        resource_version: String,
    },
    /// Delete it: nothing in the spec asks for it any more.
    Delete(ChildKey),
}

/// Why an object could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ChildError {
    /// The class.
    pub kind: ChildErrorKind,
    /// What the API server said.
    pub message: String,
}

/// The classes of failed writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildErrorKind {
    /// The operator may not, a quota or an admission rule says no, or the object is not valid.
    Refused,
    /// It was changed in the meantime: the next pass sees how.
    Conflict,
    /// The API server did not answer in time, or could not.
    Unavailable,
}

impl ChildKind {
    /// All of them, in the order in which they are written.
    pub const ALL: [ChildKind; 6] = [
        ChildKind::ServiceAccount,
        ChildKind::Secret,
        ChildKind::ConfigMap,
        ChildKind::Service,
        ChildKind::PodDisruptionBudget,
        ChildKind::Deployment,
    ];

    /// The kind as the API server calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ChildKind::ServiceAccount => "ServiceAccount",
            ChildKind::Secret => "Secret",
            ChildKind::ConfigMap => "ConfigMap",
            ChildKind::Service => "Service",
            ChildKind::PodDisruptionBudget => "PodDisruptionBudget",
            ChildKind::Deployment => "Deployment",
        }
    }

    /// The version of its API.
    pub const fn api_version(self) -> &'static str {
        match self {
            ChildKind::ServiceAccount
            | ChildKind::Secret
            | ChildKind::ConfigMap
            | ChildKind::Service => "v1",
            ChildKind::PodDisruptionBudget => "policy/v1",
            ChildKind::Deployment => "apps/v1",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl ChildKey {
    /// The object of this kind and name.
    pub fn new(kind: ChildKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl Manifest {
    /// Which object it is.
    ///
    /// # Panics
    /// When it is of a kind that is never made; every manifest comes from `resources` or from a
    /// reading by kind.
    pub fn key(&self) -> ChildKey {
        let kind = self.0.get("kind").and_then(Value::as_str).and_then(ChildKind::of);
        let kind = kind.expect("manifests are made by kind");
        ChildKey::new(kind, self.text("/metadata/name"))
    }

    /// The value of a label; nothing when it has none.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.0.get("metadata")?.get("labels")?.get(key)?.as_str()
    }

    /// The text at a JSON pointer; empty when there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

impl ChildStep {
    /// Which object it writes.
    pub fn key(&self) -> ChildKey {
        match self {
            ChildStep::Apply(manifest) => manifest.key(),
            ChildStep::HandOver { deployment, .. } | ChildStep::Stop { deployment, .. } => {
                ChildKey::new(ChildKind::Deployment, deployment)
            }
            ChildStep::Delete(key) => key.clone(),
        }
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.text("/metadata/name");
        write!(f, "Manifest({} {name})", self.text("/kind"))
    }
}

impl fmt::Display for ChildKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

impl fmt::Display for ChildStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChildStep::Apply(manifest) => write!(f, "apply {}", manifest.key()),
            ChildStep::HandOver { deployment, replicas, .. } => {
                write!(f, "hand the replicas of Deployment {deployment} over at {replicas}")
            }
            ChildStep::Stop { deployment, .. } => {
                write!(f, "scale Deployment {deployment} to zero")
            }
            ChildStep::Delete(key) => write!(f, "delete {key}"),
        }
    }
}
