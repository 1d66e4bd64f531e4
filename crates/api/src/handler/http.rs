//! The `http` handler: a message becomes one request to one endpoint.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Positive24h;
use crate::reference::SecretKeyRef;

/// An HTTP endpoint that gets each message as a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpSpec {
    /// Where requests go: an http or https URL without login. A token belongs into a header, from a
    /// Secret.
    #[schemars(length(max = 2048), regex(pattern = r"^https?://[^\s/?#@]+([/?#]\S*)?$"))]
    pub url: String,
    /// Method of the request.
    #[serde(default)]
    pub method: HttpMethod,
    /// Headers of the request, beside those that Warren sets itself.
    #[serde(default)]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub headers: Vec<HeaderSpec>,
    /// Status codes, or ranges of them, that mean done.
    #[serde(default = "success_codes")]
    #[schemars(
        length(max = 32),
        inner(length(max = 7), regex(pattern = "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"))
    )]
    pub success_codes: Vec<String>,
    /// Status codes, or ranges of them, that mean try again, where Warren would not.
    #[serde(default)]
    #[schemars(
        length(max = 32),
        inner(length(max = 7), regex(pattern = "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"))
    )]
    pub retry_codes: Vec<String>,
    /// Status codes, or ranges of them, that make a dead letter at once, where Warren would not.
    #[serde(default)]
    #[schemars(
        length(max = 32),
        inner(length(max = 7), regex(pattern = "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"))
    )]
    pub permanent_codes: Vec<String>,
    /// How long one request may take until its answer is read.
    #[serde(default = "timeout")]
    pub timeout: Positive24h,
    /// How long connecting may take, as a part of timeout.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Positive24h,
    /// Raw: the message as it is. CloudEvents: its attributes as ce- headers, HTTP binary mode.
    #[serde(default)]
    pub format: HttpFormat,
    /// Signs each request as Standard Webhooks describes. Not given: not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<SigningSpec>,
}

/// Method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// Retrieve.
    Get,
    /// Process.
    #[default]
    Post,
    /// Create or replace.
    Put,
    /// Change in part.
    Patch,
    /// Remove.
    Delete,
}

/// What a request looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HttpFormat {
    /// The message as it is.
    #[default]
    Raw,
    /// CloudEvents, HTTP binary mode.
    CloudEvents,
}

/// One header of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.value) != has(self.valueFrom)",
    "give exactly one of value and valueFrom",
))]
pub struct HeaderSpec {
    /// Name of the header.
    #[schemars(length(max = 128), regex(pattern = "^[A-Za-z0-9!#$%&'*+.^_|~-]+$"))]
    pub name: String,
    /// Its value, when it is no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096), regex(pattern = r"^[\t -~]*$"))]
    pub value: Option<String>,
    /// Where its value stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<HeaderValueFrom>,
}

/// Where the value of a header stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderValueFrom {
    /// Key of a Secret.
    pub secret_key_ref: SecretKeyRef,
}

/// Signatures as Standard Webhooks describes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningSpec {
    /// Key of a Secret that holds whsec_ and base64; during a rotation two of them, with a space in
    /// between.
    pub secret_ref: SecretKeyRef,
}

fn success_codes() -> Vec<String> {
    vec!["200-299".to_owned()]
}

fn timeout() -> Positive24h {
    "30s".into()
}

fn connect_timeout() -> Positive24h {
    "5s".into()
}
