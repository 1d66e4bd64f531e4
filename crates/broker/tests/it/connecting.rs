//! Why a connection cannot be opened, as the broker says it.

use warren_broker::{
    connection::{close, connect},
    login::{Login, Secret},
};
use warren_test_support::for_each_broker;

async fn reason(login: &Login) -> &'static str {
    connect(login, "test").await.unwrap_err().reason()
}

#[tokio::test]
async fn each_reason_is_told_apart() {
    for_each_broker(async |vhost| {
        let good = &vhost.login;
        close(&connect(good, "test").await.unwrap()).await;

        let wrong_password = Login { password: Secret::new("wrong"), ..good.clone() };
        assert_eq!(reason(&wrong_password).await, "Unauthorized");
        let wrong_vhost = Login { vhost: "no-such-vhost".to_owned(), ..good.clone() };
        assert_eq!(reason(&wrong_vhost).await, "VhostNotFound");
        let stranger = Login { vhost: "/".to_owned(), ..vhost.user("", "", "").await };
        assert_eq!(reason(&stranger).await, "PermissionDenied");
    })
    .await;
}

#[tokio::test]
async fn a_password_with_reserved_characters_is_taken_as_it_is() {
    for_each_broker(async |vhost| {
        let user = vhost.user("", "", "").await;
        let password = Secret::new("p@:/%25 #?");
        vhost.management.put_user(&user.username, &password, &[]).await.unwrap();
        let login = Login { password, ..user };
        close(&connect(&login, "test").await.unwrap()).await;
    })
    .await;
}
