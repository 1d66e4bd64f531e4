//! What a call of the API server can come to, in words for the people who read a status.

use std::{fmt, future::Future, time::Duration};

use kube::core::Status;
use tokio::time::timeout;

use crate::children::{ChildError, ChildErrorKind};

/// How long a call may take, from asking to the last byte of the answer.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Why a call of the API server failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The API server said no.
    Refused(Box<Status>),
    /// It gave no answer in time.
    Slow,
    /// It was not reached, or its answer makes no sense.
    Unreachable(kube::Error),
}

/// Makes a call, for no longer than [`CALL_LIMIT`].
///
/// # Errors
/// When it fails or takes longer.
pub(crate) async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Fault> {
    match timeout(CALL_LIMIT, call).await {
        Ok(answer) => answer.map_err(Fault::of),
        Err(_) => Err(Fault::Slow),
    }
}

impl Fault {
    /// What an error of the client means.
    pub(crate) fn of(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Fault::Refused(status),
            other => Fault::Unreachable(other),
        }
    }

    /// Whether there is no such object, or no such kind.
    pub(crate) fn is_not_found(&self) -> bool {
        // A path that is not served is refused without a reason of Kubernetes.
        self.refusal().is_some_and(|status| status.is_not_found() || status.code == 404)
    }

    /// Whether somebody else was faster.
    pub(crate) fn is_conflict(&self) -> bool {
        self.refusal().is_some_and(Status::is_conflict)
    }

    /// Whether a right is missing.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.refusal().is_some_and(Status::is_forbidden)
    }

    /// Whether the question itself is wrong.
    pub(crate) fn is_wrong_question(&self) -> bool {
        self.refusal().is_some_and(|status| status.code == 400)
    }

    fn refusal(&self) -> Option<&Status> {
        match self {
            Fault::Refused(status) => Some(status),
            Fault::Slow | Fault::Unreachable(_) => None,
        }
    }

    fn child_error_kind(&self) -> ChildErrorKind {
        match self.refusal() {
            Some(status) if status.is_conflict() => ChildErrorKind::Conflict,
            // Too many requests is the one refusal that passes by itself.
            Some(status) if (400..500).contains(&status.code) && status.code != 429 => {
                ChildErrorKind::Refused
            }
            Some(_) | None => ChildErrorKind::Unavailable,
        }
    }
}

impl From<Fault> for ChildError {
    fn from(fault: Fault) -> Self {
        ChildError { kind: fault.child_error_kind(), message: fault.to_string() }
    }
}

/// The API server's own sentence, which names object, account and verb; never the chain around it.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Refused(status) if status.message.is_empty() => {
                write!(f, "the API server answers {} {}", status.code, status.reason)
            }
            Fault::Refused(status) => f.write_str(&status.message),
            Fault::Slow => {
                write!(f, "the API server gave no answer within {} s", CALL_LIMIT.as_secs())
            }
            Fault::Unreachable(error) => {
                write!(f, "the API server cannot be used: {}", innermost(error))
            }
        }
    }
}

impl std::error::Error for Fault {}

/// The cause at the end of the chain: each layer around it says the same again.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, reason: &str, message: &str) -> Fault {
        let status = Status::failure(message, reason).with_code(code);
        Fault::of(kube::Error::Api(status.boxed()))
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_api_server() {
        let quota = refused(403, "Forbidden", "exceeded quota: pods, used: 3, limited: 3");
        let error = ChildError::from(quota);
        assert_eq!(error.kind, ChildErrorKind::Refused);
        assert_eq!(error.message, "exceeded quota: pods, used: 3, limited: 3");
        assert_eq!(refused(418, "Odd", "").to_string(), "the API server answers 418 Odd");
    }

    #[test]
    fn each_answer_has_its_class() {
        let class = |code, reason| ChildError::from(refused(code, reason, "x")).kind;
        assert_eq!(class(409, "Conflict"), ChildErrorKind::Conflict);
        assert_eq!(class(422, "Invalid"), ChildErrorKind::Refused);
        assert_eq!(class(429, "TooManyRequests"), ChildErrorKind::Unavailable);
        assert_eq!(class(503, "ServiceUnavailable"), ChildErrorKind::Unavailable);
    }

    #[test]
    fn a_kind_that_is_not_served_is_not_found() {
        assert!(refused(404, "Failed to parse error data", "404 page not found").is_not_found());
        assert!(refused(404, "NotFound", "secrets \"x\" not found").is_not_found());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_ends() {
        let fault = within(std::future::pending::<kube::Result<()>>()).await.unwrap_err();
        assert_eq!(fault.to_string(), "the API server gave no answer within 10 s");
        assert_eq!(ChildError::from(fault).kind, ChildErrorKind::Unavailable);
    }
}
