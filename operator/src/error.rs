//! What can go wrong with a single step.

use warren_broker::management::{ApiError, ApiErrorKind};

use crate::{
    children::{ChildError, ChildErrorKind},
    ports::PortError,
    trouble::{Trouble, TroubleReason},
};

/// Why a step was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The broker refused it or did not answer.
    #[error("{0}")]
    Broker(ApiError),
    /// A user's password could not be read.
    #[error("password of user {user} cannot be read: {source}")]
    ReadPassword {
        /// The user.
        user: String,
        /// Why.
        source: PortError,
    },
    /// A user's password could not be kept.
    #[error("password of user {user} cannot be kept, so it is made anew next time: {source}")]
    KeepPassword {
        /// The user.
        user: String,
        /// Why.
        source: PortError,
    },
    /// The API server refused it or did not answer.
    #[error(transparent)]
    Child(ChildError),
    /// The pipeline could still vanish before what is written for it is cleaned up.
    #[error("the pipeline cannot be held until its broker objects are released: {0}")]
    Hold(PortError),
    /// The system gave no random bytes.
    #[error("no random bytes for the password of user {user}: {source}")]
    MakePassword {
        /// The user.
        user: String,
        /// Why.
        source: getrandom::Error,
    },
}

impl StepError {
    /// Whether somebody else wrote to the same object first, as Kubernetes' own controllers do all
    /// the time.
    pub fn is_overtaken(&self) -> bool {
        matches!(self, StepError::Child(ChildError { kind: ChildErrorKind::Conflict, .. }))
    }

    /// The trouble with the broker behind it; nothing when only this step is at fault.
    pub fn trouble(&self) -> Option<Trouble> {
        let StepError::Broker(error) = self else {
            return None;
        };
        let trouble = Trouble::of_call(error)?;
        if trouble.reason == TroubleReason::PermissionDenied {
            let message = format!(
                "{}; the operator's login needs configure, write and read on the pipeline's \
                 objects in the virtual host",
                trouble.message
            );
            return Some(Trouble::new(trouble.reason, message));
        }
        Some(trouble)
    }

    /// Whether somebody has to allow it first.
    pub fn is_refusal(&self) -> bool {
        matches!(self, StepError::Child(error) if error.kind == ChildErrorKind::Refused)
    }

    /// Whether the object was made with other arguments since it was looked for.
    pub fn is_inequivalent(&self) -> bool {
        matches!(self, StepError::Broker(error) if matches!(error.kind, ApiErrorKind::Inequivalent(_)))
    }
}
