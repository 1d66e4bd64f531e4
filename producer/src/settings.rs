//! What is valid: arguments and files, checked, with every default filled in.
//!
//! Below this module nothing is optional that has a default, and no file is read for its settings
//! but those that change while the program runs: the token and the broker's login.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::sync::watch;
use warren_broker::login::{self, Login, LoginError, file};
use warren_core::{
    config::{ProducerConfig, Unrouted},
    names::{NameError, PipelineId, Prefix},
    retry::{Delay, MAX_DELAY},
};
use warren_service::exit::{Exit, Failure};

use crate::{
    args::{BrokerArgs, ServeArgs, TargetArgs},
    auth::{Bearer, TokenError},
    http::BODY_DEADLINE,
};

/// Where the operator mounts what a producer is to know.
const CONFIG_FILE: &str = "/etc/warren/producer.yaml";
/// Where the operator mounts the broker's login.
const BROKER_DIR: &str = "/etc/warren/broker";
/// The largest message unless something else is said, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;

/// What `serve` needs.
#[derive(Debug)]
pub struct Serve {
    /// The pipeline.
    pub pipeline: ProducerConfig,
    /// Where the broker's login comes from.
    pub broker: Broker,
    /// Where to listen.
    pub address: SocketAddr,
    /// The name of this process at the broker.
    pub pod_name: String,
    /// What clients must bear.
    pub bearer: Option<Bearer>,
    /// How long a request's body may take.
    pub body_deadline: Duration,
}

/// What a command needs in order to publish.
#[derive(Debug)]
pub struct Target {
    /// The pipeline.
    pub pipeline: ProducerConfig,
    /// Where the broker's login comes from.
    pub broker: Broker,
    /// How long to wait for the broker.
    pub timeout: Duration,
}

/// Where the broker's login comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Broker {
    /// Files, which are followed when they change.
    Directory(PathBuf),
    /// Values that stay as they are.
    Values(Box<Login>),
}

/// Why arguments and files make no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    ReadConfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not a `producer.yaml`.
    #[error("{} is not a producer's configuration: {error}", path.display())]
    ParseConfig {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        error: String,
    },
    /// The limit lets no message pass.
    #[error("maxMessageBytes is 0, so that no message could pass; give it at least 1")]
    NoMessageFits,
    /// The usual exchange of a pipeline is one that the broker keeps for itself.
    #[error("the pipeline {pipeline} needs --exchange")]
    Exchange {
        /// The pipeline.
        pipeline: PipelineId,
        /// Why its usual name does not do.
        source: NameError,
    },
    /// Nobody said where the broker is.
    #[error("where is the broker? Give --broker-dir, or set WARREN_BROKER_HOST and the others")]
    NoBroker,
    /// The login is incomplete.
    #[error("the broker's login in {whence} is not usable")]
    Login {
        /// The directory, or the environment.
        whence: String,
        /// What is wrong.
        source: LoginError,
    },
    /// The token is not usable.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let exit = match error {
            SettingsError::NoBroker => Exit::Usage,
            SettingsError::ReadConfig { .. }
            | SettingsError::ParseConfig { .. }
            | SettingsError::NoMessageFits
            | SettingsError::Exchange { .. }
            | SettingsError::Login { .. }
            | SettingsError::Token(_) => Exit::BadConfiguration,
        };
        exit.because(error)
    }
}

impl Serve {
    /// Checks the arguments of `serve` and the files they name.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn new(args: ServeArgs) -> Result<Self, SettingsError> {
        let pipeline = match (&args.config, args.pipeline) {
            (Some(path), _) => read_config(path)?,
            (None, Some(pipeline)) => without_file(pipeline, args.exchange, MAX_MESSAGE_BYTES)?,
            (None, None) => read_config(Path::new(CONFIG_FILE))?,
        };
        if pipeline.max_message_bytes == 0 {
            return Err(SettingsError::NoMessageFits);
        }
        let broker = broker(args.broker)?.unwrap_or_else(|| Broker::Directory(BROKER_DIR.into()));
        let bearer = pipeline
            .bearer_token_file
            .as_deref()
            .map(|path| Bearer::from_file(path.into()))
            .transpose()?;
        Ok(Self {
            pipeline,
            broker,
            address: SocketAddr::new(args.address, args.port),
            pod_name: args.pod_name,
            bearer,
            body_deadline: BODY_DEADLINE,
        })
    }
}

impl Target {
    /// Checks the arguments that say where a command publishes to.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn new(args: TargetArgs, max_message_bytes: usize) -> Result<Self, SettingsError> {
        Ok(Self {
            pipeline: without_file(args.pipeline, args.exchange, max_message_bytes)?,
            broker: broker(args.broker)?.ok_or(SettingsError::NoBroker)?,
            timeout: args.timeout,
        })
    }
}

impl Broker {
    /// Whether there is a login to begin with.
    ///
    /// # Errors
    /// When the files do not hold one.
    pub fn check(&self) -> Result<(), SettingsError> {
        match self {
            Self::Directory(dir) => {
                Login::read_dir(dir).map(|_| ()).map_err(|source| in_dir(dir, source))
            }
            Self::Values(_) => Ok(()),
        }
    }

