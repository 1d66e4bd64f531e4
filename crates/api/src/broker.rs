//! Which broker a pipeline uses, and how its workers and its producer log in.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::crd::without_description;
use crate::reference::{CaSecretRef, SecretRef};

/// The RabbitMQ broker of a pipeline: exactly one of secretRef and clusterRef.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = (
        "has(self.secretRef) != has(self.clusterRef)",
        "give exactly one of secretRef and clusterRef",
    ),
    validation = Rule::new("!has(self.vhost) || !has(oldSelf.vhost) || self.vhost == oldSelf.vhost")
        .message("vhost is immutable: make a new pipeline in the other vhost and drain this one")
        .field_path(".vhost"),
)]
pub struct BrokerSpec {
    /// Secret with the keys host, port, username, password and, where needed, management-uri,
    /// vhost, ca.crt, tls.crt, tls.key. The Secret of the RabbitMQ cluster operator (its name ends
    /// in -default-user) works as it is. Without management-uri the management API is looked for at
    /// port 15671 of the host with TLS, else at port 15672.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// A RabbitmqCluster of the RabbitMQ cluster operator. Its owner must allow the pipeline's
    /// namespace with the annotation rabbitmq.com/topology-allowed-namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_ref: Option<ClusterRef>,
    /// Virtual host. Not given: the key vhost of the Secret, else /. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub vhost: Option<String>,
    /// How connections are encrypted and whom they trust.
    #[serde(default)]
    pub tls: TlsSpec,
    /// Scoped: the operator makes one broker user per queue worker and per producer, with no more
    /// rights than it needs, and rotates it; the login of the Secret must be an administrator.
    /// Shared: workers and producer use the login of the Secret, which needs the tags policymaker
    /// and monitoring.
    #[serde(default)]
    pub users: BrokerUsers,
}

/// A RabbitmqCluster object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRef {
    /// Name of the RabbitmqCluster.
    #[schemars(length(max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// Namespace of the RabbitmqCluster. Not given: the pipeline's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
}

/// Encryption of the broker connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsSpec {
    /// Verify: encrypted, and the broker's certificate must be valid. Plaintext: not encrypted.
    /// Not given: Plaintext for port 5672, else Verify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<TlsMode>,
    /// Certificate authority of the broker; then only this one is trusted. Not given: the key
    /// ca.crt of the broker Secret where it has one, else the authorities of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,
    /// Name that the broker's certificate must carry. Empty: the host.
    #[serde(default)]
    #[schemars(length(max = 253), regex(pattern = "^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?)?$"))]
    pub server_name: String,
    /// Secret of type kubernetes.io/tls with the certificate to present to the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert_secret_ref: Option<SecretRef>,
}

/// Whether connections to the broker are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum TlsMode {
    /// Encrypted, with the broker's certificate checked.
    Verify,
    /// Not encrypted.
    Plaintext,
}

/// With which broker users workers and producer log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BrokerUsers {
    /// One user each, made and rotated by the operator.
    #[default]
    Scoped,
    /// The login of the Secret for everyone.
    Shared,
}
