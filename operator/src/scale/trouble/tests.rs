//! Pods as the API server shows them, and what is said of them.

use serde_json::{Value, json};

use super::*;
use crate::fixtures::noon;

fn pod(name: &str, container: &Value) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop"},
        "status": {
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [container],
        },
    })
}

fn container(state: &Value) -> Value {
    json!({
        "name": "worker", "image": "mail:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": state,
    })
}

fn waiting(reason: &str, message: &str) -> Value {
    container(&json!({"waiting": {"reason": reason, "message": message}}))
}

fn crashed(state: &Value, restarts: u32, end: &Value) -> Value {
    let mut container = container(state);
    container["restartCount"] = json!(restarts);
    container["lastState"] = json!({"terminated": end});
    container
}

fn trouble_of(program: Program, pods: &[Value], deployment: &Value) -> Option<String> {
    let deployment: Deployment = serde_json::from_value(deployment.clone()).unwrap();
    let pods: Vec<Arc<Pod>> =
        pods.iter().map(|pod| Arc::new(serde_json::from_value(pod.clone()).unwrap())).collect();
    let look = Look { program, deployment: &deployment, pods: &pods, now: noon() };
    let trouble = look.trouble()?;
    Some(format!("{:?}: {}", trouble.reason, trouble.message))
}

fn told(pods: &[Value]) -> Option<String> {
    trouble_of(Program::Worker, pods, &json!({}))
}

fn told_of(container: &Value) -> String {
    told(&[pod("orders-email-x", container)]).unwrap_or_default()
}

#[test]
fn an_image_that_cannot_be_pulled_is_named_with_what_to_check() {
    let registry = "failed to resolve reference \"docker.io/library/mail:1\": not found";
    let expected = format!(
        "ImagePull: pod orders-email-x: image mail:1 cannot be pulled ({registry}): check \
         worker.image, that nodes reach its registry, and worker.template.imagePullSecrets"
    );
    assert_eq!(told_of(&waiting("ErrImagePull", registry)), expected);
    let waits = format!("Back-off pulling image \"mail:1\": ErrImagePull: {registry}");
    assert_eq!(told_of(&waiting("ImagePullBackOff", &waits)), expected, "the words stay the same");
    let older = told_of(&waiting("ImagePullBackOff", "Back-off pulling image \"mail:1\""));
    assert!(older.contains("image mail:1 cannot be pulled: check worker.image"), "{older}");
    let name = told_of(&waiting("InvalidImageName", "couldn't parse image name"));
    assert_eq!(
        name,
        "ImagePull: pod orders-email-x: \"mail:1\" is not the name of an image: correct \
         worker.image"
    );
    let never = told_of(&waiting("ErrImageNeverPull", "is not present with pull policy of Never"));
    assert!(never.contains("load it into the node"), "{never}");
}

#[test]
fn the_image_of_a_producer_is_the_producers() {
    let pods = [pod("orders-producer-x", &waiting("ErrImagePull", "denied"))];
    let told = trouble_of(Program::Producer, &pods, &json!({})).unwrap();
    assert!(told.contains("check producer.image"), "{told}");
}

#[test]
fn a_crash_loop_is_the_same_in_all_its_turns() {
    let end = json!({"exitCode": 78, "reason": "Error", "finishedAt": "2026-11-21T11:58:00Z"});
    let expected = "CrashLooping: pod orders-email-x: crashes again and again, last with exit \
                    code 78 (bad configuration): kubectl logs -n shop orders-email-x --previous";
    let backs_off = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}});
    assert_eq!(told_of(&crashed(&backs_off, 3, &end)), expected);
    let runs = json!({"running": {"startedAt": "2026-11-21T11:59:59Z"}});
    assert_eq!(told_of(&crashed(&runs, 3, &end)), expected);
    let ended = json!({"terminated": end});
    assert_eq!(told_of(&crashed(&ended, 3, &end)), expected);
}

#[test]
fn a_crash_that_is_over_is_no_loop() {
    let runs = json!({"running": {"startedAt": "2026-11-21T11:59:59Z"}});
    let end = |code: i32, at: &str| json!({"exitCode": code, "finishedAt": at});
    let just_now = "2026-11-21T11:59:58Z";
    assert_eq!(told_of(&crashed(&runs, 1, &end(1, just_now))), "", "once is no loop");
    assert_eq!(told_of(&crashed(&runs, 9, &end(0, just_now))), "", "it ended well");
    assert_eq!(told_of(&crashed(&runs, 9, &end(1, "2026-11-21T11:00:00Z"))), "", "long ago");
    let mut healthy = crashed(&runs, 9, &end(1, just_now));
    healthy["ready"] = json!(true);
    assert_eq!(told_of(&healthy), "", "it is ready");
}

