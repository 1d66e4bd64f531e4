//! From an example to the pipeline of one demo: the same file with its own name, the receiver as
//! endpoint, and an impatience that suits somebody who watches.
//!
//! Nothing else is changed, and nothing is checked: what is wrong with a manifest is said by the
//! operator.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};

use super::place::Users;

/// How long a queue is empty before its last worker goes; the least that the operator takes.
const IDLE: &str = "15s";

/// Over how many seconds the largest wish counts before there are fewer workers.
const WINDOW: u32 = 5;

/// What a handler takes for done when its `successCodes` do not say it.
const OK: u16 = 200;

/// What is different in this demo.
#[derive(Debug, Clone, Copy)]
pub(super) struct Changes<'a> {
    /// Appended to the name of the pipeline.
    pub(super) suffix: &'a str,
    /// Where the endpoints are instead.
    pub(super) receiver: SocketAddr,
    /// As whom workers and producer log in.
    pub(super) users: Users,
}

/// A pipeline to be run.
#[derive(Debug)]
pub(super) struct Manifest {
    /// What its objects on the broker are called, or begin with and a dot.
    pub(super) prefix: String,
    /// The queues, each with the status that its handler takes for done.
    pub(super) queues: BTreeMap<String, u16>,
    value: Value,
}

impl Manifest {
    /// Reads an example.
    ///
    /// # Errors
    /// When it is no YAML, or has no name or no queue.
    pub(super) fn read(text: &str) -> anyhow::Result<Self> {
        let value: Value = serde_saphyr::from_str(text).context("read it as YAML")?;
        let queues = list(&value, "/spec/queues")?;
        let queues = queues.iter().map(|queue| {
            let name = string(queue, "/name")?.to_owned();
            Ok((name, success(queue)))
        });
        let queues = queues.collect::<anyhow::Result<_>>()?;
        let prefix = prefix(&value)?;
        Ok(Self { prefix, queues, value })
    }

    /// The same pipeline with `changes`.
    ///
    /// # Errors
    /// When a place to be changed is not there.
    pub(super) fn with(mut self, changes: Changes<'_>) -> anyhow::Result<Self> {
        let name = string(&self.value, "/metadata/name")?;
        let name = format!("{name}-{}", changes.suffix);
        set(&mut self.value, &["metadata", "name"], json!(name))?;
        if changes.users == Users::Shared {
            let users = ["spec", "broker", "users"];
            set(&mut self.value, &users, json!("Shared"))?;
        }
        let queues = self.value.pointer_mut("/spec/queues");
        for queue in queues.and_then(Value::as_array_mut).into_iter().flatten() {
            let url = string(queue, "/handler/http/url")?;
            let url = moved(url, changes.receiver)?;
            set(queue, &["handler", "http", "url"], json!(url))?;
            let idle = ["scaling", "scaleToZero", "idle"];
            set(queue, &idle, json!(IDLE))?;
            let window = ["scaling", "behavior", "scaleDown", "stabilizationWindowSeconds"];
            set(queue, &window, json!(WINDOW))?;
        }
        self.prefix = prefix(&self.value)?;
        Ok(self)
    }

    /// The file's text. JSON, which is YAML too: nothing in it can be read in two ways.
    pub(super) fn text(&self) -> String {
        format!("{:#}\n", self.value)
    }
}

/// `namePrefix`, else namespace and name.
fn prefix(value: &Value) -> anyhow::Result<String> {
    if let Ok(chosen) = string(value, "/spec/namePrefix") {
        return Ok(chosen.to_owned());
    }
    let namespace = string(value, "/metadata/namespace").unwrap_or("default");
    Ok(format!("{namespace}.{}", string(value, "/metadata/name")?))
}

/// The first of the `successCodes`, of which each is a status or a range.
fn success(queue: &Value) -> u16 {
    let first = queue.pointer("/handler/http/successCodes/0");
    let text = first.and_then(Value::as_str).unwrap_or_default();
    let code = text.split('-').next().unwrap_or_default();
    code.parse().unwrap_or(OK)
}

/// `url` with another authority (RFC 3986, section 3.2).
fn moved(url: &str, to: SocketAddr) -> anyhow::Result<String> {
    let rest = url.strip_prefix("http://");
    let rest = rest.with_context(|| format!("the URL {url} is not one of plain HTTP"))?;
    let path = rest.find('/').map_or("", |begin| &rest[begin..]);
    Ok(format!("http://{to}{path}"))
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

    fn demo(users: Users) -> Manifest {
        let changes =
            Changes { suffix: "3f9a2c", receiver: SocketAddr::from(([127, 0, 0, 1], 4321)), users };
        let example = Manifest::read(ORDERS).expect("an example");
        example.with(changes).expect("an example that can be shown")
    }

    #[test]
    fn the_receiver_learns_which_status_each_queue_takes_for_done() {
        let queues = demo(Users::Scoped).queues;
        let expected = [("audit", 200), ("email", 200), ("invoice", 201)];
        assert!(queues.iter().map(|(name, code)| (name.as_str(), *code)).eq(expected));
    }

    #[test]
    fn only_name_endpoints_and_patience_are_changed() {
        let mut value = demo(Users::Scoped).value;
        let prefix = demo(Users::Scoped).prefix;
        assert_eq!(prefix, "shop.orders-3f9a2c");
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
        let demo = demo(Users::Shared);
        let read: Value = serde_saphyr::from_str(&demo.text()).expect("YAML");
        assert_eq!(read, demo.value);
        assert_eq!(read.pointer("/spec/broker/users"), Some(&json!("Shared")));
    }

    #[test]
    fn an_endpoint_keeps_its_path_and_changes_its_place() {
        let to = SocketAddr::from(([127, 0, 0, 1], 80));
        let moved = |url| moved(url, to).ok();
        assert_eq!(moved("http://a.b:81/c?d").as_deref(), Some("http://127.0.0.1:80/c?d"));
        assert_eq!(moved("http://a").as_deref(), Some("http://127.0.0.1:80"));
        assert_eq!(moved("https://a/b"), None);
    }
}
