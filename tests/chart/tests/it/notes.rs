//! What helm says after an install.

use std::fs;

use serde_json::Value;
use warren_api::schema;

use crate::{
    helm::{Chart, file, repository},
    object::Objects,
};

/// The notes as helm fills them in. `helm template` leaves them out, so they are rendered as the
/// content of an object.
fn notes(flags: &[&str], values: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path();
    fs::create_dir(chart.join("templates")).unwrap();
    for name in ["Chart.yaml", "values.yaml", "templates/_helpers.tpl"] {
        fs::write(chart.join(name), file(name)).unwrap();
    }
    fs::write(chart.join("NOTES.txt"), file("templates/NOTES.txt")).unwrap();
    let template = "{kind: Notes, text: {{ tpl (.Files.Get \"NOTES.txt\") . | toJson }}}\n";
    fs::write(chart.join("templates/notes.yaml"), template).unwrap();
    let rendered = Chart::at(chart).template(flags, values).unwrap();
    let objects = Objects::read(&rendered);
    objects.all()[0]["text"].as_str().unwrap().to_owned()
}

/// The pipeline that is to be pasted, without the indentation.
fn pasted(notes: &str) -> Value {
    let (_, after) = notes.split_once("<<'END'\n").unwrap();
    let (pipeline, _) = after.split_once("\n  END\n").unwrap();
    let lines = pipeline.lines().map(|line| line.strip_prefix("  ").unwrap());
    serde_saphyr::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap()
}

#[test]
fn the_pipeline_to_paste_is_a_good_one_where_the_operator_looks() {
    for (values, namespace) in
        [("{}", "shop"), ("{watch: {namespaces: [billing, x]}, clusterId: a}", "billing")]
    {
        let notes = notes(&[], values);
        let pipeline = pasted(&notes);
        assert_eq!(schema::violations(&schema::with_defaults(&pipeline)), []);
        assert!(schema::unknown_fields(&pipeline).is_empty());
        assert_eq!(pipeline["metadata"]["namespace"], namespace);
        assert!(notes.contains(&format!("secret generic rabbitmq -n {namespace}")), "{notes}");
        let makes_namespace = notes.contains(&format!("kubectl create namespace {namespace}"));
        assert_eq!(makes_namespace, namespace == "shop", "{notes}");
    }
}

#[test]
fn pipelines_go_before_the_release_and_the_definition_last() {
    let notes = notes(&[], "{}");
    let at = |words: &str| notes.find(words).unwrap_or_else(|| panic!("{words}: {notes}"));
    let pipelines = at("kubectl delete messagepipelines -A --all --wait");
    let release = at("helm uninstall warren -n warren-system");
    let definition = at("kubectl delete crd messagepipelines.warren.dev");
    assert!(pipelines < release && release < definition, "{notes}");
}

#[test]
fn what_is_unusual_is_said() {
    for (flags, values, words) in [
        (&[][..], "{operator: {replicas: 0}}", "NOTHING RUNS"),
        (&[], "{crds: {enabled: false}}", "crds.enabled is false"),
        (&[], "{crds: {keep: false}}", "goes with the release"),
        (&[], "{rbac: {create: false}}", "warren-system/warren-operator"),
        (&[], "{watch: {labelSelector: tier=gold}}", "`tier=gold`"),
        (&["--kube-version", "1.38.0"], "{}", "Kubernetes v1.38.0 is newer than 1.37"),
    ] {
        let unusual = notes(flags, values);
        assert!(unusual.contains(words), "{values}: {unusual}");
        let usual = notes(&["--kube-version", "1.37.9"], "{}");
        assert!(!usual.contains(words), "{usual}");
    }
}

/// The README of the chart gives the same order and commands.
#[test]
fn notes_and_readme_agree_on_how_to_uninstall() {
    let readme = fs::read_to_string(repository().join("charts/warren/README.md")).unwrap();
    let commands = notes(&[], "{}");
    let (_, commands) = commands.split_once("To uninstall").unwrap();
    let commands: Vec<_> = commands.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(commands.len(), 3);
    assert!(readme.contains(&commands.join("\n")), "{commands:?}");
}
