//! From an example to the pipeline of one demo: the same file with its own name, the receiver as
//! endpoint, and an impatience that suits somebody who watches.
//!
//! Nothing else is changed, and nothing is checked: what is wrong with a manifest is said by the
//! operator.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::place::Users;

/// How long a queue is empty before its last worker goes; the least that the operator takes.
const IDLE: &str = "15s";

/// Over how many seconds the largest wish counts before there are fewer workers: longer than the
/// statistics of a busy broker are late.
const WINDOW: u32 = 15;

/// What a handler takes for done when its `successCodes` do not say it.
const OK: u16 = 200;

/// What is different in this demo.
#[derive(Debug, Clone, Copy)]
pub(super) struct Changes<'a> {
    /// Appended to the name that tells this demo from others.
    pub(super) suffix: &'a str,
    /// Which name that is.
    pub(super) named: Named,
    /// Where the endpoints are instead: what stands in front of each path.
    pub(super) receiver: &'a str,
    /// As whom workers and producer log in.
    pub(super) users: Users,
}

/// What gets a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// The pipeline; it shares its namespace with others.
    Pipeline,
    /// The namespace, which is made for this demo.
    Namespace,
}

/// What the handler of a queue calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Endpoint {
    /// The path of its URL.
    pub(super) path: String,
    /// The status that it takes for done.
    pub(super) status: u16,
}

/// A pipeline to be run.
#[derive(Debug)]
pub(super) struct Manifest {
    /// Its name.
    pub(super) name: String,
    /// Its namespace.
    pub(super) namespace: String,
    /// What its objects on the broker are called, or begin with and a dot.
    pub(super) prefix: String,
    /// What each queue's handler calls.
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    value: Value,
}

impl Manifest {
    /// Reads an example.
    ///
    /// # Errors
    /// When it is no YAML, or has no name or no queue.
    pub(super) fn read(text: &str) -> anyhow::Result<Self> {
        Self::of(serde_saphyr::from_str(text).context("read it as YAML")?)
    }

    fn of(value: Value) -> anyhow::Result<Self> {
        let queues = list(&value, "/spec/queues")?;
        let endpoints = queues.iter().map(|queue| {
            let url = string(queue, "/handler/http/url")?;
            let endpoint = Endpoint { path: path(url)?.to_owned(), status: success(queue) };
            Ok((string(queue, "/name")?.to_owned(), endpoint))
        });
        let endpoints = endpoints.collect::<anyhow::Result<_>>()?;
        let name = string(&value, "/metadata/name")?.to_owned();
        let namespace = string(&value, "/metadata/namespace").unwrap_or("default").to_owned();
        let chosen = string(&value, "/spec/namePrefix").ok().map(str::to_owned);
        let prefix = chosen.unwrap_or_else(|| format!("{namespace}.{name}"));
        Ok(Self { name, namespace, prefix, endpoints, value })
    }

    /// The same pipeline with `changes`.
    ///
    /// # Errors
    /// When a place to be changed is not there.
    pub(super) fn with(mut self, changes: Changes<'_>) -> anyhow::Result<Self> {
        let Changes { suffix, named, receiver, users } = changes;
        let (field, name) = match named {
            Named::Pipeline => ("name", &self.name),
            Named::Namespace => ("namespace", &self.namespace),
        };
        set(&mut self.value, &["metadata", field], json!(format!("{name}-{suffix}")))?;
        if named == Named::Namespace {
            // Everything is counted when it ends, and nobody waits for the proof that it is empty.
            set(&mut self.value, &["spec", "deletion", "policy"], json!("Delete"))?;
        }
        if users == Users::Shared {
            let users = ["spec", "broker", "users"];
            set(&mut self.value, &users, json!("Shared"))?;
        }
        let queues = self.value.pointer_mut("/spec/queues");
        for queue in queues.and_then(Value::as_array_mut).into_iter().flatten() {
            let url = path(string(queue, "/handler/http/url")?)?;
            let url = format!("http://{receiver}{url}");
            set(queue, &["handler", "http", "url"], json!(url))?;
            let idle = ["scaling", "scaleToZero", "idle"];
            set(queue, &idle, json!(IDLE))?;
            let window = ["scaling", "behavior", "scaleDown", "stabilizationWindowSeconds"];
            set(queue, &window, json!(WINDOW))?;
        }
        Self::of(self.value)
    }

    /// The file's text. JSON, which is YAML too: nothing in it can be read in two ways.
    pub(super) fn text(&self) -> String {
        format!("{:#}\n", self.value)
    }
}

/// The first of the `successCodes`, of which each is a status or a range.
fn success(queue: &Value) -> u16 {
    let first = queue.pointer("/handler/http/successCodes/0");
    let text = first.and_then(Value::as_str).unwrap_or_default();
    let code = text.split('-').next().unwrap_or_default();
    code.parse().unwrap_or(OK)
}

