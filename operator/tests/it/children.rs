//! The Kubernetes objects of pipelines, against an API server and a broker that are values.

use proptest::prelude::*;
use serde_json::{Value, json};
use warren_operator::{
    children::{ChildKey, ChildKind, ChildStep, Manifest},
    observe::Stage,
    pipeline::Pipeline,
    plan::{self, Plan, Step},
    resources::{self, broker_secret},
    validate,
};

use crate::{
    scene::{object_of, settings},
    world::World,
};

/// A world in which nothing stands.
fn empty() -> World {
    World::empty("4.3.6")
}

/// A world in which everything stands.
fn settled(pipeline: &Pipeline) -> World {
    let mut world = empty();
    world.settle(pipeline);
    world
}

/// The pipeline `shop/orders`, of these further lines in the spec and these queues.
fn pipeline(lines: &str, queues: &str) -> Pipeline {
    let yaml = format!(
        "{{apiVersion: warren.dev/v1alpha1, kind: MessagePipeline, \
         metadata: {{name: orders, namespace: shop}}, \
         spec: {{broker: {{secretRef: {{name: rabbitmq}}}}, queues: [{queues}], {lines}}}}}"
    );
    let value: Value = serde_saphyr::from_str(&yaml).unwrap();
    validate::pipeline(&object_of(&value), &settings()).unwrap()
}

const EMAIL: &str = "{name: email, handler: {log: {}}}";
const INVOICE: &str = "{name: invoice, handler: {log: {}}}";

fn told(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

/// What the plan says about Kubernetes objects.
fn children(plan: &Plan) -> Vec<String> {
    let children = plan.steps.iter().filter(|step| matches!(step, Step::Child(_)));
    children.map(ToString::to_string).collect()
}

/// What a plan applies to an object.
fn applied<'a>(plan: &'a Plan, key: &ChildKey) -> &'a Manifest {
    let applied = plan.steps.iter().find_map(|step| match step {
        Step::Child(ChildStep::Apply(manifest)) if manifest.key() == *key => Some(manifest),
        _ => None,
    });
    applied.expect("it is applied")
}

fn key(kind: ChildKind, name: &str) -> ChildKey {
    ChildKey::new(kind, name)
}

fn email() -> ChildKey {
    key(ChildKind::Deployment, "orders-email")
}

fn replicas(world: &mut World) -> Value {
    world.server.object(&email())["spec"]["replicas"].clone()
}

/// The replicas that a queue's Deployment is made with in this world.
fn first_replicas(world: &mut World, scaling: &str) -> u64 {
    let lines = format!("{{name: email, handler: {{log: {{}}}}, scaling: {scaling}}}");
    first_replicas_of(world, &pipeline("", &lines))
}

fn first_replicas_of(world: &mut World, pipeline: &Pipeline) -> u64 {
    applied(&world.plan(pipeline), &email()).0["spec"]["replicas"].as_u64().unwrap()
}

#[test]
fn everything_is_made_in_an_order_in_which_nothing_waits() {
    let orders = pipeline("producer: {}", EMAIL);
    let mut world = empty();
    let plan = world.pass(&orders);
    assert_eq!(
        children(&plan),
        [
            "apply ServiceAccount orders-worker",
            "apply ConfigMap orders-email",
            "apply ConfigMap orders-producer",
            "apply Service orders-producer",
            "apply PodDisruptionBudget orders-email",
            "apply Deployment orders-email",
            "apply Deployment orders-producer",
        ]
    );
    assert_eq!(
        told(&world.pass(&orders)),
        ["hand the replicas of Deployment orders-email over at 0"]
    );
    assert_eq!(told(&world.pass(&orders)), [""; 0]);
    let mut wanted = resources::keys(&orders);
    wanted.sort();
    assert_eq!(world.server.keys(), wanted);
}

#[test]
fn a_deployment_begins_with_the_replicas_its_queue_deserves() {
    let mut new = empty();
    let mut old = settled(&pipeline("", EMAIL));
    old.server.take_away(&email());
    for (scaling, of_new, of_old) in [
        ("{}", 0, 1),
        ("{minReplicas: 2}", 2, 2),
        ("{mode: Fixed, minReplicas: 3}", 3, 3),
        ("{mode: External}", 0, 1),
        ("{mode: External, minReplicas: 2}", 2, 2),
    ] {
        assert_eq!(first_replicas(&mut new, scaling), of_new, "{scaling}");
        assert_eq!(first_replicas(&mut old, scaling), of_old, "{scaling}");
    }
    let suspended = pipeline("suspend: true", EMAIL);
    assert_eq!(first_replicas_of(&mut old, &suspended), 0);
}

