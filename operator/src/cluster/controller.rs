//! Who has a pass when: each pipeline that was named, once at a time, and as many at once as allowed.
//!
//! A pass runs as a task of its own, so that one that is cut short by a mistake of ours takes no
//! other with it.

use std::{convert::Infallible, fmt::Display, sync::Arc};

use futures_util::{FutureExt, StreamExt};
use kube::{
    core::DeserializeGuard,
    runtime::{
        controller::{self, Action, Error, applier},
        reflector::{ObjectRef, Store},
    },
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, warn};
use warren_api::MessagePipeline;
use warren_core::names::PipelineId;

use super::{passes::Passes, stores::Read, wakes::Bell};

/// Makes the passes of one scope until `stop`; those under way are finished.
pub(crate) async fn run(
    bell: Bell,
    pipelines: Store<Read>,
    passes: Arc<Passes>,
    stop: CancellationToken,
) {
    let named = bell.stream(stop).map(|pipeline| Ok::<_, Infallible>(reference(&pipeline)));
    let never = |_, _: &Infallible, _| Action::await_change();
    let config = controller::Config::default();
    let results = applier(
        |read: Arc<Read>, passes: Arc<Passes>| one(read, passes).boxed(),
        never,
        passes,
        pipelines,
        named,
        config,
    );
    results.for_each(async |result| told(result)).await;
}

fn reference(pipeline: &PipelineId) -> ObjectRef<DeserializeGuard<MessagePipeline>> {
    ObjectRef::new(pipeline.name()).within(pipeline.namespace())
}

async fn one(read: Arc<Read>, passes: Arc<Passes>) -> Result<Action, Infallible> {
    let (subject, mine) = (Arc::clone(&read), Arc::clone(&passes));
    let pass = async move { mine.over(&subject).await }.in_current_span();
    let wait = match tokio::spawn(pass).await {
        Ok(wait) => wait,
        Err(_) => Some(passes.after_panic(&read)),
    };
    Ok(wait.map_or_else(Action::await_change, Action::requeue))
}

fn told(result: Result<(ObjectRef<Read>, Action), Error<Infallible, Infallible>>) {
    match result {
        Ok((pipeline, action)) => debug!(%pipeline, ?action, "pass ended"),
        Err(Error::ObjectNotFound(pipeline)) => log_gone(&pipeline),
        Err(error) => log_failure(&error),
    }
}

fn log_gone(pipeline: &dyn Display) {
    debug!(%pipeline, "pipeline gone before its pass");
}

fn log_failure(error: &dyn Display) {
    warn!(%error, "the controller failed");
}
