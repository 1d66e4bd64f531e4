//! What the operator is told: its image, and the variables of its container.

use crate::helm::render;

#[test]
fn images_are_those_of_this_version_unless_others_are_named() {
    let objects = render("{}");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(objects.container()["image"], format!("warren-operator:{version}"));
    for (variable, name) in
        [("WARREN_WORKER_IMAGE", "worker"), ("WARREN_PRODUCER_IMAGE", "producer")]
    {
        assert_eq!(objects.variable(variable), Some(&*format!("warren-{name}:{version}")));
    }
    assert_eq!(
        objects.one("Pod", "warren-smoke")["spec"]["containers"][0]["image"],
        objects.container()["image"]
    );
}

#[test]
fn a_digest_wins_over_a_tag_and_a_registry_stands_before_all() {
    let digest = format!("sha256:{}", "1".repeat(64));
    let objects = render(&format!(
        "global: {{imageRegistry: registry.example/mirror/}}\n\
         images:\n  \
         operator: {{repository: a/operator, tag: \"9\", digest: \"{digest}\"}}\n  \
         worker: {{tag: \"9\"}}\n"
    ));
    let image = &objects.container()["image"];
    assert_eq!(image, &format!("registry.example/mirror/a/operator@{digest}"));
    let worker = objects.variable("WARREN_WORKER_IMAGE");
    assert_eq!(worker, Some("registry.example/mirror/warren-worker:9"));
}

#[test]
fn pull_secrets_are_taken_as_names_and_as_references() {
    let objects = render("{global: {imagePullSecrets: [{name: one}, two]}}");
    assert_eq!(objects.variable("WARREN_IMAGE_PULL_SECRETS"), Some("one,two"));
    let pods = objects.pods();
    assert_eq!(pods.len(), 2);
    for (name, pod) in pods {
        let secrets = pod["imagePullSecrets"].to_string();
        assert_eq!(secrets, r#"[{"name":"one"},{"name":"two"}]"#, "{name}");
    }
}

#[test]
fn the_operator_learns_which_pipelines_are_its_own() {
    let objects = render("{}");
    for variable in ["WARREN_WATCH_NAMESPACES", "WARREN_WATCH_LABELS", "WARREN_CLUSTER_ID"] {
        assert_eq!(objects.variable(variable), None);
    }
    let objects = render(
        "{watch: {namespaces: [shop, billing], labelSelector: 'tier in (a, b)'}, clusterId: x}",
    );
    assert_eq!(objects.variable("WARREN_WATCH_NAMESPACES"), Some("shop,billing"));
    assert_eq!(objects.variable("WARREN_WATCH_LABELS"), Some("tier in (a, b)"));
    assert_eq!(objects.variable("WARREN_CLUSTER_ID"), Some("x"));
}

#[test]
fn the_operator_learns_its_pod_and_its_pace() {
    let objects = render("{operator: {reconcile: {concurrency: 100, interval: 1m30s}}}");
    assert_eq!(objects.variable("WARREN_RECONCILE_CONCURRENCY"), Some("100"));
    assert_eq!(objects.variable("WARREN_RECONCILE_INTERVAL"), Some("1m30s"));
    let variables = objects.container()["env"].to_string();
    assert!(
        variables.contains(
            r#"{"name":"POD_NAME","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}"#
        )
    );
}
