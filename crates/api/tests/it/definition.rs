//! The generated definition: its files, its size, and what an API server asks of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use warren_api::{crd, crd_chart_template, crd_yaml, schema};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a committed file, without its first line, a comment, with what it is made from.
fn compare(file: &str, generated: &str) {
    let committed = fs::read_to_string(repository().join(file)).unwrap_or_default();
    let body = committed.split_once('\n').map(|(_, body)| body);
    assert!(body == Some(generated), "{file} is not as generated: run `cargo xtask gen`");
}

#[test]
fn the_manifest_is_as_generated() {
    compare("deploy/crds/messagepipelines.warren.dev.yaml", &crd_yaml());
}

#[test]
fn the_chart_template_is_as_generated() {
    compare("charts/warren/templates/crd.yaml", &crd_chart_template());
}

#[test]
fn the_manifest_says_what_the_value_says() {
    let read: Value = serde_saphyr::from_str(&crd_yaml()).unwrap();
    assert_eq!(read, serde_json::to_value(crd()).unwrap().tap(whole));
}

/// Bounds are floating-point numbers in the types of Kubernetes.
trait Tap: Sized {
    fn tap(mut self, change: impl Fn(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Tap for Value {}

fn whole(value: &mut Value) {
    match value {
        Value::Object(object) => object.values_mut().for_each(whole),
        Value::Array(items) => items.iter_mut().for_each(whole),
        Value::Number(number) if number.is_f64() => {
            let text = format!("{:.0}", number.as_f64().unwrap());
            *number = text.parse::<i64>().unwrap().into();
        }
        _ => {}
    }
}

#[test]
fn the_manifest_stays_below_200_kilobytes() {
    let size = crd_yaml().len();
    assert!(size < 200_000, "{size} bytes: client-side apply keeps a copy in an annotation");
}

#[test]
fn helm_finds_its_own_marks_only() {
    let template = crd_chart_template();
    let marks: Vec<_> = template.lines().filter(|line| line.contains("{{")).collect();
    assert_eq!(
        marks,
        [
            "{{- if .Values.crds.enabled }}",
            "    {{- include \"warren.labels\" . | nindent 4 }}",
            "  {{- with include \"warren.crdAnnotations\" . }}",
            "    {{- . | nindent 4 }}",
            "  {{- end }}",
            "{{- end }}"
        ]
    );
    assert!(!crd_yaml().contains("{{"));
}

#[test]
fn kubectl_shows_what_matters_first() {
    let version = &crd().spec.versions[0];
    let columns = version.additional_printer_columns.as_ref().unwrap();
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["Ready", "Reason", "Queues", "Workers", "Broker", "Age", "Message"]);
    let wide: Vec<_> = columns.iter().filter(|column| column.priority == Some(1)).collect();
    assert_eq!(wide.len(), 1);
    assert_eq!(wide[0].name, "Message");
}

#[test]
fn the_kind_has_its_short_name_category_and_status() {
    let spec = crd().spec;
    assert_eq!(spec.names.short_names.as_deref(), Some(&["mp".to_owned()][..]));
    assert_eq!(spec.names.categories.as_deref(), Some(&["warren".to_owned()][..]));
    assert_eq!((spec.group.as_str(), spec.scope.as_str()), ("warren.dev", "Namespaced"));
    assert!(spec.versions[0].subresources.as_ref().unwrap().status.is_some());
}

#[test]
fn everything_in_the_spec_is_bounded_and_described() {
    let mut wrong = Vec::new();
    walk(&schema::root()["properties"]["spec"], "spec", &mut |path, node| {
        wrong.extend(lacking(path, node));
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The cost of a CEL rule is estimated from bounds; without them an API server refuses the rule.
fn lacking(path: &str, node: &Value) -> Vec<String> {
    let has = |keyword| node.get(keyword).is_some();
    let wanted: &[&str] = match node.get("type").and_then(Value::as_str) {
        Some("string") if has("enum") => &[],
        Some("string") => &["maxLength"],
        Some("integer") => &["minimum", "maximum", "format"],
        Some("array") => &["maxItems", "items"],
        Some("object") if has("additionalProperties") => &["maxProperties"],
        _ => &[],
    };
    let mut lacking: Vec<_> = wanted.iter().filter(|keyword| !has(keyword)).copied().collect();
    if !path.ends_with("[]") && !path.ends_with(".*") && !has("description") {
        lacking.push("description");
    }
    lacking.into_iter().map(|keyword| format!("{path} has no {keyword}")).collect()
}

#[test]
fn no_enum_lists_null_and_no_format_is_unknown_to_an_api_server() {
    walk(schema::root(), "", &mut |path, node| {
        if let Some(Value::Array(names)) = node.get("enum") {
            assert!(names.iter().all(Value::is_string), "{path}: {names:?}");
            assert!(node.get("nullable").is_none(), "{path} is a nullable enum");
        }
        if let Some(format) = node.get("format").and_then(Value::as_str) {
            assert!(["int32", "int64", "date-time"].contains(&format), "{path}: {format}");
        }
    });
}

#[test]
fn a_rule_says_what_to_do_and_names_a_field_that_exists() {
    let mut rules = 0;
    walk(schema::root(), "", &mut |path, node| {
        for rule in
            node.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten()
        {
            rules += 1;
            assert!(rule["message"].as_str().is_some_and(|text| text.len() > 10), "{path}: {rule}");
            let Some(field) = rule.get("fieldPath").and_then(Value::as_str) else {
                continue;
            };
            let pointer = field.replace('.', "/properties/");
            assert!(node.pointer(&pointer).is_some(), "{path}: no field {field}");
        }
    });
    assert!(rules > 50, "{rules} rules");
}

#[test]
fn rules_on_a_change_stand_where_there_is_always_an_old_value() {
    let mut found = Vec::new();
    walk(schema::root(), "", &mut |path, node| {
        let text = node.get("x-kubernetes-validations").map(Value::to_string).unwrap_or_default();
        if text.contains("oldSelf") {
            found.push(path.to_owned());
        }
    });
    // broker is required, exchange has a default.
    assert_eq!(found, ["spec", "spec.broker", "spec.exchange"]);
}

/// An API server judges a default by the rules before it fills the defaults of its fields in, and
/// refuses a definition whose rule then misses a field.
#[test]
fn a_default_that_rules_judge_holds_every_plain_field() {
    let mut judged = Vec::new();
    walk(schema::root(), "", &mut |path, node| {
        let (Some(default), Some(_)) = (node.get("default"), node.get("x-kubernetes-validations"))
        else {
            return;
        };
        judged.push(path.to_owned());
        for (name, field) in node.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let plain = field.get("default").is_some_and(|value| !value.is_object());
            assert!(!plain || default.get(name).is_some(), "{path}: the default lacks {name}");
        }
    });
    assert!(judged.contains(&"spec.exchange".to_owned()), "{judged:?}");
}

/// Calls for each schema in a schema, with its path.
pub(crate) fn walk(node: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, node);
    for (key, child) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        walk(child, &path, visit);
    }
    if let Some(items) = node.get("items") {
        walk(items, &format!("{path}[]"), visit);
    }
    if let Some(any) = node.get("additionalProperties").filter(|any| any.is_object()) {
        walk(any, &format!("{path}.*"), visit);
    }
}
