//! A worker that dies at any point loses nothing, and repeats no more than it held.

use std::time::Duration;

use rustix::process::Signal;
use warren_core::headers;
use warren_test_support::{Receiver, Reply, for_each_broker, wait_until};

use crate::rig::{Rig, SOON, counted, header, id};

fn settings(receiver: &Receiver) -> String {
    format!(
        "handler: {{http: {{url: \"{}\", timeout: 5s}}}}\n\
         retry: {{attempts: 3, backoff: {{type: Fixed, initial: 200ms}}}}",
        receiver.url()
    )
}

#[tokio::test]
async fn a_worker_killed_in_its_handlers_loses_nothing() {
    for_each_broker(async |vhost| {
        let receiver =
            Receiver::start(|_| Reply::status(200).after(Duration::from_millis(300))).await;
        let rig = Rig::new(vhost, &settings(&receiver)).await;
        rig.publish_many(40).await;
        let mut killed = rig.worker("w1");
        receiver.wait_for(15, SOON).await;
        killed.signal(Signal::KILL);
        killed.end().await;
        let _worker = rig.worker("w2");
        rig.settled(&receiver, 40).await;
        let requests = receiver.requests();
        let counts = counted(requests.iter().map(id));
        assert_eq!(counts.len(), 40);
        let repeats = requests.len() - 40;
        println!("{repeats} repeats after one kill at prefetch 10");
        assert!(repeats <= 10, "{repeats} repeats");
    })
    .await;
}

/// The worker ends itself as `kill -9` would, at a point that no signal from outside can hit.
#[cfg(feature = "failpoints")]
mod at_a_point {
    use super::*;

    /// Ends a first worker at `point`, lets a second one finish, and gives how often each id ended.
    async fn ends(point: &str, status: u16) -> Vec<(String, usize, usize)> {
        let results = std::sync::Mutex::new(Vec::new());
        for_each_broker(async |vhost| {
            let receiver = Receiver::start(move |request| {
                Reply::status(if id(request) == "0" { status } else { 200 })
            })
            .await;
            let settings = format!("{}\nconcurrency: 1\nprefetch: 1", settings(&receiver));
            let rig = Rig::new(vhost, &settings).await;
            rig.publish_many(5).await;
            let mut killed = rig.worker_with("w1", &[("WARREN_FAIL", point)]);
            assert_eq!(killed.end().await, None, "{}", rig.log("w1"));
            let worker = rig.worker("w2");
            rig.settled(&receiver, 5).await;
            rig.comes_to_rest(&worker).await;
            let requests = receiver.requests();
            let counts = counted(requests.iter().map(id));
            assert_eq!(counts.len(), 5, "{counts:?}");
            let of_zero = vhost.depth(&rig.dead()).await.ready as usize;
            let version = vhost.version.clone();
            println!("{point} on {version}: id 0 ran {}, is dead {of_zero} times", counts["0"]);
            results.lock().unwrap().push((version, counts["0"], of_zero));
        })
        .await;
        results.into_inner().unwrap()
    }

    #[tokio::test]
    async fn between_delivery_and_handler() {
        for (version, runs, dead) in ends("W1:1", 200).await {
            assert_eq!((runs, dead), (1, 0), "{version}");
        }
    }

    #[tokio::test]
    async fn between_handler_and_acknowledgement() {
        for (version, runs, dead) in ends("W3:1", 200).await {
            assert_eq!((runs, dead), (2, 0), "{version}");
        }
    }

    #[tokio::test]
    async fn between_retry_copy_and_acknowledgement() {
        for (version, runs, dead) in ends("W5:1", 500).await {
            // Two copies, each with at most three attempts, of which the first was shared.
            assert!((3..=6).contains(&runs), "{version}: {runs} runs");
            assert!((1..=2).contains(&dead), "{version}: {dead} dead letters");
        }
    }

    #[tokio::test]
    async fn between_dead_copy_and_acknowledgement() {
        for (version, runs, dead) in ends("W7:1", 400).await {
            assert_eq!((runs, dead), (2, 2), "{version}");
        }
    }

    #[tokio::test]
    async fn after_the_acknowledgement_is_written() {
        for (version, runs, dead) in ends("W8:1", 200).await {
            assert!((1..=2).contains(&runs) && dead == 0, "{version}: {runs} runs");
        }
    }
}

#[tokio::test]
async fn a_message_that_kills_workers_ends_as_a_dead_letter_and_takes_no_other_along() {
    for_each_broker(async |vhost| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let script = r#"sleep 0.2
            [ "$WARREN_MESSAGE_ID" != 25 ] || { kill -9 $PPID; exit 1; }
            echo "$WARREN_MESSAGE_ID" >> "$DONE_FILE""#;
        let command = serde_json::json!(["sh", "-c", script]);
        let settings = format!(
            "handler: {{exec: {{command: {command}, timeout: 20s}}}}\nconcurrency: 50\nprefetch: 50"
        );
        let rig = Rig::new(vhost, &settings).await;
        rig.publish_many(50).await;
        let environment = [("DONE_FILE", file.path().to_str().unwrap())];
        let mut starts = 0;
        let mut worker = rig.worker_with("w0", &environment);
        let done = || counted(std::fs::read_to_string(file.path()).unwrap().lines());
        wait_until(Duration::from_mins(3), "49 are done, and one is dead", async || {
            if worker.has_ended() {
                starts += 1;
                assert!(starts < 30, "still crashing after {starts} starts");
                worker = rig.worker_with(&format!("w{starts}"), &environment);
            }
            done().len() == 49 && vhost.depth(&rig.dead()).await.ready == 1
        })
        .await;
        let dead = rig.dead_letters(1).await;
        assert_eq!(dead[0].message.properties.message_id.as_deref(), Some("25"));
        assert_eq!(header(&dead[0], headers::DEAD_REASON), "poison_crash");
        println!("{}: {starts} crashes until the message was put aside", vhost.version);
    })
    .await;
}
