//! Brokers that cannot be used: each trouble has its reason, and a message that says what to do.

use warren_api::{
    MessagePipelineStatus,
    conditions::ConditionType::{BrokerReachable, Ready, ScalingActive, TopologyInSync},
};
use warren_broker::login::{Login, Secret};
use warren_operator::{events::Event, interval::Requeue};
use warren_test_support::for_each_broker;

use crate::scene::{MINIMAL, Scene, message, object, says};

/// The status of a pass with this login.
async fn status_with(login: &Login, yaml: &str) -> MessagePipelineStatus {
    let scene = Scene::new(login);
    let pass = scene.first_pass(&object(yaml)).await;
    assert_eq!(pass.requeue, Requeue::Mending);
    assert!(pass.ready.is_none());
    assert_eq!(says(&pass.status, TopologyInSync), "Unknown BrokerUnknown");
    assert_eq!(says(&pass.status, ScalingActive), "Unknown BrokerUnknown");
    assert_eq!(says(&pass.status, Ready), says(&pass.status, BrokerReachable));
    assert_eq!(scene.published.lock().unwrap().len(), 1);
    pass.status
}

#[tokio::test]
async fn a_wrong_password_is_unauthorized_and_stays_out_of_the_message() {
    for_each_broker(async |vhost| {
        let login = Login { password: Secret::new("wrong-secret"), ..vhost.login.clone() };
        let status = status_with(&login, MINIMAL).await;
        assert_eq!(says(&status, BrokerReachable), "False Unauthorized");
        assert!(!serde_json::to_string(&status).unwrap().contains("wrong-secret"));
    })
    .await;
}

#[tokio::test]
async fn a_virtual_host_that_is_not_there_is_named() {
    for_each_broker(async |vhost| {
        let login = Login { vhost: "nowhere/a b%".to_owned(), ..vhost.login.clone() };
        let status = status_with(&login, MINIMAL).await;
        assert_eq!(says(&status, BrokerReachable), "False VhostNotFound");
        assert!(message(&status, BrokerReachable).contains("nowhere/a b%"));
    })
    .await;
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_host_are_told_apart() {
    for_each_broker(async |vhost| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = free.local_addr().unwrap();
        drop(free);
        for (uri, expected) in [
            (format!("http://{closed}"), "False ConnectionRefused"),
            ("http://no-such-host.invalid:15672".to_owned(), "False DnsFailed"),
        ] {
            let login = Login { management_uri: Some(uri), ..vhost.login.clone() };
            let status = status_with(&login, MINIMAL).await;
            assert_eq!(says(&status, BrokerReachable), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn scoped_users_without_an_administrator_name_the_two_ways_out() {
    for_each_broker(async |vhost| {
        let login = vhost.user(".*", ".*", ".*").await;
        let tags = ["policymaker", "monitoring"];
        let put = vhost.management.put_user(&login.username, &login.password, &tags);
        put.await.unwrap();
        let status = status_with(&login, MINIMAL).await;
        assert_eq!(says(&status, BrokerReachable), "False PermissionDenied");
        let text = message(&status, BrokerReachable);
        assert!(text.contains("tag administrator"), "{text}");
        assert!(text.contains("spec.broker.users to Shared"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn shared_users_need_policymaker_and_monitoring_and_no_more() {
    let shared = MINIMAL.replace("{name: rabbitmq}}", "{name: rabbitmq}, users: Shared}");
    let shared = shared.as_str();
    for_each_broker(async |vhost| {
        let login = vhost.user(".*", ".*", ".*").await;
        let user = &login.username;
        let put = vhost.management.put_user(user, &login.password, &["monitoring"]);
        put.await.unwrap();
        let status = status_with(&login, shared).await;
        assert_eq!(says(&status, BrokerReachable), "False PermissionDenied");
        assert!(message(&status, BrokerReachable).contains("lacks policymaker"));

        let tags = ["policymaker", "monitoring"];
        vhost.management.put_user(user, &login.password, &tags).await.unwrap();
        // No more than the objects of the pipeline, as a tag gives no right to them.
        let own = r"^shop\.orders(\..*)?$";
        vhost.permit(user, own, own, own).await;
        let scene = Scene::new(&login);
        let object = object(shared);
        let pass = scene.first_pass(&object).await;
        assert_eq!(says(&pass.status, TopologyInSync), "True InSync", "{:#?}", pass.status);
        assert!(scene.passwords.lock().unwrap().is_empty(), "no user was made");
    })
    .await;
}

#[tokio::test]
async fn a_login_that_may_not_declare_is_told_what_it_needs() {
    let shared = MINIMAL.replace("{name: rabbitmq}}", "{name: rabbitmq}, users: Shared}");
    let shared = shared.as_str();
    for_each_broker(async |vhost| {
        let login = vhost.user("^$", "^$", "^$").await;
        let tags = ["policymaker", "monitoring"];
        let put = vhost.management.put_user(&login.username, &login.password, &tags);
        put.await.unwrap();
        let pass = Scene::new(&login).first_pass(&object(shared)).await;
        assert_eq!(says(&pass.status, BrokerReachable), "False PermissionDenied");
        let text = message(&pass.status, BrokerReachable);
        assert!(text.contains("configure, write and read"), "{text}");
        assert_eq!(pass.requeue, Requeue::Mending);
    })
    .await;
}

#[tokio::test]
async fn a_missing_secret_is_named() {
    for_each_broker(async |vhost| {
        let mut scene = Scene::new(&vhost.login);
        scene.secrets.clear();
        let pass = scene.first_pass(&object(MINIMAL)).await;
        assert_eq!(says(&pass.status, BrokerReachable), "False SecretNotFound");
        assert!(message(&pass.status, BrokerReachable).contains("Secret rabbitmq"));
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_comes_and_goes_is_told_once_each_way() {
    let object = object(MINIMAL);
    for_each_broker(async |vhost| {
        let good = Scene::new(&vhost.login);
        let refused = Login { password: Secret::new("changed"), ..vhost.login.clone() };
        let bad = Scene::new(&refused);
        let first = good.first_pass(&object).await;
        let lost = bad.pass(&object, &first.status).await;
        assert!(matches!(lost.events[..], [Event::BrokerLost { .. }]), "{:?}", lost.events);
        assert_eq!(lost.status.topology, first.status.topology, "what was seen last stays");
        let still = bad.pass(&object, &lost.status).await;
        assert_eq!(still.events, []);
        let back = good.pass(&object, &still.status).await;
        assert_eq!(back.events, [Event::BrokerRecovered]);
        assert_eq!(says(&back.status, TopologyInSync), "True InSync");
    })
    .await;
}

#[tokio::test]
async fn a_pipeline_whose_secret_moves_to_another_virtual_host_stays_where_it_is() {
    let object = object(MINIMAL);
    for_each_broker(async |vhost| {
        let first = Scene::new(&vhost.login).first_pass(&object).await;
        let elsewhere = Login { vhost: "/".to_owned(), ..vhost.login.clone() };
        let scene = Scene::new(&elsewhere);
        let pass = scene.pass(&object, &first.status).await;
        assert_eq!(says(&pass.status, Ready), "False InvalidSpec");
        assert!(message(&pass.status, Ready).contains(&vhost.name));
        assert_eq!(scene.writes(&elsewhere), 0);
    })
    .await;
}
