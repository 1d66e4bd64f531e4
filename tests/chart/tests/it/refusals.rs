//! Values that are refused, and what is said.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::helm::{Chart, file, refusal, render, set, warren};

/// Maps whose keys are not the chart's own.
const OPEN: [&str; 7] = [
    "commonLabels",
    "crds.annotations",
    "global",
    "operator.resources.limits",
    "operator.resources.requests",
    "operator.scheduling.affinity",
    "operator.scheduling.nodeSelector",
];

/// The paths of all maps below `value`.
fn maps(value: &Value, path: &str, found: &mut Vec<String>) {
    let Value::Object(map) = value else {
        return;
    };
    if OPEN.contains(&path) {
        return;
    }
    found.push(path.to_owned());
    for (key, value) in map {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        maps(value, &path, found);
    }
}

#[test]
fn a_slip_of_the_pen_in_any_key_is_refused() {
    let defaults: Value = serde_saphyr::from_str(&file("values.yaml")).unwrap();
    let mut found = Vec::new();
    maps(&defaults, "", &mut found);
    assert!(found.len() >= 12, "{found:?}");
    for path in found {
        let mut values = json!({});
        let slip = format!("{path}.slipOfThePen");
        set(&mut values, slip.trim_start_matches('.'), json!(1));
        let said = refusal(&values.to_string());
        assert!(said.contains("slipOfThePen"), "{path}: {said}");
    }
}

#[test]
fn a_second_operator_is_refused() {
    let said = refusal("{operator: {replicas: 2}}");
    assert!(said.contains("replicas"), "{said}");
}

#[test]
fn values_of_the_wrong_form_are_refused() {
    for (path, value) in [
        ("clusterId", json!("a/b")),
        ("commonLabels", json!({"app.kubernetes.io/name": "x"})),
        ("commonLabels", json!({"a": 1})),
        ("crds.keep", json!("no")),
        ("global.imagePullSecrets", json!([{"nam": "x"}])),
        ("images.operator.repository", json!("")),
        ("images.operator.tag", json!(1.0)),
        ("images.pullPolicy", json!("Sometimes")),
        ("operator.log.format", json!("xml")),
        ("operator.reconcile.concurrency", json!(0)),
        ("operator.reconcile.interval", json!("60")),
        ("operator.reconcile.interval", json!(60)),
        ("operator.replicas", json!(-1)),
        ("watch.namespaces", json!(["shop", "shop"])),
        ("watch.namespaces", json!("shop")),
        ("watch.namespaces", json!(["Shop"])),
    ] {
        let mut values = json!({"clusterId": "x"});
        set(&mut values, path, value.clone());
        let said = refusal(&values.to_string());
        let place = match &value {
            // What is wrong is the name of a label.
            Value::Object(labels) => labels.keys().next().unwrap(),
            _ => path.rsplit('.').next().unwrap(),
        };
        assert!(said.contains(place), "{path}={value}: {said}");
    }
}

#[test]
fn chosen_namespaces_need_the_name_of_the_cluster() {
    let said = refusal("{watch: {namespaces: [shop]}}");
    assert!(said.contains("watch.namespaces needs clusterId"), "{said}");
    assert!(said.contains("kubectl get namespace kube-system"), "{said}");
}

#[test]
fn a_digest_that_is_none_is_refused_with_what_to_write() {
    for image in ["operator", "worker", "producer"] {
        for digest in ["1.2.3", "sha256:12", &format!("sha512:{}", "1".repeat(64))] {
            let said = refusal(&format!("{{images: {{{image}: {{digest: \"{digest}\"}}}}}}"));
            assert!(said.contains(&format!("images.{image}.digest is \"{digest}\"")), "{said}");
            assert!(said.contains("write sha256:"), "{said}");
        }
    }
}

#[test]
fn what_a_parent_chart_shares_is_let_in() {
    assert!(!render("{global: {region: europe, imageRegistry: x}}").all().is_empty());
    assert!(!render("{enabled: true}").all().is_empty());
}

/// A dependency gets `global` whole, and is told `enabled` when the parent decides by it.
#[test]
fn the_chart_works_as_a_dependency() {
    let folder = tempfile::tempdir().unwrap();
    let parent = folder.path();
    fs::write(
        parent.join("Chart.yaml"),
        "{apiVersion: v2, name: shop, version: 0.1.0, dependencies: [{name: warren, version: '*', \
         condition: warren.enabled}]}",
    )
    .unwrap();
    copy(warren().path(), &parent.join("charts/warren"));
    let values = |enabled: bool| {
        format!(
            "{{global: {{imageRegistry: r.example, other: 1}}, \
             warren: {{enabled: {enabled}, operator: {{log: {{level: debug}}}}}}}}"
        )
    };
    let on = Chart::at(parent).template(&[], &values(true)).unwrap();
    assert!(on.contains("image: \"r.example/warren-operator:"), "{on}");
    let off = Chart::at(parent).template(&[], &values(false)).unwrap();
    assert!(!off.contains("kind:"), "{off}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}
