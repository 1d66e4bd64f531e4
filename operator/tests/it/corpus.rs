//! The files that the schema of the custom resource is tested with, judged by the operator: what
//! is valid it takes, what breaks a rule it refuses at the same place and in the same words, and
//! what is not built yet it refuses by name.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use warren_api::{MessagePipeline, schema};
use warren_operator::{
    settings::{Identity, ImagePull, Settings},
    validate::{self, Violation},
};

fn settings() -> Settings {
    Settings {
        identity: Identity::Local,
        worker_image: "warren-worker:test".to_owned(),
        producer_image: "warren-producer:test".to_owned(),
        pull: ImagePull::default(),
    }
}

/// What the operator says of an object; nothing when it cannot even be read as one.
fn judged(object: &Value) -> Option<Vec<Violation>> {
    let object: MessagePipeline = serde_json::from_value(schema::with_defaults(object)).ok()?;
    let verdict = validate::pipeline(&object, &settings());
    Some(verdict.err().map_or_else(Vec::new, |all| all.iter().cloned().collect()))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/api/tests").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn documents(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The path and a part of the message that the first lines of a file name.
fn expected(file: &Path) -> Option<(String, String)> {
    let text = fs::read_to_string(file).unwrap();
    let header = |key: &str| {
        let mut lines = text.lines().map_while(|line| line.strip_prefix("# "));
        let value = lines.find_map(|line| line.strip_prefix(key))?;
        Some(value.trim().to_owned())
    };
    Some((header("path:")?, header("message:")?))
}

#[test]
fn what_the_schema_takes_the_operator_takes_but_for_what_is_not_built() {
    for file in files("valid") {
        let object = documents(&file).remove(0);
        let found = judged(&object).unwrap_or_else(|| panic!("{}", file.display()));
        let others: Vec<_> = found
            .iter()
            .filter(|v| !v.message.ends_with("is not available in this version"))
            .collect();
        assert!(others.is_empty(), "{}: {others:#?}", file.display());
    }
}

#[test]
fn what_breaks_a_rule_is_refused_there_and_in_the_same_words() {
    let mut judged_files = 0;
    for file in files("invalid") {
        let documents = documents(&file);
        // A second document is the object before a change, and the operator never sees that one;
        // tables change single fields, which the schema alone judges.
        let Some((path, message)) = expected(&file).filter(|_| documents.len() == 1) else {
            continue;
        };
        let Some(found) = judged(&documents[0]) else {
            continue;
        };
        let hit = found.iter().any(|v| v.path == path && v.message.contains(&message));
        assert!(hit, "{}: wanted {path}: {message}, found {found:#?}", file.display());
        judged_files += 1;
    }
    assert!(judged_files > 30, "only {judged_files} files were judged");
}

#[test]
fn what_is_not_built_is_refused_by_name_and_for_nothing_else() {
    for file in files("unavailable") {
        let (path, message) = expected(&file).unwrap();
        let found = judged(&documents(&file)[0]).unwrap();
        assert_eq!(found, [Violation { path, message }], "{}", file.display());
    }
}
