//! Who wants a pass: a set of pipelines and a bell.
//!
//! Everybody who sees a reason for a pass names the pipeline and goes on. The set cannot grow
//! beyond the pipelines there are, so nobody waits and nothing piles up, however many reasons
//! there are at once.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{Stream, stream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use warren_core::names::PipelineId;

use super::scope::Scope;

/// Wants passes; clones want them of the same.
#[derive(Clone, Debug)]
pub(crate) struct Wakes {
    bells: Arc<Vec<(Scope, Bell)>>,
}

/// The pipelines of one scope that are to have a pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell {
    wanted: Arc<Mutex<BTreeSet<PipelineId>>>,
    rung: Arc<Notify>,
}

impl Wakes {
    /// A bell for each scope.
    pub(crate) fn new(scopes: &[Scope]) -> Self {
        let bells = scopes.iter().map(|scope| (scope.clone(), Bell::default()));
        Self { bells: Arc::new(bells.collect()) }
    }

    /// Asks for a pass soon; of a pipeline that nobody watches there is none.
    pub(crate) fn wake(&self, pipeline: &PipelineId) {
        let mut bells = self.bells.iter();
        if let Some((_, bell)) = bells.find(|(scope, _)| scope.covers(pipeline.namespace())) {
            bell.ring(pipeline.clone());
        }
    }

    /// The bells with their scopes.
    pub(crate) fn bells(&self) -> impl Iterator<Item = (&Scope, &Bell)> {
        self.bells.iter().map(|(scope, bell)| (scope, bell))
    }
}

impl Bell {
    fn ring(&self, pipeline: PipelineId) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(pipeline);
        self.rung.notify_one();
    }

    fn next(&self) -> Option<PipelineId> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
    }

    /// The pipelines as they are named, until `stop`. There may be one such stream.
    pub(crate) fn stream(self, stop: CancellationToken) -> impl Stream<Item = PipelineId> + Send {
        stream::unfold((self, stop), async |(bell, stop)| {
            let named = async {
                loop {
                    if let Some(pipeline) = bell.next() {
                        return pipeline;
                    }
                    bell.rung.notified().await;
                }
            };
            let pipeline = stop.run_until_cancelled(named).await?;
            Some((pipeline, (bell, stop)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::StreamExt;

    use super::*;

    fn id(namespace: &str, name: &str) -> PipelineId {
        PipelineId::new(namespace, name).unwrap()
    }

    #[tokio::test]
    async fn many_reasons_are_one_pass_and_the_end_is_the_end() {
        let wakes = Wakes::new(&[Scope::Cluster]);
        for name in ["b", "a", "b", "b"] {
            wakes.wake(&id("shop", name));
        }
        let stop = CancellationToken::new();
        let (_, bell) = wakes.bells().next().unwrap();
        let mut stream = pin!(bell.clone().stream(stop.clone()));
        assert_eq!(stream.next().await, Some(id("shop", "a")));
        assert_eq!(stream.next().await, Some(id("shop", "b")));
        wakes.wake(&id("shop", "b"));
        assert_eq!(stream.next().await, Some(id("shop", "b")));
        stop.cancel();
        assert_eq!(stream.next().await, None);
    }

    #[test]
    fn a_pipeline_is_woken_where_its_namespace_is_watched() {
        let scopes = ["shop", "mail"].map(|name| Scope::Namespace(name.to_owned()));
        let wakes = Wakes::new(&scopes);
        for namespace in ["mail", "nowhere"] {
            wakes.wake(&id(namespace, "orders"));
        }
        let woken: Vec<_> = wakes.bells().map(|(_, bell)| bell.next()).collect();
        assert_eq!(woken, [None, Some(id("mail", "orders"))]);
    }
}
