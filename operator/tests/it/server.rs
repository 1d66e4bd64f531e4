//! An API server that is a value: what it has of an object after an apply.
//!
//! It fills in what a real one (Kubernetes 1.34) was seen to fill in, keeps books on who owns the
//! number of replicas, and lets a field fall back to its default when its only owner drops it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use warren_operator::children::{
    Child, ChildKey, ChildKind, ChildStep, ChildrenReading, Manifest, OPERATOR,
};

/// An API server that is a value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Server {
    objects: BTreeMap<ChildKey, Value>,
    foreign: BTreeSet<ChildKey>,
    version: u64,
    /// What an admission webhook makes of every Deployment that is written.
    pub(crate) webhook: Option<fn(&mut Value)>,
}

impl Server {
    /// What a pass would see.
    pub(crate) fn reading(&self) -> ChildrenReading {
        let child = |(key, live): (&ChildKey, &Value)| {
            let child =
                Child { live: Manifest(live.clone()), is_ours: !self.foreign.contains(key) };
            (key.clone(), child)
        };
        ChildrenReading::Seen(self.objects.iter().map(child).collect())
    }

    /// The objects there are.
    pub(crate) fn keys(&self) -> Vec<ChildKey> {
        self.objects.keys().cloned().collect()
    }

    /// An object.
    pub(crate) fn get(&self, key: &ChildKey) -> Option<&Value> {
        self.objects.get(key)
    }

    /// An object, to meddle with.
    pub(crate) fn object(&mut self, key: &ChildKey) -> &mut Value {
        self.objects.get_mut(key).unwrap_or_else(|| panic!("no {key}"))
    }

    /// An object goes.
    pub(crate) fn take_away(&mut self, key: &ChildKey) {
        self.objects.remove(key).unwrap_or_else(|| panic!("no {key}"));
    }

    /// An object is somebody else's.
    pub(crate) fn occupy(&mut self, key: &ChildKey) {
        let meta = json!({"name": key.name, "labels": {"theirs": "true"}});
        self.objects.insert(key.clone(), json!({"kind": key.kind.as_str(), "metadata": meta}));
        self.foreign.insert(key.clone());
    }

    pub(crate) fn write(&mut self, step: &ChildStep) {
        let key = step.key();
        assert!(!self.foreign.contains(&key), "{step}: it is somebody else's");
        self.version += 1;
        match step {
            ChildStep::Apply(manifest) => self.apply(&key, &manifest.0),
            ChildStep::HandOver { replicas, resource_version, .. } => {
                let live = self.object(&key);
                assert_eq!(live["metadata"]["resourceVersion"], *resource_version, "{step}");
                assert_eq!(live["spec"]["replicas"], *replicas, "{step}");
                owners(live).push(owner("warren-scaler", "scale"));
                self.touch(&key);
            }
            ChildStep::Stop { resource_version, .. } => {
                let live = self.object(&key);
                assert_eq!(live["metadata"]["resourceVersion"], *resource_version, "{step}");
                live["spec"]["replicas"] = 0.into();
                owners(live).push(owner("warren-scaler", "scale"));
                self.touch(&key);
            }
            ChildStep::Delete(key) => {
                self.objects.remove(key);
            }
        }
    }

    /// A forced server-side apply by the operator.
    pub(crate) fn apply(&mut self, key: &ChildKey, manifest: &Value) {
        let before = self.objects.get(key);
        let mut live = manifest.clone();
        let mut books = match before {
            Some(before) => before["metadata"]["managedFields"].as_array().unwrap().clone(),
            None => Vec::new(),
        };
        books.retain(|entry| entry["manager"] != OPERATOR);
        let scaled = key.kind == ChildKind::Deployment;
        if scaled && manifest["spec"].get("replicas").is_some() {
            books.push(owner(OPERATOR, ""));
        } else if scaled {
            assert!(!books.is_empty(), "{key}: nobody says how many replicas, so it falls to 1");
            live["spec"]["replicas"] = before.unwrap()["spec"]["replicas"].clone();
        }
        fill_in(&mut live, key.kind);
        if let Some(webhook) = self.webhook.filter(|_| scaled) {
            webhook(&mut live);
        }
        live["metadata"]["managedFields"] = books.into();
        self.objects.insert(key.clone(), live);
        self.touch(key);
    }

