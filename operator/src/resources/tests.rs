//! What the objects say that somebody relies on: admission, scraping, upgrades, clean-up.

use serde_json::json;
use warren_api::metadata::QUEUE_LABEL;
use warren_broker::login::{Login, Secret};

use super::*;
use crate::{
    children::ChildKind,
    fixtures::{smallest, valid, with_queue, with_spec},
};

/// A producer, a handler with Secrets, and additions to the pods.
fn everything() -> Pipeline {
    let queue = "{name: email, handler: {http: {url: 'http://h/', headers: [
        {name: A, valueFrom: {secretKeyRef: {name: mail.v1, key: b}}},
        {name: B, valueFrom: {secretKeyRef: {name: mail.v1, key: c}}},
        {name: C, valueFrom: {secretKeyRef: {name: extra, key: d}}}]}},
        worker: {drainTimeout: 20500ms, template: {
            labels: {team: shop}, annotations: {a: b}, env: [{name: X, value: z}],
            volumes: [{name: data, emptyDir: {}}],
            volumeMounts: [{name: data, mountPath: /data}],
            serviceAccountName: mine, securityContext: {runAsUser: 7, runAsNonRoot: false}}}}";
    let producer = "producer: {auth: {bearerSecretRef: {name: tokens, key: t}}, replicas: 2}";
    valid(&with_spec(producer, queue))
}

fn object(pipeline: &Pipeline, kind: ChildKind, name: &str) -> Manifest {
    let key = ChildKey::new(kind, name);
    let all = manifests(pipeline);
    let found = all.into_iter().find(|manifest| manifest.key() == key);
    found.unwrap_or_else(|| panic!("no {key}"))
}

fn deployment(pipeline: &Pipeline, name: &str) -> Manifest {
    object(pipeline, ChildKind::Deployment, name)
}

/// The value at a JSON pointer within the pod template.
fn of_pod(deployment: &Manifest, pointer: &str) -> serde_json::Value {
    let value = deployment.0.pointer(&format!("/spec/template{pointer}"));
    value.unwrap_or_else(|| panic!("{pointer}")).clone()
}

/// The names of the volumes by the paths at which the container has them.
fn mounts(deployment: &Manifest) -> Vec<(String, String)> {
    let list = of_pod(deployment, "/spec/containers/0/volumeMounts");
    let text = |mount: &serde_json::Value, key: &str| mount[key].as_str().unwrap().to_owned();
    let mounts = list.as_array().unwrap().iter();
    mounts.map(|mount| (text(mount, "mountPath"), text(mount, "name"))).collect()
}

#[test]
fn every_object_tells_whose_it_is_and_goes_with_its_pipeline() {
    let pipeline = everything();
    for manifest in manifests(&pipeline) {
        let key = manifest.key();
        let metadata = &manifest.0["metadata"];
        assert_eq!(metadata["namespace"], "shop", "{key}");
        assert_eq!(metadata["labels"]["warren.dev/pipeline"], "orders", "{key}");
        assert_eq!(
            metadata["ownerReferences"],
            json!([{"apiVersion": "warren.dev/v1alpha1", "kind": "MessagePipeline",
                    "name": "orders", "uid": pipeline.owner.uid, "controller": true,
                    "blockOwnerDeletion": true}]),
            "{key}"
        );
        let queue = manifest.label(QUEUE_LABEL);
        let wanted = match key.name.as_str() {
            "orders-email" => Some("email"),
            "orders-producer" => Some("producer"),
            _ => None,
        };
        assert_eq!(queue, wanted, "{key}");
    }
}

#[test]
fn the_keys_name_every_object_and_every_login() {
    let keys: Vec<String> = keys(&everything()).iter().map(ToString::to_string).collect();
    assert_eq!(
        keys,
        [
            "ServiceAccount orders-worker",
            "ConfigMap orders-email",
            "PodDisruptionBudget orders-email",
            "Deployment orders-email",
            "ConfigMap orders-producer",
            "Service orders-producer",
            "Deployment orders-producer",
            "Secret orders-email-broker",
            "Secret orders-producer-broker",
        ]
    );
    let producers =
        super::keys(&smallest()).into_iter().filter(|key| key.name.contains("producer"));
    assert_eq!(producers.count(), 1, "programs that publish by themselves need a login as well");
}

