//! Deletions, as the API server sees them: when the finalizer goes, and what is told until then.

use kube::core::DeserializeGuard;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use warren_api::metadata::{FINALIZER, FORCE_FINALIZE, GROUP, KIND, VERSION};

use super::*;
use crate::cluster::{
    fake::Fake, passes::tests::passes, scope::Scope, stores::Read, watches::Watches,
};

const UID: &str = "11111111-2222-3333-4444-555555555555";
const PIPELINE: &str = "/apis/warren.dev/v1alpha1/namespaces/shop/messagepipelines/orders";

/// The pipeline `shop/orders` as it was deleted, with this spec and these annotations.
fn deleted(spec: &Value, annotations: &Value) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": KIND,
        "metadata": {
            "name": "orders", "namespace": "shop", "uid": UID, "generation": 2,
            "resourceVersion": "41", "annotations": annotations,
            "finalizers": [FINALIZER, "of.others/hold"],
            "deletionTimestamp": "2026-11-21T12:00:00Z",
        },
        "spec": spec,
        "status": {"exchange": "shop.orders", "queues": [{"name": "email"}]},
    })
}

fn valid() -> Value {
    json!({
        "broker": {"secretRef": {"name": "rabbitmq"}},
        "queues": [{"name": "email", "handler": {"log": {}}}],
    })
}

/// A spec of a later version, say: the queues are no list.
fn unreadable() -> Value {
    json!({"broker": {"secretRef": {"name": "rabbitmq"}}, "queues": "email"})
}

fn forced(uid: &str) -> Value {
    json!({FORCE_FINALIZE: uid})
}

/// Makes a pass over what the watch has seen; how long until the next, and what was asked.
async fn pass(object: &Value) -> (Option<Duration>, Fake) {
    let fake = Fake::default()
        .answers(&format!("GET {PIPELINE}"), 200, object.clone())
        .answers(&format!("PATCH {PIPELINE}"), 200, object.clone())
        .answers(&format!("PATCH {PIPELINE}/status"), 200, object.clone());
    let (stores, _) = Watches::prepare(&fake.client(), &[Scope::Cluster], None);
    // Others take all turns, and wait for their brokers.
    let passes = Passes { turns: Semaphore::new(0), ..passes(&fake, stores) };
    let read: Read = serde_json::from_value::<DeserializeGuard<_>>(object.clone()).unwrap();
    let limit = Duration::from_secs(20);
    let wait = tokio::time::timeout(limit, passes.over(&read)).await.expect("the pass ends");
    (wait, fake)
}

/// What the finalizers were made, if they were.
fn finalizers(fake: &Fake) -> Option<Value> {
    let asked = fake.asked().into_iter();
    let mut patches = asked.filter(|asked| asked.method == "PATCH" && asked.path == PIPELINE);
    patches.next().map(|asked| asked.body["metadata"].clone())
}

/// The message of `Reconciling`, as it was published.
fn told(fake: &Fake) -> String {
    let asked = fake.asked().into_iter();
    let mut statuses = asked.filter(|asked| asked.path == format!("{PIPELINE}/status"));
    let status = statuses.next_back();
    let conditions = status.expect("a status was published").body["status"]["conditions"].clone();
    let all = conditions.as_array().unwrap().clone();
    let deleting = all.into_iter().find(|condition| condition["type"] == "Reconciling").unwrap();
    assert_eq!(deleting["reason"], "Deleting");
    deleting["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_deletion_that_cannot_see_its_broker_waits_and_names_the_way_out() {
    for spec in [valid(), unreadable()] {
        let (wait, fake) = pass(&deleted(&spec, &json!({}))).await;
        assert_eq!(finalizers(&fake), None, "{spec}");
        let text = told(&fake);
        assert!(text.starts_with("BrokerUnreachable: there is no Secret rabbitmq"), "{text}");
        assert!(text.contains(&format!("{FORCE_FINALIZE}={UID}")), "{text}");
        assert!(wait.is_some_and(|wait| wait <= Duration::from_secs(2)), "{wait:?}");
    }
}

#[tokio::test]
async fn an_order_takes_our_finalizer_and_nobody_elses_from_what_was_read() {
    for spec in [valid(), unreadable()] {
        let (wait, fake) = pass(&deleted(&spec, &forced(UID))).await;
        let expected = json!({"resourceVersion": "41", "finalizers": ["of.others/hold"]});
        assert_eq!(finalizers(&fake), Some(expected), "{spec}");
        assert_eq!(wait, None);
        let (_, fake) = pass(&deleted(&spec, &forced("of-another"))).await;
        assert_eq!(finalizers(&fake), None, "{spec}");
    }
}

#[tokio::test]
async fn what_has_no_finalizer_of_ours_is_let_go_without_a_word() {
    for spec in [valid(), unreadable()] {
        let mut object = deleted(&spec, &json!({}));
        object["metadata"]["finalizers"] = json!(["of.others/hold"]);
        let (wait, fake) = pass(&object).await;
        assert_eq!(wait, None);
        let asked = fake.asked();
        assert!(asked.iter().all(|asked| asked.method == "GET"), "{asked:?}");
    }
}
