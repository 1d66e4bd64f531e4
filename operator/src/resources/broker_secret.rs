//! The login of a worker or a producer, as the files it reads.

use k8s_openapi::{
    ByteString, api::core::v1::Secret as KubernetesSecret,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::json;
use warren_broker::login::{Login, Secret, Tls, file};
use warren_core::names::QueueName;

use super::{
    metadata::{self, Part},
    names, stamp,
};
use crate::{
    children::{ChildKey, ChildKind, Manifest},
    login::SecretData,
    pipeline::{Holder, Pipeline, Users},
};

/// As whom a program of a pipeline logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// The annotation by which a login is known to be the one that was put there.
///
/// A password that somebody changed is as good as lost: nobody can log in with it. Only passwords
/// that were made here have one, which have too many digits to be guessed from a hash.
const PROOF: &str = "warren.dev/login";

impl Account {
    fn proof(&self) -> String {
        stamp::hash(&json!([self.user, self.password.reveal()]))
    }
}

impl Pipeline {
    /// The user of a queue's workers; none of their own with shared users.
    pub fn scoped_worker(&self, queue: &QueueName, vhost: &str) -> Option<String> {
        (self.users == Users::Scoped).then(|| self.worker_user(queue, vhost))
    }

    /// The user of the producers; none of their own with shared users.
    pub fn scoped_producer(&self, vhost: &str) -> Option<String> {
        (self.users == Users::Scoped).then(|| self.producer_user(vhost))
    }
}

/// The files with which a program reaches the broker: as `account`, or without one with the
/// operator's own login.
///
/// The address of the management API is not among them: no worker or producer may use it.
pub fn files(login: &Login, account: Option<&Account>) -> SecretData {
    let (user, password) = account
        .map_or((&login.username, &login.password), |account| (&account.user, &account.password));
    let port = login.port.to_string();
    let mut texts = vec![
        (file::HOST, login.host.as_str()),
        (file::PORT, port.as_str()),
        (file::USERNAME, user.as_str()),
        (file::PASSWORD, password.reveal()),
        (file::VHOST, login.vhost.as_str()),
    ];
    match &login.tls {
        Tls::Plaintext => texts.push((file::TLS_MODE, "Plaintext")),
        Tls::Verify(verify) => {
            texts.push((file::TLS_MODE, "Verify"));
            texts.extend(verify.ca.as_deref().map(|ca| (file::CA, ca)));
            texts.extend(verify.server_name.as_deref().map(|name| (file::SERVER_NAME, name)));
            if let Some(client) = &verify.client {
                texts.push((file::CERTIFICATE, &client.certificate));
                texts.push((file::KEY, client.key.reveal()));
            }
        }
    }
    texts.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect()
}

/// Which Secret the login of one who logs in stands in.
pub fn key(pipeline: &Pipeline, holder: &Holder) -> ChildKey {
    ChildKey::new(ChildKind::Secret, names::broker_secret(&pipeline.id, holder))
}

/// The Secret with [`files`] for one who logs in.
pub fn manifest(
    pipeline: &Pipeline,
    holder: &Holder,
    login: &Login,
    account: Option<&Account>,
) -> Manifest {
    let name = names::broker_secret(&pipeline.id, holder);
    let data = files(login, account).into_iter().map(|(key, bytes)| (key, ByteString(bytes)));
    let proof = account.map(|account| (PROOF.to_owned(), account.proof()));
    stamp::manifest(&KubernetesSecret {
        metadata: ObjectMeta {
            annotations: proof.map(|proof| [proof].into()),
            ..metadata::object(pipeline, name, Part::of(holder))
        },
        data: Some(data.collect()),
        type_: Some("Opaque".to_owned()),
        ..KubernetesSecret::default()
    })
}

/// The password that a Secret holds for a user; nothing when it is another user's, or not the one
/// that was put there.
pub fn password_of(secret: &Manifest, user: &str) -> Option<Secret> {
    let password = text(secret, file::PASSWORD)?;
    let user = text(secret, file::USERNAME).filter(|found| found == user)?;
    let account = Account { user, password: Secret::new(password) };
    let proof = secret.0.get("metadata")?.get("annotations")?.get(PROOF)?.as_str()?;
    (proof == account.proof()).then_some(account.password)
}

/// What a Secret says under a key; nothing when that is no text.
fn text(secret: &Manifest, key: &str) -> Option<String> {
    let content = secret.0.get("data")?.get(key)?.clone();
    let ByteString(bytes) = serde_json::from_value(content).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_as_the_same_login_with_another_user() {
        let mut login = Login::new("rabbit", "admin", Secret::new("root-password"));
        login.port = 35_671;
        login.vhost = "a/b".to_owned();
        let account = Account {
            user: "shop.orders.email.1a2b3c4d.a".to_owned(),
            password: Secret::new("p@:/%"),
        };
        let files = files(&login, Some(&account));
        let read = Login::from_files(|file| Ok(files.get(file).cloned())).unwrap();
        assert_eq!(read.username, account.user);
        assert_eq!(read.password, account.password);
        assert_eq!((read.port, read.vhost, read.tls), (35_671, login.vhost, login.tls));
    }
}
