//! A worker that cannot work says why, and ends with the exit code for it.

use std::process::{Command, Output};

const GOOD: &str = "
pipeline: shop/orders
prefix: shop.orders
queue: email
retry: {attempts: 5, backoff: {type: Fixed, initial: 1s}}
handler: {log: {}}
concurrency: 10
prefetch: 10
taskTimeout: 60s
drainTimeout: 60s
consumerTimeout: 30m
";

fn worker(arguments: &[&str], yaml: &str, login: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let broker = directory.path().join("broker");
    std::fs::create_dir(&broker).unwrap();
    for (name, value) in login {
        std::fs::write(broker.join(name), value).unwrap();
    }
    std::fs::write(directory.path().join("worker.yaml"), yaml).unwrap();
    Command::new(env!("CARGO_BIN_EXE_warren-worker"))
        .current_dir(directory.path())
        .env("WARREN_HTTP_PORT", "0")
        .env("WARREN_HTTP_HOST", "127.0.0.1")
        .args(arguments)
        .output()
        .unwrap()
}

const RUN: [&str; 5] = ["run", "--config", "worker.yaml", "--broker-dir", "broker"];
const LOGIN: [(&str, &str); 4] =
    [("host", "127.0.0.1"), ("port", "1"), ("username", "u"), ("password", "p4ssw0rd")];

#[test]
fn a_broken_file_ends_with_78_and_names_what_is_wrong() {
    for (from, to, says) in [
        ("queue: email", "queue: Email", "queue name"),
        ("queue: email", "queue: dead", "reserved"),
        ("attempts: 5", "attempts: -1", "attempts"),
        ("initial: 1s", "initial: 0s", "between 1ms and 24h"),
        ("initial: 1s", "initial: soon", "duration"),
        ("type: Fixed", "type: Fibonacci", "Fibonacci"),
        ("concurrency: 10", "concurrency: 0", "concurrency is 0"),
        ("concurrency: 10", "concurrency: 70000", "70000"),
        ("prefetch: 10", "prefetch: 5", "prefetch 5 is below"),
        ("taskTimeout: 60s", "taskTimeout: 31m", "taskTimeout"),
        ("drainTimeout: 60s", "drianTimeout: 60s", "drianTimeout"),
        ("{log: {}}", "{logs: {}}", "logs"),
        ("{log: {}}", "{http: {url: \"not a url\"}}", "http"),
        ("{log: {}}", "{http: {url: \"http://\"}}", "url"),
        ("{log: {}}", "{http: {url: \"http://h/\", successCodes: [\"2xx\"]}}", "2xx"),
        ("{log: {}}", "{exec: {command: []}}", "name the program"),
        ("pipeline: shop/orders", "pipeline: [", "worker.yaml"),
    ] {
        let output = worker(&RUN, &GOOD.replacen(from, to, 1), &LOGIN);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{to:?}: {said}");
        assert!(said.contains(says), "{to:?} gave {said}");
    }
}

#[test]
fn a_login_that_is_not_whole_names_the_file() {
    for missing in ["host", "username", "password"] {
        let login: Vec<_> = LOGIN.into_iter().filter(|(name, _)| *name != missing).collect();
        let output = worker(&RUN, GOOD, &login);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{missing}: {said}");
        assert!(said.contains(missing), "{missing}: {said}");
        assert!(!said.contains("p4ssw0rd"), "{said}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let output = worker(&["run", "--config", "nowhere.yaml"], GOOD, &LOGIN);
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere.yaml"));
}

#[test]
fn usage_errors_end_with_64() {
    for arguments in [&["walk"][..], &[], &["run", "--no-such-flag"], &["explain-status", "99"]] {
        assert_eq!(worker(arguments, GOOD, &LOGIN).status.code(), Some(64), "{arguments:?}");
    }
}

#[test]
fn a_status_is_explained_by_the_table_and_by_the_queues_own_codes() {
    let output = worker(&["explain-status", "404"], GOOD, &LOGIN);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("404: retry with back-off; opens the breaker (config)"), "{said}");
    let own = "{http: {url: \"http://h/\", permanentCodes: [\"404\"]}}";
    let yaml = GOOD.replacen("{log: {}}", own, 1);
    let output = worker(&["explain-status", "404", "--config", "worker.yaml"], &yaml, &LOGIN);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "404: permanent: a dead letter at once");
}

#[test]
fn a_closed_port_is_found_by_check_and_not_called_a_configuration_fault() {
    let check = ["check", "--config", "worker.yaml", "--broker-dir", "broker"];
    let output = worker(&check, GOOD, &LOGIN);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(!said.contains("p4ssw0rd"), "{said}");
}
