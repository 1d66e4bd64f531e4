//! Good manifests are read whole; bad ones are told with place and field, and never quoted.

use std::fmt::Write as _;

use super::*;
use crate::settings::{Identity, ImagePull};

const PIPELINE: &str = "\
apiVersion: warren.dev/v1alpha1
kind: MessagePipeline
metadata: {name: orders, namespace: shop}
spec:
  broker:
    secretRef: {name: rabbitmq}
  queues:
  - name: email
    handler: {simulate: {}}
";

const SECRET: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: rabbitmq, namespace: shop}
data:
  host: bG9jYWxob3N0
  password: aHVudGVyMg==
stringData:
  port: \"5672\"
";

fn settings() -> Settings {
    Settings {
        identity: Identity::Local,
        worker_image: "w".to_owned(),
        producer_image: "p".to_owned(),
        pull: ImagePull::default(),
    }
}

/// What is read from a file of this text, and what is wrong with it.
fn parse(text: &str) -> (Manifests, Vec<String>) {
    let mut manifests = Manifests::default();
    let mut mistakes = Vec::new();
    manifests.add("f.yaml", text, &settings(), &mut mistakes);
    let mistakes = mistakes.iter().map(ToString::to_string).collect();
    (manifests, mistakes)
}

fn mistakes(text: &str) -> Vec<String> {
    parse(text).1
}

#[test]
fn pipelines_and_secrets_may_stand_in_one_file_in_any_order() {
    let (manifests, mistakes) = parse(&format!("---\n{SECRET}---\n{PIPELINE}---\n# nothing\n"));
    assert_eq!(mistakes, [""; 0]);
    let [orders] = manifests.pipelines.as_slice() else {
        panic!("{} pipelines", manifests.pipelines.len());
    };
    assert_eq!(orders.pipeline.id.to_string(), "shop/orders");
    let key = ("shop".to_owned(), "rabbitmq".to_owned());
    let secret = &manifests.secrets[&key];
    assert_eq!(secret["host"], b"localhost");
    assert_eq!(secret["port"], b"5672");
}

#[test]
fn without_a_namespace_it_is_default() {
    let text = PIPELINE.replace(", namespace: shop", "");
    let (manifests, mistakes) = parse(&text);
    assert_eq!(mistakes, [""; 0]);
    let orders = &manifests.pipelines[0];
    assert_eq!(orders.pipeline.id.to_string(), "default/orders");
    assert_eq!(orders.object.metadata.namespace.as_deref(), Some("default"));
}

#[test]
fn what_kubectl_wrote_can_be_run() {
    let text = PIPELINE.replace(
        "namespace: shop}",
        "namespace: shop, uid: 6f0c, creationTimestamp: \"2026-11-21T10:00:00Z\", generation: 7,\n  \
         managedFields: [], annotations: {a: b}}\nstatus: {queueCount: 1}",
    );
    let (manifests, mistakes) = parse(&text);
    assert_eq!(mistakes, [""; 0]);
    assert_eq!(manifests.pipelines[0].object.status, None);
}

#[test]
fn json_is_yaml() {
    let value: Value = serde_saphyr::from_str(PIPELINE).unwrap();
    let (manifests, mistakes) = parse(&value.to_string());
    assert_eq!(mistakes, [""; 0]);
    assert_eq!(manifests.pipelines.len(), 1);
}

#[test]
fn each_mistake_is_told_with_its_place() {
    for (from, to, expected) in [
        ("  queues:", "  queus:", "spec.queus: is not a field of a MessagePipeline"),
        ("namespace: shop", "namespace: shop, label: {}", "metadata.label: is not a field"),
        (
            "{simulate: {}}",
            "{simulate: {duration: fast}}",
            "spec.queues[0].handler.simulate.duration: ",
        ),
        ("name: email", "name: email\n    retry: {attempts: 0}", "spec.queues[0].retry.attempts: "),
        ("{simulate: {}}", "{simulate: {}, log: {}}", "spec.queues[0].handler: "),
        ("name: email", "name: dead", "spec.queues[0].name: "),
        ("name: orders", "name: Orders", "metadata.name"),
        ("name: orders, ", "", "metadata.name"),
        ("v1alpha1", "v1", "apiVersion: warren.dev/v1 is not known, write warren.dev/v1alpha1"),
        (
            "kind: MessagePipeline",
            "kind: Deployment",
            "kind: Deployment (warren.dev/v1alpha1) is nothing that local mode can run",
        ),
        ("kind: MessagePipeline\n", "", "apiVersion and kind must be texts"),
        ("spec:\n", "spec:\n  adoption: [\n", "no YAML: "),
        ("spec:\n", "kind: Again\nspec:\n", "no YAML: "),
    ] {
        let told = mistakes(&PIPELINE.replace(from, to));
        let found = told
            .iter()
            .any(|line| line.starts_with("f.yaml, document 1 (line ") && line.contains(expected));
        assert!(found, "{to:?} was answered with {told:?}");
    }
}

