//! What all objects have alike.

use std::fs;

use serde_json::Value;

use crate::{
    helm::{render, situations, warren},
    object::key,
};

/// Kinds without a namespace.
const GLOBAL: [&str; 3] = ["ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"];

#[test]
fn every_object_says_what_it_belongs_to() {
    let objects = render("{commonLabels: {team: messaging}}");
    assert!(objects.all().len() >= 10);
    for object in objects.all() {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/name"], "warren", "{}", key(object));
        assert_eq!(labels["app.kubernetes.io/instance"], "warren", "{}", key(object));
        assert_eq!(labels["app.kubernetes.io/version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(labels["team"], "messaging", "{}", key(object));
    }
    let pod = &objects.operator()["spec"]["template"]["metadata"]["labels"];
    assert_eq!(pod["team"], "messaging");
}

/// What is rendered is applied by other tools than helm too, which know no namespace of a release.
#[test]
fn every_object_says_its_namespace() {
    for (name, values) in situations() {
        for object in render(&values).all() {
            let is_global = GLOBAL.contains(&object["kind"].as_str().unwrap());
            let has_none = object["metadata"]["namespace"] == Value::Null;
            assert_eq!(is_global, has_none, "{name}: {}", key(object));
        }
    }
}

#[test]
fn two_renders_are_the_same_bytes() {
    for (name, values) in situations() {
        let render = || warren().template(&[], &values).unwrap();
        assert_eq!(render(), render(), "{name}");
    }
}

/// A render that asks the cluster, or chance, differs from what is there each time, and tools that
/// compare the two never come to rest.
#[test]
fn no_template_asks_the_cluster_or_chance() {
    let mut files = Vec::new();
    for folder in ["templates", "templates/tests"] {
        let entries = fs::read_dir(warren().path().join(folder)).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()));
    }
    assert!(files.len() >= 8);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for word in ["lookup ", "randAlpha", "randNumeric", "uuidv4", "genCA", "now "] {
            let used = text.lines().any(|line| line.contains("{{") && line.contains(word));
            assert!(!used, "{}: {word}", file.display());
        }
    }
}

#[test]
fn releases_beside_each_other_have_names_of_their_own() {
    let render = |release: &str| warren().release(release, &[], "{}").unwrap();
    let text = render("billing");
    assert!(text.contains("name: billing-warren-operator"), "{text}");
    assert!(!text.contains("name: warren-operator\n"));
    let long = "x".repeat(53);
    for line in render(&long).lines().filter_map(|line| line.trim().strip_prefix("name: ")) {
        assert!(line.len() <= 63, "{line}");
    }
}