#[test]
fn pods_keep_to_the_restricted_standard_and_get_no_token() {
    let pipeline = valid(&with_spec("producer: {}", "{name: email, handler: {log: {}}}"));
    for name in ["orders-email", "orders-producer"] {
        let spec = of_pod(&deployment(&pipeline, name), "/spec");
        assert_eq!(
            spec["securityContext"],
            json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
        );
        let container = &spec["containers"][0];
        assert_eq!(
            container["securityContext"],
            json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                   "capabilities": {"drop": ["ALL"]}})
        );
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert_eq!(spec["enableServiceLinks"], false);
        assert_eq!(spec["serviceAccountName"], "orders-worker");
    }
    let account = object(&pipeline, ChildKind::ServiceAccount, "orders-worker");
    assert_eq!(account.0["automountServiceAccountToken"], false);
}

#[test]
fn an_upgrade_of_the_operator_changes_no_pod() {
    let version = env!("CARGO_PKG_VERSION");
    for manifest in manifests(&everything()) {
        assert_eq!(manifest.label("app.kubernetes.io/version"), Some(version));
        if manifest.key().kind == ChildKind::Deployment {
            let template = of_pod(&manifest, "").to_string();
            assert!(!template.contains(&format!("\"{version}\"")), "{template}");
            assert!(!template.contains(stamp::ANNOTATION), "{template}");
        }
    }
}

#[test]
fn another_configuration_takes_other_pods_and_nothing_else_does() {
    let config = |lines: &str| {
        let pipeline = valid(&with_queue(lines));
        of_pod(&deployment(&pipeline, "orders-email"), "/metadata/annotations/warren.dev~1config")
    };
    // Said once more, so that nobody changes the way it is made and restarts every worker.
    assert_eq!(config(""), "5f81a921d897568b");
    assert_ne!(config("worker: {concurrency: 3}"), config(""));
    assert_eq!(config("scaling: {maxReplicas: 3}"), config(""));
    assert_eq!(config("worker: {resources: {}}"), config(""));
}

#[test]
fn a_worker_finds_its_files_where_it_looks_for_them() {
    let deployment = deployment(&everything(), "orders-email");
    let expected = [
        ("/etc/warren", "warren-config"),
        ("/etc/warren/broker", "warren-broker"),
        ("/etc/warren/handler/extra", "warren-secret-0"),
        ("/etc/warren/handler/mail.v1", "warren-secret-1"),
        ("/tmp", "warren-tmp"),
        ("/data", "data"),
    ];
    let expected = expected.map(|(path, name)| (path.to_owned(), name.to_owned()));
    assert_eq!(mounts(&deployment), expected);
    let volumes = of_pod(&deployment, "/spec/volumes");
    let secrets: Vec<_> =
        volumes.as_array().unwrap().iter().map(|v| v["secret"]["secretName"].clone()).collect();
    assert_eq!(
        secrets,
        [
            json!(null),
            json!("orders-email-broker"),
            json!("extra"),
            json!("mail.v1"),
            json!(null),
            json!(null)
        ]
    );
    let config = object(&everything(), ChildKind::ConfigMap, "orders-email");
    assert!(config.0["data"]["worker.yaml"].as_str().unwrap().contains("queue: email"));
}

#[test]
fn a_producer_finds_its_token_and_takes_its_leave_of_the_service() {
    let deployment = deployment(&everything(), "orders-producer");
    assert!(mounts(&deployment).iter().any(|(path, _)| path == "/etc/warren/handler/tokens"));
    let config = object(&everything(), ChildKind::ConfigMap, "orders-producer");
    let yaml = config.0["data"]["producer.yaml"].as_str().unwrap();
    assert!(yaml.contains("bearerTokenFile: /etc/warren/handler/tokens/t"), "{yaml}");
    assert_eq!(of_pod(&deployment, "/spec/containers/0/lifecycle/preStop/sleep/seconds"), 5);
    assert_eq!(deployment.0["spec"]["replicas"], 2);
    let service = object(&everything(), ChildKind::Service, "orders-producer");
    assert_eq!(service.0["spec"]["ports"][0]["port"], 5000);
    let labels = of_pod(&deployment, "/metadata/labels");
    let selector = service.0["spec"]["selector"].as_object().unwrap();
    assert!(selector.iter().all(|(key, value)| labels[key] == *value), "{selector:?}");
    assert_eq!(selector.len(), 2);
}

