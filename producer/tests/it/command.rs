//! `release` and `publish` of one message: what arrives, what is printed, and the exit codes.

use serde_json::{Value, json};
use warren_broker::login::{Login, Secret};
use warren_core::topology::ExchangeKind;
use warren_test_support::for_each_broker;

use crate::rig::{EXCHANGE, broker_dir, run, topology};

const RELEASE: [&str; 4] = ["release", "v1.2", "-p", "shop/orders"];

#[tokio::test]
async fn a_release_is_published_with_its_time() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let dir = broker_dir(&vhost.login);
        let given = ["release", "v1.2", "2026-11-21 10:00:00", "-p", "shop/orders"];
        let ran = run(&given, Some(dir.path()), "").await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.stderr, "");
        let taken = vhost.take("q", 1).await.remove(0);
        let message: Value = serde_json::from_slice(&taken.message.body).unwrap();
        assert_eq!(message, json!({"release": "v1.2", "datetime": "2026-11-21T10:00:00Z"}));
        let id = taken.message.properties.message_id.unwrap();
        assert_eq!(ran.stdout, format!("{id}\n"));

        let ran = run(&[&RELEASE[..], &["-o", "json"]].concat(), Some(dir.path()), "").await;
        let told: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(told["status"], "success");
        let taken = vhost.take("q", 1).await.remove(0);
        assert_eq!(told["message_id"].as_str(), taken.message.properties.message_id.as_deref());
        let message: Value = serde_json::from_slice(&taken.message.body).unwrap();
        let at: jiff::Timestamp = message["datetime"].as_str().unwrap().parse().unwrap();
        let published = taken.message.headers.moment("warren-published-at").unwrap();
        assert!((published.as_second() - at.as_second()).abs() <= 5, "{at} {published}");
    })
    .await;
}

#[tokio::test]
async fn a_message_is_published_from_a_file_or_standard_input() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let dir = broker_dir(&vhost.login);
        let arguments = [
            "publish",
            "-p",
            "shop/orders",
            "--id",
            "i1",
            "--header",
            "tenant=a=b",
            "--priority",
            "3",
            "--routing-key",
            "k",
            "--delay",
            "90s",
            "-",
        ];
        let ran = run(&arguments, Some(dir.path()), "{\"a\": 1}\n").await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "i1\n"), "{ran:?}");
        let taken = vhost.take("q", 1).await.remove(0);
        assert_eq!(taken.routing_key, "k");
        assert_eq!(&taken.message.body[..], b"{\"a\": 1}\n");
        assert_eq!(taken.message.properties.priority, Some(3));
        assert_eq!(taken.message.headers.get("tenant").unwrap().as_text(), Some("a=b"));
        assert!(taken.message.headers.moment("warren-not-before").is_some());

        let file = dir.path().join("message.bin");
        std::fs::write(&file, [0, 159, 146, 150]).unwrap();
        let file = file.display().to_string();
        let publish = ["publish", "-p", "shop/orders", "--file", &file];
        let ran = run(&publish, Some(dir.path()), "").await;
        assert_eq!(ran.code, Some(65), "it is not JSON: {ran:?}");
        let publish = [&publish[..], &["--content-type", "image/x"]].concat();
        let ran = run(&publish, Some(dir.path()), "").await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let taken = vhost.take("q", 1).await.remove(0);
        assert_eq!(&taken.message.body[..], [0, 159, 146, 150]);
        assert_eq!(taken.message.properties.content_type.as_deref(), Some("image/x"));
    })
    .await;
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_64() {
    let dir = tempfile::tempdir().unwrap();
    for wrong in [
        &[][..],
        &["frobnicate"],
        &["release"],
        &["release", "v1"],
        &["release", "", "-p", "shop/orders"],
        &["release", "v1", "-p", "orders"],
        &["release", "v1", "tomorrow", "-p", "shop/orders"],
        &["release", "v1", "-p", "shop/orders", "--broker-password", "hunter2"],
        &["publish", "-p", "shop/orders"],
        &["publish", "-p", "shop/orders", "-", "--rate", "5"],
    ] {
        let ran = run(wrong, None, "").await;
        assert_eq!(ran.code, Some(64), "{wrong:?}: {ran:?}");
        assert!(!ran.stderr.is_empty() && ran.stdout.is_empty(), "{wrong:?}: {ran:?}");
        assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
    }
    let nowhere = run(&RELEASE, None, "").await;
    assert_eq!(nowhere.code, Some(64), "{nowhere:?}");
    assert!(nowhere.stderr.contains("--broker-dir"), "{nowhere:?}");
    let help = run(&["--help"], None, "").await;
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("73  some messages"), "{help:?}");
    drop(dir);
}

