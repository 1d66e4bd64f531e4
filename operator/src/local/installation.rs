//! What the processes of a pipeline need on disk, and how they are called.
//!
//! It writes configurations, logins and Secrets into the state directory, and names the program
//! with its arguments; it starts nothing.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use warren_broker::login::Login;

use super::{
    child::{Launch, Port},
    credentials::Credentials,
    programs::Programs,
    references::HandlerKeys,
    state::{self, Files, State, StateError},
};
use crate::{
    pass::Ready,
    pipeline::Queue,
    resources::{
        broker_secret::{self, Account},
        producer_yaml, worker_yaml,
    },
};

/// The place of one pipeline on this machine.
#[derive(Debug)]
pub(super) struct Installation {
    /// Its directory.
    pub(super) state: State,
    programs: Programs,
    credentials: Arc<Credentials>,
}

/// Why a program cannot be given what it needs.
#[derive(Debug, thiserror::Error)]
pub(super) enum InstallError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("no password of broker user {user} was kept")]
    NoPassword { user: String },
}

/// Where the producer listens, as in a cluster.
const PRODUCER_PORT: u16 = 5000;

/// What a process may take on top of its drain before it is killed, as in a pod's grace period.
const GRACE: Duration = Duration::from_secs(15);

/// How long a producer may finish requests.
const PRODUCER_DRAIN: Duration = Duration::from_secs(20);

impl Installation {
    /// Prepares the place: the Secrets that handlers name are written.
    ///
    /// # Errors
    /// When something cannot be written or read.
    pub(super) fn prepare(
        state: State,
        programs: Programs,
        keys: &HandlerKeys,
    ) -> Result<Self, StateError> {
        let handler = state.handler();
        state::create_private(&handler)?;
        for ((secret, key), content) in keys {
            state::write(&handler.join(secret).join(key), content)?;
        }
        let credentials = Arc::new(Credentials::read(&state.credentials())?);
        Ok(Self { state, programs, credentials })
    }

    /// The passwords of broker users.
    pub(super) fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials)
    }

    /// Writes what a queue's workers need, and tells how to run one.
    ///
    /// # Errors
    /// When a file cannot be written, or the workers' user has no known password.
    pub(super) fn worker(&self, ready: &Ready, queue: &Queue) -> Result<Launch, InstallError> {
        let Ready { pipeline, login } = ready;
        let files = self.state.of_worker(&queue.name);
        let user = pipeline.scoped_worker(&queue.name, &login.vhost);
        let config = worker_yaml::render(&pipeline.worker_config(queue));
        self.write(&files, &config, login, user)?;
        let handler = self.state.handler();
        let mut arguments = arguments("run", &files);
        arguments.extend(["--handler-dir".into(), handler.into_os_string()]);
        arguments.push("--exit-on-stdin-close".into());
        Ok(Launch {
            program: self.programs.worker.clone(),
            arguments,
            port: Port::Any,
            kill_after: queue.worker.drain_timeout + GRACE,
            ..self.template()
        })
    }

    /// Writes what the producer needs, and tells how to run it.
    ///
    /// # Errors
    /// When a file cannot be written, or the producer's user has no known password.
    pub(super) fn producer(&self, ready: &Ready) -> Result<Launch, InstallError> {
        let Ready { pipeline, login } = ready;
        let files = self.state.of_producer();
        let user = pipeline.scoped_producer(&login.vhost);
        let config = producer_yaml::render(&pipeline.producer_config(&self.state.handler()));
        self.write(&files, &config, login, user)?;
        let name = format!("{}-producer", pipeline.id.name());
        let template = self.template();
        let mut arguments = arguments("serve", &files);
        arguments.push("--exit-on-stdin-close".into());
        Ok(Launch {
            program: self.programs.producer.clone(),
            arguments,
            port: Port::From(PRODUCER_PORT),
            kill_after: PRODUCER_DRAIN + GRACE,
            ..template.of(name)
        })
    }

    /// A launch that names no program, process or file yet.
    fn template(&self) -> Launch {
        Launch {
            name: String::new(),
            program: PathBuf::new(),
            arguments: Vec::new(),
            port: Port::Any,
            kill_after: Duration::ZERO,
            log: self.state.logs(),
            record: self.state.processes(),
        }
    }

    fn write(
        &self,
        files: &Files,
        config: &str,
        login: &Login,
        user: Option<String>,
    ) -> Result<(), InstallError> {
        let account = user.map(|user| self.account(user)).transpose()?;
        let broker = broker_secret::files(login, account.as_ref());
        state::write_dir(&files.broker, &broker)?;
        state::write(&files.config, config.as_bytes())?;
        Ok(())
    }

    fn account(&self, user: String) -> Result<Account, InstallError> {
        match self.credentials.get(&user) {
            Some(password) => Ok(Account { user, password }),
            None => Err(InstallError::NoPassword { user }),
        }
    }
}

/// A command of ours with its configuration and login.
fn arguments(command: &str, files: &Files) -> Vec<OsString> {
    let path = |path: &Path| path.as_os_str().to_owned();
    vec![
        command.into(),
        "--config".into(),
        path(&files.config),
        "--broker-dir".into(),
        path(&files.broker),
    ]
}
