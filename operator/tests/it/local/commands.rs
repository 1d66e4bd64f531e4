//! The example with a command per message, as it stands in `examples`.

use std::{fs, path::Path};

use rustix::process::Signal;
use warren_core::message::Message;
use warren_test_support::{TestVhost, for_each_broker, wait_until};

use super::run::{PATIENCE, Place};

const EXAMPLE: &str = include_str!("../../../../examples/commands.yaml");

/// The variable by which the example names its output file.
const OUTPUT: &str = "${REPORTS:-/dev/null}";

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_the_body_and_the_id_of_each_message() {
    assert!(EXAMPLE.contains(OUTPUT));
    for_each_broker(async |vhost| {
        let output = tempfile::NamedTempFile::new().unwrap();
        let manifest = EXAMPLE.replace(OUTPUT, output.path().to_str().unwrap());
        let place = Place::new(&manifest, &vhost.login);
        place.test(work(vhost, &place, output.path())).await;
    })
    .await;
}

/// Publishes five messages and waits until the command has written all of them.
async fn work(vhost: &TestVhost, place: &Place, output: &Path) {
    let mut local = place.start(&["-o", "json"]);
    local.wait_for("condition", |event| event["reason"] == "InSync").await;
    for number in 0..5 {
        let mut message = Message { body: "a report".into(), ..Message::default() };
        message.properties.message_id = Some(format!("r{number}"));
        vhost.publish("shop.reports", "", message).await;
    }
    let written = || {
        let text = fs::read_to_string(output).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    wait_until(PATIENCE, "five reports", async || written().len() >= 5).await;
    let expected: Vec<String> = (0..5).map(|number| format!("r{number} a report")).collect();
    assert_eq!(written(), expected);
    local.signal(Signal::TERM);
    assert_eq!(local.end().await, Some(0));
}
