//! What was typed, checked: the resolved queue, the login and the handler.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::sync::watch;
use warren_broker::login::{self, Login, LoginError};
use warren_core::config::{ConfigError, WorkerConfig};

use crate::{
    args::ConfigArgs,
    handler::{Configured, HandlerError},
};

/// Everything a worker needs before it connects.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The queue.
    pub(crate) config: WorkerConfig,
    /// What runs for a message.
    pub(crate) handler: Configured,
    /// The name of this worker.
    pub(crate) pod: String,
    /// Where the login is read again.
    pub(crate) broker_dir: PathBuf,
}

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot read {}", file.display())]
    ReadConfig { file: PathBuf, source: io::Error },
    #[error("{} is not a worker.yaml", file.display())]
    ParseConfig { file: PathBuf, source: Box<serde_saphyr::Error> },
    #[error("{} cannot work", file.display())]
    CheckConfig { file: PathBuf, source: ConfigError },
    #[error("the handler cannot work")]
    MakeHandler(#[source] HandlerError),
    #[error("the broker's login cannot be read")]
    ReadLogin(#[source] LoginError),
}

/// How often the files of the broker's login are read again.
const RE_READ_LOGIN: Duration = login::RE_READ;

impl Settings {
    /// Reads and checks everything that can be checked without a connection.
    pub(crate) fn read(args: &ConfigArgs) -> Result<Self, SettingsError> {
        let config = read_config(&args.config)?;
        let handler =
            Configured::new(&config, &args.handler_dir).map_err(SettingsError::MakeHandler)?;
        let pod = args.pod_name.clone().unwrap_or_else(|| format!("pid-{}", std::process::id()));
        Ok(Self { config, handler, pod, broker_dir: args.broker_dir.clone() })
    }

    /// The login as it stands in the files now.
    pub(crate) fn login(&self) -> Result<Login, SettingsError> {
        Login::read_dir(&self.broker_dir).map_err(SettingsError::ReadLogin)
    }

    /// The login, and every later one.
    pub(crate) fn watch_login(&self) -> Result<watch::Receiver<Login>, SettingsError> {
        login::watch_dir(self.broker_dir.clone(), RE_READ_LOGIN).map_err(SettingsError::ReadLogin)
    }
}

/// Reads a `worker.yaml`.
pub(crate) fn read_config(file: &Path) -> Result<WorkerConfig, SettingsError> {
    let file = file.to_owned();
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(source) => return Err(SettingsError::ReadConfig { file, source }),
    };
    let config: WorkerConfig = match serde_saphyr::from_str(&text) {
        Ok(config) => config,
        Err(source) => {
            return Err(SettingsError::ParseConfig { file, source: Box::new(source) });
        }
    };
    match config.check() {
        Ok(()) => Ok(config),
        Err(source) => Err(SettingsError::CheckConfig { file, source }),
    }
}
