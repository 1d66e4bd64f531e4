//! The files: objects to take, objects to refuse, and how a refusal says so.
//!
//! A file in `invalid` or `unavailable` begins with `# path:` and `# message:`, the one refusal it
//! is there for; a second document is the object before the change. A file in `invalid` may
//! instead be a table: `base` names a valid object, and each of `cases` changes one field of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

/// An object that must be refused, and how.
pub(crate) struct Refused {
    /// The file, and the field that a table changes.
    pub name: String,
    pub path: String,
    /// A part of the message.
    pub message: String,
    /// Another path that the same mistake breaks, without a way around it.
    pub also: Option<String>,
    pub object: Value,
    pub old: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    base: String,
    cases: Vec<Case>,
}

/// One change of a table. The field is `at`, or `path` when the refusal names the changed field.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    path: String,
    message: String,
    at: Option<String>,
    also: Option<String>,
    /// The new value of the field.
    set: Option<Value>,
    /// The field goes.
    #[serde(default)]
    remove: bool,
    /// A text as long as this.
    text: Option<usize>,
    /// A list, or a map, of as many copies of a value; `%` in it becomes the number of the copy.
    list: Option<Copies>,
    map: Option<Copies>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Copies {
    of: Value,
    times: usize,
}

/// The objects of `valid`, each with its file's name.
pub(crate) fn valid() -> Vec<(String, Value)> {
    files("valid").into_iter().map(|file| (name(&file), documents(&file).remove(0))).collect()
}

pub(crate) fn invalid() -> Vec<Refused> {
    files("invalid")
        .iter()
        .flat_map(|file| {
            let first = documents(file).remove(0);
            if first.get("cases").is_some() { table(file, first) } else { vec![single(file)] }
        })
        .collect()
}

/// The objects of `unavailable`: the schema takes them, this version of the operator does not.
pub(crate) fn unavailable() -> Vec<Refused> {
    files("unavailable").iter().map(|file| single(file)).collect()
}

fn single(file: &Path) -> Refused {
    let text = fs::read_to_string(file).unwrap();
    let header = |key: &str| {
        text.lines()
            .map_while(|line| line.strip_prefix("# "))
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_else(|| panic!("{}: no line `# {key}`", file.display()))
            .trim()
            .to_owned()
    };
    let mut documents = documents(file);
    let old = (documents.len() > 1).then(|| documents.remove(1));
    Refused {
        name: name(file),
        path: header("path:"),
        message: header("message:"),
        also: None,
        object: documents.remove(0),
        old,
    }
}

fn table(file: &Path, table: Value) -> Vec<Refused> {
    let table: Table =
        serde_json::from_value(table).unwrap_or_else(|error| panic!("{}: {error}", name(file)));
    let base = documents(&directory("valid").join(&table.base)).remove(0);
    let refused = |case: Case| {
        let mut object = base.clone();
        let at = case.at.as_ref().unwrap_or(&case.path);
        change(&mut object, at, new_value(&case));
        let name = format!("{}: {} {}", name(file), case.path, case.message);
        assert!(case.message.len() > 8, "{name}: a message that says something");
        let Case { path, message, also, .. } = case;
        Refused { name, path, message, also, object, old: None }
    };
    table.cases.into_iter().map(refused).collect()
}

fn new_value(case: &Case) -> Option<Value> {
    let copies = |copies: &Copies| (0..copies.times).map(|n| numbered(&copies.of, n)).collect();
    if let Some(value) = &case.set {
        Some(value.clone())
    } else if let Some(length) = case.text {
        Some("a".repeat(length).into())
    } else if let Some(list) = &case.list {
        Some(Value::Array(copies(list)))
    } else if let Some(map) = &case.map {
        let values: Vec<Value> = copies(map);
        let keyed = values.into_iter().enumerate().map(|(n, value)| (format!("k{n}"), value));
        Some(Value::Object(keyed.collect()))
    } else {
        assert!(case.remove, "{}: a case changes something", case.path);
        None
    }
}

fn numbered(value: &Value, n: usize) -> Value {
    match value {
        Value::String(text) => text.replace('%', &n.to_string()).into(),
        Value::Object(object) => Value::Object(
            object.iter().map(|(key, value)| (key.clone(), numbered(value, n))).collect(),
        ),
        other => other.clone(),
    }
}

/// Puts a value where the path says, or removes what is there.
fn change(object: &mut Value, path: &str, value: Option<Value>) {
    let parts = segments(path);
    let (last, parents) = parts.split_last().expect("a path names a field");
    let mut at = object;
    for part in parents {
        at = match at {
            Value::Array(items) => &mut items[part.parse::<usize>().unwrap()],
            Value::Object(fields) => fields.entry(part).or_insert_with(|| Map::new().into()),
            _ => panic!("{path}: {part} is neither in a list nor in an object"),
        };
    }
    match (at, value) {
        (Value::Array(items), Some(value)) => items[last.parse::<usize>().unwrap()] = value,
        (Value::Object(fields), Some(value)) => drop(fields.insert(last.clone(), value)),
        (Value::Object(fields), None) => {
            assert!(fields.remove(last).is_some(), "{path} is not there");
        }
        _ => panic!("{path} cannot be changed"),
    }
}

/// `spec.queues[0].name` as its parts.
pub(crate) fn segments(path: &str) -> Vec<String> {
    path.replace('[', ".").replace(']', "").split('.').map(str::to_owned).collect()
}

fn documents(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(!files.is_empty(), "{folder} has no files");
    files
}

fn directory(folder: &str) -> PathBuf {
    // From the package that compiles this: `tests/e2e` does too, for a real API server.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/api/tests").join(folder)
}

fn name(file: &Path) -> String {
    file.file_name().unwrap().to_string_lossy().into_owned()
}
