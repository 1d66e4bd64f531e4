//! `serve`: the life of the HTTP producer, from its settings to its last confirm.

use std::time::Duration;

use tokio::{net::TcpListener, sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use warren_broker::publisher::{Publisher, PublisherState, Settings};
use warren_service::{
    admin::Admin,
    exit::{Exit, Failure},
    health::{Liveness, Readiness, STALE_AFTER},
    server::{self, Limits},
    shutdown::Shutdown,
};

use crate::{
    http::{self, App},
    metrics::ProducerMetrics,
    outlet::Outlet,
    settings,
};

/// The environment variable behind `--port`, for those whose port is taken.
const PORT_SETTING: &str = "WARREN_HTTP_PORT";

/// How long the confirms of clients that are gone may still take after the last request has ended;
/// with the server's 20 s and the 5 s of `preStop` it fits into a grace period of 30 s.
const FLUSH: Duration = Duration::from_secs(3);

/// Serves until a signal, then finishes what it has.
///
/// # Errors
/// When a file or the port is not usable; a broker that is away is no error.
pub async fn run(settings: settings::Serve, shutdown: Shutdown) -> Result<Exit, Failure> {
    // Before anything that others can see.
    settings.broker.check()?;
    let listener = server::bind(settings.address, PORT_SETTING).await?;
    on(listener, settings, shutdown).await
}

/// The same on a port that is taken already.
///
/// # Errors
/// When a file is not usable.
pub async fn on(
    listener: TcpListener,
    settings: settings::Serve,
    shutdown: Shutdown,
) -> Result<Exit, Failure> {
    let logins = settings.broker.logins()?;
    let prefix = &settings.pipeline.prefix;
    let name = format!("{}/producer/{}/publish", prefix.as_str(), settings.pod_name);
    let publisher = Publisher::start(logins, Settings::producer(name));
    let outlet = Outlet::new(settings.pipeline, publisher.clone())
        .map_err(|error| Exit::Internal.because(error))?;
    let draining = shutdown.draining().clone();
    let readiness = follow(publisher.state(), draining.clone(), outlet.metrics().clone());
    let (liveness, _fatal) = Liveness::start(STALE_AFTER);
    let admin = Admin { metrics: outlet.metrics().registry().clone(), readiness, liveness };
    announce(&listener, &outlet);
    let mut app = App::new(outlet.clone(), publisher.state(), draining.clone());
    app.body_deadline = settings.body_deadline;
    let router = http::router(&app, admin, settings.bearer);
    let serving = server::serve(listener, router, Limits::default(), draining);
    until_hurried(serving, &shutdown).await;
    flush(&outlet, &publisher, FLUSH).await;
    Ok(Exit::Done)
}

fn announce(listener: &TcpListener, outlet: &Outlet) {
    if let Ok(address) = listener.local_addr() {
        info!(%address, pipeline = %outlet.pipeline().pipeline, "serving");
    }
}

/// Serves to the end, or until a second signal cuts it off.
async fn until_hurried(serving: impl Future<Output = ()>, shutdown: &Shutdown) {
    tokio::select! {
        () = serving => {}
        () = shutdown.hurry().cancelled() => warn!("a second signal: requests are cut off"),
    }
}

/// Waits for the last confirms and closes the connection.
pub(crate) async fn flush(outlet: &Outlet, publisher: &Publisher, within: Duration) {
    let until = Instant::now() + within;
    outlet.finish(within).await;
    let rest = until.saturating_duration_since(Instant::now());
    let unknown = publisher.close(rest).await;
    if unknown > 0 {
        warn!(messages = unknown, "ending without the outcome of some messages");
    }
}

/// Turns the state of the connection into readiness and metrics, for as long as somebody looks.
fn follow(
    mut broker: watch::Receiver<PublisherState>,
    draining: CancellationToken,
    metrics: ProducerMetrics,
) -> watch::Receiver<Readiness> {
    let now = http::readiness(&broker.borrow_and_update(), draining.is_cancelled());
    let (told, readiness) = watch::channel(now);
    tokio::spawn(async move {
        loop {
            let changed = tokio::select! {
                changed = broker.changed() => changed.is_ok(),
                () = draining.cancelled(), if told.borrow().state != "draining" => true,
                () = told.closed() => false,
            };
            if !changed {
                return;
            }
            let state = broker.borrow_and_update().clone();
            metrics.connection(&state);
            let now = http::readiness(&state, draining.is_cancelled());
            if *told.borrow() != now {
                info!(ready = now.ready, state = %now.state, detail = now.detail, "readiness");
            }
            told.send_replace(now);
        }
    });
    readiness
}
