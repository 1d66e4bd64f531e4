//! What every pod of the chart has: the Pod Security standard "restricted", and no more access than
//! it needs. <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>

use serde_json::{Value, json};

use crate::{
    helm::{render, situations},
    object::Objects,
};

/// Judges every pod of every situation.
fn for_each_pod(judge: impl Fn(&str, &Value)) {
    let mut pods = 0;
    for (file, values) in situations() {
        let objects = render(&values);
        for (name, spec) in objects.pods() {
            pods += 1;
            judge(&format!("{file}, {name}"), spec);
        }
    }
    // The operator in each situation, and the pod of `helm test` in all but the one with a selector.
    assert_eq!(pods, 5, "pods were judged");
}

fn containers<'a>(name: &str, pod: &'a Value) -> &'a [Value] {
    let containers = pod["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(!containers.is_empty(), "{name}");
    containers
}

#[test]
fn every_pod_is_restricted() {
    for_each_pod(|name, pod| {
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(pod["securityContext"]["seccompProfile"], json!({"type": "RuntimeDefault"}));
        for word in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
            assert_eq!(pod[word], Value::Null, "{name}: {word}");
        }
        for container in containers(name, pod) {
            let wanted = json!({
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": true,
            });
            assert_eq!(container["securityContext"], wanted, "{name}");
        }
        for volume in pod["volumes"].as_array().unwrap() {
            let harmless = ["emptyDir", "projected"].iter().any(|kind| volume[kind].is_object());
            assert!(harmless, "{name}: {volume}");
        }
    });
}

#[test]
fn no_pod_asks_for_a_user_which_openshift_chooses_itself() {
    for_each_pod(|name, pod| {
        let text = pod.to_string();
        for word in ["runAsUser", "runAsGroup", "fsGroup"] {
            assert!(!text.contains(word), "{name}: {word}");
        }
    });
}

#[test]
fn the_only_token_is_a_projected_one_that_ends() {
    for_each_pod(|name, pod| {
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        let sources: Vec<_> = pod["volumes"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|volume| volume["projected"]["sources"].as_array())
            .flatten()
            .collect();
        let token = sources.iter().find(|source| source["serviceAccountToken"].is_object());
        let seconds = token.unwrap()["serviceAccountToken"]["expirationSeconds"].as_u64();
        assert!(seconds.unwrap() <= 3607, "{name}");
        for container in containers(name, pod) {
            let mounts = container["volumeMounts"].as_array().unwrap();
            let mount = mounts.iter().find(|mount| mount["name"] == "api-access").unwrap();
            assert_eq!(mount["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
            assert_eq!(mount["readOnly"], true, "{name}");
        }
    });
    for (file, values) in situations() {
        let objects = render(&values);
        for account in objects.of("ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{file}");
        }
    }
}

#[test]
fn no_pod_is_told_of_the_services_around_it() {
    for_each_pod(|name, pod| assert_eq!(pod["enableServiceLinks"], false, "{name}"));
}

#[test]
fn every_container_says_what_it_needs_and_may_use() {
    for_each_pod(|name, pod| {
        for container in containers(name, pod) {
            let resources = &container["resources"];
            assert!(resources["requests"]["cpu"].is_string(), "{name}");
            assert!(resources["requests"]["memory"].is_string(), "{name}");
            assert!(resources["limits"]["memory"].is_string(), "{name}");
        }
    });
}

#[test]
fn there_is_one_operator_at_a_time_with_time_to_finish() {
    let objects = render("{}");
    let spec = &objects.operator()["spec"];
    assert_eq!(spec["replicas"], 1);
    assert_eq!(spec["strategy"], json!({"type": "Recreate"}));
    let grace = spec["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace >= 30, "{grace}");
}

#[test]
fn kubernetes_asks_the_operator_whether_it_lives_and_is_ready() {
    let objects = render("{}");
    let container = objects.container();
    assert_eq!(container["ports"], json!([{"name": "metrics", "containerPort": 8080}]));
    let probe = |name: &str| container[name]["httpGet"].clone();
    assert_eq!(probe("livenessProbe"), json!({"path": "/livez", "port": "metrics"}));
    assert_eq!(probe("readinessProbe"), json!({"path": "/readyz", "port": "metrics"}));
}

#[test]
fn a_selector_finds_the_operator_and_never_the_smoke_test() {
    let objects = render("{commonLabels: {team: messaging}}");
    let selector = objects.operator()["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let of = |labels: &Value| selector.iter().all(|(name, value)| labels[name] == *value);
    assert!(of(&objects.operator()["spec"]["template"]["metadata"]["labels"]));
    assert!(!of(&objects.one("Pod", "warren-smoke")["metadata"]["labels"]));
    // A Deployment's selector can never change, and common labels do.
    assert!(!selector.contains_key("team"));
    assert!(!selector.contains_key("app.kubernetes.io/version"));
}

#[test]
fn the_smoke_test_goes_with_its_pod_when_it_was_good() {
    let objects = render("{}");
    let tests: Vec<_> = objects.all().iter().filter(|object| Objects::is_test(object)).collect();
    assert_eq!(tests.len(), 4);
    for object in tests {
        let policy = &object["metadata"]["annotations"]["helm.sh/hook-delete-policy"];
        assert_eq!(policy, "before-hook-creation,hook-succeeded");
    }
}