#[test]
fn replicas_are_handed_over_once_and_stay_whoever_sets_them() {
    let orders = pipeline("", EMAIL);
    let mut world = empty();
    world.pass(&orders);
    world.server.object(&email())["spec"]["replicas"] = 4.into();
    // Nobody but the operator owns them yet, so a change of the template carries the present number.
    let more = pipeline("", "{name: email, handler: {log: {}}, worker: {concurrency: 3}}");
    world.pass(&more);
    assert_eq!(replicas(&mut world), 4);
    assert_eq!(
        told(&world.pass(&more)),
        ["hand the replicas of Deployment orders-email over at 4"]
    );
    world.server.object(&email())["spec"]["replicas"] = 7.into();
    assert_eq!(told(&world.plan(&more)), [""; 0]);
    // The number may be another one by the time of the write, and who writes it owns it.
    assert_eq!(applied(&world.plan(&orders), &email()).0.pointer("/spec/replicas"), None);
    world.pass(&orders);
    assert_eq!(replicas(&mut world), 7, "an apply without replicas leaves them alone");
}

#[test]
fn what_the_api_server_does_not_keep_keeps_no_replicas_from_being_handed_over() {
    let template = "env: [{name: A, value: ''}], volumes: [{name: v, emptyDir: {medium: ''}}], \
                    volumeMounts: [{name: v, mountPath: /v, readOnly: false}]";
    let queue =
        format!("{{name: email, handler: {{log: {{}}}}, worker: {{template: {{{template}}}}}}}");
    let orders = pipeline("", &queue);
    let mut world = empty();
    world.pass(&orders);
    assert_eq!(
        told(&world.pass(&orders)),
        ["hand the replicas of Deployment orders-email over at 0"]
    );
    assert_eq!(told(&world.plan(&orders)), [""; 0]);
}

#[test]
fn replicas_are_handed_over_though_a_webhook_changes_whatever_is_written() {
    let orders = pipeline("", EMAIL);
    let mut world = empty();
    world.server.webhook = Some(|deployment| {
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] =
            "mirror.example/worker:test".into();
    });
    world.pass(&orders);
    assert_eq!(
        told(&world.pass(&orders)),
        ["hand the replicas of Deployment orders-email over at 0"]
    );
    world.server.object(&email())["spec"]["replicas"] = 7.into();
    // It is written again with each pass, and the number stays.
    assert_eq!(told(&world.pass(&orders)), ["apply Deployment orders-email"]);
    assert_eq!(replicas(&mut world), 7);
}

#[test]
fn the_replicas_of_the_producer_are_the_operators() {
    let orders = pipeline("producer: {replicas: 2}", EMAIL);
    let mut world = settled(&orders);
    let producer = key(ChildKind::Deployment, "orders-producer");
    world.server.object(&producer)["spec"]["replicas"] = 1.into();
    assert_eq!(told(&world.plan(&orders)), ["apply Deployment orders-producer"]);
}

#[test]
fn a_name_that_is_taken_is_left_alone_with_all_that_needs_it() {
    let orders = pipeline("producer: {}", &format!("{EMAIL}, {INVOICE}"));
    for (taken, made) in [
        (email(), ["orders-invoice", "orders-producer"].as_slice()),
        (key(ChildKind::ConfigMap, "orders-email"), &["orders-invoice", "orders-producer"]),
        (key(ChildKind::Secret, "orders-email-broker"), &["orders-invoice", "orders-producer"]),
        (key(ChildKind::Service, "orders-producer"), &["orders-email", "orders-invoice"]),
        (key(ChildKind::ServiceAccount, "orders-worker"), &[]),
    ] {
        let mut world = empty();
        world.server.occupy(&taken);
        let before = world.server.object(&taken).clone();
        world.settle(&orders);
        assert_eq!(*world.server.object(&taken), before);
        let plan = world.plan(&orders);
        let plan::Findings::Compared(compared) = &plan.findings else { panic!("compared") };
        assert_eq!(compared.taken.iter().collect::<Vec<_>>(), [&taken]);
        let deployments = world.server.keys().into_iter().filter(|key| *key != taken);
        let deployments = deployments.filter(|key| key.kind == ChildKind::Deployment);
        let deployments: Vec<String> = deployments.map(|key| key.name).collect();
        assert_eq!(deployments, made, "{taken}");
    }
}