#[tokio::test]
async fn bad_input_ends_with_65() {
    let dir = broker_dir(&Login::new("127.0.0.1", "u", Secret::new("p")));
    for (arguments, input, says) in [
        (&["-"][..], "{\"a\":\n  nope}", "line 2 column"),
        (&["--file", "/nowhere.json"], "", "/nowhere.json"),
    ] {
        let arguments = [&["publish", "-p", "shop/orders"], arguments].concat();
        let ran = run(&arguments, Some(dir.path()), input).await;
        assert_eq!(ran.code, Some(65), "{ran:?}");
        assert!(ran.stderr.contains(says), "{ran:?}");
    }
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let dir = broker_dir(&vhost.login);
        let (long, large) = ("i".repeat(256), "1".repeat(11));
        for (arguments, input, says) in [
            (&["-", "--id", &long][..], "1", "256 bytes"),
            (&["-", "--header", "x-a=1"], "1", "reserved"),
            (&["-", "--max-message-bytes", "10"], large.as_str(), "at most 10"),
        ] {
            let arguments = [&["publish", "-p", "shop/orders"], arguments].concat();
            let ran = run(&arguments, Some(dir.path()), input).await;
            assert_eq!(ran.code, Some(65), "{ran:?}");
            assert!(ran.stderr.contains(says), "{ran:?}");
        }
        assert_eq!(vhost.depth("q").await.ready, 0);
    })
    .await;
}

#[tokio::test]
async fn a_message_without_a_queue_ends_with_68() {
    for_each_broker(async |vhost| {
        vhost.exchange(EXCHANGE, ExchangeKind::Fanout).await;
        let dir = broker_dir(&vhost.login);
        let ran = run(&[&RELEASE[..], &["-o", "json"]].concat(), Some(dir.path()), "").await;
        assert_eq!(ran.code, Some(68), "{ran:?}");
        let told: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((&told["status"], &told["reason"]), (&json!("error"), &json!("unroutable")));
        assert!(ran.stderr.contains("no queue"), "{ran:?}");
        let elsewhere = [&RELEASE[..], &["--exchange", "no.such"]].concat();
        assert_eq!(run(&elsewhere, Some(dir.path()), "").await.code, Some(68));
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_is_not_reached_in_time_ends_with_69() {
    let mut login = Login::new("127.0.0.1", "u", Secret::new("p"));
    let closed = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    login.port = closed.local_addr().unwrap().port();
    drop(closed);
    let dir = broker_dir(&login);
    let arguments = [&RELEASE[..], &["--timeout", "1s"]].concat();
    let ran = run(&arguments, Some(dir.path()), "").await;
    assert_eq!(ran.code, Some(69), "{ran:?}");
    assert!(ran.stderr.contains("not reached within 1s"), "{ran:?}");
    assert_eq!(ran.stdout, "");
}

#[tokio::test]
async fn a_refused_login_ends_with_77_and_shows_no_password() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let wrong = Login { password: Secret::new("hunter2"), ..vhost.login.clone() };
        let stranger = vhost.user("^$", "^other$", "^$").await;
        for login in [wrong, stranger] {
            let dir = broker_dir(&login);
            let ran = run(&RELEASE, Some(dir.path()), "").await;
            assert_eq!(ran.code, Some(77), "{ran:?}");
            assert!(!format!("{ran:?}").contains(login.password.reveal()), "{ran:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_wrong_broker_configuration_ends_with_78() {
    let empty = tempfile::tempdir().unwrap();
    let ran = run(&RELEASE, Some(empty.path()), "").await;
    assert_eq!(ran.code, Some(78), "{ran:?}");
    assert!(ran.stderr.contains("host"), "{ran:?}");
    for_each_broker(async |vhost| {
        let login = Login { vhost: "no-such-vhost".to_owned(), ..vhost.login.clone() };
        let dir = broker_dir(&login);
        let ran = run(&RELEASE, Some(dir.path()), "").await;
        assert_eq!(ran.code, Some(78), "{ran:?}");
        assert!(ran.stderr.contains("no-such-vhost"), "{ran:?}");
    })
    .await;
}

#[tokio::test]
async fn a_login_can_come_from_the_environment() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let login = &vhost.login;
        let mut command = crate::rig::program();
        command.args(["release", "v1"]).env("WARREN_PIPELINE", "shop/orders");
        command.env("WARREN_BROKER_HOST", &login.host);
        command.env("WARREN_BROKER_PORT", login.port.to_string());
        command.env("WARREN_BROKER_USERNAME", &login.username);
        command.env("WARREN_BROKER_PASSWORD", login.password.reveal());
        command.env("WARREN_BROKER_VHOST", &login.vhost);
        let ran = crate::rig::ran(command.output().await.unwrap());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let mut help = crate::rig::program();
        help.args(["release", "--help"]).env("WARREN_BROKER_PASSWORD", "hunter2");
        let help = crate::rig::ran(help.output().await.unwrap());
        assert!(!help.stdout.contains("hunter2"), "{help:?}");
    })
    .await;
}
