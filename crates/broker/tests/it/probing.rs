//! The depth of a queue by passive declare.

use warren_broker::probe::{DepthProbe, ProbeError};
use warren_test_support::{for_each_broker, wait_until};

use crate::{PATIENCE, message, trouble::close_connection};

#[tokio::test]
async fn a_probe_tells_what_is_ready_and_survives_a_missing_queue_and_a_closed_connection() {
    for_each_broker(async |vhost| {
        vhost.queue("q", []).await;
        vhost.publish("", "q", message("m1")).await;
        let probe = DepthProbe::new(vhost.login.clone(), "test/probe");
        // A busy broker may take longer than the half second that there is for the next decision.
        let open = probe.open().await.unwrap();
        let told = async |queue: &str| open.ready_within(PATIENCE, queue).await;
        let depth = told("q").await.unwrap();
        assert_eq!((depth.ready, depth.consumers), (1, 0));

        let missing = told("missing").await.unwrap_err();
        assert!(matches!(missing, ProbeError::QueueNotFound { .. }), "{missing}");
        let too_long = told(&"q".repeat(256)).await.unwrap_err();
        assert!(matches!(too_long, ProbeError::NotAName { .. }), "{too_long}");
        for _ in 0..100 {
            assert_eq!(told("q").await.unwrap().ready, 1);
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
