//! How the files are read, and what is refused.

use super::*;
use std::time::Duration;

const MINIMAL: &str = r#"
pipeline: shop/orders
prefix: shop.orders
queue: email
retry:
  attempts: 5
  backoff: {type: Exponential, initial: 1s, max: 1h, factor: 5}
handler:
  http: {url: "http://127.0.0.1:9/"}
concurrency: 10
prefetch: 10
taskTimeout: 60s
drainTimeout: 60s
consumerTimeout: 30m
"#;

fn read(text: &str) -> WorkerConfig {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn a_minimal_file_gets_the_documented_defaults() {
    let config = read(MINIMAL);
    let HandlerConfig::Http(http) = &config.handler else { panic!("not http") };
    assert_eq!(http.timeout, Duration::from_secs(30));
    assert_eq!(http.connect_timeout, Duration::from_secs(5));
    assert_eq!(http.success_codes.len(), 1);
    assert_eq!((config.delivery_limit, config.max_message_bytes), (20, 1_048_576));
    assert_eq!(config.retry.tiers().len(), 4);
    assert_eq!(config.check(), Ok(()));
}

#[test]
fn what_the_operator_writes_is_what_the_worker_reads() {
    let config = read(MINIMAL);
    let written = serde_saphyr::to_string(&config).unwrap();
    assert_eq!(read(&written), config, "{written}");
}

#[test]
fn a_broken_file_is_refused_by_name() {
    for (from, to, says) in [
        ("queue: email", "queue: Email", "queue name"),
        ("pipeline: shop/orders", "pipeline: orders", "<namespace>/<name>"),
        ("prefix: shop.orders", "prefix: amq.x", "amq."),
        ("attempts: 5", "attempts: 0", "attempts"),
        ("initial: 1s", "initial: 1.5s", "duration"),
        ("initial: 1s", "initial: 2h", "over"),
        ("concurrency: 10", "concurrency: ten", "ten"),
        ("concurrency: 10", "concurrency: 10\nconcurency: 9", "concurency"),
        ("  http: {", "  https: {", "https"),
        ("queue: email\n", "", "queue"),
    ] {
        let text = MINIMAL.replacen(from, to, 1);
        let error = serde_saphyr::from_str::<WorkerConfig>(&text).unwrap_err().to_string();
        assert!(error.contains(says), "{to:?} gave {error}");
    }
}

#[test]
fn numbers_that_cannot_work_together_are_refused() {
    for (from, to, says) in [
        ("concurrency: 10", "concurrency: 0", "concurrency is 0"),
        ("prefetch: 10", "prefetch: 9", "prefetch 9 is below"),
        ("prefetch: 10", "prefetch: 0", "prefetch 0 is below"),
        ("taskTimeout: 60s", "taskTimeout: 30s", "handler timeout 30s must be below"),
        ("taskTimeout: 60s", "taskTimeout: 1h", "below consumerTimeout"),
        ("http: {url: \"http://127.0.0.1:9/\"}", "http: {url: \"ftp://x/\"}", "http or https"),
        ("http: {url: \"http://127.0.0.1:9/\"}", "exec: {command: []}", "name the program"),
        (
            "http: {url: \"http://127.0.0.1:9/\"}",
            "exec: {command: [a], timeout: 1s, exitCodes: {\"256\": Retry}}",
            "0\" to \"255",
        ),
        (
            "http: {url: \"http://127.0.0.1:9/\"}",
            "simulate: {errorPercent: 60, exitPercent: 41}",
            "over 100",
        ),
    ] {
        let error = read(&MINIMAL.replacen(from, to, 1)).check().unwrap_err().to_string();
        assert!(error.contains(says), "{to:?} gave {error}");
    }
}

#[test]
fn a_producer_file_needs_only_its_pipeline() {
    let config: ProducerConfig =
        serde_saphyr::from_str("pipeline: shop/orders\nprefix: shop.orders\n").unwrap();
    assert_eq!(config.unrouted, Unrouted::Capture);
    assert_eq!((config.max_message_bytes, config.max_delay), (1_048_576, None));
    assert!(serde_saphyr::from_str::<ProducerConfig>("pipeline: shop/orders\n").is_err());
}