    fn touch(&mut self, key: &ChildKey) {
        let version = self.version.to_string();
        self.object(key)["metadata"]["resourceVersion"] = version.into();
    }
}

fn owners(live: &mut Value) -> &mut Vec<Value> {
    live["metadata"]["managedFields"].as_array_mut().unwrap()
}

fn owner(manager: &str, subresource: &str) -> Value {
    let fields = json!({"f:spec": {"f:replicas": {}}});
    let mut entry = json!({
        "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": fields,
        "manager": manager, "operation": "Apply", "time": "2026-11-21T12:00:00Z",
    });
    if !subresource.is_empty() {
        entry["subresource"] = subresource.into();
    }
    entry
}

fn fill_in(live: &mut Value, kind: ChildKind) {
    put(
        &mut live["metadata"],
        json!({
            "creationTimestamp": "2026-11-21T12:00:00Z",
            "generation": 1,
            "uid": "34608fb8-464a-43d7-b2f2-506d22d5ca35",
        }),
    );
    match kind {
        ChildKind::Deployment => fill_in_deployment(live),
        ChildKind::Service => put(
            &mut live["spec"],
            json!({
                "clusterIP": "10.96.6.194", "clusterIPs": ["10.96.6.194"], "type": "ClusterIP",
                "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
            }),
        ),
        ChildKind::PodDisruptionBudget => live["status"] = json!({"currentHealthy": 0}),
        ChildKind::ServiceAccount | ChildKind::Secret | ChildKind::ConfigMap => {}
    }
}

fn fill_in_deployment(live: &mut Value) {
    live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1".into();
    live["status"] = json!({"observedGeneration": 1});
    put(&mut live["spec"], json!({"progressDeadlineSeconds": 600}));
    let pod = &mut live["spec"]["template"]["spec"];
    let account = pod["serviceAccountName"].clone();
    put(
        pod,
        json!({
            "dnsPolicy": "ClusterFirst", "restartPolicy": "Always",
            "schedulerName": "default-scheduler", "serviceAccount": account,
        }),
    );
    drop_zeros(pod);
    for volume in pod["volumes"].as_array_mut().unwrap() {
        for source in ["configMap", "secret"] {
            if volume.get(source).is_some() {
                put(&mut volume[source], json!({"defaultMode": 420}));
            }
        }
    }
    let container = &mut pod["containers"][0];
    put(container, json!({"resources": {}, "terminationMessagePath": "/dev/termination-log"}));
    for probe in ["livenessProbe", "readinessProbe"] {
        put(&mut container[probe]["httpGet"], json!({"scheme": "HTTP"}));
        put(
            &mut container[probe],
            json!({
                "failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1,
            }),
        );
    }
    for variable in container["env"].as_array_mut().unwrap() {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            put(field, json!({"apiVersion": "v1"}));
        }
    }
}

/// Takes away what is not kept when it says nothing: `omitempty` of a field that is no pointer.
fn drop_zeros(pod: &mut Value) {
    let drop = |object: &mut Value, field: &str, zero: Value| {
        if object.get(field) == Some(&zero) {
            object.as_object_mut().unwrap().remove(field);
        }
    };
    for volume in pod["volumes"].as_array_mut().unwrap() {
        if let Some(directory) = volume.get_mut("emptyDir") {
            drop(directory, "medium", json!(""));
        }
    }
    let container = &mut pod["containers"][0];
    for variable in container["env"].as_array_mut().unwrap() {
        drop(variable, "value", json!(""));
    }
    for mount in container["volumeMounts"].as_array_mut().unwrap() {
        drop(mount, "readOnly", json!(false));
    }
}

/// Puts fields where there are none of their names.
fn put(object: &mut Value, defaults: Value) {
    let Value::Object(defaults) = defaults else { panic!("defaults are fields") };
    let fields: &mut Map<String, Value> = object.as_object_mut().unwrap();
    for (name, default) in defaults {
        fields.entry(name).or_insert(default);
    }
}
