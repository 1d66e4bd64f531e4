//! `publish --ndjson`: files of messages from a shell.

use std::{path::Path, time::Instant};

use serde_json::{Value, json};
use warren_core::topology::ExchangeKind;
use warren_test_support::for_each_broker;

use crate::rig::{EXCHANGE, Ran, broker_dir, run, topology};

/// Publishes `input`, with a report.
async fn publish(dir: &Path, more: &[&str], input: &str) -> (Ran, Vec<Value>) {
    let report = dir.join("report.ndjson");
    let report_path = report.display().to_string();
    let base = ["publish", "-p", "shop/orders", "--ndjson", "-", "--report", &report_path];
    let ran = run(&[&base[..], more].concat(), Some(dir), input).await;
    let text = std::fs::read_to_string(&report).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (ran, lines.collect())
}

const MIXED: &str =
    "{\"id\":\"a\",\"payload\":1}\n\n{\"id\":\"b\",\"payload\":}\n{\"id\":\"c\",\"payload\":3}\n";

#[tokio::test]
async fn every_line_is_published_and_reported() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let dir = broker_dir(&vhost.login);
        let line = |n| format!("{{\"id\":\"m{n}\",\"payload\":{n}}}\n");
        let input = (1..=2000).map(line).collect::<Vec<_>>().concat();
        let (ran, report) = publish(dir.path(), &["--window", "64", "-o", "json"], &input).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.stderr, "");
        let summary: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((&summary["lines"], &summary["published"]), (&json!(2000), &json!(2000)));
        assert_eq!(report.len(), 2000);
        let expected = json!({"index": 9, "line": 10, "status": "success", "message_id": "m10"});
        assert_eq!(report[9], expected);
        assert_eq!(vhost.depth("q").await.ready, 2000);
    })
    .await;
}

#[tokio::test]
async fn the_first_bad_line_ends_the_run_with_65_and_nothing_after_it_is_sent() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let dir = broker_dir(&vhost.login);
        let (ran, report) = publish(dir.path(), &[], MIXED).await;
        assert_eq!(ran.code, Some(65), "{ran:?}");
        assert!(ran.stderr.contains("line 3: "), "{ran:?}");
        assert_eq!(ran.stdout, "1 of 2 lines published, 1 malformed, 0 failed\n");
        assert_eq!(report.len(), 2);
        assert_eq!((&report[1]["line"], &report[1]["reason"]), (&json!(3), &json!("malformed")));
        assert_eq!(vhost.depth("q").await.ready, 1);
    })
    .await;
}

#[tokio::test]
async fn with_continue_on_error_the_rest_is_published_and_73_says_not_all() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let dir = broker_dir(&vhost.login);
        let (ran, report) = publish(dir.path(), &["--continue-on-error"], MIXED).await;
        assert_eq!(ran.code, Some(73), "{ran:?}");
        assert!(ran.stderr.contains("line 3: "), "{ran:?}");
        let ids: Vec<_> = report.iter().map(|line| &line["message_id"]).collect();
        assert_eq!(ids, [&json!("a"), &Value::Null, &json!("c")]);
        assert_eq!(vhost.depth("q").await.ready, 2);
        let (ran, _) = publish(dir.path(), &["--continue-on-error"], "x\ny\n").await;
        assert_eq!(ran.code, Some(65), "nothing was published: {ran:?}");
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_needs_no_broker_and_names_every_bad_line() {
    let base = ["publish", "-p", "shop/orders", "--ndjson", "-", "--dry-run"];
    let good = run(&base, None, "{\"payload\":1}\n{\"payload\":2}\n").await;
    assert_eq!((good.code, good.stdout.as_str()), (Some(0), "2 lines checked, 0 malformed\n"));
    let bad = run(&base, None, "{}\n{\"payload\":1}\n{\"payload\":1,\"id\":\"\"}\n").await;
    assert_eq!(bad.code, Some(65), "{bad:?}");
    assert_eq!(bad.stdout, "3 lines checked, 2 malformed\n");
    assert!(bad.stderr.contains("line 1: ") && bad.stderr.contains("line 3: the id"), "{bad:?}");
}

#[tokio::test]
async fn a_file_that_no_queue_takes_ends_with_68() {
    for_each_broker(async |vhost| {
        vhost.exchange(EXCHANGE, ExchangeKind::Direct).await;
        vhost.queue("q", []).await;
        vhost.bind(EXCHANGE, "k", "q").await;
        let dir = broker_dir(&vhost.login);
        let lines = "{\"payload\":1}\n{\"payload\":2}\n";
        let (ran, report) = publish(dir.path(), &["--continue-on-error"], lines).await;
        assert_eq!(ran.code, Some(68), "{ran:?}");
        assert!(report.iter().all(|line| line["reason"] == "unroutable"), "{report:?}");
        let (ran, _) = publish(dir.path(), &["--routing-key", "k"], lines).await;
        assert_eq!(ran.code, Some(0), "the default key: {ran:?}");
        let mixed = "{\"payload\":1,\"routing_key\":\"k\"}\n{\"payload\":2}\n";
        let (ran, _) = publish(dir.path(), &["--window", "1"], mixed).await;
        assert_eq!(ran.code, Some(73), "{ran:?}");
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_ends_with_75_or_73() {
    for_each_broker(async |vhost| {
        vhost.exchange(EXCHANGE, ExchangeKind::Fanout).await;
        let full = [("x-max-length", 1.into()), ("x-overflow", "reject-publish".into())];
        vhost.queue("q", full).await;
        vhost.bind(EXCHANGE, "", "q").await;
        let dir = broker_dir(&vhost.login);
        let many = "{\"payload\":1}\n".repeat(200);
        // One after the other: a quorum queue notices its limit a few messages late.
        let (ran, report) = publish(dir.path(), &["--window", "1"], &many).await;
        assert_eq!(ran.code, Some(73), "{ran:?}");
        assert_eq!(report.last().unwrap()["reason"], "nacked");
        let (ran, _) = publish(dir.path(), &["--window", "1"], &many).await;
        assert_eq!(ran.code, Some(75), "{ran:?}");
        let release = ["release", "v1", "-p", "shop/orders"];
        assert_eq!(run(&release, Some(dir.path()), "").await.code, Some(75));
    })
    .await;
}

#[tokio::test]
async fn a_rate_is_kept() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let dir = broker_dir(&vhost.login);
        let began = Instant::now();
        let (ran, _) =
            publish(dir.path(), &["--rate", "10"], &"{\"payload\":1}\n".repeat(11)).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let elapsed = began.elapsed().as_millis();
        assert!(elapsed >= 1000, "10 steps of 100 ms took {elapsed} ms");
    })
    .await;
}
