//! The command `run`: puts the parts together and keeps them alive until shutdown.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, http::StatusCode, routing::post};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use warren_broker::publisher::{self, Publisher};
use warren_core::copies::Copier;
use warren_service::{
    admin::{self, Admin},
    exit::{Exit, Failure},
    health::{self, Liveness, Readiness},
    logging, problem,
    server::{self, Limits},
    shutdown::{Shutdown, Trigger},
};

use crate::{
    args::RunArgs,
    handler::Configured,
    metrics::{Purpose, WorkerMetrics},
    session::Shell,
    settings::Settings,
    supervisor::supervise,
    turn::Runner,
};

/// How long confirms may take when the process ends.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Runs the worker until it is told to stop.
pub(crate) fn start(args: &RunArgs) -> Result<Exit, Failure> {
    logging::init(&args.config.log).map_err(|e| Exit::Internal.because(e))?;
    #[cfg(feature = "failpoints")]
    if let Some(point) = &args.fail {
        crate::failpoint::arm(point).map_err(|e| Exit::Usage.because(e))?;
    }
    let settings = Settings::read(&args.config).map_err(|e| Exit::BadConfiguration.because(e))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Exit::Internal.because(e))?;
    let exit = runtime.block_on(run(args, settings));
    // A read of standard input cannot be called off, and must not hold up the end.
    runtime.shutdown_background();
    exit
}

async fn run(args: &RunArgs, settings: Settings) -> Result<Exit, Failure> {
    let (trigger, shutdown) = Shutdown::from_signals().map_err(|e| Exit::Internal.because(e))?;
    if args.exit_on_stdin_close {
        trigger.clone().drain_when_stdin_closes();
    }
    let logins = settings.watch_login().map_err(|e| Exit::BadConfiguration.because(e))?;
    let metrics = WorkerMetrics::new(&settings.config).map_err(|e| Exit::Internal.because(e))?;
    let address = SocketAddr::new(args.http_host, args.http_port);
    let listener = server::bind(address, "WARREN_HTTP_PORT")
        .await
        .map_err(|e| Exit::BadConfiguration.because(e))?;
    let (readiness, shown) = watch::channel(Readiness::not_ready("connecting"));
    let stop_admin = CancellationToken::new();
    let server = serve_admin(listener, &metrics, shown, trigger, stop_admin.clone());

    let shell = shell(settings, logins.clone(), metrics, readiness, shutdown);
    let watch = tokio::spawn(watch_publisher(shell.publisher.clone(), shell.metrics.clone()));
    supervise(&shell, logins).await;
    let unknown = shell.publisher.close(CLOSE_WITHIN).await;
    if unknown > 0 {
        tracing::warn!(unknown, "copies without an answer at the end; the broker redelivers");
    }
    watch.abort();
    stop_admin.cancel();
    let _ = server.await;
    Ok(Exit::Done)
}

fn shell(
    settings: Settings,
    logins: watch::Receiver<warren_broker::login::Login>,
    metrics: WorkerMetrics,
    readiness: watch::Sender<Readiness>,
    shutdown: Shutdown,
) -> Shell<Configured> {
    let config = Arc::new(settings.config);
    let name = format!("{}/{}/{}/publish", config.prefix, config.queue, settings.pod);
    let (prefix, queue) = (config.prefix.clone(), config.queue.clone());
    Shell {
        copier: Copier { prefix, queue, worker: settings.pod.clone() },
        runner: Runner {
            handler: Arc::new(settings.handler),
            config: Arc::clone(&config),
            metrics: metrics.clone(),
        },
        publisher: Publisher::start(logins, publisher::Settings::worker(name)),
        pod: settings.pod,
        config,
        metrics,
        readiness,
        shutdown,
        started: std::time::Instant::now(),
    }
}

/// The admin server outlives the drain: it is what says that the worker drains.
fn serve_admin(
    listener: TcpListener,
    metrics: &WorkerMetrics,
    readiness: watch::Receiver<Readiness>,
    trigger: Trigger,
    stop: CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let (liveness, _) = Liveness::start(health::STALE_AFTER);
    let admin = Admin { metrics: metrics.registry.clone(), readiness, liveness };
    let quiet = post(move || {
        trigger.quiet();
        async { StatusCode::ACCEPTED }
    });
    let quiet = admin::loopback_only(Router::new().route("/admin/quiet", quiet));
    let router = problem::everywhere(admin::router(admin).merge(quiet));
    let limits = Limits { drain: Duration::from_secs(1), ..Limits::default() };
    tokio::spawn(server::serve(listener, router, limits, stop))
}

/// Keeps the gauge of the publish connection.
async fn watch_publisher(publisher: Publisher, metrics: WorkerMetrics) {
    let mut state = publisher.state();
    loop {
        let up = state.borrow_and_update().is_up();
        metrics.connection(Purpose::Publish, up);
        if state.changed().await.is_err() {
            return;
        }
    }
}
