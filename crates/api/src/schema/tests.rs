//! The schema as a judge: defaults, slips of the pen, and what a message may not repeat.

use serde_json::{Value, json};

use super::{Violation, unknown_fields, violations, with_defaults};

fn minimal() -> Value {
    json!({
        "apiVersion": "warren.dev/v1alpha1",
        "kind": "MessagePipeline",
        "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {
            "broker": {"secretRef": {"name": "rabbitmq"}},
            "queues": [{"name": "email", "handler": {"log": {}}}],
        },
    })
}

fn changed(pointer: &str, value: Value) -> Value {
    let mut object = with_defaults(&minimal());
    *object.pointer_mut(pointer).expect("the field exists") = value;
    object
}

#[test]
fn defaults_reach_into_what_was_filled_in() {
    let filled = with_defaults(&minimal());
    let queue = &filled["spec"]["queues"][0];
    assert_eq!(queue["scaling"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"], json!(180));
    assert_eq!(queue["handler"]["log"]["level"], json!("Info"));
    assert_eq!(filled["spec"]["exchange"], json!({"type": "Fanout", "unrouted": "Capture"}));
}

#[test]
fn a_null_is_a_field_that_was_not_given() {
    let mut object = minimal();
    object["spec"]["suspend"] = Value::Null;
    object["spec"]["namePrefix"] = Value::Null;
    object["spec"]["queues"][0]["retry"] = json!({"mode": null, "attempts": null});
    let filled = with_defaults(&object);
    assert_eq!(filled["spec"]["suspend"], json!(false));
    assert_eq!(filled["spec"]["queues"][0]["retry"]["attempts"], json!(5));
    assert!(filled["spec"]["queues"][0]["retry"].get("mode").is_none());
    assert_eq!(violations(&filled), []);
    assert_eq!(violations(&object), []);
}

#[test]
fn a_wrong_type_is_told_once_and_with_its_path() {
    let object = changed("/spec/queues/0/retry/attempts", json!("many"));
    let path = "spec.queues[0].retry.attempts".to_owned();
    let message = "must be of type integer: \"string\"".to_owned();
    assert_eq!(violations(&object), [Violation { path, message }]);
}

#[test]
fn a_quantity_may_be_a_number_but_not_a_list() {
    let with_cpu = |cpu: Value| {
        violations(&changed("/spec/queues/0/worker/resources/requests/cpu", cpu)).len()
    };
    assert_eq!((with_cpu(json!(2)), with_cpu(json!("2")), with_cpu(json!([]))), (0, 0, 1));
}

#[test]
fn no_message_repeats_a_text_that_may_be_a_secret() {
    let mut object = minimal();
    object["spec"]["queues"][0]["handler"] = json!({
        "http": {"url": "https://user:pa55word@mail.example", "headers": [
            {"name": "Authorization", "value": "Bearer t0ken\n"},
        ]},
    });
    let found = violations(&object);
    assert_eq!(found.len(), 2);
    for violation in found {
        let text = violation.to_string();
        assert!(!text.contains("pa55word") && !text.contains("t0ken"), "{text}");
    }
}

#[test]
fn slips_of_the_pen_are_found_at_every_depth() {
    let mut object = minimal();
    object["spec"]["sucpend"] = json!(true);
    object["metadata"]["anotations"] = json!({});
    object["spec"]["queues"][0]["handler"]["log"]["Level"] = json!("Info");
    object["spec"]["queues"][0]["worker"] = json!({"template": {
        "labels": {"any": "name"},
        "affinity": {"nodeAffinity": {}},
        "volumes": [{"name": "data", "emptyDir": {}}],
        "lables": {},
    }});
    assert_eq!(
        unknown_fields(&object),
        [
            "metadata.anotations",
            "spec.queues[0].handler.log.Level",
            "spec.queues[0].worker.template.lables",
            "spec.sucpend",
        ]
    );
}
