//! Objects of others under our names: they are told and never touched.

use warren_api::conditions::ConditionType::{Ready, Stalled, TopologyInSync};
use warren_core::{
    names::Prefix,
    owner,
    topology::{Argument, Found, Queue},
};
use warren_operator::events::Event;
use warren_test_support::{TestVhost, for_each_broker};

use crate::scene::{MINIMAL, Scene, message, object, says};

async fn found(vhost: &TestVhost) -> Found {
    let prefix = Prefix::new("shop.orders").unwrap();
    vhost.management.found(&vhost.name, &prefix).await.unwrap()
}

#[tokio::test]
async fn a_classic_queue_in_the_way_is_named_and_nothing_is_touched() {
    let object = object(MINIMAL);
    for_each_broker(async |vhost| {
        let classic = Queue {
            name: "shop.orders.email".to_owned(),
            arguments: [("x-queue-type".to_owned(), Argument::from("classic"))].into(),
        };
        vhost.management.put_queue(&vhost.name, &classic).await.unwrap();
        let before = found(vhost).await;

        let scene = Scene::new(&vhost.login);
        let pass = scene.first_pass(&object).await;
        assert_eq!(says(&pass.status, TopologyInSync), "False AlreadyExists");
        assert_eq!(says(&pass.status, Ready), "False AlreadyExists");
        let message = message(&pass.status, TopologyInSync);
        assert!(message.contains("queue shop.orders.email exists"), "{message}");
        assert!(message.contains("x-queue-type"), "{message}");
        assert!(pass.ready.is_none());
        assert_eq!(scene.writes(&vhost.login), 0);
        assert_eq!(found(vhost).await, before);
    })
    .await;
}

#[tokio::test]
async fn an_object_of_another_owner_stalls_the_pipeline() {
    let object = object(MINIMAL);
    for_each_broker(async |vhost| {
        let marker = (owner::ARGUMENT, Argument::from("c1/other/invoices/u9"));
        vhost.queue("shop.orders.email.dead", [marker]).await;
        let scene = Scene::new(&vhost.login);
        let pass = scene.first_pass(&object).await;
        assert_eq!(says(&pass.status, TopologyInSync), "False OwnershipConflict");
        assert_eq!(says(&pass.status, Stalled), "True OwnershipConflict");
        assert_eq!(says(&pass.status, Ready), "False OwnershipConflict");
        assert!(message(&pass.status, Ready).contains("c1/other/invoices/u9"));
        assert!(matches!(pass.events[..], [Event::OwnershipConflict { .. }]), "{:?}", pass.events);
        assert_eq!(scene.writes(&vhost.login), 0);

        let next = scene.pass(&object, &pass.status).await;
        assert_eq!(next.events, [], "told once");
    })
    .await;
}

#[tokio::test]
async fn our_own_queue_with_other_arguments_is_named_and_the_rest_is_kept_in_repair() {
    let before = object(MINIMAL);
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let declared = scene.first_pass(&before).await;
        let tier = "shop.orders.email.retry.1000";
        let ours = found(vhost).await.queues[tier].arguments[owner::ARGUMENT].clone();
        vhost.management.delete_queue(&vhost.name, tier).await.unwrap();
        vhost.queue(tier, [(owner::ARGUMENT, ours)]).await;
        vhost.management.delete_policy(&vhost.name, "shop.orders.email").await.unwrap();

        let pass = scene.pass(&before, &declared.status).await;
        assert_eq!(says(&pass.status, TopologyInSync), "False InequivalentArgument");
        let text = message(&pass.status, TopologyInSync);
        assert!(text.contains(tier) && text.contains("x-message-ttl: is absent"), "{text}");
        let named = &pass.status.topology.as_ref().unwrap().not_in_sync;
        assert_eq!(named.len(), 1);
        assert_eq!((named[0].kind.as_str(), named[0].name.as_str()), ("Queue", tier));
        assert!(found(vhost).await.policies.contains_key("shop.orders.email"), "repaired");
    })
    .await;
}

#[tokio::test]
async fn a_strangers_queue_on_our_exchange_keeps_its_binding() {
    let object = object(MINIMAL);
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let declared = scene.first_pass(&object).await;
        vhost.queue("their.queue", []).await;
        vhost.bind("shop.orders", "", "their.queue").await;
        let pass = scene.pass(&object, &declared.status).await;
        assert_eq!(says(&pass.status, TopologyInSync), "True InSync");
        let bindings = found(vhost).await.bindings;
        assert!(bindings.iter().any(|b| b.binding.queue == "their.queue"));
    })
    .await;
}
