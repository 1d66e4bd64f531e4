//! Somebody deletes objects on the broker: they come back, and an event tells.

use std::time::Duration;

use warren_core::topology::Found;
use warren_test_support::answered;

use super::harness::{Pipeline, Scene, story, until};

/// The design promises repair within this time: an interval of 60 s, jitter, and the pass.
const REPAIRED: Duration = Duration::from_secs(90);
const READY: Duration = Duration::from_secs(60);

/// What somebody deletes.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Queue,
    Binding,
    Exchange,
    Policy,
}

#[test]
fn what_somebody_deletes_on_the_broker_is_back_within_90_seconds_and_an_event_tells() {
    story("drift", async |scene| {
        tokio::join!(
            comes_back(scene, "one", Victim::Queue),
            comes_back(scene, "two", Victim::Binding),
            comes_back(scene, "three", Victim::Exchange),
            comes_back(scene, "four", Victim::Policy),
        );
    });
}

async fn comes_back(scene: &Scene, name: &str, victim: Victim) {
    let pipeline = scene.create(&scene.manifest(name, &[scene.queue("email")])).await;
    pipeline.until_ready(READY).await;
    let before = objects(scene, &pipeline).await;
    delete(scene, &pipeline, victim).await;
    let what = format!("{victim:?} of {name} is back");
    until(REPAIRED, &what, async || {
        let now = objects(scene, &pipeline).await;
        if now == before { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    let note = pipeline.until_event("DriftRepaired", Duration::from_secs(10)).await;
    assert!(note.contains(&format!("{victim:?}")), "the event tells what was repaired: {note}");
    pipeline.until_ready(READY).await;
}

/// What is on the broker of one pipeline.
async fn objects(scene: &Scene, pipeline: &Pipeline) -> Found {
    let mut found = scene.vhost.objects().await;
    let prefix = scene.object(&pipeline.name, "");
    let ours = |name: &str| name == prefix || name.starts_with(&format!("{prefix}."));
    found.exchanges.retain(|name, _| ours(name));
    found.queues.retain(|name, _| ours(name));
    found.policies.retain(|name, _| ours(name));
    found.bindings.retain(|found| ours(&found.binding.queue));
    found
}

async fn delete(scene: &Scene, pipeline: &Pipeline, victim: Victim) {
    let (management, vhost) = (&scene.vhost.management, &scene.vhost.name);
    let prefix = scene.object(&pipeline.name, "");
    let email = format!("{prefix}.email");
    match victim {
        Victim::Queue => scene.vhost.delete_queue(&email).await,
        Victim::Policy => {
            let delete = async || management.delete_policy(vhost, &email).await;
            answered("delete a policy", delete).await;
        }
        Victim::Binding => {
            let found = objects(scene, pipeline).await.bindings;
            let ingress = found.iter().find(|found| found.binding.source == prefix);
            let ingress = ingress.expect("messages come in");
            answered("unbind", async || management.unbind(vhost, ingress).await).await;
        }
        Victim::Exchange => {
            scene.stage.delete(&["exchanges", vhost, &prefix]).await;
        }
    }
}
