//! Whether the API server serves our kind: it does not before the definition is installed.

use kube::{Client, api::ListParams};
use warren_api::{
    MessagePipeline,
    metadata::{GROUP, KIND},
};

use super::{
    fault::{Fault, within},
    scope::Scope,
};

/// Why pipelines cannot be listed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotServed {
    /// There is no such kind.
    #[error(
        "the API server does not serve {KIND} of {GROUP}: install the definition (the chart does, \
         or `warren-operator crd | kubectl apply --server-side -f -`)"
    )]
    NoDefinition,
    /// The question makes no sense to it.
    #[error("WARREN_WATCH_LABELS is not a label selector: {0}")]
    Selector(Fault),
    /// It says no, or nothing.
    #[error("{KIND} cannot be listed in {scope}: {fault}")]
    Unavailable {
        /// Where.
        scope: Scope,
        /// Why.
        fault: Fault,
    },
}

/// Asks once for a single pipeline of a scope.
///
/// # Errors
/// Why there is no list.
pub(crate) async fn ask(
    client: &Client,
    scope: &Scope,
    labels: Option<&str>,
) -> Result<(), NotServed> {
    let mut question = ListParams::default().limit(1);
    question.label_selector = labels.map(str::to_owned);
    let pipelines = scope.api::<MessagePipeline>(client);
    match within(pipelines.list_metadata(&question)).await {
        Ok(_) => Ok(()),
        Err(fault) if fault.is_not_found() => Err(NotServed::NoDefinition),
        Err(fault) if fault.is_wrong_question() && labels.is_some() => {
            Err(NotServed::Selector(fault))
        }
        Err(fault) => Err(NotServed::Unavailable { scope: scope.clone(), fault }),
    }
}