    /// The login, and every later version of it; files are watched by a task of the runtime.
    ///
    /// # Errors
    /// When the files do not hold a login.
    pub fn logins(&self) -> Result<watch::Receiver<Login>, SettingsError> {
        match self {
            Self::Directory(dir) => {
                let watched = login::watch_dir(dir.clone(), login::RE_READ);
                watched.map_err(|source| in_dir(dir, source))
            }
            Self::Values(login) => Ok(watch::channel((**login).clone()).1),
        }
    }
}

/// What is known of a pipeline when only its name is.
///
/// # Errors
/// When its usual exchange is one that the broker keeps for itself.
pub fn without_file(
    pipeline: PipelineId,
    exchange: Option<Prefix>,
    max_message_bytes: usize,
) -> Result<ProducerConfig, SettingsError> {
    let prefix = match exchange {
        Some(prefix) => prefix,
        None => pipeline
            .default_prefix()
            .map_err(|source| SettingsError::Exchange { pipeline: pipeline.clone(), source })?,
    };
    Ok(ProducerConfig {
        pipeline,
        prefix,
        unrouted: Unrouted::default(),
        max_message_bytes,
        // Only the operator knows the tiers; this is what the longest of them may be.
        max_delay: Some(Delay(MAX_DELAY)),
        bearer_token_file: None,
    })
}

fn in_dir(dir: &Path, source: LoginError) -> SettingsError {
    SettingsError::Login { whence: dir.display().to_string(), source }
}

fn read_config(path: &Path) -> Result<ProducerConfig, SettingsError> {
    let text = fs::read_to_string(path)
        .map_err(|source| SettingsError::ReadConfig { path: path.to_owned(), source })?;
    serde_saphyr::from_str(&text).map_err(|error| SettingsError::ParseConfig {
        path: path.to_owned(),
        error: error.to_string(),
    })
}

/// The broker that the arguments name, if they name one.
fn broker(args: BrokerArgs) -> Result<Option<Broker>, SettingsError> {
    if let Some(dir) = args.broker_dir {
        return Ok(Some(Broker::Directory(dir)));
    }
    if args.broker_host.is_none() {
        return Ok(None);
    }
    let reveal = |secret: Option<login::Secret>| secret.map(|secret| secret.reveal().to_owned());
    let mut values = [
        (file::HOST, args.broker_host),
        (file::PORT, args.broker_port.map(|port| port.to_string())),
        (file::USERNAME, args.broker_username),
        (file::PASSWORD, reveal(args.secrets.password)),
        (file::VHOST, args.broker_vhost),
        (file::CA, reveal(args.secrets.ca)),
        (file::CERTIFICATE, reveal(args.secrets.certificate)),
        (file::KEY, reveal(args.secrets.key)),
    ];
    let read = |wanted: &'static str| {
        let value = values.iter_mut().find(|(file, _)| *file == wanted);
        Ok(value.and_then(|(_, value)| value.take()).map(String::into_bytes))
    };
    let login = Login::from_files(read).map_err(|source| SettingsError::Login {
        whence: "the environment (WARREN_BROKER_*)".to_owned(),
        source,
    })?;
    Ok(Some(Broker::Values(Box::new(login))))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn release(arguments: &[&str]) -> Result<Target, SettingsError> {
        let line = ["x", "release", "v1", "-p", "shop/orders"];
        let args = Args::try_parse_from([&line[..], arguments].concat()).unwrap();
        let Command::Release(args) = args.command else { panic!("not release") };
        Target::new(args.target, MAX_MESSAGE_BYTES)
    }

    #[test]
    fn a_directory_comes_before_single_values() {
        let dir = Path::new("/nowhere/broker");
        let target = release(&["--broker-dir", "/nowhere/broker", "--broker-host", "h"]).unwrap();
        assert_eq!(target.broker, Broker::Directory(dir.to_owned()));
    }

    #[test]
    fn a_login_without_its_password_is_a_bad_configuration() {
        let error = release(&["--broker-host", "h", "--broker-username", "u"]).unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.exit(), Exit::BadConfiguration);
        assert!(failure.to_string().contains("password"), "{failure}");
        assert!(failure.to_string().contains("WARREN_BROKER_"), "{failure}");
    }

    #[test]
    fn a_command_without_a_broker_is_a_usage_error() {
        assert_eq!(Failure::from(release(&[]).unwrap_err()).exit(), Exit::Usage);
    }

    #[test]
    fn the_exchange_is_that_of_the_pipeline_unless_another_is_given() {
        let host = ["--broker-dir", "d"];
        let usual = release(&host).unwrap().pipeline.prefix;
        assert_eq!(usual.as_str(), "shop.orders");
        let given = release(&["--broker-dir", "d", "--exchange", "Orders_2"]).unwrap();
        assert_eq!(given.pipeline.prefix.as_str(), "Orders_2");
    }

    #[test]
    fn a_wrong_file_is_named_with_what_is_wrong() {
        let path = std::env::temp_dir().join(format!("producer-{}.yaml", std::process::id()));
        fs::write(&path, "pipeline: shop/orders\nprefix: shop.orders\nmaxDelai: 1s\n").unwrap();
        let text = Failure::from(read_config(&path).unwrap_err()).to_string();
        fs::remove_file(&path).unwrap();
        assert!(text.contains("maxDelai"), "{text}");
        assert!(text.contains(".yaml"), "{text}");
    }
}
