//! An object that cannot be read as a pipeline: it gets a status that says so, and the others go on.
//!
//! The API server refuses such objects, unless they are older than its rules or an operator older
//! than its definition. What an earlier status says of broker and queues stays in it. One that is
//! deleted ends like any other, by the parts of it that can be read.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
};
use serde_json::{Map, Value, json};
use warren_api::{
    MessagePipeline, MessagePipelineSpec, MessagePipelineStatus,
    conditions::{ConditionReason, ConditionStatus, ConditionType},
};
use warren_core::names::PipelineId;

use super::fault::{Fault, within};
use crate::status;

/// The status that an object has, whatever its spec is; an empty one, when that cannot be read
/// either.
///
/// # Errors
/// When the object cannot be read at all.
pub(crate) async fn present_status(
    client: &Client,
    id: &PipelineId,
) -> Result<MessagePipelineStatus, Fault> {
    let found = present(client, id).await?;
    Ok(found.and_then(|object| status_in(&object.data)).unwrap_or_default())
}

/// What of an object can be read and matters to its end, as it is now; nothing when it is gone.
///
/// # Errors
/// When the object cannot be read at all.
pub(crate) async fn remnant(
    client: &Client,
    id: &PipelineId,
) -> Result<Option<MessagePipeline>, Fault> {
    let found = present(client, id).await?;
    Ok(found.map(|DynamicObject { metadata, data, .. }| MessagePipeline {
        metadata,
        spec: legible(data.get("spec")),
        status: status_in(&data),
    }))
}

async fn present(client: &Client, id: &PipelineId) -> Result<Option<DynamicObject>, Fault> {
    let kind = ApiResource::erase::<MessagePipeline>(&());
    let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), id.namespace(), &kind);
    within(objects.get_opt(id.name())).await
}

fn status_in(data: &Value) -> Option<MessagePipelineStatus> {
    serde_json::from_value(data.get("status")?.clone()).ok()
}

/// A spec that says of broker, names and deletion what the object says, as far as each part is one.
fn legible(spec: Option<&Value>) -> MessagePipelineSpec {
    let whole = |parts: &Map<String, Value>| {
        serde_json::from_value::<MessagePipelineSpec>(Value::Object(parts.clone())).ok()
    };
    let mut parts = Map::from_iter([
        ("broker".to_owned(), json!({})),
        ("queues".to_owned(), Value::Array(Vec::new())),
    ]);
    for key in ["broker", "namePrefix", "deletion"] {
        if let Some(part) = spec.and_then(|spec| spec.get(key)) {
            let mut more = parts.clone();
            more.insert(key.to_owned(), part.clone());
            if whole(&more).is_some() {
                parts = more;
            }
        }
    }
    whole(&parts)
        .expect("a spec needs no more than a broker and queues, each of which may be empty")
}

/// The status of an object that is none, and why.
pub(crate) fn status(
    previous: &MessagePipelineStatus,
    meta: &ObjectMeta,
    why: &str,
    now: Timestamp,
) -> MessagePipelineStatus {
    let message = format!(
        "the object cannot be read as this operator's MessagePipeline: {why}; correct it, or \
         bring definition and operator to the same version"
    );
    let mut next = previous.clone();
    next.observed_generation = meta.generation;
    let verdicts = [
        (ConditionType::Ready, ConditionStatus::False),
        (ConditionType::Stalled, ConditionStatus::True),
    ];
    for (kind, verdict) in verdicts {
        let old = status::condition(previous, kind);
        let since = old.filter(|old| old.status == verdict.as_str());
        let since = since.map(|old| old.last_transition_time.clone());
        next.conditions.retain(|condition| condition.type_ != kind.as_str());
        next.conditions.push(Condition {
            type_: kind.as_str().to_owned(),
            status: verdict.as_str().to_owned(),
            reason: ConditionReason::InvalidSpec.as_str().to_owned(),
            message: message.clone(),
            last_transition_time: since.unwrap_or(Time(now)),
            observed_generation: meta.generation,
        });
    }
    next.conditions.retain(|condition| condition.type_ != ConditionType::Reconciling.as_str());
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::noon;

    #[test]
    fn a_spec_that_cannot_be_read_still_says_where_its_objects_are_and_how_to_end() {
        let spec = json!({
            "broker": {"secretRef": {"name": "rabbitmq"}, "vhost": "blue"},
            "namePrefix": 7,
            "queues": "none",
            "deletion": {"policy": "Retain"},
        });
        let read = legible(Some(&spec));
        assert_eq!(read.broker.secret_ref.unwrap().name, "rabbitmq");
        assert_eq!(read.broker.vhost.as_deref(), Some("blue"));
        assert_eq!(read.name_prefix, None, "it is no text");
        assert_eq!(read.deletion.policy, warren_api::DeletionPolicy::Retain);
        for nothing in [None, Some(&json!("what")), Some(&json!({"broker": []}))] {
            assert_eq!(legible(nothing).broker.secret_ref, None);
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_once_and_keeps_what_is_known_of_its_broker() {
        let known = serde_json::json!({
            "broker": {"vhost": "/"},
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Reconciled", "message": "x",
                "lastTransitionTime": "2026-11-20T12:00:00Z",
            }],
        });
        let known: MessagePipelineStatus = serde_json::from_value(known).unwrap();
        let meta = ObjectMeta { generation: Some(3), ..ObjectMeta::default() };
        let first = status(&known, &meta, "invalid type: string", noon());
        assert_eq!(first.broker, known.broker);
        assert_eq!(first.observed_generation, Some(3));
        for kind in [ConditionType::Ready, ConditionType::Stalled] {
            let condition = status::condition(&first, kind).unwrap();
            assert_eq!(condition.reason, "InvalidSpec");
            assert!(condition.message.contains("invalid type: string"), "{}", condition.message);
        }
        assert!(!status::holds(&first, ConditionType::Ready));
        assert!(status::holds(&first, ConditionType::Stalled));
        let again = status(&first, &meta, "invalid type: string", noon());
        assert!(!status::differs(&first, &again));
    }
}
