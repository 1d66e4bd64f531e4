//! What a command sees, and what becomes of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use warren_core::{
    message::Message,
    names::{PipelineId, QueueName},
    outcome::{DeadReason, Health},
};

use super::*;

fn context() -> Context {
    Context {
        pipeline: PipelineId::new("shop", "orders").unwrap(),
        queue: QueueName::new("email").unwrap(),
        message_id: "m-1".to_owned(),
        attempt: 2,
        max_attempts: 5,
        published_at: Timestamp::from_millisecond(1_500).unwrap(),
        routing_key: "order.new; touch /tmp/nope".to_owned(),
    }
}

fn incoming(body: &[u8]) -> Incoming {
    let message = Message { body: body.to_vec().into(), ..Message::default() };
    let (exchange, routing_key) = (String::new(), String::new());
    Incoming { exchange, routing_key, redelivered: false, message }
}

async fn sh(script: &str, body: &[u8], timeout: Duration) -> Report {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    let exec = Exec::new(ExecHandler { command, timeout, exit_codes: BTreeMap::new() });
    exec.handle(&incoming(body), &context()).await
}

fn detail(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Retry { detail, .. }
        | Outcome::Dead { detail, .. }
        | Outcome::Pause { detail, .. } => detail,
        other @ (Outcome::Done | Outcome::Defer { .. }) => panic!("{other:?} has no detail"),
    }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_body_comes_on_standard_input_and_metadata_in_the_environment() {
    let script = r#"[ "$(cat)" = "hello" ] && [ "$WARREN_PIPELINE" = shop/orders ] &&
        [ "$WARREN_QUEUE" = email ] && [ "$WARREN_MESSAGE_ID" = m-1 ] &&
        [ "$WARREN_ATTEMPT/$WARREN_MAX_ATTEMPTS" = 2/5 ] && [ "$WARREN_PUBLISHED_AT" = 1500 ]"#;
    assert_eq!(sh(script, b"hello", LONG).await.outcome, Outcome::Done);
}

#[tokio::test]
async fn exit_codes_decide_and_the_last_words_are_kept() {
    let report = sh("echo step one; echo no such sku >&2; exit 65", b"", LONG).await;
    assert!(matches!(report.outcome, Outcome::Dead { reason: DeadReason::Permanent, .. }));
    assert_eq!(detail(&report), "ended with exit code 65: step one\nno such sku");
    assert_eq!(sh("exit 69", b"", LONG).await.health, Health::Unreachable);
    assert!(matches!(sh("exit 78", b"", LONG).await.outcome, Outcome::Pause { .. }));
}

#[tokio::test]
async fn a_command_that_ignores_a_large_body_still_succeeds() {
    assert_eq!(sh("exit 0", &vec![b'x'; 1 << 20], LONG).await.outcome, Outcome::Done);
}

#[tokio::test]
async fn endless_output_is_bounded() {
    let report = sh("head -c 5000000 /dev/zero | tr '\\0' y; exit 1", b"", LONG).await;
    assert!(detail(&report).len() <= DETAIL_MAX, "{}", detail(&report).len());
}

#[tokio::test]
async fn a_timeout_ends_the_whole_process_group() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let script = format!("sleep 300 & echo $! > {}; sleep 300", file.path().display());
    let started = Instant::now();
    let report = sh(&script, b"", Duration::from_millis(500)).await;
    assert!(matches!(report.outcome, Outcome::Retry { class: ErrorClass::Timeout, .. }));
    assert_eq!(report.health, Health::Unreachable);
    assert!(started.elapsed() < LONG);
    let left = std::fs::read_to_string(file.path()).unwrap().trim().parse().unwrap();
    wait_for_the_end_of(left).await;
}

async fn wait_for_the_end_of(id: i32) {
    let deadline = Instant::now() + LONG;
    while rustix::process::test_kill_process(Pid::from_raw(id).unwrap()).is_ok() {
        assert!(Instant::now() < deadline, "process {id} is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_a_command_leaves_running_neither_delays_nor_changes_its_result() {
    let started = Instant::now();
    assert_eq!(sh("sleep 300 & exit 0", b"", LONG).await.outcome, Outcome::Done);
    assert!(started.elapsed() < LONG / 2);
}

#[tokio::test]
async fn a_death_by_signal_is_retried_and_named() {
    let report = sh("kill -9 $$", b"", LONG).await;
    assert!(detail(&report).contains("signal: 9"), "{}", detail(&report));
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let command = vec!["/no/such/program".to_owned()];
    let exit_codes = BTreeMap::new();
    let exec = Exec::new(ExecHandler { command, timeout: LONG, exit_codes });
    let report = exec.handle(&incoming(b""), &context()).await;
    assert!(detail(&report).contains("cannot start \"/no/such/program\""));
}
