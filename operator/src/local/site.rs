//! One pipeline on this machine: from a manifest to its two loops.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{Notify, mpsc, watch};
use warren_api::MessagePipeline;
use warren_service::shutdown::Shutdown;

use super::{
    crew::Crew,
    figures::Scraper,
    happening::{Line, Reporter},
    installation::Installation,
    leftovers,
    manifests::{Manifest, Mistake},
    member::Surroundings,
    passes::Passes,
    ports::{LocalPorts, Secrets},
    programs::Programs,
    references::{self, HandlerKeys},
    state::{State, StateError},
    view::View,
};
use crate::{
    login::SecretData, pass::Context, pipeline::Pipeline, scale::observatory::Observatory,
    workers::WorkersReading,
};

/// A pipeline with everything it names.
pub(super) struct Blueprint {
    object: MessagePipeline,
    /// What it means.
    pub(super) pipeline: Pipeline,
    secrets: Secrets,
    keys: HandlerKeys,
}

/// A pipeline with its place on this machine, which nobody else has.
pub(super) struct Site {
    object: MessagePipeline,
    pipeline: Pipeline,
    secrets: Secrets,
    installation: Installation,
}

/// What all pipelines of this process share.
pub(super) struct Shared {
    /// For their passes.
    pub(super) context: Arc<Context>,
    /// For their workers' figures.
    pub(super) scraper: Scraper,
    /// For what their queues hold.
    pub(super) observatory: Arc<Observatory>,
    /// Who ends them.
    pub(super) shutdown: Shutdown,
    /// How long it may take until the next pass.
    pub(super) interval: Duration,
}

impl Blueprint {
    /// Looks up everything a pipeline names; `broker_dir` stands for its broker Secret.
    ///
    /// # Errors
    /// Everything that is missing.
    pub(super) fn draw(
        manifest: Manifest,
        secrets: &BTreeMap<(String, String), SecretData>,
        broker_dir: Option<&Path>,
    ) -> Result<Self, Vec<Mistake>> {
        let namespace = manifest.pipeline.id.namespace();
        let of_namespace = secrets
            .iter()
            .filter(|((of, _), _)| of == namespace)
            .map(|((_, name), data)| (name.clone(), data.clone()));
        let replaced = |directory: &Path| -> (String, PathBuf) {
            (manifest.pipeline.broker.secret.clone(), directory.to_owned())
        };
        let secrets =
            Secrets { manifests: of_namespace.collect(), directory: broker_dir.map(replaced) };
        let keys = references::resolve(&manifest, &secrets)?;
        Ok(Self { object: manifest.object, pipeline: manifest.pipeline, secrets, keys })
    }

    /// Takes the pipeline's place below `base`.
    ///
    /// # Errors
    /// When another process has it, or it cannot be made.
    pub(super) fn build(self, base: &Path, programs: &Programs) -> Result<Site, StateError> {
        let state = State::open(base, &self.pipeline.id)?;
        let installation = Installation::prepare(state, programs.clone(), &self.keys)?;
        Ok(Site {
            object: self.object,
            pipeline: self.pipeline,
            secrets: self.secrets,
            installation,
        })
    }
}

impl Site {
    /// What is shown of the pipeline, and the work on it, which ends when everything has drained.
    pub(super) fn open(
        self,
        shared: Shared,
        lines: &mpsc::UnboundedSender<Line>,
    ) -> (watch::Receiver<View>, impl Future<Output = ()> + use<>) {
        let id = self.pipeline.id.clone();
        let reporter = Reporter::new(id.clone(), lines.clone());
        let (view, shown) = watch::channel(View::new(id));
        (shown, self.work(shared, reporter, view))
    }

    async fn work(self, shared: Shared, reporter: Reporter, view: watch::Sender<View>) {
        let shutdown = shared.shutdown;
        leftovers::end(&self.installation.state.processes(), &reporter, &shutdown).await;
        let (workers, workers_read) = watch::channel(WorkersReading::default());
        let (pass_done, passes_done) = mpsc::channel(1);
        let look_again = Arc::new(Notify::new());
        let credentials = self.installation.credentials();
        let passes = Passes {
            object: self.object,
            context: shared.context,
            ports: LocalPorts::new(self.secrets, credentials, reporter.clone()),
            workers: workers_read,
            look_again: Arc::clone(&look_again),
            interval: shared.interval,
            reporter: reporter.clone(),
            out: pass_done,
        };
        let crew = Crew {
            installation: self.installation,
            surroundings: Surroundings {
                reporter,
                scraper: shared.scraper,
                hurry: shutdown.hurry().clone(),
            },
            observatory: shared.observatory,
            workers,
            view,
            look_again,
        };
        let draining = shutdown.draining().clone();
        tokio::join!(
            draining.run_until_cancelled_owned(passes.run()),
            crew.run(passes_done, shutdown),
        );
    }
}
