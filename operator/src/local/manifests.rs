//! From files to pipelines and Secrets, and everything that is wrong with them.
//!
//! Local mode has no API server in front of it, so the strictness of `kubectl apply` is here: an
//! unknown field or kind is an error, not something to drop. All mistakes of all files are told at
//! once. No message quotes a value of a Secret, nor the lines around a mistake.

mod pipeline;
mod problem;
mod secret;

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde_json::Value;
use warren_api::MessagePipeline;

pub(crate) use self::problem::{Mistake, Mistakes, Place};
use crate::{login::SecretData, pipeline::Pipeline, settings::Settings};

/// What the files hold.
#[derive(Default)]
pub(crate) struct Manifests {
    /// In the order of the files; at least one after [`read`].
    pub(crate) pipelines: Vec<Manifest>,
    /// By namespace and name.
    pub(crate) secrets: BTreeMap<(String, String), SecretData>,
}

/// A pipeline that breaks no rule.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// Where it stands.
    pub(crate) place: Place,
    /// As it was written, with every default of the schema.
    pub(crate) object: MessagePipeline,
    /// What it means.
    pub(crate) pipeline: Pipeline,
}

/// A document of a kind we know, without a mistake.
enum Document {
    Pipeline(Box<Manifest>),
    Secret(secret::Manifest),
}

/// The namespace of an object that names none, as `kubectl` has it.
pub(super) const DEFAULT_NAMESPACE: &str = "default";

/// The name that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// A file larger than this is not a manifest; etcd takes objects of at most 1.5 MiB.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// Reads all files.
///
/// # Errors
/// Everything that is wrong with any of them.
pub(crate) fn read(files: &[PathBuf], settings: &Settings) -> Result<Manifests, Mistakes> {
    let mut manifests = Manifests::default();
    let mut mistakes = Vec::new();
    for file in files {
        let shown = shown(file);
        match text(file) {
            Ok(text) => manifests.add(&shown, &text, settings, &mut mistakes),
            Err(error) => mistakes.push(Mistake::of_file(&shown, cannot_read(&error))),
        }
    }
    if mistakes.is_empty() && manifests.pipelines.is_empty() {
        mistakes.push(Mistake::of_all("there is no MessagePipeline in these files"));
    }
    Mistakes::none_of(mistakes).map(|()| manifests)
}

/// Secrets by name only.
impl fmt::Debug for Manifests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pipelines, secrets } = self;
        let secrets: Vec<_> = secrets.keys().collect();
        f.debug_struct("Manifests")
            .field("pipelines", pipelines)
            .field("secrets", &secrets)
            .finish()
    }
}

impl Manifests {
    fn add(&mut self, file: &str, text: &str, settings: &Settings, mistakes: &mut Vec<Mistake>) {
        let mut input = text.as_bytes();
        let options = serde_saphyr::options! {
            // It would quote the lines around a mistake, which may be a Secret's.
            with_snippet: false,
        };
        let documents =
            serde_saphyr::read_with_options::<_, serde_saphyr::Spanned<Value>>(&mut input, options);
        let mut found = 0;
        for (index, document) in documents.enumerate() {
            found += 1;
            let number = index + 1;
            let read = document
                .map_err(|error| {
                    let line = error.location().map_or(0, |place| place.line());
                    let place = Place::new(file, number, line);
                    vec![Mistake::new(&place, "", format!("no YAML: {error}"))]
                })
                .and_then(|document| {
                    let place = Place::new(file, number, document.referenced.line());
                    one(place, &document.value, settings)
                })
                .and_then(|document| self.keep(document));
            mistakes.extend(read.err().into_iter().flatten());
        }
        if found == 0 {
            mistakes.push(Mistake::of_file(file, "is empty"));
        }
    }

    fn keep(&mut self, document: Document) -> Result<(), Vec<Mistake>> {
        let twice = |place: &Place, what: String| {
            let message = format!("{what} is defined a second time");
            Err(vec![Mistake::new(place, "metadata.name", message)])
        };
        match document {
            Document::Pipeline(new) => {
                let id = &new.pipeline.id;
                if self.pipelines.iter().any(|known| known.pipeline.id == *id) {
                    return twice(&new.place, format!("MessagePipeline {id}"));
                }
                self.pipelines.push(*new);
            }
            Document::Secret(new) => {
                let key = (new.namespace, new.name);
                if self.secrets.contains_key(&key) {
                    return twice(&new.place, format!("Secret {}/{}", key.0, key.1));
                }
                self.secrets.insert(key, new.data);
            }
        }
        Ok(())
    }
}

/// Reads one document by its kind.
fn one(place: Place, value: &Value, settings: &Settings) -> Result<Document, Vec<Mistake>> {
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    let refuse = |field: &str, message: String| Err(vec![Mistake::new(&place, field, message)]);
    let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else {
        return refuse("", "is no Kubernetes object: apiVersion and kind must be texts".to_owned());
    };
    match (version, kind) {
        (pipeline::API_VERSION, pipeline::KIND) => pipeline::read(place, value, settings)
            .map(|manifest| Document::Pipeline(Box::new(manifest))),
        ("v1", "Secret") => secret::read(place, value).map(Document::Secret),
        (_, pipeline::KIND) => {
            refuse("apiVersion", format!("{version} is not known, write {}", pipeline::API_VERSION))
        }
        _ => refuse(
            "kind",
            format!(
                "{kind} ({version}) is nothing that local mode can run: it takes MessagePipeline \
                 and Secret, so keep other objects in other files"
            ),
        ),
    }
}

/// The names of an object; the namespace is the default one where none is given.
fn names(place: &Place, value: &Value) -> Result<(String, String), Vec<Mistake>> {
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    let mut mistakes = Vec::new();
    let mut text = |field: &str, default: Option<&str>| {
        let path = format!("metadata.{field}");
        let wrong = match (metadata.get(field), default) {
            (Some(Value::String(text)), _) if is_subdomain(text) => return text.clone(),
            (None | Some(Value::Null), Some(default)) => return default.to_owned(),
            (None | Some(Value::Null), None) => "is missing",
            (Some(Value::String(_)), _) => {
                "must be lower-case letters, digits, - and ., and begin and end with a letter or \
                 digit"
            }
            (Some(_), _) => "must be a text",
        };
        mistakes.push(Mistake::new(place, path, wrong));
        String::new()
    };
    let names = (text("namespace", Some(DEFAULT_NAMESPACE)), text("name", None));
    if mistakes.is_empty() { Ok(names) } else { Err(mistakes) }
}

/// Whether a text may name a Kubernetes object, and so a directory.
fn is_subdomain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edge = |byte: Option<u8>| byte.is_some_and(inner);
    (1..=253).contains(&text.len())
        && edge(text.bytes().next())
        && edge(text.bytes().next_back())
        && text.bytes().all(|b| inner(b) || matches!(b, b'-' | b'.'))
}

fn shown(file: &Path) -> String {
    if file == Path::new(STANDARD_INPUT) {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

fn text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    if file == Path::new(STANDARD_INPUT) {
        io::stdin().take(LARGEST_FILE).read_to_string(&mut text)?;
    } else {
        fs::File::open(file)?.take(LARGEST_FILE).read_to_string(&mut text)?;
    }
    Ok(text)
}

fn cannot_read(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::IsADirectory => "is a directory: name the files in it".to_owned(),
        io::ErrorKind::InvalidData => "is no text in UTF-8".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests;