#[test]
fn all_mistakes_of_all_documents_are_told_at_once() {
    let wrong = PIPELINE
        .replace("name: email", "name: email\n    retries: 3")
        .replace("{simulate: {}}", "{simulate: {errorPercent: 101}}");
    let told = mistakes(&format!("{wrong}---\n{}", SECRET.replace("bG9j", "b*9j")));
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[2].starts_with("f.yaml, document 2 (line 12): data.host: is not base64"));
}

#[test]
fn a_secret_is_read_strictly_and_never_quoted() {
    for (from, to, expected) in [
        ("aHVudGVyMg==", "hunter2!", "data.password: is not base64"),
        ("\"5672\"", "5672", "stringData.port: must be a text: put it in quotes"),
        ("  port:", "  ../port:", "stringData.../port: keys are of letters"),
        ("stringData:", "stringdata:", "stringdata: is not a field of a Secret"),
        ("name: rabbitmq", "name: a/b", "metadata.name: must be lower-case letters"),
        ("name: rabbitmq, ", "", "metadata.name: is missing"),
        ("namespace: shop", "namespace: 7", "metadata.namespace: must be a text"),
        ("  password: aHVudGVyMg==", "  password: hunter2\n bad", "no YAML"),
    ] {
        let told = mistakes(&SECRET.replace(from, to));
        assert!(
            told.iter().any(|line| line.contains(expected)),
            "{to:?} was answered with {told:?}"
        );
        assert!(!told.concat().contains("hunter2"), "{told:?}");
    }
}

#[test]
fn the_same_object_twice_is_refused() {
    let told = mistakes(&format!("{PIPELINE}---\n{PIPELINE}---\n{SECRET}---\n{SECRET}"));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("MessagePipeline shop/orders is defined a second time"));
    assert!(told[1].contains("Secret shop/rabbitmq is defined a second time"));
}

#[test]
fn files_that_hold_no_pipeline_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let empty = file("empty.yaml", b"# nothing\n");
    let bytes = file("bytes.yaml", b"\xff\xfe\x00");
    let secret = file("secret.yaml", SECRET.as_bytes());
    for (path, expected) in [
        (folder.path().join("absent.yaml"), "absent.yaml: cannot be read"),
        (folder.path().to_owned(), "is a directory: name the files in it"),
        (bytes, "bytes.yaml: is no text in UTF-8"),
        (empty, "empty.yaml: is empty"),
        (secret, "there is no MessagePipeline in these files"),
    ] {
        let mistakes = read(&[path], &settings()).unwrap_err().to_string();
        assert!(mistakes.contains(expected), "{mistakes}");
    }
}

#[test]
fn several_mistakes_stand_below_each_other() {
    let place = Place::new("f.yaml", 1, 2);
    let mistake = |path: &str| Mistake::new(&place, path, "is wrong");
    let one = Mistakes::none_of(vec![mistake("spec")]).unwrap_err();
    assert_eq!(one.to_string(), "f.yaml, document 1 (line 2): spec: is wrong");
    let two = Mistakes::none_of(vec![mistake("a"), mistake("b")]).unwrap_err();
    let mut expected = "2 mistakes in the manifests".to_owned();
    for path in ["a", "b"] {
        let _ = write!(expected, "\n  f.yaml, document 1 (line 2): {path}: is wrong");
    }
    assert_eq!(two.to_string(), expected);
}
