//! What a pass needs, from files: Secrets of the manifests or a directory, passwords of the state
//! directory, and standard output for the status.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use warren_api::{MessagePipelineStatus, conditions::ConditionType};
use warren_broker::login::{Login, Secret, Tls, file};

use super::{
    credentials::Credentials,
    happening::{Happening, Reporter},
};
use crate::{
    children::{ChildError, ChildErrorKind, ChildKey, ChildStep, ChildrenReading},
    login::SecretData,
    pipeline::Holder,
    ports::{Account, PortError, Ports},
};

/// The files of a broker's login.
const LOGIN_FILES: [&str; 11] = [
    file::HOST,
    file::PORT,
    file::USERNAME,
    file::PASSWORD,
    file::VHOST,
    file::MANAGEMENT_URI,
    file::CA,
    file::CERTIFICATE,
    file::KEY,
    file::TLS_MODE,
    file::SERVER_NAME,
];

/// The Secrets of one pipeline.
#[derive(Clone, Default)]
pub(super) struct Secrets {
    /// Those of the manifests in the pipeline's namespace.
    pub(super) manifests: BTreeMap<String, SecretData>,
    /// A directory that takes the place of the Secret of this name.
    pub(super) directory: Option<(String, PathBuf)>,
}

/// What a pass needs, from files.
pub(super) struct LocalPorts {
    secrets: Secrets,
    credentials: Arc<Credentials>,
    reporter: Reporter,
    /// The conditions that were told last.
    told: Mutex<Vec<Condition>>,
}

impl Secrets {
    /// The Secret of this name; nothing when there is none.
    ///
    /// # Errors
    /// When the directory in its place cannot be read.
    pub(super) fn get(&self, name: &str) -> io::Result<Option<SecretData>> {
        match &self.directory {
            Some((replaced, directory)) if replaced == name => read_login(directory).map(Some),
            _ => Ok(self.manifests.get(name).cloned()),
        }
    }
}

impl LocalPorts {
    /// Ports that have told nothing yet.
    pub(super) fn new(secrets: Secrets, credentials: Arc<Credentials>, reporter: Reporter) -> Self {
        Self { secrets, credentials, reporter, told: Mutex::default() }
    }
}

impl Ports for LocalPorts {
    async fn secret(&self, name: &str) -> Result<Option<SecretData>, PortError> {
        self.secrets
            .get(name)
            .map_err(|error| PortError::new("read the directory of the broker's login", error))
            .map_err(PortError::refusal)
    }

    async fn password(&self, _: &Holder, user: &str) -> Result<Option<Secret>, PortError> {
        Ok(self.credentials.get(user))
    }

    async fn keep_password(&self, account: Account<'_>) -> Result<(), PortError> {
        self.credentials
            .keep(account.user, account.password)
            .map_err(|error| PortError::new("keep a password in the state directory", error))
    }

    async fn hold(&self) -> Result<(), PortError> {
        Ok(())
    }

    async fn children(&self, _: &[ChildKey]) -> ChildrenReading {
        ChildrenReading::NotKept
    }

    async fn write(&self, step: &ChildStep) -> Result<(), ChildError> {
        let message = format!("{step}: local mode keeps no Kubernetes objects");
        Err(ChildError { kind: ChildErrorKind::Refused, message })
    }

    async fn publish(&self, status: &MessagePipelineStatus) -> Result<(), PortError> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for changed in changed(&told, &status.conditions) {
            self.reporter.tell(changed);
        }
        told.clone_from(&status.conditions);
        Ok(())
    }
}

/// The conditions that say something else than before; another message alone is not told, and
/// `Reconciling` says nothing that the others do not.
fn changed(before: &[Condition], now: &[Condition]) -> Vec<Happening> {
    let same = |new: &&Condition| {
        before.iter().any(|old| {
            (&old.type_, &old.status, &old.reason) == (&new.type_, &new.status, &new.reason)
        })
    };
    now.iter()
        .filter(|condition| condition.type_ != ConditionType::Reconciling.as_str())
        .filter(|condition| !same(condition))
        .map(|condition| Happening::Condition {
            condition: condition.type_.clone(),
            status: condition.status.clone(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        })
        .collect()
}

/// The files of a login, as the Secret that they stand for.
///
/// Whether it is encrypted is said in so many words: a directory means the same here as to every
/// other program that is given one, while the port of a Secret alone would mean something else.
fn read_login(directory: &Path) -> io::Result<SecretData> {
    let named = |error: io::Error, path: &Path| {
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    fs::metadata(directory).map_err(|error| named(error, directory))?;
    let mut data = SecretData::new();
    for name in LOGIN_FILES {
        let path = directory.join(name);
        match fs::read(&path) {
            Ok(content) => {
                data.insert(name.to_owned(), content);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(named(error, &path)),
        }
    }
    let login = Login::from_files(|name| Ok(data.get(name).cloned()));
    if let Ok(Login { tls, .. }) = login {
        let mode = match tls {
            Tls::Plaintext => "Plaintext",
            Tls::Verify(_) => "Verify",
        };
        data.entry(file::TLS_MODE.to_owned()).or_insert_with(|| mode.as_bytes().to_vec());
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn condition(name: &str, status: &str, reason: &str, message: &str) -> Condition {
        Condition {
            type_: name.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
            observed_generation: None,
        }
    }

    #[test]
    fn a_condition_is_told_when_its_status_or_reason_changes_and_not_again() {
        let up = condition("BrokerReachable", "True", "Connected", "one");
        let other_words = condition("BrokerReachable", "True", "Connected", "two");
        let down = condition("BrokerReachable", "False", "Timeout", "three");
        assert_eq!(changed(&[], std::slice::from_ref(&up)).len(), 1);
        assert_eq!(changed(std::slice::from_ref(&up), &[other_words]), []);
        let told = changed(&[up], &[down]);
        assert!(matches!(&*told, [Happening::Condition { status, .. }] if status == "False"));
    }

    #[test]
    fn a_directory_takes_the_place_of_the_secret_and_is_read_each_time() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("host"), "a").unwrap();
        fs::write(folder.path().join("notes.txt"), "x").unwrap();
        let secrets = Secrets {
            manifests: BTreeMap::from([("rabbitmq".to_owned(), SecretData::new())]),
            directory: Some(("rabbitmq".to_owned(), folder.path().to_owned())),
        };
        let expected = |host: &str| SecretData::from([("host".to_owned(), host.into())]);
        assert_eq!(secrets.get("rabbitmq").unwrap(), Some(expected("a")));
        fs::write(folder.path().join("host"), "b").unwrap();
        assert_eq!(secrets.get("rabbitmq").unwrap(), Some(expected("b")));
        assert_eq!(secrets.get("other").unwrap(), None);
    }

    #[test]
    fn a_directory_says_in_so_many_words_whether_it_is_encrypted() {
        let folder = tempfile::tempdir().unwrap();
        let files = [("host", "a"), ("port", "21430"), ("username", "u"), ("password", "p")];
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let mode = || read_login(folder.path()).unwrap()[file::TLS_MODE].clone();
        assert_eq!(mode(), b"Plaintext");
        fs::write(folder.path().join("tls-mode"), "Verify").unwrap();
        assert_eq!(mode(), b"Verify");
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let secrets = Secrets {
            manifests: BTreeMap::new(),
            directory: Some(("rabbitmq".to_owned(), PathBuf::from("/nowhere/at/all"))),
        };
        let error = secrets.get("rabbitmq").unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
