//! What the pipeline's author adds to pods, put among what Warren makes.
//!
//! Lists grow, and Warren's entries come first. Where both say something, the author is right: only
//! the security context of the pod and its ServiceAccount can be such, because `validate` has
//! refused everything else.

use serde_json::{Map, Value, map::Entry};

use crate::pipeline::{Fields, Pods};

/// A pod template with what was said about its pods.
pub(super) fn merged(mut template: Value, pods: &Pods) -> Value {
    let additions = &pods.additions;
    for (of, texts) in [("labels", &additions.labels), ("annotations", &additions.annotations)] {
        let texts = texts.iter().map(|(key, text)| (key.clone(), Value::from(text.as_str())));
        add(map_at(&mut template, &format!("/metadata/{of}")), &texts.collect());
    }
    let container = map_at(&mut template, "/spec/containers/0");
    add(container, &additions.container);
    if !pods.resources.is_empty() {
        container.insert("resources".to_owned(), Value::Object(pods.resources.clone()));
    }
    add(map_at(&mut template, "/spec"), &additions.pod);
    template
}

fn map_at<'a>(template: &'a mut Value, pointer: &str) -> &'a mut Map<String, Value> {
    let map = template.pointer_mut(pointer).and_then(Value::as_object_mut);
    map.expect("every pod template has metadata, labels, annotations and a container")
}

fn add(fields: &mut Fields, more: &Fields) {
    for (name, value) in more {
        match fields.entry(name.clone()) {
            Entry::Vacant(free) => {
                free.insert(value.clone());
            }
            Entry::Occupied(mut taken) => match (taken.get_mut(), value) {
                (Value::Array(list), Value::Array(more)) => list.extend(more.iter().cloned()),
                (Value::Object(map), Value::Object(more)) => add(map, more),
                (other, value) => *other = value.clone(),
            },
        }
    }
}
