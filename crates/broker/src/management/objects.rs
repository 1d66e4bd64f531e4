//! Exchanges, queues, bindings and policies: reading them all, and writing one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use warren_core::{
    names::Prefix,
    topology::{
        Binding, Change, Exchange, Found, FoundBinding, FoundExchange, FoundLink, FoundPolicy,
        FoundQueue, POLICY_PRIORITY, Policy, Queue,
    },
};

use super::{
    ApiError, ApiErrorKind, Management,
    arguments::{from_json, to_json},
    call::Call,
};

#[derive(Deserialize)]
struct RawExchange {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    durable: bool,
    #[serde(default)]
    arguments: Value,
}

#[derive(Deserialize)]
struct RawQueue {
    name: String,
    durable: bool,
    #[serde(default)]
    arguments: Value,
}

#[derive(Deserialize)]
struct RawBinding {
    source: String,
    destination: String,
    destination_type: String,
    routing_key: String,
    #[serde(default)]
    arguments: Value,
    properties_key: String,
}

#[derive(Deserialize)]
struct RawPolicy {
    name: String,
    pattern: String,
    #[serde(rename = "apply-to")]
    apply_to: String,
    priority: i64,
    #[serde(default)]
    definition: Value,
}

impl Management {
    /// Everything in a virtual host that a topology is made of, without statistics.
    ///
    /// One such reading serves every pipeline of the virtual host; see [`concerning`].
    ///
    /// # Errors
    /// When a call fails, also because the virtual host is not there.
    pub async fn objects(&self, vhost: &str) -> Result<Found, ApiError> {
        let exchanges: Vec<RawExchange> = self.get(&["exchanges", vhost]).pages().await?;
        let queues = self.get(&["queues", vhost]).query("disable_stats", "true");
        let queues: Vec<RawQueue> = queues.pages().await?;
        let bindings: Vec<RawBinding> = self.get(&["bindings", vhost]).json().await?;
        let policies: Vec<RawPolicy> = self.get(&["policies", vhost]).json().await?;
        // Every queue is bound to the nameless exchange, and nobody can change that.
        let named = bindings.into_iter().filter(|binding| !binding.source.is_empty());
        let (to_queues, to_exchanges): (Vec<_>, Vec<_>) =
            named.partition(|binding| binding.destination_type == "queue");
        Ok(Found {
            exchanges: exchanges.into_iter().map(found_exchange).collect(),
            queues: queues.into_iter().map(found_queue).collect(),
            bindings: to_queues.into_iter().map(found_binding).collect(),
            links: to_exchanges.into_iter().map(found_link).collect(),
            policies: policies.into_iter().map(found_policy).collect(),
        })
    }

    /// What in a virtual host may concern the pipeline with this prefix.
    ///
    /// # Errors
    /// As [`objects`](Self::objects).
    pub async fn found(&self, vhost: &str, prefix: &Prefix) -> Result<Found, ApiError> {
        Ok(concerning(&self.objects(vhost).await?, prefix))
    }

    /// Carries out one change. Carrying it out twice does no harm.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn apply(&self, vhost: &str, change: &Change) -> Result<(), ApiError> {
        match change {
            Change::PutPolicy(policy) => self.put_policy(vhost, policy).await,
            Change::DeclareExchange(exchange) => self.put_exchange(vhost, exchange).await,
            Change::DeclareQueue(queue) => self.put_queue(vhost, queue).await,
            Change::Bind(binding) => self.bind(vhost, binding).await,
            Change::Unbind(found) => self.unbind(vhost, found).await,
        }
    }

    /// Declares a durable exchange.
    ///
    /// # Errors
    /// When the call fails; `Inequivalent` when it is there with another type or arguments.
    pub async fn put_exchange(&self, vhost: &str, exchange: &Exchange) -> Result<(), ApiError> {
        let call = self.put(&["exchanges", vhost, &exchange.name]);
        let body = json!({
            "type": exchange.kind.as_str(),
            "durable": true,
            "auto_delete": false,
            "internal": false,
            "arguments": writable(&call, to_json(&exchange.arguments))?,
        });
        call.with(&body)?.done().await
    }

    /// Deletes an exchange, only if nothing is bound to it.
    ///
    /// # Errors
    /// When the call fails; `InUse` when something is bound. An exchange that is not there is no
    /// error.
    pub async fn delete_unused_exchange(&self, vhost: &str, name: &str) -> Result<(), ApiError> {
        let call = self.delete(&["exchanges", vhost, name]);
        call.query("if-unused", "true").gone().await
    }

    /// Declares a durable queue.
    ///
    /// # Errors
    /// When the call fails; `Inequivalent` when it is there with other arguments.
    pub async fn put_queue(&self, vhost: &str, queue: &Queue) -> Result<(), ApiError> {
        let call = self.put(&["queues", vhost, &queue.name]);
        let body = json!({
            "durable": true,
            "auto_delete": false,
            "arguments": writable(&call, to_json(&queue.arguments))?,
        });
        call.with(&body)?.done().await
    }

    /// Deletes a queue with everything in it.
    ///
    /// The broker refuses conditions on quorum queues; the proof that it is empty is the caller's.
    ///
    /// # Errors
    /// When the call fails; a queue that is not there is no error.
    pub async fn delete_queue(&self, vhost: &str, name: &str) -> Result<(), ApiError> {
        self.delete(&["queues", vhost, name]).gone().await
    }

    /// Writes a policy.
    ///
    /// # Errors
    /// When the call fails; `Invalid` when the broker does not know a key of it.
    pub async fn put_policy(&self, vhost: &str, policy: &Policy) -> Result<(), ApiError> {
        let call = self.put(&["policies", vhost, &policy.name]);
        let body = json!({
            "pattern": policy.pattern,
            "apply-to": policy.apply_to,
            "priority": POLICY_PRIORITY,
            "definition": writable(&call, to_json(&policy.definition))?,
        });
        call.with(&body)?.done().await
    }

    /// Deletes a policy.
    ///
    /// # Errors
    /// When the call fails; a policy that is not there is no error.
    pub async fn delete_policy(&self, vhost: &str, name: &str) -> Result<(), ApiError> {
        self.delete(&["policies", vhost, name]).gone().await
    }

    /// Binds a queue to an exchange.
    ///
    /// # Errors
    /// When the call fails; `NotFound` when one of the two is not there.
    pub async fn bind(&self, vhost: &str, binding: &Binding) -> Result<(), ApiError> {
        let call = self.post(&["bindings", vhost, "e", &binding.source, "q", &binding.queue]);
        let body = json!({
            "routing_key": binding.routing_key,
            "arguments": writable(&call, to_json(&binding.arguments))?,
        });
        call.with(&body)?.done().await
    }

    /// Removes a binding.
    ///
    /// # Errors
    /// When the call fails; a binding that is not there is no error.
    pub async fn unbind(&self, vhost: &str, found: &FoundBinding) -> Result<(), ApiError> {
        let Binding { source, queue, .. } = &found.binding;
        let path = ["bindings", vhost, "e", source, "q", queue, &found.properties_key];
        self.delete(&path).gone().await
    }
}