#[test]
fn what_is_no_longer_wanted_goes_pods_first() {
    let before = pipeline("producer: {}", &format!("{EMAIL}, {INVOICE}"));
    let mut world = settled(&before);
    let after = pipeline("", "{name: email, handler: {log: {}}, scaling: {maxReplicas: 1}}");
    let deleted: Vec<String> = children(&world.plan(&after));
    assert_eq!(
        deleted,
        [
            "delete Deployment orders-invoice",
            "delete Deployment orders-producer",
            "delete PodDisruptionBudget orders-email",
            "delete PodDisruptionBudget orders-invoice",
            "delete Service orders-producer",
            "delete Secret orders-invoice-broker",
            "delete ConfigMap orders-invoice",
            "delete ConfigMap orders-producer",
        ]
    );
    world.settle(&after);
    let mut wanted = resources::keys(&after);
    wanted.sort();
    assert_eq!(world.server.keys(), wanted, "the producers' login stays, for programs of others");
}

#[test]
fn the_secret_of_a_removed_queue_goes_though_nobody_may_list_secrets() {
    let mut world = settled(&pipeline("", &format!("{EMAIL}, {INVOICE}")));
    let secret = key(ChildKind::Secret, "orders-invoice-broker");
    world.server.take_away(&secret);
    let deleted = children(&world.plan(&pipeline("", EMAIL)));
    assert!(deleted.contains(&format!("delete {secret}")), "{deleted:?}");
}

#[test]
fn a_stranger_of_ours_that_nobody_wants_is_not_deleted() {
    let mut world = settled(&pipeline("", EMAIL));
    let theirs = key(ChildKind::ConfigMap, "theirs");
    world.server.occupy(&theirs);
    assert_eq!(told(&world.plan(&pipeline("", EMAIL))), [""; 0]);
}

#[test]
fn a_field_that_is_no_longer_wanted_is_taken_away() {
    let with = "{name: email, handler: {log: {}}, worker: {template: {nodeSelector: {a: b}}}}";
    let world = settled(&pipeline("", with));
    assert_eq!(told(&world.plan(&pipeline("", EMAIL))), ["apply Deployment orders-email"]);
}

#[test]
fn a_login_follows_the_broker_and_keeps_its_password() {
    let shared = "broker: {secretRef: {name: rabbitmq}, users: Shared}";
    for scoped in [true, false] {
        let orders = if scoped {
            pipeline("", EMAIL)
        } else {
            let yaml = format!(
                "{{apiVersion: warren.dev/v1alpha1, kind: MessagePipeline, \
                 metadata: {{name: orders, namespace: shop}}, spec: {{{shared}, queues: [{EMAIL}]}}}}"
            );
            let value: Value = serde_saphyr::from_str(&yaml).unwrap();
            validate::pipeline(&object_of(&value), &settings()).unwrap()
        };
        let mut world = settled(&orders);
        let secret = key(ChildKind::Secret, "orders-email-broker");
        let before = world.server.object(&secret)["data"].clone();
        let mut observed = world.observed(&orders, Stage::Declaring);
        observed.broker.as_mut().unwrap().login.host = "elsewhere".to_owned();
        let steps = plan::next(&orders, &observed).steps;
        let applied: Vec<&Value> = steps
            .iter()
            .map(|step| match step {
                Step::Child(ChildStep::Apply(manifest)) => &manifest.0["data"],
                step => panic!("{step}"),
            })
            .collect();
        assert_eq!(applied.len(), 2, "one for the workers, one for producers");
        for data in applied {
            assert_ne!(data["host"], before["host"]);
        }
        assert_eq!(steps[0].name(), "orders-email-broker");
        let Step::Child(ChildStep::Apply(manifest)) = &steps[0] else { panic!("an apply") };
        assert_eq!(manifest.0["data"]["password"], before["password"]);
    }
}

