//! What a pass needs from its surroundings and where local mode and Kubernetes differ: Secrets,
//! passwords, the objects made for a pipeline, and the place a status is published to.

use std::{error::Error, fmt, future::Future};

use warren_api::MessagePipelineStatus;
use warren_broker::login::{Login, Secret};

use crate::{
    children::{ChildError, ChildKey, ChildStep, ChildrenReading},
    login::SecretData,
    pipeline::{Holder, Pipeline},
};

/// The surroundings of a pass.
pub trait Ports: Sync {
    /// The Secret of this name in the pipeline's namespace; nothing when there is none.
    ///
    /// # Errors
    /// When it cannot be told whether there is one.
    fn secret(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<SecretData>, PortError>> + Send;

    /// The password that was kept for a broker user; nothing when none was, or it is lost.
    ///
    /// # Errors
    /// When it cannot be told.
    fn password(
        &self,
        holder: &Holder,
        user: &str,
    ) -> impl Future<Output = Result<Option<Secret>, PortError>> + Send;

    /// Keeps the password of a broker user where its worker or producer can be given it.
    ///
    /// # Errors
    /// When it was not kept.
    fn keep_password(
        &self,
        account: Account<'_>,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Makes sure that the pipeline cannot vanish before its broker objects are released.
    ///
    /// # Errors
    /// When it still can.
    fn hold(&self) -> impl Future<Output = Result<(), PortError>> + Send;

    /// What there is of the Kubernetes objects that a pipeline wants: the ones of these names, and
    /// all others that were made for it.
    fn children(&self, wanted: &[ChildKey]) -> impl Future<Output = ChildrenReading> + Send;

    /// Writes a Kubernetes object made for the pipeline.
    ///
    /// # Errors
    /// When it was not written.
    fn write(&self, step: &ChildStep) -> impl Future<Output = Result<(), ChildError>> + Send;

    /// Shows a status that differs from the one before.
    ///
    /// # Errors
    /// When nobody can see it.
    fn publish(
        &self,
        status: &MessagePipelineStatus,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// A broker user whose password is to be kept.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    /// Whose pipeline's it is.
    pub pipeline: &'a Pipeline,
    /// The operator's own login, which says where the broker is.
    pub login: &'a Login,
    /// Who logs in as it.
    pub holder: &'a Holder,
    /// Its name.
    pub user: &'a str,
    /// Its password.
    pub password: &'a Secret,
}

/// What the surroundings could not do.
#[derive(Debug)]
pub struct PortError {
    what: String,
    source: Box<dyn Error + Send + Sync>,
    is_refusal: bool,
}

impl PortError {
    /// Names what was being done, and why it failed.
    pub fn new(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let (what, source) = (what.into(), source.into());
        Self { what, source, is_refusal: false }
    }

    /// The same, where somebody has to mend it: it does not pass by itself.
    #[must_use]
    pub fn refusal(self) -> Self {
        Self { is_refusal: true, ..self }
    }

    /// Whether somebody has to mend it.
    pub fn is_refusal(&self) -> bool {
        self.is_refusal
    }
}

/// The whole chain, because it ends up in a condition's message.
impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.source)?;
        let mut cause = self.source.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
