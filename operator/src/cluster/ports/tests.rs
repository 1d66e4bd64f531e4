//! What the API server is asked for by a pass, and what comes of its answers.

use serde_json::Value;
use warren_broker::login::Login;

use super::*;
use crate::{
    cluster::{fake::Fake, scope::Scope, watches::Watches},
    fixtures::with_queue,
};

const UID: &str = "11111111-2222-3333-4444-555555555555";
const PIPELINE: &str = "/apis/warren.dev/v1alpha1/namespaces/shop/messagepipelines/orders";
const SECRET: &str = "/api/v1/namespaces/shop/secrets/orders-email-broker";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/orders-email";

/// A pass with its surroundings.
struct Scene {
    fake: Fake,
    client: Client,
    stores: Stores,
    logbook: Logbook,
    object: MessagePipeline,
    id: PipelineId,
}

impl Scene {
    fn new(fake: Fake) -> Self {
        let client = fake.client();
        let (stores, _) = Watches::prepare(&client, &[Scope::Cluster], None);
        let mut object = with_queue("");
        object.metadata.uid = Some(UID.to_owned());
        let id = PipelineId::new("shop", "orders").unwrap();
        Self { fake, client, stores, logbook: Logbook::default(), object, id }
    }

    fn ports(&self) -> KubePorts<'_> {
        let Self { client, stores, logbook, object, id, .. } = self;
        KubePorts { client, stores, logbook, object, id, uid: UID, read: Mutex::default() }
    }
}

fn owned(uid: &str) -> Value {
    json!([{"apiVersion": "warren.dev/v1alpha1", "kind": KIND, "name": "orders", "uid": uid,
        "controller": true}])
}

/// The Secret with the password `p` of user `u`, made for the pipeline with this uid.
fn secret(owner: &str) -> Value {
    let account = broker_secret::Account { user: "u".to_owned(), password: Secret::new("p") };
    let login = Login::new("rabbit", "admin", Secret::new("root"));
    let pipeline = crate::fixtures::smallest();
    let Manifest(mut secret) = broker_secret::manifest(&pipeline, &email(), &login, Some(&account));
    secret["metadata"]["ownerReferences"] = owned(owner);
    secret["metadata"]["uid"] = "s1".into();
    secret
}

fn email() -> Holder {
    Holder::Worker("email".parse().unwrap())
}

