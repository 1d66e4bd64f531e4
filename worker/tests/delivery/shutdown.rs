//! A worker that is told to stop repeats nothing that ends in time.

use std::time::Duration;

use rustix::process::Signal;
use warren_test_support::{Receiver, Reply, for_each_broker, wait_until};

use crate::rig::{Rig, SOON, counted, id};

#[tokio::test]
async fn sigterm_at_prefetch_256_with_random_finish_order_repeats_nothing() {
    for_each_broker(async |vhost| {
        let receiver = Receiver::start(|request| {
            // An order of finishing that has nothing to do with the order of delivery.
            let number: u64 = id(request).parse().unwrap_or(0);
            Reply::status(200).after(Duration::from_millis(number.wrapping_mul(7_919) % 400))
        })
        .await;
        let settings = format!(
            "handler: {{http: {{url: \"{}\", timeout: 20s}}}}\nconcurrency: 256\nprefetch: 256",
            receiver.url()
        );
        let rig = Rig::new(vhost, &settings).await;
        rig.publish_many(3_000).await;
        for round in 0..12 {
            let before = receiver.requests().len();
            if before >= 2_500 {
                break;
            }
            let mut worker = rig.worker(&format!("w{round}"));
            receiver.wait_for(before + 200, SOON).await;
            worker.signal(Signal::TERM);
            assert_eq!(worker.end().await, Some(0), "{}", rig.log(&format!("w{round}")));
        }
        let _last = rig.worker("last");
        rig.settled(&receiver, 3_000).await;
        let requests = receiver.requests();
        let counts = counted(requests.iter().map(id));
        assert_eq!(counts.len(), 3_000);
        let repeated: Vec<&String> =
            counts.iter().filter(|(_, n)| **n > 1).map(|(id, _)| id).collect();
        assert!(repeated.is_empty(), "{} repeated: {repeated:?}", repeated.len());
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_be_quiet_takes_nothing_and_stays_up() {
    for_each_broker(async |vhost| {
        let receiver = Receiver::start(|_| Reply::status(200)).await;
        let settings = format!("handler: {{http: {{url: \"{}\", timeout: 5s}}}}", receiver.url());
        let rig = Rig::new(vhost, &settings).await;
        let mut worker = rig.worker("w1");
        worker.shows("consuming", None).await;
        worker.signal(Signal::USR1);
        worker.shows("quiet", None).await;
        rig.publish_many(5).await;
        rig.wait_ready(&rig.main(), 5).await;
        assert!(receiver.requests().is_empty());
        worker.signal(Signal::TERM);
        assert_eq!(worker.end().await, Some(0));
    })
    .await;
}

#[tokio::test]
async fn a_worker_with_a_new_login_goes_on_with_it() {
    for_each_broker(async |vhost| {
        let receiver = Receiver::start(|_| Reply::status(200)).await;
        let settings = format!("handler: {{http: {{url: \"{}\", timeout: 5s}}}}", receiver.url());
        let rig = Rig::new(vhost, &settings).await;
        let worker = rig.worker("w1");
        worker.shows("consuming", None).await;
        let next = vhost.user("^$", r"^shop\.orders\.internal$", r"^shop\.orders\.email$").await;
        rig.change_login(&next);
        wait_until(SOON, "the new user consumes", async || {
            let connections = vhost.management.connections(&vhost.name).await.unwrap_or_default();
            let of_worker = connections
                .iter()
                .filter(|connection| connection.user.as_deref() == Some(&next.username));
            of_worker.count() == 2
        })
        .await;
        rig.publish_many(5).await;
        rig.settled(&receiver, 5).await;
        worker.shows("consuming", None).await;
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_outlives_the_drain_is_cut_off_and_its_message_comes_back() {
    for_each_broker(async |vhost| {
        let receiver = Receiver::start(|_| Reply::status(200).after(Duration::from_secs(15))).await;
        let settings = format!(
            "handler: {{http: {{url: \"{}\", timeout: 30s}}}}\ndrainTimeout: 1s",
            receiver.url()
        );
        let rig = Rig::new(vhost, &settings).await;
        let mut worker = rig.worker("w1");
        rig.publish("m").await;
        receiver.wait_for(1, SOON).await;
        worker.signal(Signal::TERM);
        assert_eq!(worker.end().await, Some(0));
        rig.wait_ready(&rig.main(), 1).await;
    })
    .await;
}
