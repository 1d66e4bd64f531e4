//! A MessagePipeline from a manifest, judged as strictly as an API server and the operator would.

use serde_json::{Map, Value};
use warren_api::{MessagePipeline, metadata, schema};

use super::{Manifest, Mistake, Place, names};
use crate::{settings::Settings, validate};

/// The version of the API this program knows.
pub(super) const API_VERSION: &str = "warren.dev/v1alpha1";

/// The kind.
pub(super) const KIND: &str = metadata::KIND;

/// The fields of `metadata`
/// (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/>). Those
/// that an API server fills are there too, so that what `kubectl get -o yaml` wrote can be run.
const METADATA_FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Reads one document.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn read(
    place: Place,
    value: &Value,
    settings: &Settings,
) -> Result<Manifest, Vec<Mistake>> {
    let mut mistakes: Vec<Mistake> = unknown_fields(value)
        .into_iter()
        .map(|path| {
            Mistake::new(&place, path, "is not a field of a MessagePipeline: is it misspelt?")
        })
        .collect();
    let named = names(&place, value);
    let understood = object(&place, value, settings);
    match (named, understood) {
        (Ok((namespace, name)), Ok((mut object, pipeline))) if mistakes.is_empty() => {
            object.metadata.namespace = Some(namespace);
            object.metadata.name = Some(name);
            object.metadata.generation = Some(1);
            Ok(Manifest { place, object, pipeline })
        }
        (Ok(_), understood) => {
            mistakes.extend(understood.err().into_iter().flatten());
            Err(mistakes)
        }
        (Err(wrong_names), understood) => {
            mistakes.extend(wrong_names);
            let others = understood.err().into_iter().flatten();
            mistakes.extend(others.filter(|mistake| mistake.is_within("spec")));
            Err(mistakes)
        }
    }
}

fn unknown_fields(value: &Value) -> Vec<String> {
    let metadata = value.get("metadata").and_then(Value::as_object);
    let of_metadata = metadata
        .into_iter()
        .flat_map(Map::keys)
        .filter(|field| !METADATA_FIELDS.contains(&field.as_str()))
        .map(|field| format!("metadata.{field}"));
    of_metadata.chain(schema::unknown_fields(value)).collect()
}

/// The object and what it means.
fn object(
    place: &Place,
    value: &Value,
    settings: &Settings,
) -> Result<(MessagePipeline, crate::pipeline::Pipeline), Vec<Mistake>> {
    let mut filled = schema::with_defaults(value);
    if let Some(object) = filled.as_object_mut() {
        // What an earlier operator said about the object is no part of what is asked.
        object.remove("status");
    }
    let broken: Vec<Mistake> = schema::violations(&filled)
        .into_iter()
        .map(|violation| Mistake::new(place, violation.path, violation.message))
        .collect();
    if !broken.is_empty() {
        return Err(broken);
    }
    let object: MessagePipeline = serde_json::from_value(filled)
        .map_err(|error| vec![Mistake::new(place, "", error.to_string())])?;
    let pipeline = validate::pipeline(&object, settings).map_err(|violations| {
        violations
            .iter()
            .map(|violation| Mistake::new(place, &*violation.path, &*violation.message))
            .collect::<Vec<_>>()
    })?;
    Ok((object, pipeline))
}