/// The path of a URL, and what follows it (RFC 3986, section 3).
fn path(url: &str) -> anyhow::Result<&str> {
    let rest = url.strip_prefix("http://");
    let rest = rest.with_context(|| format!("the URL {url} is not one of plain HTTP"))?;
    Ok(rest.find('/').map_or("", |begin| &rest[begin..]))
}

fn string<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a str> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.with_context(|| format!("there is no text at {pointer}"))
}

fn list<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a [Value]> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    let found = found.with_context(|| format!("there is no list at {pointer}"))?;
    ensure!(!found.is_empty(), "the list at {pointer} is empty");
    Ok(found)
}

/// Puts `new` below `value`, making the objects on the way.
fn set(value: &mut Value, path: &[&str], new: Value) -> anyhow::Result<()> {
    let mut place = value;
    for name in path {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let object = place.as_object_mut();
        let object = object.with_context(|| format!("{name} stands in no object"))?;
        place = object.entry(*name).or_insert(Value::Null);
    }
    *place = new;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: &str = include_str!("../../../examples/orders.yaml");

    fn demo(named: Named, users: Users) -> Manifest {
        let receiver = "127.0.0.1:4321";
        let changes = Changes { suffix: "3f9a2c", named, receiver, users };
        let example = Manifest::read(ORDERS).expect("an example");
        example.with(changes).expect("an example that can be shown")
    }

    #[test]
    fn it_is_known_which_path_each_queue_calls_and_which_status_it_takes_for_done() {
        let endpoints = demo(Named::Pipeline, Users::Scoped).endpoints;
        let endpoints =
            endpoints.iter().map(|(queue, e)| (queue.as_str(), e.path.as_str(), e.status));
        let expected =
            [("audit", "/audit", 200), ("email", "/email", 200), ("invoice", "/invoice", 201)];
        assert!(endpoints.eq(expected));
    }

    #[test]
    fn the_pipeline_or_its_namespace_gets_a_name_of_its_own() {
        let pipeline = demo(Named::Pipeline, Users::Scoped);
        assert_eq!(pipeline.prefix, "shop.orders-3f9a2c");
        let namespace = demo(Named::Namespace, Users::Scoped);
        assert_eq!(
            (namespace.namespace.as_str(), namespace.name.as_str()),
            ("shop-3f9a2c", "orders")
        );
        assert_eq!(namespace.prefix, "shop-3f9a2c.orders");
    }

    #[test]
    fn what_is_in_a_namespace_for_one_demo_goes_with_it() {
        let policy = |named| {
            let value = demo(named, Users::Scoped).value;
            value.pointer("/spec/deletion/policy").cloned()
        };
        assert_eq!(policy(Named::Namespace), Some(json!("Delete")));
        assert_eq!(policy(Named::Pipeline), None);
    }

    #[test]
    fn only_name_endpoints_and_patience_are_changed() {
        let mut value = demo(Named::Pipeline, Users::Scoped).value;
        let audit = value.pointer("/spec/queues/2").expect("three queues");
        assert_eq!(audit.pointer("/handler/http/url"), Some(&json!("http://127.0.0.1:4321/audit")));
        assert_eq!(audit.pointer("/scaling/scaleToZero/idle"), Some(&json!("15s")));

        let example: Value = serde_saphyr::from_str(ORDERS).expect("YAML");
        let named = json!(example.pointer("/metadata/name"));
        set(&mut value, &["metadata", "name"], named).expect("an object");
        for index in 0..3 {
            let at = |path: &str| format!("/spec/queues/{index}{path}");
            let url = example.pointer(&at("/handler/http/url")).cloned();
            let queue = value.pointer_mut(&at("")).expect("three queues");
            set(queue, &["handler", "http", "url"], json!(url)).expect("an object");
            let scaling = queue.pointer_mut("/scaling").and_then(Value::as_object_mut);
            scaling
                .expect("an object")
                .retain(|name, _| name != "scaleToZero" && name != "behavior");
        }
        assert_eq!(value, example);
    }

    #[test]
    fn the_text_says_what_was_meant() {
        let demo = demo(Named::Pipeline, Users::Shared);
        let read: Value = serde_saphyr::from_str(&demo.text()).expect("YAML");
        assert_eq!(read, demo.value);
        assert_eq!(read.pointer("/spec/broker/users"), Some(&json!("Shared")));
    }

    #[test]
    fn a_path_is_what_follows_the_authority() {
        assert_eq!(path("http://a.b:81/c?d").ok(), Some("/c?d"));
        assert_eq!(path("http://a").ok(), Some(""));
        assert_eq!(path("https://a/b").ok(), None);
    }
}
