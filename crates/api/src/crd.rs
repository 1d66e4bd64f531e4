//! The CustomResourceDefinition, generated from the types, as a value and as files.

use std::sync::OnceLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use schemars::Schema;
use serde_json::{Map, Value};

use crate::pipeline::MessagePipeline;

/// The CustomResourceDefinition of `MessagePipeline`.
///
/// # Panics
/// Never: the types are fixed, and the tests generate it.
pub fn crd() -> CustomResourceDefinition {
    serde_json::from_value(definition().clone()).expect("a definition read back from its own JSON")
}

/// The definition as a manifest: YAML, the same bytes at each call.
pub fn crd_yaml() -> String {
    yaml(definition())
}

/// The definition as a Helm template.
///
/// `crds.enabled` says whether the chart has it at all. Labels and annotations are the chart's; one
/// of these lets the definition stay when the release is uninstalled, because without the definition
/// the API server deletes every pipeline.
///
/// # Panics
/// Never: the name of the definition is fixed.
pub fn crd_chart_template() -> String {
    const NAME: &str = "  name: messagepipelines.warren.dev\n";
    const METADATA: &str = r#"  labels:
    {{- include "warren.labels" . | nindent 4 }}
  {{- with include "warren.crdAnnotations" . }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
"#;
    let manifest = crd_yaml();
    let (head, tail) = manifest.split_once(NAME).expect("the manifest carries its name");
    format!("{{{{- if .Values.crds.enabled }}}}\n{head}{NAME}{METADATA}{tail}{{{{- end }}}}\n")
}

/// The definition as JSON, generated once in a process.
pub(crate) fn definition() -> &'static Value {
    static DEFINITION: OnceLock<Value> = OnceLock::new();
    DEFINITION.get_or_init(|| {
        let mut definition = serde_json::to_value(MessagePipeline::crd())
            .expect("a definition is made of JSON types");
        tidy(&mut definition);
        // serde_json keeps insertion order when any crate of the build asks for it.
        definition.sort_all_objects();
        definition
    })
}

/// Takes the description off an enum that stands behind an `Option`: it would hide that of the
/// field.
pub(crate) fn without_description(schema: &mut Schema) {
    schema.remove("description");
}

/// Makes what the generator wrote fit for an API server and for readers, in every part of a value.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(tidy);
            unwrap_enum(object);
            rewrite_format(object);
            join_lines(object);
            shorten_defaults(object);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Number(number) => {
            if let Some(whole) = number.as_f64().and_then(whole_number) {
                *number = whole.into();
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// An API server refuses null in an enum whether the enum lists it or not, and `kubectl explain`
/// prints a listed one as `<no value>`.
fn unwrap_enum(object: &mut Map<String, Value>) {
    if let Some(Value::Array(names)) = object.get_mut("enum") {
        names.retain(|name| !name.is_null());
        object.remove("nullable");
    }
}

/// OpenAPI has no unsigned formats, and API servers warn of formats that they do not know. A
/// `u32` fits into `int32` because every one of ours is bounded.
fn rewrite_format(object: &mut Map<String, Value>) {
    let known = match object.get("format").and_then(Value::as_str) {
        Some("uint32") => "int32",
        Some("uint64") => "int64",
        _ => return,
    };
    object.insert("format".to_owned(), known.into());
}

/// Doc comments are broken at the width of the source; `kubectl explain` breaks them itself.
fn join_lines(object: &mut Map<String, Value>) {
    if let Some(Value::String(description)) = object.get_mut("description") {
        let paragraphs: Vec<String> = description
            .split("\n\n")
            .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        *description = paragraphs.join("\n\n");
    }
}

/// A default that only repeats the defaults of its own properties becomes `{}`: the API server
/// fills it in, and each default stands in one place.
///
/// Where rules look at the object its own plain fields stay, because an API server judges a default
/// by the rules before it fills it in, and refuses the definition when a field is missing then.
fn shorten_defaults(object: &mut Map<String, Value>) {
    if !object.contains_key("properties") {
        return;
    }
    let Some(Value::Object(default)) = object.get("default") else {
        return;
    };
    let mut filled = Value::Object(Map::new());
    crate::schema::fill(&Value::Object(object.clone()), &mut filled);
    if filled.as_object() != Some(default) {
        return;
    }
    let mut short = default.clone();
    let judged = object.contains_key("x-kubernetes-validations");
    short.retain(|_, value| judged && !value.is_object());
    object.insert("default".to_owned(), Value::Object(short));
}

/// `1.0` as `1`: bounds are floating-point numbers in the types of the definition.
#[allow(
    clippy::cast_possible_truncation,
    reason = "only whole numbers within the exact range of f64 are converted"
)]
fn whole_number(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64)
}

fn yaml(value: &Value) -> String {
    // One line for each text, whatever its length: folded ones and quoted ones would alternate.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let mut text = String::new();
    serde_saphyr::to_fmt_writer_with_options(&mut text, value, options).expect("JSON is YAML");
    text
}
