//! `deploy/default` is what the chart renders with its defaults.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde_json::Value;

use crate::{
    helm::{repository, warren},
    object::{Objects, key, texts},
};

fn folder() -> PathBuf {
    repository().join("deploy/default")
}

fn kustomization() -> Value {
    let text = fs::read_to_string(folder().join("kustomization.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

fn by_key(objects: &Objects) -> BTreeMap<String, &Value> {
    let keyed: BTreeMap<_, _> = objects.all().iter().map(|object| (key(object), object)).collect();
    assert_eq!(keyed.len(), objects.all().len(), "two objects of one name");
    keyed
}

#[test]
fn the_base_is_the_chart_with_its_defaults_in_a_restricted_namespace() {
    let rendered = warren().template(&["--skip-tests"], "{}").unwrap();
    let rendered = Objects::read(&rendered);
    let kustomization = kustomization();
    let texts = texts(&kustomization["resources"]).into_iter().map(|name| {
        let path = folder().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    });
    let committed = Objects::read(&texts.collect::<Vec<_>>().join("\n---\n"));

    let mut committed = by_key(&committed);
    let namespace = committed.remove("Namespace - warren-system").unwrap();
    let labels = &namespace["metadata"]["labels"];
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");

    let rendered = by_key(&rendered);
    let names = |objects: &BTreeMap<String, &Value>| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(&rendered));
    for (name, object) in rendered {
        assert_eq!(committed[&name], object, "{name}: run `cargo xtask gen`");
    }
}

#[test]
fn the_base_leaves_no_file_out() {
    let entries = fs::read_dir(folder()).unwrap();
    let mut files: BTreeSet<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(files.remove("kustomization.yaml"));
    let kustomization = kustomization();
    let named: BTreeSet<_> =
        texts(&kustomization["resources"]).into_iter().map(str::to_owned).collect();
    assert_eq!(files, named);
}
