//! Whether an object still is as it was wanted.
//!
//! An API server fills in defaults, and other programs add fields of their own, so that equality
//! says nothing: every field of ours must be there and say the same. What is ours no longer is told
//! by the hash among the annotations, which is such a field.
//!
//! Pure. It must not write, and it knows nothing of who changed what.

use std::borrow::Cow;

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Map, Value};

use super::{ChildKind, Manifest, quantity::Quantity};

/// Whether `live` lacks or contradicts something that is `wanted`.
pub(crate) fn differs(live: &Manifest, wanted: &Manifest) -> bool {
    !holds(&live.0, &known(wanted), "")
}

/// Lists whose entries the API server tells apart by keys, so that everybody may add some, and the
/// keys: those that this operator and templates of pods write
/// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy>).
const KEYED: [(&str, &[&str]); 8] = [
    ("containers", &["name"]),
    ("env", &["name"]),
    ("imagePullSecrets", &["name"]),
    ("ownerReferences", &["uid"]),
    ("ports", &["containerPort", "port", "protocol"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
];

/// Maps from texts to texts, of which the API server keeps every entry.
const TEXTS: [&str; 5] = ["annotations", "data", "labels", "matchLabels", "nodeSelector"];

/// Booleans that the API server does not keep when they are false; of every other one in a pod,
/// false says something.
const KEPT_IF_TRUE: &str = "readOnly";

/// Fields that hold a quantity, or one for each resource; the API server writes them in a form of
/// its own.
const QUANTITIES: [&str; 4] = ["divisor", "limits", "requests", "sizeLimit"];

/// What is wanted, without the fields of pods that a later Kubernetes has: who reads a Deployment
/// does not see them. The hash tells when one of them changes.
fn known(wanted: &Manifest) -> Cow<'_, Value> {
    let is_deployment = wanted.text("/kind") == ChildKind::Deployment.as_str();
    let read = || serde_json::from_value::<Deployment>(wanted.0.clone()).ok();
    let known = is_deployment.then(read).flatten().and_then(|read| serde_json::to_value(read).ok());
    known.map_or(Cow::Borrowed(&wanted.0), Cow::Owned)
}

/// Whether a field is as wanted; `name` is that of the field.
fn holds(live: &Value, wanted: &Value, name: &str) -> bool {
    match (live, wanted) {
        (_, Value::Null) => true,
        (Value::Object(live), Value::Object(wanted)) => holds_fields(live, wanted, name),
        (Value::Array(live), Value::Array(wanted)) => holds_list(live, wanted, name),
        (live, wanted) if QUANTITIES.contains(&name) => is_same_quantity(live, wanted),
        (live, wanted) => live == wanted,
    }
}

fn holds_fields(live: &Map<String, Value>, wanted: &Map<String, Value>, name: &str) -> bool {
    wanted.iter().all(|(field, wanted)| {
        // In a map of quantities every value is one, whatever its key.
        let value_of = if QUANTITIES.contains(&name) { name } else { field };
        match live.get(field) {
            Some(live) => holds(live, wanted, value_of),
            None => says_nothing(wanted, field, name),
        }
    })
}

fn holds_list(live: &[Value], wanted: &[Value], name: &str) -> bool {
    let keyed = KEYED.iter().find(|(list, _)| *list == name);
    let Some((_, keys)) = keyed else {
        let mut pairs = live.iter().zip(wanted);
        return live.len() == wanted.len() && pairs.all(|(live, wanted)| holds(live, wanted, ""));
    };
    wanted.iter().all(|wanted| {
        let is_it = |live: &&Value| keys.iter().all(|key| live.get(key) == wanted.get(key));
        live.iter().find(is_it).is_some_and(|live| holds(live, wanted, ""))
    })
}

/// Whether the API server does not keep this field of `parent`: neither nulls nor empty lists, maps
/// and texts.
fn says_nothing(wanted: &Value, field: &str, parent: &str) -> bool {
    match wanted {
        Value::Null => true,
        Value::Bool(value) => !value && field == KEPT_IF_TRUE,
        Value::Number(_) => false,
        Value::String(text) => text.is_empty() && !TEXTS.contains(&parent),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.iter().all(|(name, value)| says_nothing(value, name, field)),
    }
}

fn is_same_quantity(live: &Value, wanted: &Value) -> bool {
    let quantity = |value: &Value| match value {
        Value::String(text) => text.parse::<Quantity>().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    };
    live == wanted || quantity(live).is_some_and(|live| quantity(wanted) == Some(live))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differs(live: Value, wanted: Value) -> bool {
        super::differs(&Manifest(live), &Manifest(wanted))
    }

    #[test]
    fn what_others_add_is_no_difference_and_what_they_change_is() {
        let wanted = json!({"spec": {"a": 1, "b": {"c": "x"}}});
        assert!(!differs(
            json!({"spec": {"a": 1, "b": {"c": "x", "d": 2}}, "s": 0}),
            wanted.clone()
        ));
        assert!(differs(json!({"spec": {"a": 2, "b": {"c": "x"}}}), wanted.clone()));
        assert!(differs(json!({"spec": {"a": 1, "b": {}}}), wanted.clone()));
        assert!(differs(json!({"spec": {"a": 1}}), wanted));
    }

    #[test]
    fn entries_with_a_key_are_compared_with_their_like_and_others_in_their_order() {
        let env = |names: &[&str]| {
            let list: Vec<Value> =
                names.iter().map(|name| json!({"name": name, "value": "v"})).collect();
            json!({"env": list})
        };
        assert!(!differs(env(&["X", "B", "A"]), env(&["A", "B"])));
        assert!(differs(env(&["A"]), env(&["A", "B"])));
        let args = |args: &[&str]| json!({"args": args});
        assert!(differs(args(&["b", "a"]), args(&["a", "b"])));
        assert!(differs(args(&["a", "b"]), args(&["a"])));
        let tolerations = |effect: &str| json!({"tolerations": [{"key": "k", "effect": effect}]});
        assert!(differs(tolerations("NoExecute"), tolerations("NoSchedule")));
    }

    #[test]
    fn ports_of_pods_and_of_services_are_told_apart_by_number_and_protocol() {
        let live = json!({"ports": [
            {"port": 5000, "protocol": "UDP"},
            {"port": 5000, "protocol": "TCP", "targetPort": "metrics", "nodePort": 31000},
        ]});
        let port = |target: &str| json!({"ports": [{"port": 5000, "protocol": "TCP", "targetPort": target}]});
        assert!(!differs(live.clone(), port("metrics")));
        assert!(differs(live, port("http")));
    }

    #[test]
    fn a_quantity_is_the_same_in_every_form_where_one_stands() {
        let resources = |cpu: Value| json!({"resources": {"requests": {"cpu": cpu}}});
        assert!(!differs(resources(json!("50m")), resources(json!("0.05"))));
        assert!(!differs(resources(json!("1")), resources(json!(1))));
        assert!(differs(resources(json!("51m")), resources(json!("0.05"))));
        let size = |size: &str| json!({"emptyDir": {"sizeLimit": size}});
        assert!(!differs(size("1Gi"), size("1024Mi")));
        // A text is no quantity, even if it looks like one.
        let text = |text: &str| json!({"env": [{"name": "A", "value": text}]});
        assert!(differs(text("50m"), text("0.05")));
    }

    #[test]
    fn a_field_that_only_a_later_kubernetes_has_is_not_missed() {
        let deployment = |pod: Value| {
            let spec = json!({"selector": {}, "template": {"spec": pod}});
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": spec})
        };
        let live = deployment(json!({"containers": [], "hostNetwork": false}));
        let wanted = json!({"containers": [], "hostNetwork": false, "fromTheFuture": true});
        assert!(!differs(live.clone(), deployment(wanted)));
        assert!(differs(live, deployment(json!({"containers": [], "hostNetwork": true}))));
    }

    #[test]
    fn what_the_api_server_does_not_keep_is_not_missed() {
        let container = |env: Value, mount: Value| json!({"env": [env], "volumeMounts": [mount]});
        let live = container(json!({"name": "A"}), json!({"name": "v", "mountPath": "/v"}));
        let wanted = |read_only: bool| {
            let mount = json!({"name": "v", "mountPath": "/v", "readOnly": read_only});
            container(json!({"name": "A", "value": ""}), mount)
        };
        assert!(!differs(live.clone(), wanted(false)));
        assert!(differs(live, wanted(true)));
        let volume = |source: Value| json!({"volumes": [{"name": "v", "emptyDir": source}]});
        assert!(!differs(volume(json!({})), volume(json!({"medium": ""}))));
        for kept in [
            json!({"securityContext": {"runAsNonRoot": false}}),
            json!({"securityContext": {"runAsUser": 0}}),
            json!({"nodeSelector": {"node-role.kubernetes.io/control-plane": ""}}),
        ] {
            assert!(differs(json!({"securityContext": {}, "nodeSelector": {}}), kept));
        }
    }

    #[test]
    fn nothing_wanted_is_never_missing() {
        assert!(!differs(json!({}), json!({"a": null, "b": [], "c": {}})));
        assert!(!differs(json!({"a": 1}), json!({"a": null})));
    }
}
