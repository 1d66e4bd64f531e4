//! What the operator itself was told, resolved: no value here stands for "the default".

mod run;

use uuid::Uuid;
use warren_core::names::PipelineId;

pub use self::run::{ClusterId, Refused, Run, Watched};

/// What the operator itself was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whose objects the broker's are marked to be.
    pub identity: Identity,
    /// The image of workers that ask for none.
    pub worker_image: String,
    /// The image of producers that ask for none.
    pub producer_image: String,
    /// How a cluster's nodes get images.
    pub pull: ImagePull,
}

/// How a cluster's nodes get images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImagePull {
    /// When they ask the registry.
    pub policy: PullPolicy,
    /// The Secrets with logins of registries, which must be in each pipeline's namespace.
    pub secrets: Vec<String>,
}

/// When a node asks the registry for an image
/// (<https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy>).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// At every start of a container.
    Always,
    /// When the node does not have it.
    #[default]
    IfNotPresent,
    /// Not at all: somebody has put it there.
    Never,
}

/// Where pipelines come from, which is the first part of the owner marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A Kubernetes cluster: pipelines have uids of their own.
    Cluster {
        /// The uid of namespace `kube-system`, or a configured id.
        id: String,
    },
    /// Files on this machine: uids follow from namespace and name ([`local_uid`]).
    Local,
}

impl PullPolicy {
    /// All of them.
    pub const ALL: [PullPolicy; 3] =
        [PullPolicy::Always, PullPolicy::IfNotPresent, PullPolicy::Never];

    /// The policy as a pod template spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            PullPolicy::Always => "Always",
            PullPolicy::IfNotPresent => "IfNotPresent",
            PullPolicy::Never => "Never",
        }
    }
}

/// The uid of a pipeline that no API server gave one: a UUIDv5 of `warren.dev/<namespace>/<name>`.
///
/// The producer derives message ids from the same value, so it is the same on every machine.
pub fn local_uid(pipeline: &PipelineId) -> Uuid {
    let name = format!("warren.dev/{pipeline}");
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_has_the_same_uid_on_every_machine() {
        let orders = PipelineId::new("shop", "orders").unwrap();
        let invoices = PipelineId::new("shop", "invoices").unwrap();
        assert_eq!(local_uid(&orders), local_uid(&orders.clone()));
        assert_ne!(local_uid(&orders), local_uid(&invoices));
        assert_eq!(local_uid(&orders).get_version_num(), 5);
    }
}
