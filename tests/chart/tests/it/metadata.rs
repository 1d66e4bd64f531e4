//! What the chart says of itself, and what helm and Kubernetes it takes.

use serde_json::Value;
use warren_api::schema;

use crate::helm::{file, render, situations, warren};

fn chart() -> Value {
    serde_saphyr::from_str(&file("Chart.yaml")).unwrap()
}

#[test]
fn the_linter_finds_nothing() {
    for (name, values) in situations() {
        let said = warren().lint(&values).unwrap_or_else(|said| panic!("{name}: {said}"));
        assert!(said.contains("1 chart(s) linted, 0 chart(s) failed"), "{name}: {said}");
    }
}

#[test]
fn every_supported_kubernetes_is_taken_those_of_vendors_too() {
    for version in ["1.33", "1.34", "1.35", "1.36", "1.37", "v1.33.1-gke.100", "1.34.2+k3s1"] {
        for (name, values) in situations() {
            let rendered = warren().template(&["--kube-version", version], &values);
            assert!(rendered.is_ok(), "{version}, {name}: {rendered:?}");
        }
    }
    let said = warren().template(&["--kube-version", "1.32"], "{}").unwrap_err();
    assert!(said.contains("kubeVersion"), "{said}");
}

#[test]
fn chart_and_programs_have_one_version() {
    let chart = chart();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn what_is_told_to_artifact_hub_is_true() {
    let chart = chart();
    let annotation = |name: &str| -> Value {
        let text = chart["annotations"][format!("artifacthub.io/{name}")].as_str().unwrap();
        serde_saphyr::from_str(text).unwrap()
    };
    let crd = warren_api::crd();
    let told = &annotation("crds")[0];
    assert_eq!(told["name"], *crd.metadata.name.as_ref().unwrap());
    assert_eq!(told["kind"], crd.spec.names.kind);
    assert_eq!(told["version"], crd.spec.versions[0].name);
    for example in annotation("crdsExamples").as_array().unwrap() {
        assert_eq!(schema::violations(&schema::with_defaults(example)), []);
        assert!(schema::unknown_fields(example).is_empty());
    }
}

#[test]
fn the_definition_is_that_of_the_code_and_stays_when_the_release_goes() {
    let objects = render("{crds: {annotations: {a: b}}}");
    let rendered = objects.one("CustomResourceDefinition", "messagepipelines.warren.dev");
    let made: Value = serde_saphyr::from_str(&warren_api::crd_yaml()).unwrap();
    assert_eq!(rendered["spec"], made["spec"]);
    let annotations = &rendered["metadata"]["annotations"];
    assert_eq!(annotations["helm.sh/resource-policy"], "keep");
    assert_eq!(annotations["a"], "b");

    let objects = render("{crds: {keep: false}}");
    let rendered = objects.one("CustomResourceDefinition", "messagepipelines.warren.dev");
    assert_eq!(rendered["metadata"]["annotations"], Value::Null);

    assert!(render("{crds: {enabled: false}}").of("CustomResourceDefinition").is_empty());
}
