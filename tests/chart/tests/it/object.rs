//! What was rendered, as objects.

use serde_json::Value;

/// All objects of one render, in helm's order.
pub(crate) struct Objects(Vec<Value>);

impl Objects {
    /// Reads manifests.
    pub(crate) fn read(manifests: &str) -> Self {
        let read: Vec<Value> = serde_saphyr::from_multiple(manifests)
            .unwrap_or_else(|error| panic!("{error}\n{manifests}"));
        Self(read.into_iter().filter(|object| !object.is_null()).collect())
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Value] {
        &self.0
    }

    /// Those of a kind.
    pub(crate) fn of(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// The only one of a kind and name.
    pub(crate) fn one(&self, kind: &str, name: &str) -> &Value {
        let found = self.of(kind).into_iter().filter(|object| object["metadata"]["name"] == name);
        let found: Vec<_> = found.collect();
        match found[..] {
            [object] => object,
            _ => panic!("{} objects are {kind} {name}", found.len()),
        }
    }

    /// The operator's Deployment.
    pub(crate) fn operator(&self) -> &Value {
        self.one("Deployment", "warren-operator")
    }

    /// The operator's container.
    pub(crate) fn container(&self) -> &Value {
        &self.operator()["spec"]["template"]["spec"]["containers"][0]
    }

    /// The value of a variable of the operator; nothing when it is not set.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let variables = self.container()["env"].as_array().unwrap();
        let variable = variables.iter().find(|variable| variable["name"] == name)?;
        variable["value"].as_str()
    }

    /// The specs of all pods, with what they belong to.
    pub(crate) fn pods(&self) -> Vec<(String, &Value)> {
        let pods = self.0.iter().filter_map(|object| {
            let spec = match object["kind"].as_str()? {
                "Pod" => &object["spec"],
                _ => object.pointer("/spec/template/spec")?,
            };
            Some((key(object), spec))
        });
        pods.collect()
    }

    /// Whether an object belongs to `helm test` alone.
    pub(crate) fn is_test(object: &Value) -> bool {
        object["metadata"]["annotations"]["helm.sh/hook"] == "test"
    }
}

/// Which object it is: kind, namespace and name.
pub(crate) fn key(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let metadata = &object["metadata"];
    [&object["kind"], &metadata["namespace"], &metadata["name"]].map(text).join(" ")
}

/// The texts of a list.
pub(crate) fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}
