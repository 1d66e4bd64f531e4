//! What the schema takes, and what becomes of it.

use serde_json::{Value, json};
use warren_api::MessagePipeline;
use warren_api::schema::{unknown_fields, violations, with_defaults};

use crate::corpus;
use crate::judge::{complete, drop_nulls, judge};

/// Read without defaults from the schema, so that those of the types are seen.
fn typed(name: &str, raw: &Value) -> MessagePipeline {
    let mut raw = raw.clone();
    drop_nulls(&mut raw);
    serde_json::from_value(raw).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_valid_file_is_taken_by_both_judges() {
    for (name, raw) in corpus::valid() {
        assert_eq!(judge(&raw, None), [], "{name}");
        assert_eq!(violations(&with_defaults(&raw)), [], "{name}");
        assert_eq!(violations(&raw), [], "{name}, before defaults");
        assert_eq!(unknown_fields(&raw), [""; 0], "{name}");
    }
}

#[test]
fn every_valid_file_may_stay_as_it_is() {
    for (name, raw) in corpus::valid() {
        assert_eq!(judge(&raw, Some(&raw)), [], "{name}");
    }
}

#[test]
fn a_vhost_may_be_written_down_later_and_left_out_again() {
    let without: Value = serde_saphyr::from_str(include_str!("../valid/minimal.yaml")).unwrap();
    let mut with = without.clone();
    with["spec"]["broker"]["vhost"] = "orders".into();
    assert_eq!(judge(&with, Some(&without)), []);
    assert_eq!(judge(&without, Some(&with)), []);
}

#[test]
fn every_valid_file_round_trips_through_the_types() {
    for (name, raw) in corpus::valid() {
        let object = typed(&name, &raw);
        let written = serde_json::to_value(&object).unwrap();
        assert_eq!(typed(&name, &written), object, "{name}");
    }
}

#[test]
fn types_and_schema_fill_the_same_defaults() {
    for (name, raw) in corpus::valid() {
        let written = serde_json::to_value(typed(&name, &raw)).unwrap();
        let mut filled = complete(&raw);
        // The type of a quantity is a string, whatever the file says.
        for quantity in quantities(&mut filled) {
            if quantity.is_number() {
                *quantity = quantity.to_string().into();
            }
        }
        assert_eq!(written["spec"], filled["spec"], "{name}");
    }
}

fn quantities(object: &mut Value) -> Vec<&mut Value> {
    object["spec"]["queues"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .filter_map(|queue| queue["worker"]["resources"].as_object_mut())
        .flat_map(|resources| resources.values_mut())
        .filter_map(Value::as_object_mut)
        .flat_map(|amounts| amounts.values_mut())
        .collect()
}

#[test]
fn nine_lines_are_a_pipeline() {
    let text = include_str!("../valid/minimal.yaml");
    assert_eq!(text.lines().count(), 9);
    let filled = with_defaults(&serde_saphyr::from_str(text).unwrap());
    let spec = &filled["spec"];
    assert_eq!(spec["broker"]["users"], json!("Scoped"));
    assert_eq!(spec["exchange"], json!({"type": "Fanout", "unrouted": "Capture"}));
    assert_eq!(spec["adoption"], json!("Never"));
    assert_eq!(
        spec["deletion"],
        json!({"policy": "DeleteIfEmpty", "drain": "60s", "timeout": "10m"})
    );
    assert_eq!(spec["suspend"], json!(false));
    let expected: Value = serde_saphyr::from_str(DEFAULT_QUEUE).unwrap();
    assert_eq!(spec["queues"][0], expected);
}

#[test]
fn what_depends_on_other_fields_is_left_to_the_operator() {
    let text = include_str!("../valid/minimal.yaml");
    let spec = typed("minimal.yaml", &serde_saphyr::from_str(text).unwrap()).spec;
    let queue = &spec.queues[0];
    assert!(spec.name_prefix.is_none() && spec.broker.vhost.is_none());
    assert!(spec.broker.tls.mode.is_none() && spec.producer.is_none());
    assert!(queue.bindings.is_none() && queue.retry.mode.is_none());
    assert_eq!(queue.retry.backoff, warren_api::BackoffSpec::default());
    assert!(queue.retry.backoff.kind.is_none() && queue.limits.consumer_timeout.is_none());
    assert!(queue.worker.image.is_none() && queue.worker.concurrency.is_none());
    assert!(queue.worker.prefetch.is_none() && queue.worker.task_timeout.is_none());
    assert!(queue.worker.drain_timeout.is_none() && queue.scaling.max_replicas.is_none());
}

/// A queue of which only its name and its URL were given.
const DEFAULT_QUEUE: &str = r#"
name: email
retry: {attempts: 5, backoff: {delays: []}}
deadLetter: {}
limits: {deliveryLimit: 20, maxMessageBytes: 1048576}
order: BestEffort
handler:
  http:
    url: https://mail.example/send
    method: POST
    headers: []
    successCodes: ["200-299"]
    retryCodes: []
    permanentCodes: []
    timeout: 30s
    connectTimeout: 5s
    format: Raw
breaker:
  consecutiveFailures: 5
  errorPercent: 50
  minRequests: 20
  window: 30s
  openFor: 5s
  maxOpenFor: 5m
worker:
  resources: {requests: {cpu: 50m, memory: 64Mi}}
  template: {}
scaling:
  mode: Auto
  minReplicas: 0
  target: {drain: 30s, messagesPerReplica: 20, utilizationPercent: 85}
  activation: {messages: 1, maxWait: 60s}
  scaleToZero: {idle: 60s, initialDelay: 0s, keepWarmForRetries: 0s}
  behavior:
    scaleUp: {stabilizationWindowSeconds: 0, selectPolicy: Max, policies: [], tolerance: "0.1"}
    scaleDown:
      stabilizationWindowSeconds: 180
      selectPolicy: Max
      policies: [{type: Percent, value: 100, periodSeconds: 15}]
      tolerance: "0.1"
  fallback: {behavior: CurrentReplicas, replicas: 1, after: 180s}
  schedule: []
  pause: {scaleUp: false, scaleDown: false}
slo: {successTarget: "0.999", freshnessThreshold: 60s, freshnessTarget: "0.99"}
"#;