#[test]
fn objects_are_left_alone_while_they_cannot_be_seen() {
    let orders = pipeline("", EMAIL);
    let world = empty();
    let mut observed = world.observed(&orders, Stage::Declaring);
    observed.children =
        warren_operator::children::ChildrenReading::Unknown("the API server is away".to_owned());
    assert_eq!(children(&plan::next(&orders, &observed)), [""; 0]);
}

#[test]
fn every_field_of_ours_that_somebody_changes_or_removes_is_written_again() {
    for orders in rich() {
        let mut world = settled(&orders);
        let all = world.server.keys().into_iter().flat_map(|key| {
            let fields = owned(&orders, &mut world, &key).into_iter();
            fields.map(|field| (key.clone(), field)).collect::<Vec<_>>()
        });
        for (key, field) in all.collect::<Vec<_>>() {
            let mut changed = world.clone();
            let live = changed.server.object(&key).pointer_mut(&field).unwrap();
            *live = meddled(live);
            assert_written(&changed, &orders, &key, &field);
            let mut removed = world.clone();
            *removed.server.object(&key).pointer_mut(&field).unwrap() = Value::Null;
            assert_written(&removed, &orders, &key, &field);
        }
    }
}

fn assert_written(world: &World, orders: &Pipeline, key: &ChildKey, field: &str) {
    let plan = world.plan(orders);
    assert_eq!(plan.steps.len(), 1, "{key} {field}: {:?}", told(&plan));
    let written = match &plan.steps[0] {
        Step::Child(ChildStep::Apply(manifest)) => manifest.key(),
        // A login that somebody changed is as good as none.
        Step::PutUser { holder, .. } => broker_secret::key(orders, holder),
        step => panic!("{key} {field}: {step}"),
    };
    assert_eq!(written, *key, "{field}");
}

#[test]
fn no_field_of_somebody_else_is_touched() {
    for orders in rich() {
        let mut world = settled(&orders);
        for key in world.server.keys() {
            for map in maps(world.server.object(&key), "") {
                let mut more = world.clone();
                more.server.object(&key).pointer_mut(&map).unwrap()["theirs"] = "yes".into();
                assert_eq!(told(&more.plan(&orders)), [""; 0], "{key} {map}");
            }
        }
    }
}

/// Pipelines with everything that there can be, with users of their own and without.
fn rich() -> [Pipeline; 2] {
    ["Scoped", "Shared"].map(|users| {
        let template = json!({
            "labels": {"team": "shop"}, "annotations": {"a": "b"},
            "env": [{"name": "A", "value": "b"}], "envFrom": [{"configMapRef": {"name": "c"}}],
            "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            "nodeSelector": {"zone": "a"}, "tolerations": [{"key": "k", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "Exists"}]}]}}},
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone",
                                           "whenUnsatisfiable": "DoNotSchedule"}],
            "priorityClassName": "high", "serviceAccountName": "mine",
            "securityContext": {"fsGroup": 7}, "imagePullSecrets": [{"name": "registry"}],
        });
        let headers = json!([
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "mail", "key": "token"}}},
        ]);
        let object = json!({
            "apiVersion": "warren.dev/v1alpha1",
            "kind": "MessagePipeline",
            "metadata": {"name": "orders", "namespace": "shop"},
            "spec": {
                "broker": {"secretRef": {"name": "rabbitmq"}, "users": users},
                "queues": [{
                    "name": "email",
                    "handler": {"http": {"url": "http://h/", "headers": headers}},
                    "worker": {"template": template, "resources": {"limits": {"cpu": "1"}}},
                }],
                "producer": {"auth": {"bearerSecretRef": {"name": "t", "key": "k"}}},
            },
        });
        validate::pipeline(&object_of(&object), &settings()).unwrap()
    })
}

/// Every text, number and boolean, by its JSON pointer.
fn leaves(value: &Value, at: &str) -> Vec<String> {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| leaves(value, &format!("{at}/{}", escaped(key))))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .flat_map(|(index, value)| leaves(value, &format!("{at}/{index}")))
            .collect(),
        _ => vec![at.to_owned()],
    }
}

/// Every map, by its JSON pointer.
fn maps(value: &Value, at: &str) -> Vec<String> {
    let leaves = leaves(value, at);
    let parents = leaves.iter().filter_map(|leaf| leaf.rsplit_once('/').map(|(parent, _)| parent));
    let mut maps: Vec<String> = parents
        .filter(|parent| value.pointer(parent).is_some_and(Value::is_object))
        .map(str::to_owned)
        .collect();
    maps.dedup();
    maps
}

