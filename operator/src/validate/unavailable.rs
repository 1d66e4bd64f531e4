//! What the custom resource has and this version does not do yet, as one table.
//!
//! Silence would be a lie: who sets a field and sees no effect looks for the fault elsewhere. A
//! value equal to its default asks for nothing, so it is never refused, and an object that an API
//! server filled with defaults passes.

use std::sync::OnceLock;

use serde_json::{Value, json};
use warren_api::schema;
use warren_core::duration;

use super::{path::Path, report::Report};

/// A field, and the values beside its default that are done.
struct Row {
    /// Below `spec`, or with [`QUEUE`] in front below every queue.
    field: &'static str,
    /// Values that are done although they are not the default.
    done: &'static [&'static str],
}

/// Stands for every entry of `spec.queues`.
const QUEUE: &str = "queues[].";

const TABLE: &[Row] = &[
    undone("adoption"),
    undone("broker.clusterRef"),
    undone("broker.tls.clientCertSecretRef"),
    undone("broker.tls.serverName"),
    undone("queues[].breaker.errorPercent"),
    undone("queues[].breaker.minRequests"),
    undone("queues[].breaker.window"),
    undone("queues[].handler.custom"),
    undone("queues[].handler.forward"),
    undone("queues[].handler.http.format"),
    undone("queues[].handler.http.signing"),
    undone("queues[].handler.urlCheck"),
    undone("queues[].order"),
    undone("queues[].rateLimit"),
    Row { field: "queues[].retry.mode", done: &["Tiered"] },
    undone("queues[].scaling.behavior.scaleDown.policies"),
    undone("queues[].scaling.behavior.scaleDown.selectPolicy"),
    undone("queues[].scaling.behavior.scaleDown.tolerance"),
    undone("queues[].scaling.behavior.scaleUp.policies"),
    undone("queues[].scaling.behavior.scaleUp.selectPolicy"),
    undone("queues[].scaling.behavior.scaleUp.stabilizationWindowSeconds"),
    undone("queues[].scaling.behavior.scaleUp.tolerance"),
    undone("queues[].scaling.fallback.after"),
    undone("queues[].scaling.fallback.behavior"),
    undone("queues[].scaling.fallback.replicas"),
    undone("queues[].scaling.pause.scaleDown"),
    undone("queues[].scaling.pause.scaleUp"),
    undone("queues[].scaling.scaleToZero.initialDelay"),
    undone("queues[].scaling.scaleToZero.keepWarmForRetries"),
    undone("queues[].scaling.schedule"),
    undone("queues[].scaling.target.drain"),
    undone("queues[].scaling.target.messagesPerSecondPerReplica"),
    undone("queues[].scaling.target.utilizationPercent"),
];

const fn undone(field: &'static str) -> Row {
    Row { field, done: &[] }
}

/// Refuses every field of the table that asks for something.
pub(super) fn judge(object: &Value, report: &mut Report) {
    let Some(spec) = object.get("spec") else {
        return;
    };
    let at = Path::root("spec");
    for row in TABLE {
        let Some(field) = row.field.strip_prefix(QUEUE) else {
            row.judge(spec, &at, row.field, report);
            continue;
        };
        let queues = spec.get("queues").and_then(Value::as_array);
        for (index, queue) in queues.into_iter().flatten().enumerate() {
            row.judge(queue, &at.field("queues").index(index), field, report);
        }
    }
}

impl Row {
    fn judge(&self, parent: &Value, at: &Path, field: &str, report: &mut Report) {
        let Some(value) = parent.pointer(&pointer(field)) else {
            return;
        };
        let default = defaults().pointer(&pointer(&self.field.replace("[]", ".0")));
        let is_done = value.as_str().is_some_and(|text| self.done.contains(&text));
        if value.is_null() || is_done || default.is_some_and(|default| is_same(default, value)) {
            return;
        }
        let value = match value {
            Value::String(text) => format!(" {text}"),
            Value::Number(_) | Value::Bool(_) => format!(" {value}"),
            Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
        };
        let message = format!("{field}{value} is not available in this version");
        report.refuse(&at.field(field), message);
    }
}

/// Equal, or two ways to write one duration.
fn is_same(default: &Value, value: &Value) -> bool {
    let length = |value: &Value| value.as_str().and_then(|text| duration::parse(text).ok());
    default == value || length(default).is_some_and(|default| length(value) == Some(default))
}

fn pointer(field: &str) -> String {
    format!("/{}", field.replace('.', "/"))
}

/// A spec with one queue that gives nothing, and every default of the schema.
fn defaults() -> &'static Value {
    static DEFAULTS: OnceLock<Value> = OnceLock::new();
    DEFAULTS.get_or_init(|| {
        let empty = json!({"spec": {"broker": {}, "queues": [{"handler": {"http": {}}}]}});
        let filled = schema::with_defaults(&empty);
        filled.get("spec").cloned().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_table_is_one_of_the_schema() {
        for row in TABLE {
            let path = row.field.replace("[]", "/items").replace('.', "/properties/");
            let pointer = format!("/properties/spec/properties/{path}");
            assert!(schema::root().pointer(&pointer).is_some(), "{}", row.field);
        }
    }

    #[test]
    fn a_duration_written_in_another_way_is_still_the_default() {
        assert!(is_same(&json!("30s"), &json!("30000ms")));
        assert!(!is_same(&json!("30s"), &json!("31s")));
        assert!(!is_same(&json!("Never"), &json!("Observe")));
    }
}
