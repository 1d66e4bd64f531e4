//! The example with a command per message, as it stands in `examples`.

use std::fs;

use rustix::process::Signal;
use warren_core::{
    message::Message,
    names::{PipelineId, QueueName, Slot, UserScope},
    owner::LOCAL_CLUSTER,
};
use warren_test_support::{for_each_broker, wait_until};

use super::run::{PATIENCE, Place};

const EXAMPLE: &str = include_str!("../../../../examples/commands.yaml");

/// The variable by which the example names its output file.
const OUTPUT: &str = "${REPORTS:-/dev/null}";

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_the_body_and_the_id_of_each_message() {
    for_each_broker(async |vhost| {
        let output = tempfile::NamedTempFile::new().unwrap();
        assert!(EXAMPLE.contains(OUTPUT));
        let manifest = EXAMPLE.replace(OUTPUT, output.path().to_str().unwrap());
        let place = Place::new(&manifest, &vhost.login);
        let mut local = place.start(&["-o", "json"]);
        local.wait_for("condition", |event| event["reason"] == "InSync").await;
        for number in 0..5 {
            let mut message = Message { body: "a report".into(), ..Message::default() };
            message.properties.message_id = Some(format!("r{number}"));
            vhost.publish("shop.reports", "", message).await;
        }
        let written = || {
            let text = fs::read_to_string(output.path()).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        wait_until(PATIENCE, "five reports", async || written().len() >= 5).await;
        let expected: Vec<String> = (0..5).map(|number| format!("r{number} a report")).collect();
        assert_eq!(written(), expected, "{}", place.logs());
        local.signal(Signal::TERM);
        assert_eq!(local.end().await, Some(0));
        let id = PipelineId::new("shop", "reports").unwrap();
        let scope = UserScope::new(LOCAL_CLUSTER, &id, &vhost.name);
        let prefix = id.default_prefix().unwrap();
        let queue = QueueName::new("render").unwrap();
        vhost.management.delete_user(&prefix.worker_user(&queue, &scope, Slot::A)).await.unwrap();
        vhost.management.delete_user(&prefix.producer_user(&scope, Slot::A)).await.unwrap();
    })
    .await;
}
