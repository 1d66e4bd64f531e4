//! The login of a worker or a producer, as the files it reads.

use warren_broker::login::{Login, Secret, Tls, file};
use warren_core::names::QueueName;

use crate::{
    login::SecretData,
    pipeline::{Pipeline, Users},
};

/// As whom a program of a pipeline logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: String,
    /// Its password.
    pub password: Secret,
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
