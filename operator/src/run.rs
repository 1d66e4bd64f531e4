//! The command `run`: the operator in a Kubernetes cluster, from its settings to its last event.

use std::{io, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use warren_service::{
    admin::{self, Admin},
    exit::{Exit, Failure},
    health::{Liveness, Readiness, STALE_AFTER},
    logging::{self, LogArgs},
    problem,
    server::{self, Limits},
    shutdown::Shutdown,
};

use crate::{
    args::RunArgs,
    brokers::Brokers,
    cluster::{
        beginning, client,
        operation::{Operation, Parts},
        scope::Scope,
    },
    metrics::OperatorMetrics,
    pass::Context,
    settings::{Identity, Run, Settings},
};

/// The environment variable of the port, for those whose port is taken.
const PORT_SETTING: &str = "WARREN_HTTP_PORT";

/// How long a reading of a broker serves all pipelines in it: short beside the interval at which
/// each is looked at.
const SHARED_READINGS: Duration = Duration::from_secs(5);

/// Runs until a signal ends it.
///
/// # Errors
/// With [`Exit::BadConfiguration`] when a setting cannot be used, and [`Exit::AccessRefused`] when a
/// right is missing without which nothing can begin; what happens to a pipeline ends nothing.
pub fn start(args: &RunArgs, log: &LogArgs) -> Result<Exit, Failure> {
    logging::init(log).map_err(|error| Exit::Internal.because(error))?;
    let settings = Run::read(args).map_err(|error| Exit::BadConfiguration.because(error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Exit::Internal.because(error))?;
    runtime.block_on(serve(settings))
}

/// The admin server outlives everything else: it is what says how far the end is.
async fn serve(settings: Run) -> Result<Exit, Failure> {
    let internal = |error: io::Error| Exit::Internal.because(error);
    let (_trigger, shutdown) = Shutdown::from_signals().map_err(internal)?;
    let metrics = OperatorMetrics::new().map_err(|error| Exit::Internal.because(error))?;
    let listener = server::bind(settings.address, PORT_SETTING).await?;
    let readiness = watch::Sender::new(Readiness::not_ready("starting"));
    let stop_admin = CancellationToken::new();
    let served = serve_admin(listener, &metrics, &readiness, stop_admin.clone());
    let result = tokio::select! {
        result = operate(settings, metrics, &readiness, shutdown.draining()) => result,
        () = shutdown.hurry().cancelled() => {
            warn!("a second signal: what is under way is cut short");
            Ok(Exit::Done)
        }
    };
    stop_admin.cancel();
    // A task that only serves has nothing to tell at its end.
    let _ = served.await;
    result
}

async fn operate(
    settings: Run,
    metrics: OperatorMetrics,
    readiness: &watch::Sender<Readiness>,
    draining: &CancellationToken,
) -> Result<Exit, Failure> {
    let client = client::connect(&metrics).await;
    let client = client.map_err(|error| Exit::BadConfiguration.because(error))?;
    let scopes = Scope::all(&settings.watched);
    let begun = beginning::of(&client, &settings, &scopes, readiness);
    let Some(begun) = draining.run_until_cancelled(begun).await else {
        return Ok(Exit::Done);
    };
    let context = context(&settings, begun?, &metrics);
    let mut operation = Operation::watch(Parts { client, settings, context, scopes, metrics });
    if draining.run_until_cancelled(operation.complete(readiness)).await.is_some() {
        operation.work();
        readiness.send_replace(Readiness::ready("running"));
    }
    let broken = draining.run_until_cancelled(operation.broken()).await;
    readiness.send_replace(Readiness::not_ready("draining"));
    operation.end().await;
    info!("ended");
    match broken {
        None => Ok(Exit::Done),
        Some(broken) => Err(Exit::Internal.because(broken)),
    }
}

fn context(settings: &Run, cluster: String, metrics: &OperatorMetrics) -> Arc<Context> {
    let metrics = metrics.clone();
    Arc::new(Context {
        settings: Settings {
            identity: Identity::Cluster { id: cluster },
            worker_image: settings.worker_image.clone(),
            producer_image: settings.producer_image.clone(),
            pull: settings.pull.clone(),
        },
        brokers: Brokers::witnessed(
            Arc::new(move |call| metrics.broker_request(call)),
            SHARED_READINGS,
        ),
    })
}

fn serve_admin(
    listener: TcpListener,
    metrics: &OperatorMetrics,
    readiness: &watch::Sender<Readiness>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let (liveness, _) = Liveness::start(STALE_AFTER);
    let registry = metrics.registry().clone();
    let admin = Admin { metrics: registry, readiness: readiness.subscribe(), liveness };
    let router = problem::everywhere(admin::router(admin));
    let limits = Limits { drain: Duration::from_secs(1), ..Limits::default() };
    tokio::spawn(server::serve(listener, router, limits, stop))
}