#[test]
fn a_worker_without_memory_is_told_to_get_more() {
    let end = json!({"exitCode": 137, "reason": "OOMKilled"});
    let backs_off = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let told = told_of(&crashed(&backs_off, 1, &end));
    assert!(told.contains("exit code 137 (out of memory)"), "{told}");
    assert!(told.ends_with("raise worker.resources.limits.memory"), "{told}");
}

#[test]
fn a_container_that_never_ran_says_why() {
    let said = "exec: \"python3\": executable file not found in $PATH";
    let told = told_of(&waiting("RunContainerError", said));
    assert!(told.starts_with("CrashLooping: ") && told.contains(said), "{told}");
}

#[test]
fn a_secret_that_the_environment_names_and_nobody_made_is_told_by_name() {
    let told = told_of(&waiting("CreateContainerConfigError", "secret \"mail\" not found"));
    let expected = "SecretNotFound: pod orders-email-x: secret \"mail\" not found: create it, or \
                    correct its name";
    assert_eq!(told, expected);
}

#[test]
fn pods_that_no_node_takes_are_counted() {
    let unscheduled = |name: &str| {
        json!({
            "metadata": {"name": name, "namespace": "shop"},
            "status": {"phase": "Pending", "conditions": [{
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/1 nodes are available: 1 Insufficient cpu.",
            }]},
        })
    };
    let expected = "Unschedulable: pod a and 2 more: no node takes it (0/1 nodes are available: 1 \
                    Insufficient cpu.): add or free nodes, or lower worker.resources.requests";
    assert_eq!(told(&["c", "a", "b"].map(unscheduled)).unwrap(), expected);
}

#[test]
fn a_refused_pod_is_a_quota_or_else_somebody_who_forbids_it() {
    let deployment = |message: &str| {
        json!({
            "metadata": {"name": "orders-email", "namespace": "shop"},
            "status": {"conditions": [{
                "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
                "message": message,
            }]},
        })
    };
    let refused = |message: &str| trouble_of(Program::Worker, &[], &deployment(message)).unwrap();
    assert_eq!(
        refused("pods \"orders-email-7d4b9-x2x2x\" is forbidden: exceeded quota: small"),
        "QuotaExceeded: Deployment orders-email: the API server makes no pod: is forbidden: \
         exceeded quota: small; raise the quota, or lower maxReplicas or worker.resources"
    );
    let forbidden = refused("pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"");
    assert!(forbidden.starts_with("Forbidden: ") && forbidden.contains("PodSecurity"));
}

#[test]
fn a_pod_on_its_way_out_and_one_that_merely_starts_are_no_trouble() {
    let mut leaving = pod("a", &waiting("ErrImagePull", "denied"));
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-21T12:00:00Z");
    assert_eq!(told(&[leaving]), None);
    assert_eq!(told_of(&waiting("ContainerCreating", "")), "");
    assert_eq!(told_of(&container(&json!({"running": {}}))), "");
}

#[test]
fn what_only_a_person_can_mend_is_told_first() {
    let backs_off = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let pods = [
        pod("a", &crashed(&backs_off, 5, &json!({"exitCode": 1}))),
        pod("b", &waiting("ErrImagePull", "denied")),
    ];
    assert!(told(&pods).unwrap().starts_with("ImagePull: pod b: "));
}

#[test]
fn pods_of_a_template_that_was_replaced_are_no_trouble_any_more() {
    let of = |name: &str, replica_set: &str| {
        let mut pod = pod(name, &waiting("ErrImagePull", "denied"));
        pod["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": replica_set, "uid": "1",
        }]);
        pod
    };
    let deployment = |seen: i64| {
        json!({
            "metadata": {"name": "orders-email", "generation": 2},
            "status": {"observedGeneration": seen, "conditions": [{
                "type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated",
                "message": "ReplicaSet \"orders-email-new\" is progressing.",
            }]},
        })
    };
    let told = |pod, seen| trouble_of(Program::Worker, &[pod], &deployment(seen)).is_some();
    assert!(!told(of("a", "orders-email-old"), 2));
    assert!(told(of("a", "orders-email-new"), 2));
    assert!(told(of("a", "orders-email-old"), 1), "nobody has looked at the new template yet");
}