#[test]
fn an_author_adds_to_the_pods_and_is_right_about_their_security_context() {
    let deployment = deployment(&everything(), "orders-email");
    assert_eq!(of_pod(&deployment, "/metadata/labels/team"), "shop");
    assert_eq!(of_pod(&deployment, "/metadata/labels/warren.dev~1queue"), "email");
    assert_eq!(of_pod(&deployment, "/metadata/annotations/a"), "b");
    assert_eq!(of_pod(&deployment, "/spec/containers/0/env/0/name"), "POD_NAME");
    assert_eq!(of_pod(&deployment, "/spec/containers/0/env/1/name"), "X");
    assert_eq!(of_pod(&deployment, "/spec/serviceAccountName"), "mine");
    assert_eq!(
        of_pod(&deployment, "/spec/securityContext"),
        json!({"runAsUser": 7, "runAsNonRoot": false,
               "seccompProfile": {"type": "RuntimeDefault"}})
    );
    let selector = &deployment.0["spec"]["selector"]["matchLabels"];
    assert_eq!(*selector, json!({"warren.dev/pipeline": "orders", "warren.dev/queue": "email"}));
}

#[test]
fn who_mounts_something_at_tmp_gets_that_alone() {
    let lines = "worker: {template: {volumes: [{name: big, emptyDir: {medium: Memory}}],
        volumeMounts: [{name: big, mountPath: /tmp/}]}}";
    let deployment = deployment(&valid(&with_queue(lines)), "orders-email");
    let temporary: Vec<_> =
        mounts(&deployment).into_iter().filter(|(path, _)| path.starts_with("/tmp")).collect();
    assert_eq!(temporary, [("/tmp/".to_owned(), "big".to_owned())]);
    let volumes = of_pod(&deployment, "/spec/volumes").to_string();
    assert!(!volumes.contains("warren-tmp"), "{volumes}");
}

#[test]
fn a_worker_may_drain_before_it_is_killed() {
    let grace = |pipeline: &Pipeline| {
        of_pod(&deployment(pipeline, "orders-email"), "/spec/terminationGracePeriodSeconds")
    };
    assert_eq!(grace(&smallest()), 75);
    assert_eq!(grace(&everything()), 36, "20.5 s and 15 s, rounded up");
}

#[test]
fn a_budget_is_there_where_several_workers_may_be() {
    for (scaling, several) in [
        ("{}", true),
        ("{maxReplicas: 1}", false),
        ("{mode: Fixed, minReplicas: 1}", false),
        ("{mode: Fixed, minReplicas: 2}", true),
        ("{mode: External}", true),
    ] {
        let pipeline = valid(&with_queue(&format!("scaling: {scaling}")));
        let budgets = manifests(&pipeline).into_iter().map(|manifest| manifest.key());
        let budgets = budgets.filter(|key| key.kind == ChildKind::PodDisruptionBudget);
        assert_eq!(budgets.count(), usize::from(several), "{scaling}");
    }
}

#[test]
fn the_workers_deployment_says_nothing_of_replicas() {
    assert_eq!(deployment(&everything(), "orders-email").0["spec"].get("replicas"), None);
}

#[test]
fn no_hash_tells_of_a_password() {
    let pipeline = smallest();
    let stamp = |login: &Login| {
        let manifest = broker_secret::manifest(&pipeline, &Holder::Producer, login, None);
        manifest.0["metadata"]["annotations"][stamp::ANNOTATION].clone()
    };
    let login = Login::new("rabbit", "admin", Secret::new("one"));
    let other = Login { password: Secret::new("two"), ..login.clone() };
    assert_eq!(stamp(&login), stamp(&other));
    let verify = warren_broker::login::Verify { ca: Some("ca".to_owned()), ..Default::default() };
    let tls = Login { tls: warren_broker::login::Tls::Verify(verify), ..login.clone() };
    assert_ne!(stamp(&login), stamp(&tls), "a key that is there no more has to be seen");
}

#[test]
fn a_password_is_read_back_for_its_own_user_while_nobody_has_touched_it() {
    let pipeline = smallest();
    let login = Login::new("rabbit", "admin", Secret::new("root"));
    let account = broker_secret::Account { user: "u".to_owned(), password: Secret::new("p@:/%") };
    let manifest = broker_secret::manifest(&pipeline, &Holder::Producer, &login, Some(&account));
    assert_eq!(manifest.key(), broker_secret::key(&pipeline, &Holder::Producer));
    assert_eq!(broker_secret::password_of(&manifest, "u"), Some(account.password));
    assert_eq!(broker_secret::password_of(&manifest, "v"), None);
    let mut edited = manifest.clone();
    edited.0["data"]["password"] = "cGE=".into();
    assert_eq!(broker_secret::password_of(&edited, "u"), None);
    let shared = broker_secret::manifest(&pipeline, &Holder::Producer, &login, None);
    assert_eq!(broker_secret::password_of(&shared, "admin"), None);
}
