//! What must work when no broker answers: trying on, the lock, and the end.

use rustix::process::Signal;
use warren_broker::login::{Login, Secret};
use warren_test_support::wait_until;

use super::run::{PATIENCE, PROGRAM, Place};

const MANIFEST: &str = "\
apiVersion: warren.dev/v1alpha1
kind: MessagePipeline
metadata: {name: orders, namespace: shop}
spec:
  broker: {secretRef: {name: rabbitmq}}
  queues:
  - name: email
    handler: {simulate: {}}
";

/// Nothing listens on port 1 of this machine.
fn nowhere() -> Login {
    let mut login = Login::new("127.0.0.1", "u", Secret::new("hunter2"));
    login.port = 1;
    login.management_uri = Some("http://127.0.0.1:1".to_owned());
    login
}

#[tokio::test]
async fn a_broker_that_is_away_is_told_in_plain_lines_and_waited_for() {
    let place = Place::new(MANIFEST, &nowhere());
    let mut local = place.start(&[]);
    let told = async || {
        let lines = local.lines();
        lines
            .iter()
            .any(|line| line.starts_with("condition BrokerReachable=False ConnectionRefused: "))
    };
    wait_until(PATIENCE, "a line about the broker", told).await;
    local.signal(Signal::INT);
    assert_eq!(local.end().await, Some(0));
    let text = local.lines().join("\n");
    assert!(!text.contains('\u{1b}'), "escape codes on a pipe: {text:?}");
    assert!(!text.contains("started"), "a worker without its queue: {text}");
    let all = text + &place.logs();
    assert!(!all.contains("hunter2"), "{all}");
}

#[tokio::test]
async fn a_pipeline_is_not_run_twice_at_once() {
    let place = Place::new(MANIFEST, &nowhere());
    let mut first = place.start(&[]);
    let runs = async || !first.lines().is_empty();
    wait_until(PATIENCE, "the first to run", runs).await;
    let second = place.output(&[]);
    assert_eq!(second.status.code(), Some(78));
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(
        error.contains("shop/orders is run by another `warren-operator local` (process "),
        "{error}"
    );
    first.signal(Signal::TERM);
    assert_eq!(first.end().await, Some(0));
    let mut third = place.start(&[]);
    let runs = async || !third.lines().is_empty();
    wait_until(PATIENCE, "the third to run", runs).await;
    third.signal(Signal::TERM);
    assert_eq!(third.end().await, Some(0));
}

#[test]
fn when_nobody_reads_any_more_it_ends() {
    let place = Place::new(MANIFEST, &nowhere());
    let mut command = place.command(&[]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_definition_of_the_custom_resource_is_written_as_yaml() {
    let output = std::process::Command::new(PROGRAM).arg("crd").output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), warren_api::crd_yaml());
}
