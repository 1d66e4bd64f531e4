//! Every name that Warren gives to something on the broker, made in one place.
//!
//! `P` is the name prefix of a pipeline. Names are deterministic, because each one becomes an
//! Erlang atom on the broker that is never freed, and because a second pass, another replica or a
//! test must arrive at the same one.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::duration::millis;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {rule}")]
pub struct NameError {
    kind: &'static str,
    text: String,
    rule: &'static str,
}

/// Queue names that would collide with objects of the pipeline itself.
pub const RESERVED_QUEUE_NAMES: [&str; 6] =
    ["internal", "unrouted", "producer", "dead", "retry", "status"];

/// The name of one entry of `spec.queues`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueName(String);

/// The name prefix `P` of a pipeline's broker objects, which is also its ingress exchange.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(String);

/// Which pipeline: namespace and name, written `<namespace>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PipelineId {
    namespace: String,
    name: String,
}

impl QueueName {
    /// Takes a text that is a queue name.
    ///
    /// # Errors
    /// When it has other characters than `[a-z0-9-]`, starts or ends with `-`, is longer than 40
    /// bytes, or is reserved.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let refuse = |rule| NameError { kind: "queue name", text: text.clone(), rule };
        if !is_dns_label(&text, 40) {
            return Err(refuse("use 1 to 40 of a-z, 0-9 and -, with no - at either end"));
        }
        if RESERVED_QUEUE_NAMES.contains(&text.as_str()) {
            return Err(refuse(
                "internal, unrouted, producer, dead, retry and status are reserved",
            ));
        }
        Ok(Self(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The routing key on `P.internal` that leads back to the main queue.
    pub fn return_key(&self) -> String {
        self.0.clone()
    }

    /// The routing key on `P.internal` of the tier with this delay.
    pub fn retry_key(&self, delay: Duration) -> String {
        format!("{}.retry.{}", self.0, millis(delay))
    }

    /// The routing key on `P.internal` of the dead-letter queue.
    pub fn dead_key(&self) -> String {
        format!("{}.dead", self.0)
    }
}

impl Prefix {
    /// Takes a text that is a name prefix.
    ///
    /// # Errors
    /// When it is empty, longer than 150 bytes, has other characters than `[A-Za-z0-9._-]`, or
    /// begins with `amq.`, which the broker keeps for itself.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let refuse = |rule| NameError { kind: "name prefix", text: text.clone(), rule };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if text.is_empty() || text.len() > 150 || !text.bytes().all(allowed) {
            return Err(refuse("use 1 to 150 of A-Z, a-z, 0-9, '.', '_' and '-'"));
        }
        if text.starts_with("amq.") {
            return Err(refuse("the broker keeps names that begin with amq. for itself"));
        }
        Ok(Self(text))
    }

    /// The prefix as text, which is also the name of the ingress exchange.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The exchange that retry copies, returns and dead letters go through.
    pub fn internal(&self) -> String {
        format!("{}.internal", self.0)
    }

    /// The alternate exchange of the ingress exchange, and the queue that captures from it.
    pub fn unrouted(&self) -> String {
        format!("{}.unrouted", self.0)
    }

    /// The main queue of a queue.
    pub fn main(&self, queue: &QueueName) -> String {
        format!("{}.{queue}", self.0)
    }

    /// The retry tier of a queue with this delay.
    pub fn tier(&self, queue: &QueueName, delay: Duration) -> String {
        format!("{}.{}", self.0, queue.retry_key(delay))
    }

    /// The dead-letter queue of a queue.
    pub fn dead(&self, queue: &QueueName) -> String {
        format!("{}.{}", self.0, queue.dead_key())
    }

    /// The policy of all retry tiers of the pipeline.
    pub fn tier_policy(&self) -> String {
        format!("{}.internal.retry", self.0)
    }

    /// The broker user of a queue's workers; `slot` is `a` or `b`, so that one can follow the other.
    pub fn worker_user(&self, queue: &QueueName, scope: &UserScope, slot: Slot) -> String {
        format!("{}.{queue}.{scope}.{slot}", self.0)
    }

    /// The broker user of the pipeline's producers.
    pub fn producer_user(&self, scope: &UserScope, slot: Slot) -> String {
        format!("{}.{scope}.{slot}", self.0)
    }
}

impl PipelineId {
    /// Names a pipeline.
    ///
    /// # Errors
    /// When the namespace is not a DNS label, or the name is not one that starts with a letter.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Result<Self, NameError> {
        let (namespace, name) = (namespace.into(), name.into());
        if !is_dns_label(&namespace, 63) {
            let rule = "use 1 to 63 of a-z, 0-9 and -, with no - at either end";
            return Err(NameError { kind: "namespace", text: namespace, rule });
        }
        if !is_dns_label(&name, 63) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            let rule = "use 1 to 63 of a-z, 0-9 and -, beginning with a letter, no - at the end";
            return Err(NameError { kind: "pipeline name", text: name, rule });
        }
        Ok(Self { namespace, name })
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name within the namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The prefix a pipeline has unless `spec.namePrefix` gives another: `<namespace>.<name>`.
    ///
    /// # Errors
    /// When the namespace begins with `amq`, so that the prefix would begin with `amq.`.
    pub fn default_prefix(&self) -> Result<Prefix, NameError> {
        Prefix::new(format!("{}.{}", self.namespace, self.name))
    }
}