#[tokio::test]
async fn a_secret_is_read_by_name_and_there_may_be_none() {
    let scene = Scene::new(Fake::default().answers(
        "GET /api/v1/namespaces/shop/secrets/rabbitmq",
        200,
        json!({"metadata": {"name": "rabbitmq"}, "data": {"host": "YQ=="}}),
    ));
    let found = scene.ports().secret("rabbitmq").await.unwrap();
    assert_eq!(found, Some(SecretData::from([("host".to_owned(), b"a".to_vec())])));
    assert_eq!(scene.ports().secret("other").await.unwrap(), None);
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_told_with_the_right_that_is_missing() {
    let said = "secrets \"rabbitmq\" is forbidden: User \"system:serviceaccount:w:w\" cannot get";
    let question = "GET /api/v1/namespaces/shop/secrets/rabbitmq";
    let scene = Scene::new(Fake::default().refuses(question, 403, "Forbidden", said));
    let error = scene.ports().secret("rabbitmq").await.unwrap_err();
    assert!(error.is_refusal());
    let error = error.to_string();
    assert!(error.contains(said), "{error}");
    assert!(error.contains("give it the right to `get` Secrets"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_silent_holds_nobody_up() {
    let question = "GET /api/v1/namespaces/shop/secrets/rabbitmq";
    let scene = Scene::new(Fake::default().with_silence_about(question));
    let error = scene.ports().secret("rabbitmq").await.unwrap_err();
    assert!(!error.is_refusal(), "it may answer in a moment");
    assert!(error.to_string().contains("no answer within 10 s"), "{error}");
}

#[tokio::test]
async fn a_password_is_that_of_the_user_in_a_secret_of_ours() {
    let of =
        |owner| Scene::new(Fake::default().answers(&format!("GET {SECRET}"), 200, secret(owner)));
    let ours = of(UID);
    let password = ours.ports().password(&email(), "u").await.unwrap();
    assert_eq!(password.map(|password| password.reveal().to_owned()).as_deref(), Some("p"));
    assert_eq!(ours.ports().password(&email(), "another").await.unwrap(), None);
    assert_eq!(of("another").ports().password(&email(), "u").await.unwrap(), None);
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_not_overwritten() {
    let scene =
        Scene::new(Fake::default().answers(&format!("GET {SECRET}"), 200, secret("another")));
    let pipeline = crate::fixtures::smallest();
    let login = Login::new("rabbit", "admin", Secret::new("root"));
    let account = Account {
        pipeline: &pipeline,
        login: &login,
        holder: &email(),
        user: "u",
        password: &Secret::new("p"),
    };
    let error = scene.ports().keep_password(account).await.unwrap_err().to_string();
    assert!(error.contains("belongs to somebody else"), "{error}");
    assert_eq!(scene.fake.questions(), [format!("GET {SECRET}")]);
}

#[tokio::test]
async fn a_status_is_applied_as_its_own_manager_to_this_very_object() {
    let question = format!("PATCH {PIPELINE}/status");
    let scene = Scene::new(Fake::default().answers(
        &question,
        200,
        json!({"metadata": {"resourceVersion": "42"}}),
    ));
    let status = MessagePipelineStatus { queue_count: Some(1), ..MessagePipelineStatus::default() };
    scene.ports().publish(&status).await.unwrap();
    let asked = scene.fake.asked().remove(0);
    assert!(asked.query.contains("fieldManager=warren-status"), "{}", asked.query);
    assert!(asked.query.contains("force=true"), "{}", asked.query);
    let expected = json!({
        "apiVersion": "warren.dev/v1alpha1", "kind": KIND,
        "metadata": {"name": "orders", "uid": UID}, "status": {"queueCount": 1},
    });
    assert_eq!(asked.body, expected);
    assert_eq!(scene.logbook.unseen(UID, "41"), Some(status));
    assert_eq!(scene.logbook.unseen(UID, "42"), None, "others may have changed it since");
}

#[tokio::test]
async fn a_status_that_was_refused_is_not_taken_for_published() {
    let question = format!("PATCH {PIPELINE}/status");
    let scene = Scene::new(Fake::default().refuses(&question, 409, "Conflict", "another uid"));
    let error = scene.ports().publish(&MessagePipelineStatus::default()).await.unwrap_err();
    assert!(error.to_string().contains("another uid"), "{error}");
    assert_eq!(scene.logbook.status(UID), None);
}

#[tokio::test]
async fn replicas_are_handed_over_by_an_apply_of_the_scale_that_was_seen() {
    let question = format!("PATCH {DEPLOYMENT}/scale");
    let scale = json!({"metadata": {"name": "orders-email"}, "spec": {"replicas": 3}});
    let scene = Scene::new(Fake::default().answers(&question, 200, scale));
    let step = ChildStep::HandOver {
        deployment: "orders-email".to_owned(),
        replicas: 3,
        resource_version: "42".to_owned(),
    };
    scene.ports().write(&step).await.unwrap();
    let asked = scene.fake.asked().remove(0);
    assert!(asked.query.contains("fieldManager=warren-scaler"), "{}", asked.query);
    assert_eq!(asked.body["metadata"]["resourceVersion"], "42");
    assert_eq!(asked.body["spec"]["replicas"], 3);
}

#[tokio::test]
async fn a_write_that_came_too_late_is_a_conflict_and_a_forbidden_one_a_refusal() {
    let apply = ChildStep::Apply(Manifest(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "orders-email"},
    })));
    for (code, reason, kind) in [
        (409, "Conflict", ChildErrorKind::Conflict),
        (403, "Forbidden", ChildErrorKind::Refused),
        (500, "InternalError", ChildErrorKind::Unavailable),
    ] {
        let question = format!("PATCH {DEPLOYMENT}");
        let scene = Scene::new(Fake::default().refuses(&question, code, reason, "why"));
        let error = scene.ports().write(&apply).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (kind, "why"));
    }
}

#[tokio::test]
async fn only_the_object_that_was_seen_to_be_ours_is_deleted() {
    let key = ChildKey::new(ChildKind::Secret, "orders-email-broker");
    let get = format!("GET {SECRET}");
    let done = json!({"metadata": {}});
    let ours = Fake::default().answers(&get, 200, secret(UID));
    let ours = Scene::new(ours.answers(&format!("DELETE {SECRET}"), 200, done));
    ours.ports().write(&ChildStep::Delete(key.clone())).await.unwrap();
    assert_eq!(ours.fake.asked().remove(1).body["preconditions"]["uid"], "s1");

    let another = Scene::new(Fake::default().answers(&get, 200, secret("another")));
    let error = another.ports().write(&ChildStep::Delete(key.clone())).await.unwrap_err();
    assert_eq!(error.kind, ChildErrorKind::Conflict);
    assert_eq!(another.fake.questions(), [get]);

    let none = Scene::new(Fake::default());
    none.ports().write(&ChildStep::Delete(key)).await.unwrap();
}

#[tokio::test]
async fn what_no_watch_sees_is_asked_for_by_name() {
    let scene =
        Scene::new(Fake::default().answers(&format!("GET {SECRET}"), 200, secret("another")));
    let wanted = [
        ChildKey::new(ChildKind::Secret, "orders-email-broker"),
        ChildKey::new(ChildKind::Deployment, "orders-email"),
    ];
    let ChildrenReading::Seen(seen) = scene.ports().children(&wanted).await else {
        panic!("they can be read");
    };
    let found: Vec<(&ChildKey, bool)> =
        seen.iter().map(|(key, child)| (key, child.is_ours)).collect();
    assert_eq!(found, [(&wanted[0], false)], "a foreign Secret, and no Deployment");
}

#[tokio::test]
async fn what_may_not_be_read_is_unknown_and_not_absent() {
    let question = format!("GET {DEPLOYMENT}");
    let scene = Scene::new(Fake::default().refuses(&question, 403, "Forbidden", "cannot get"));
    let wanted = [ChildKey::new(ChildKind::Deployment, "orders-email")];
    let reading = scene.ports().children(&wanted).await;
    let expected = "Deployment orders-email cannot be read: cannot get".to_owned();
    assert_eq!(reading, ChildrenReading::Unknown(expected));
}

#[tokio::test]
async fn the_finalizer_is_put_once_and_on_this_very_object() {
    let question = format!("PATCH {PIPELINE}");
    let meta = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": "orders"}});
    let mut scene = Scene::new(Fake::default().answers(&question, 200, meta));
    scene.ports().hold().await.unwrap();
    let asked = scene.fake.asked().remove(0);
    assert!(asked.query.contains("fieldManager=warren-operator"), "{}", asked.query);
    assert_eq!(asked.body["metadata"]["uid"], UID);
    assert_eq!(asked.body["metadata"]["finalizers"], json!(["warren.dev/broker"]));
    scene.object.metadata.finalizers = Some(vec!["warren.dev/broker".to_owned()]);
    scene.ports().hold().await.unwrap();
    assert_eq!(scene.fake.questions().len(), 1);
}

#[tokio::test]
async fn the_finalizer_goes_alone_and_not_from_another_object() {
    let meta = |uid: &str| {
        json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": "orders", "uid": uid, "resourceVersion": "7",
                "finalizers": ["others.example/x", "warren.dev/broker"]}})
    };
    let (get, patch) = (format!("GET {PIPELINE}"), format!("PATCH {PIPELINE}"));
    let changed = "the object has been modified";
    let fake = Fake::default().answers(&get, 200, meta(UID));
    let fake = fake.refuses(&patch, 409, "Conflict", changed).answers(&patch, 200, meta(UID));
    let scene = Scene::new(fake);
    finalizers::take(&scene.ports().pipelines(), "orders", UID).await.unwrap();
    assert_eq!(scene.fake.questions(), [&get, &patch, &get, &patch].map(Clone::clone));
    let body = json!({"metadata": {"resourceVersion": "7", "finalizers": ["others.example/x"]}});
    assert_eq!(scene.fake.asked().remove(3).body, body);

    let another = Scene::new(Fake::default().answers(&get, 200, meta("another")));
    finalizers::take(&another.ports().pipelines(), "orders", UID).await.unwrap();
    assert_eq!(another.fake.questions(), [get]);
    let gone = Scene::new(Fake::default());
    finalizers::take(&gone.ports().pipelines(), "orders", UID).await.unwrap();
}

#[tokio::test]
async fn a_secret_that_was_read_for_its_password_is_not_read_again_for_itself() {
    let scene = Scene::new(Fake::default().answers(&format!("GET {SECRET}"), 200, secret(UID)));
    let ports = scene.ports();
    assert!(ports.password(&email(), "u").await.unwrap().is_some());
    let key = ChildKey::new(ChildKind::Secret, "orders-email-broker");
    let seen = ports.children(std::slice::from_ref(&key)).await;
    assert!(matches!(&seen, ChildrenReading::Seen(seen) if seen[&key].is_ours), "{seen:?}");
    assert_eq!(scene.fake.questions().len(), 1);
    ports.children(std::slice::from_ref(&key)).await;
    assert_eq!(scene.fake.questions().len(), 2);
}