/// The fields by which an object is what it is; whoever changes them makes another one.
const IDENTITY: [&str; 5] =
    ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/metadata/ownerReferences"];

/// The fields of ours in an object that the server has; its books and its own fields are not.
fn owned(pipeline: &Pipeline, world: &mut World, key: &ChildKey) -> Vec<String> {
    let mut manifests = resources::manifests(pipeline);
    let login = world.observed(pipeline, Stage::Declaring).broker.unwrap().login;
    for holder in pipeline.holders() {
        let user = pipeline.user_of(&holder, &login.vhost);
        let password = world.password(pipeline, &holder, &user);
        let account = password.map(|password| broker_secret::Account { user, password });
        manifests.push(broker_secret::manifest(pipeline, &holder, &login, account.as_ref()));
    }
    let manifest = manifests.into_iter().find(|manifest| manifest.key() == *key).unwrap();
    let is_identity = |leaf: &String| IDENTITY.iter().any(|field| leaf.starts_with(field));
    leaves(&manifest.0, "").into_iter().filter(|leaf| !is_identity(leaf)).collect()
}

fn meddled(value: &Value) -> Value {
    match value {
        Value::String(text) => format!("{text}x").into(),
        Value::Bool(truth) => (!truth).into(),
        Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
        other => panic!("{other} is no leaf"),
    }
}

fn pipelines() -> impl Strategy<Value = Pipeline> {
    let handlers = prop::sample::select(vec![
        json!({"log": {}}),
        json!({"simulate": {}}),
        json!({"http": {"url": "http://h/", "headers": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "mail", "key": "token"}}}]}}),
    ]);
    let workers = prop::sample::select(vec![
        json!({}),
        json!({"resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "1Gi"}}}),
        json!({"template": {
            "labels": {"team": "shop"}, "env": [{"name": "A", "value": "b"}],
            "tolerations": [{"key": "k", "operator": "Exists"}],
            "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            "securityContext": {"fsGroup": 7}, "serviceAccountName": "mine",
            "imagePullSecrets": [{"name": "registry"}]}}),
    ]);
    let scaling = prop::sample::select(vec![
        json!({}),
        json!({"minReplicas": 1, "maxReplicas": 1}),
        json!({"mode": "Fixed", "minReplicas": 2}),
        json!({"mode": "External"}),
    ]);
    let queues = prop::collection::vec((handlers, workers, scaling), 1..3);
    let producer = prop::sample::select(vec![
        Value::Null,
        json!({}),
        json!({"auth": {"bearerSecretRef": {"name": "t", "key": "k"}}}),
    ]);
    let users = prop::sample::select(vec!["Scoped", "Shared"]);
    (queues, producer, users, any::<bool>()).prop_map(|(queues, producer, users, suspend)| {
        let queues = queues.into_iter().enumerate().map(|(index, (handler, worker, scaling))| {
            json!({"name": format!("q{index}"), "handler": handler, "worker": worker,
                   "scaling": scaling})
        });
        let mut object = json!({
            "apiVersion": "warren.dev/v1alpha1",
            "kind": "MessagePipeline",
            "metadata": {"name": "orders", "namespace": "shop"},
            "spec": {
                "broker": {"secretRef": {"name": "rabbitmq"}, "users": users},
                "queues": queues.collect::<Vec<Value>>(),
                "suspend": suspend,
            },
        });
        if !producer.is_null() {
            object["spec"]["producer"] = producer;
        }
        validate::pipeline(&object_of(&object), &settings()).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_applied_and_filled_in_by_the_server_leaves_nothing_to_apply(
        orders in pipelines(),
    ) {
        let world = settled(&orders);
        prop_assert_eq!(told(&world.plan(&orders)), [""; 0]);
        let mut wanted = resources::keys(&orders);
        wanted.sort();
        prop_assert_eq!(world.server.keys(), wanted);
    }

    #[test]
    fn any_spec_follows_any_other(before in pipelines(), after in pipelines()) {
        let mut world = settled(&before);
        world.settle(&after);
        let mut wanted = resources::keys(&after);
        wanted.sort();
        prop_assert_eq!(world.server.keys(), wanted);
    }
}