/// Which of the two broker users that take turns when a password is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The first one made.
    A,
    /// The one a rotation makes beside the first.
    B,
}

/// The part of a user name that tells apart pipelines of one prefix in several vhosts or clusters.
///
/// Users are global to a broker, while a prefix is unique in one vhost only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserScope(String);

impl UserScope {
    /// The first 8 hex digits of the SHA-256 of `<cluster>/<namespace>/<name>/<vhost>`.
    pub fn new(cluster: &str, pipeline: &PipelineId, vhost: &str) -> Self {
        let digest = Sha256::digest(format!("{cluster}/{pipeline}/{vhost}"));
        let first =
            digest.iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        Self(format!("{first:08x}"))
    }
}

/// Escapes a name for a RabbitMQ pattern, which the broker does not anchor by itself.
pub fn escape_pattern(name: &str) -> String {
    name.chars()
        .flat_map(|c| {
            let special = !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
            special.then_some('\\').into_iter().chain([c])
        })
        .collect()
}

/// An anchored pattern that matches exactly these names, or nothing when there are none.
pub fn exactly<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(escape_pattern).collect();
    match names.as_slice() {
        [] => "^$".to_owned(),
        [one] => format!("^{one}$"),
        many => format!("^({})$", many.join("|")),
    }
}

fn is_dns_label(text: &str, longest: usize) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=longest).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for UserScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Slot::A => "a",
            Slot::B => "b",
        })
    }
}

impl FromStr for PipelineId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let rule = "write it as <namespace>/<name>";
        let (namespace, name) = text.split_once('/').ok_or_else(|| NameError {
            kind: "pipeline",
            text: text.to_owned(),
            rule,
        })?;
        Self::new(namespace, name)
    }
}

impl FromStr for QueueName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl FromStr for Prefix {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

/// serde goes through the same parsers as everything else.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.to_string()
            }
        }
    )*};
}
as_text!(QueueName, Prefix, PipelineId);

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> QueueName {
        QueueName::new("email").unwrap()
    }

    #[test]
    fn names_of_a_queue_follow_the_layout() {
        let prefix = PipelineId::new("shop", "orders").unwrap().default_prefix().unwrap();
        assert_eq!(prefix.main(&queue()), "shop.orders.email");
        assert_eq!(prefix.tier(&queue(), Duration::from_secs(5)), "shop.orders.email.retry.5000");
        assert_eq!(prefix.dead(&queue()), "shop.orders.email.dead");
        assert_eq!(queue().retry_key(Duration::from_millis(1)), "email.retry.1");
    }

    #[test]
    fn reserved_and_malformed_queue_names_are_refused() {
        for name in ["", "Internal", "internal", "dead", "-a", "a-", "a.b", &"x".repeat(41)] {
            assert!(QueueName::new(name).is_err(), "{name:?}");
        }
        assert!(QueueName::new("0-9").is_ok());
    }

    #[test]
    fn a_prefix_of_the_brokers_own_is_refused() {
        assert!(Prefix::new("amq.orders").is_err());
        assert!(PipelineId::new("amq", "orders").unwrap().default_prefix().is_err());
        assert!(Prefix::new("amqp.orders").is_ok());
    }

    #[test]
    fn a_dot_in_a_prefix_matches_only_a_dot() {
        assert_eq!(exactly(["a.b"]), r"^a\.b$");
        assert_eq!(exactly(["a.b", "c+d"]), r"^(a\.b|c\+d)$");
        assert_eq!(exactly([]), "^$");
    }

    #[test]
    fn the_same_prefix_in_another_vhost_gets_another_user() {
        let pipeline = PipelineId::new("shop", "orders").unwrap();
        let prefix = pipeline.default_prefix().unwrap();
        let user =
            |vhost| prefix.worker_user(&queue(), &UserScope::new("c1", &pipeline, vhost), Slot::A);
        assert_ne!(user("/"), user("blue"));
        assert_eq!(user("/").len(), "shop.orders.email.".len() + 8 + ".a".len());
    }

    #[test]
    fn a_pipeline_is_written_as_namespace_slash_name() {
        assert_eq!("shop/orders".parse::<PipelineId>().unwrap().to_string(), "shop/orders");
        for text in ["orders", "shop/", "/orders", "shop/1st", "Shop/orders", "a/b/c"] {
            assert!(text.parse::<PipelineId>().is_err(), "{text:?}");
        }
    }
}
