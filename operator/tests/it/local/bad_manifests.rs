//! Manifests that cannot be run: each ends the program with code 78 before anything starts, and
//! says where the mistake is and what to do.

use std::{fs, process::Output};

use tempfile::TempDir;

use super::run::PROGRAM;

const PIPELINE: &str = "\
apiVersion: warren.dev/v1alpha1
kind: MessagePipeline
metadata: {name: orders, namespace: shop}
spec:
  broker: {secretRef: {name: rabbitmq}}
  queues:
  - name: email
    handler: {simulate: {}}
";

const SECRET: &str = "\
---
apiVersion: v1
kind: Secret
metadata: {name: rabbitmq, namespace: shop}
stringData: {host: localhost, port: \"1\", username: u, password: hunter2}
";

fn run(folder: &TempDir, text: &str, more: &[&str]) -> Output {
    let file = folder.path().join("p.yaml");
    fs::write(&file, text).unwrap();
    std::process::Command::new(PROGRAM)
        .args(["local", "-f"])
        .arg(file)
        .arg("--state-dir")
        .arg(folder.path().join("state"))
        .args(["--worker-binary", "/bin/true", "--producer-binary", "/bin/true"])
        .args(more)
        .output()
        .unwrap()
}

/// A handler that needs a Secret which is in no file.
const HTTP: &str = "{http: {url: \"http://a\", headers: [{name: A, valueFrom: {secretKeyRef: \
                {name: mail, key: token}}}]}}";

/// What is written instead of what, and what the answer must say.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "queues:",
        "queus:",
        "p.yaml, document 1 (line 1): spec.queus: is not a field of a MessagePipeline",
    ),
    ("name: email", "name: e-", "spec.queues[0].name: "),
    (
        "{simulate: {}}",
        "{simulate: {errorPercent: 101}}",
        "spec.queues[0].handler.simulate.errorPercent: ",
    ),
    ("{simulate: {}}", "{forward: {exchange: x}}", "is not available in this version"),
    (
        "{simulate: {}}",
        HTTP,
        "spec.queues[0].handler.http.headers[0].valueFrom.secretKeyRef: Secret mail is in none \
             of the files",
    ),
    (
        "name: rabbitmq}}",
        "name: rabbit}}",
        "spec.broker.secretRef: Secret rabbit is in none of the files, in the pipeline's \
             namespace: add it, or give --broker-dir",
    ),
    (
        "kind: Secret\nmetadata: {name: rabbitmq, namespace: shop}",
        "kind: Secret\nmetadata: {name: rabbitmq}",
        "in the pipeline's namespace",
    ),
    ("host: localhost, ", "", "spec.broker.secretRef: Secret rabbitmq: "),
    ("port: \"1\"", "port: \"amqp\"", "spec.broker.secretRef: Secret rabbitmq: "),
    (
        "kind: Secret",
        "kind: ConfigMap",
        "document 2 (line 10): kind: ConfigMap (v1) is nothing that local mode can run",
    ),
    ("stringData", "data", "document 2 (line 10): data.host: is not base64"),
    ("spec:", "spec: {", "p.yaml, document 1 (line "),
    (
        "metadata: {name: orders, namespace: shop}",
        "metadata: {name: orders, namespace: ../../etc}",
        "metadata.namespace: must be lower-case letters",
    ),
    (
        "handler: {simulate: {}}",
        "handler: {simulate: {}}\n  - name: email\n    handler: {simulate: {}}",
        "spec.queues",
    ),
];

#[test]
fn each_mistake_ends_with_code_78_and_says_what_to_do() {
    let good = format!("{PIPELINE}{SECRET}");
    for (from, to, expected) in MISTAKES {
        let folder = tempfile::tempdir().unwrap();
        let output = run(&folder, &good.replace(from, to), &[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{to:?}: {error}");
        assert!(error.contains(expected), "{to:?} was answered with: {error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(output.stdout.is_empty(), "{to:?}");
        assert!(!folder.path().join("state").exists(), "{to:?} left something behind");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = PIPELINE
        .replace("queues:", "suspended: true\n  queues:")
        .replace("{simulate: {}}", "{simulate: {}}\n    retry: {attempts: 0}");
    let output = run(&folder, &text, &[]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("error: 2 mistakes in the manifests\n"), "{error}");
    assert!(error.contains("spec.suspended: ") && error.contains("retry.attempts: "), "{error}");
}

#[test]
fn a_directory_or_program_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (more, expected) in [
        (
            ["--broker-dir", "/nowhere/broker"],
            "--broker-dir cannot be read: /nowhere/broker: No such file",
        ),
        (
            ["--worker-binary", "/nowhere/warren-worker"],
            "/nowhere/warren-worker (--worker-binary) is no file",
        ),
        (["--state-dir", "/dev/null/state"], "create the state directory /dev/null/state"),
    ] {
        let text = format!("{PIPELINE}{SECRET}");
        let file = folder.path().join("p.yaml");
        fs::write(&file, text).unwrap();
        let output = std::process::Command::new(PROGRAM)
            .args(["local", "-f"])
            .arg(file)
            .args(more)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{error}");
        assert!(error.contains(expected), "{more:?} was answered with: {error}");
    }
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for typed in [vec!["local"], vec!["local", "-f"], vec!["locally"]] {
        let output = std::process::Command::new(PROGRAM).args(&typed).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{typed:?}");
    }
}
