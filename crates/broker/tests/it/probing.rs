//! The depth of a queue by passive declare.

use warren_broker::probe::{Depth, DepthProbe, ProbeError};
use warren_test_support::{eventually, for_each_broker, wait_until};

use crate::{PATIENCE, message, trouble::close_connection};

#[tokio::test]
async fn a_probe_tells_what_is_ready_and_survives_a_missing_queue_and_a_closed_connection() {
    for_each_broker(async |vhost| {
        vhost.queue("q", []).await;
        vhost.publish("", "q", message("m1")).await;
        let probe = DepthProbe::new(vhost.login.clone(), "test/probe");
        let depth = told(&probe, "q").await.unwrap();
        assert_eq!((depth.ready, depth.consumers), (1, 0));

        let missing = told(&probe, "missing").await.unwrap_err();
        assert!(matches!(missing, ProbeError::QueueNotFound { .. }), "{missing}");
        let too_long = probe.ready(&"q".repeat(256)).await.unwrap_err();
        assert!(matches!(too_long, ProbeError::NotAName { .. }), "{too_long}");
        for _ in 0..100 {
            assert_eq!(told(&probe, "q").await.unwrap().ready, 1);
        }

        close_connection(vhost, "test/probe").await;
        wait_until(PATIENCE, "the probe answers again", async || {
            probe.ready("q").await.is_ok_and(|depth| depth.ready == 1)
        })
        .await;
        probe.close().await;
    })
    .await;
}

/// What a probe is told, once it is told in time: a busy broker may take longer than the probe has.
async fn told(probe: &DepthProbe, queue: &str) -> Result<Depth, ProbeError> {
    eventually(PATIENCE, "an answer in time", async || match probe.ready(queue).await {
        Err(ProbeError::Timeout { .. }) => None,
        told => Some(told),
    })
    .await
}