/// Of everything found in a virtual host, what may concern the pipeline with this prefix: the names
/// `P` and `P.…`, what such exchanges lead to, and what leads to such queues.
pub fn concerning(all: &Found, prefix: &Prefix) -> Found {
    let is_near = |name: &str| {
        let rest = name.strip_prefix(prefix.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let concerns = |found: &&FoundBinding| {
        let Binding { source, queue, .. } = &found.binding;
        is_near(source) || is_near(queue)
    };
    Found {
        exchanges: named(&all.exchanges, is_near),
        queues: named(&all.queues, is_near),
        policies: named(&all.policies, is_near),
        bindings: all.bindings.iter().filter(concerns).cloned().collect(),
        links: all.links.iter().filter(|link| is_near(&link.source)).cloned().collect(),
    }
}

fn named<T: Clone>(
    all: &BTreeMap<String, T>,
    is_wanted: impl Fn(&str) -> bool,
) -> BTreeMap<String, T> {
    let wanted = all.iter().filter(|(name, _)| is_wanted(name));
    wanted.map(|(name, object)| (name.clone(), object.clone())).collect()
}

fn writable(call: &Call, json: Result<Value, String>) -> Result<Value, ApiError> {
    json.map_err(|what| call.failed(ApiErrorKind::Invalid(what)))
}

fn found_exchange(raw: RawExchange) -> (String, FoundExchange) {
    let found = FoundExchange {
        kind: raw.kind,
        durable: raw.durable,
        arguments: from_json(&raw.arguments),
    };
    (raw.name, found)
}

fn found_queue(raw: RawQueue) -> (String, FoundQueue) {
    let found = FoundQueue { durable: raw.durable, arguments: from_json(&raw.arguments) };
    (raw.name, found)
}

fn found_binding(raw: RawBinding) -> FoundBinding {
    FoundBinding {
        binding: Binding {
            source: raw.source,
            queue: raw.destination,
            routing_key: raw.routing_key,
            arguments: from_json(&raw.arguments),
        },
        properties_key: raw.properties_key,
    }
}

fn found_link(raw: RawBinding) -> FoundLink {
    FoundLink { source: raw.source, target: raw.destination }
}

fn found_policy(raw: RawPolicy) -> (String, FoundPolicy) {
    let found = FoundPolicy {
        pattern: raw.pattern,
        apply_to: raw.apply_to,
        priority: raw.priority,
        definition: from_json(&raw.definition),
    };
    (raw.name, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_with_a_longer_name_does_not_concern_a_prefix() {
        let queue =
            FoundQueue { durable: true, arguments: warren_core::topology::Arguments::new() };
        let names = ["a.b", "a.b.q", "a.bc", "a.bc.q", "axb", "x.a.b"];
        let all = Found {
            queues: names.map(|name| (name.to_owned(), queue.clone())).into(),
            ..Found::default()
        };
        let found = concerning(&all, &Prefix::new("a.b").unwrap());
        let names: Vec<&str> = found.queues.keys().map(String::as_str).collect();
        assert_eq!(names, ["a.b", "a.b.q"]);
    }
}
