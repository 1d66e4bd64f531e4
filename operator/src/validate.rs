//! Spec to domain: the one place that reads a raw spec, and all that is wrong with it.
//!
//! Bounds, patterns and enums are judged by the schema the custom resource itself is made of; the
//! CEL rules of that schema are repeated here in Rust, because no API server stands in front of
//! local mode and rules may have changed since an object was stored. What relates a value that was
//! given to one that was not, an API server cannot judge at all.
//!
//! Nothing here talks to anything: the same object and settings give the same answer.

mod bindings;
mod broker;
mod departing;
mod duration;
mod handler;
mod limits;
mod path;
mod pods;
mod report;
mod retry;
mod scaling;
mod unavailable;
mod worker;

use std::fmt;

use serde_json::Value;
use warren_api::{DeletionPolicy as DeletionPolicySpec, MessagePipeline, QueueSpec, schema};
use warren_core::{
    config::SecretKey,
    names::{PipelineId, Prefix, QueueName},
    owner::{LOCAL_CLUSTER, Owner},
};

pub(crate) use self::broker::too_long_in;
pub use self::departing::departing;
use self::{
    path::Path,
    pods::Usual,
    report::{Report, count},
};
use crate::{
    pipeline::{Access, Deletion, DeletionPolicy, Pipeline, Producer, ProducerServer, Queue},
    settings::{Identity, Settings, local_uid},
};

/// One thing that is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Where, such as `spec.queues[0].retry.backoff.initial`.
    pub path: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// Everything that is wrong with an object: at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

/// The namespace of an object that names none, as `kubectl` has it.
const DEFAULT_NAMESPACE: &str = "default";

/// Reads a spec.
///
/// # Errors
/// All violations of the schema, of its rules, of the rules between given and derived values, and
/// all uses of what this version does not do.
pub fn pipeline(object: &MessagePipeline, settings: &Settings) -> Result<Pipeline, Violations> {
    let raw = serde_json::to_value(object).unwrap_or(Value::Null);
    let mut report = Report::of_schema(schema::violations(&raw));
    unavailable::judge(&raw, &mut report);
    let pipeline = whole(object, settings, &mut report);
    match (pipeline, report.into_violations()) {
        (Some(pipeline), None) => Ok(pipeline),
        (_, Some(violations)) => Err(violations),
        (None, None) => Err(unexplained()),
    }
}

impl Violations {
    /// One by one, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }

