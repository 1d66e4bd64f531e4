//! What somebody changes behind the operator's back is told and repaired at the next pass.

use warren_api::conditions::ConditionType::TopologyInSync;
use warren_broker::login::Secret;
use warren_core::topology::Permissions;
use warren_operator::{events::Event, plan::Kind};
use warren_test_support::{TestVhost, for_each_broker};

use super::pipeline;
use crate::scene::{MINIMAL, Scene, object, says};

/// Damages what a pass has declared, and expects the next pass to tell and to undo it.
async fn repaired_after(kinds: &[(Kind, u32)], damage: impl AsyncFn(&TestVhost, &Scene)) {
    let object = object(MINIMAL);
    let damage = &damage;
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let declared = scene.first_pass(&object).await;
        damage(vhost, &scene).await;
        let shown_before = scene.published.lock().unwrap().len();

        let pass = scene.pass(&object, &declared.status).await;
        let repaired: Vec<(Kind, u32)> = pass.repaired.into_iter().collect();
        assert_eq!(repaired, kinds);
        assert!(matches!(pass.events[..], [Event::DriftRepaired { .. }]), "{:?}", pass.events);
        let shown: Vec<String> = scene.published.lock().unwrap()[shown_before..]
            .iter()
            .map(|status| says(status, TopologyInSync))
            .collect();
        assert_eq!(shown, ["False Drifted", "True InSync"]);

        let writes = scene.writes(&vhost.login);
        scene.pass(&object, &pass.status).await;
        assert_eq!(scene.writes(&vhost.login), writes, "it was repaired");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_queue_comes_back_with_its_binding() {
    repaired_after(&[(Kind::Queue, 1), (Kind::Binding, 1)], async |vhost, _| {
        let tier = "shop.orders.email.retry.5000";
        vhost.management.delete_queue(&vhost.name, tier).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_deleted_binding_comes_back() {
    repaired_after(&[(Kind::Binding, 1)], async |vhost, _| {
        let prefix = pipeline(&object(MINIMAL)).prefix;
        let found = vhost.management.found(&vhost.name, &prefix).await.unwrap();
        let binding = found.bindings.iter().find(|b| b.binding.routing_key == "email.dead");
        vhost.management.unbind(&vhost.name, binding.unwrap()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_binding_of_somebody_else_between_our_objects_goes() {
    repaired_after(&[(Kind::Binding, 1)], async |vhost, _| {
        vhost.bind("shop.orders", "by hand", "shop.orders.email").await;
    })
    .await;
}

#[tokio::test]
async fn a_deleted_exchange_comes_back_with_its_bindings() {
    // The exchange is in use, so its bindings go first; the broker would take them along anyway.
    repaired_after(&[(Kind::Exchange, 1), (Kind::Binding, 1)], async |vhost, _| {
        let prefix = pipeline(&object(MINIMAL)).prefix;
        let found = vhost.management.found(&vhost.name, &prefix).await.unwrap();
        for binding in found.bindings.iter().filter(|b| b.binding.source == "shop.orders") {
            vhost.management.unbind(&vhost.name, binding).await.unwrap();
        }
        let deleted = vhost.management.delete_unused_exchange(&vhost.name, "shop.orders");
        deleted.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_deleted_policy_comes_back() {
    repaired_after(&[(Kind::Policy, 1)], async |vhost, _| {
        let deleted = vhost.management.delete_policy(&vhost.name, "shop.orders.email.dead");
        deleted.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_deleted_user_comes_back_with_its_password_and_its_rights() {
    repaired_after(&[(Kind::User, 1), (Kind::Permission, 1)], async |vhost, _| {
        let user = pipeline(&object(MINIMAL)).producer_user(&vhost.name);
        vhost.management.delete_user(&user).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_lost_password_is_made_anew_for_that_user_alone() {
    repaired_after(&[(Kind::User, 1)], async |vhost, scene| {
        let user = pipeline(&object(MINIMAL)).producer_user(&vhost.name);
        scene.passwords.lock().unwrap().remove(&user).unwrap();
    })
    .await;
}

#[tokio::test]
async fn rights_and_tags_that_somebody_gave_a_user_are_taken_away() {
    repaired_after(&[(Kind::User, 1), (Kind::Permission, 1)], async |vhost, scene| {
        let user = pipeline(&object(MINIMAL)).producer_user(&vhost.name);
        let password = Secret::new(scene.passwords.lock().unwrap()[&user].reveal());
        let tags = ["management"];
        vhost.management.put_user(&user, &password, &tags).await.unwrap();
        let all = ".*".to_owned();
        let everything = Permissions { configure: all.clone(), write: all.clone(), read: all };
        let given = vhost.management.put_permissions(&vhost.name, &user, &everything);
        given.await.unwrap();
    })
    .await;
}