    /// The only one there is.
    pub(crate) fn one(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self(vec![Violation { path: path.into(), message: message.into() }])
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Violations {}

/// A spec that gives no pipeline must have said why; this is the net below that rule.
fn unexplained() -> Violations {
    Violations::one("spec", "cannot be understood by this version of the operator")
}

fn whole(object: &MessagePipeline, settings: &Settings, report: &mut Report) -> Option<Pipeline> {
    let spec = &object.spec;
    let at = Path::root("spec");
    let id = identity(object, report)?;
    let owner = owner(object, &id, &settings.identity, report);
    let prefix = prefix(spec.name_prefix.as_deref(), &id, &at, report);
    let broker = broker::read(&spec.broker, &at.field("broker"), report);
    bindings::judge(&spec.exchange, &spec.queues, &at.field("queues"), report);
    let queues: Vec<Option<Queue>> = spec
        .queues
        .iter()
        .enumerate()
        .map(|(index, queue)| {
            let context =
                QueueContext { exchange: spec.exchange.kind, suspended: spec.suspend, settings };
            read_queue(queue, &context, &at.field("queues").index(index), report)
        })
        .collect();
    let deletion = deletion(object, &at.field("deletion"), report);
    let pipeline = Pipeline {
        id,
        owner: owner?,
        prefix: prefix?,
        broker: broker?,
        users: broker::users(&spec.broker),
        exchange: bindings::kind(spec.exchange.kind),
        unrouted: bindings::unrouted(spec.exchange.unrouted),
        queues: queues.into_iter().collect::<Option<_>>()?,
        producer: producer(object, settings, &at.field("producer"), report),
        deletion: deletion?,
        suspended: spec.suspend,
    };
    broker::names_fit(&pipeline, report);
    Some(pipeline)
}

/// What a queue is read against.
struct QueueContext<'a> {
    exchange: warren_api::ExchangeType,
    suspended: bool,
    settings: &'a Settings,
}

fn read_queue(
    spec: &QueueSpec,
    context: &QueueContext<'_>,
    at: &Path,
    report: &mut Report,
) -> Option<Queue> {
    let name = QueueName::new(spec.name.as_str())
        .map_err(|_| report.refuse(&at.field("name"), report::RESERVED_NAME))
        .ok();
    let retry = retry::read(&spec.retry, &at.field("retry"), report);
    let handler = handler::read(&spec.handler, &at.field("handler"), report);
    let breaker = limits::breaker(&spec.breaker, &at.field("breaker"), report);
    worker::judge_rules(spec, at, report);
    let timeouts = worker::timeouts(spec, handler.as_ref(), at, report);
    let settings = context.settings;
    let usual = Usual { image: &settings.worker_image, pull: &settings.pull };
    let pods = pods::read((&spec.worker).into(), usual, &at.field("worker"), report);
    let worker = worker::read(spec, timeouts, pods, at, report);
    let limits = limits::read(spec, timeouts, at, report);
    let scaling = scaling::read(
        &spec.scaling,
        worker.as_ref().map(|worker| worker.prefetch),
        context.suspended,
        &at.field("scaling"),
        report,
    );
    let objective = limits::objective(&spec.slo, &at.field("slo"), report);
    let (limits, consumer_timeout) = limits?;
    Some(Queue {
        name: name?,
        bindings: bindings::read(spec.bindings.as_deref(), context.exchange),
        retry: retry?,
        limits,
        consumer_timeout,
        max_message_bytes: count(spec.limits.max_message_bytes),
        handler: handler?,
        breaker: breaker?,
        worker: worker?,
        scaling: scaling?,
        objective: objective?,
    })
}

fn identity(object: &MessagePipeline, report: &mut Report) -> Option<PipelineId> {
    let namespace = object.metadata.namespace.as_deref();
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let id = PipelineId::new(namespace.unwrap_or(DEFAULT_NAMESPACE), name);
    id.map_err(|_| report.refuse(&Path::root(""), report::PIPELINE_NAME)).ok()
}

fn owner(
    object: &MessagePipeline,
    id: &PipelineId,
    identity: &Identity,
    report: &mut Report,
) -> Option<Owner> {
    let (cluster, uid) = match identity {
        Identity::Local => (LOCAL_CLUSTER.to_owned(), local_uid(id).to_string()),
        Identity::Cluster { id } => {
            let Some(uid) = object.metadata.uid.clone() else {
                let message = "is missing: the object does not come from an API server";
                report.refuse(&Path::root("metadata.uid"), message);
                return None;
            };
            (id.clone(), uid)
        }
    };
    Some(Owner { cluster, pipeline: id.clone(), uid })
}

fn prefix(given: Option<&str>, id: &PipelineId, at: &Path, report: &mut Report) -> Option<Prefix> {
    let prefix = given.map_or_else(|| id.default_prefix(), Prefix::new);
    let explain = |_| {
        let text = given.map_or_else(|| format!("{}.{}", id.namespace(), id.name()), str::to_owned);
        let message = format!(
            "{text} begins with amq., which the broker keeps for itself: give another prefix"
        );
        report.refuse(&at.field("namePrefix"), message);
    };
    prefix.map_err(explain).ok()
}

fn deletion(object: &MessagePipeline, at: &Path, report: &mut Report) -> Option<Deletion> {
    let spec = &object.spec.deletion;
    let drain = duration::read(&spec.drain, &at.field("drain"), report);
    let timeout = duration::read(&spec.timeout, &at.field("timeout"), report);
    Some(Deletion { policy: policy(spec.policy), drain: drain?, timeout: timeout? })
}

const fn policy(spec: DeletionPolicySpec) -> DeletionPolicy {
    match spec {
        DeletionPolicySpec::DeleteIfEmpty => DeletionPolicy::DeleteIfEmpty,
        DeletionPolicySpec::Retain => DeletionPolicy::Retain,
        DeletionPolicySpec::Delete => DeletionPolicy::Delete,
    }
}

/// Without `spec.producer` programs still publish by themselves, within the same limits.
fn producer(
    object: &MessagePipeline,
    settings: &Settings,
    at: &Path,
    report: &mut Report,
) -> Producer {
    let asked = object.spec.producer.as_ref();
    let spec = asked.cloned().unwrap_or_default();
    let usual = Usual { image: &settings.producer_image, pull: &settings.pull };
    Producer {
        max_message_bytes: count(spec.max_message_bytes),
        access: spec.auth.map_or(Access::Open, |auth| {
            let warren_api::SecretKeyRef { name, key } = auth.bearer_secret_ref;
            Access::Bearer(SecretKey { name, key })
        }),
        server: asked.map(|asked| ProducerServer {
            replicas: asked.replicas,
            pods: pods::read(asked.into(), usual, at, report),
        }),
    }
}

#[cfg(test)]
mod tests;
