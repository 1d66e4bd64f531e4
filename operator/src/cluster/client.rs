//! The client of the API server: where it is, how long it may be silent, and who counts the calls.
//!
//! Nothing is repeated here: the client's own repetitions would hold a pass for minutes, and a pass
//! knows better when to come again.

use std::{
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
    config::{InClusterError, KubeConfigOptions, KubeconfigError},
};
use tokio::time::timeout;
use tower::{BoxError, Layer, Service};

use crate::metrics::OperatorMetrics;

/// How long a connection may take to stand.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long the head of an answer may take. Calls of a pass end sooner, by
/// [`CALL_LIMIT`](super::fault::CALL_LIMIT); this one is for the long lists of watches.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// How long an answer may stop in the middle: a little more than the 290 s after which a quiet watch
/// is ended by the API server.
const SILENCE_LIMIT: Duration = Duration::from_secs(300);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Nothing says where the API server is.
    #[error(
        "no API server is known: not in a pod ({in_cluster}), and the kubeconfig of KUBECONFIG or \
         ~/.kube/config cannot be used"
    )]
    NoConfig {
        /// Why this is no pod.
        in_cluster: InClusterError,
        /// Why there is no kubeconfig.
        source: KubeconfigError,
    },
    /// Certificates or credentials cannot be used.
    #[error("the way to the API server cannot be used")]
    Build(#[source] kube::Error),
}

/// A client: by the pod's own account, else by a kubeconfig.
///
/// # Errors
/// When nothing says where the API server is, or it is said wrongly. Nothing is asked yet.
pub(crate) async fn connect(metrics: &OperatorMetrics) -> Result<Client, ConnectError> {
    let mut config = config().await?;
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.write_timeout = Some(HEAD_LIMIT);
    config.read_timeout = Some(SILENCE_LIMIT);
    // Else the time a connection was idle before it was used again would count as silence.
    config.reset_reader_on_write = true;
    let builder = ClientBuilder::try_from(config).map_err(ConnectError::Build)?;
    Ok(builder.with_layer(&Counting(metrics.clone())).build())
}

async fn config() -> Result<Config, ConnectError> {
    match Config::incluster() {
        Ok(config) => Ok(config),
        Err(in_cluster) => Config::from_kubeconfig(&KubeConfigOptions::default())
            .await
            .map_err(|source| ConnectError::NoConfig { in_cluster, source }),
    }
}

/// Counts the calls and limits the time to the head of their answers.
pub(crate) struct Counting(pub(crate) OperatorMetrics);

/// A client that is counted.
pub(crate) struct Counted<S> {
    inner: S,
    metrics: OperatorMetrics,
}

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, metrics: self.0.clone() }
    }
}

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let metrics = self.metrics.clone();
        let is_write = request.method() != Method::GET;
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = match timeout(HEAD_LIMIT, answer).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(BoxError::from(NoAnswer)),
            };
            let code = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            metrics.kube_request(code, is_write);
            answer
        })
    }
}

/// The head of an answer did not come in time.
#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within {} s", HEAD_LIMIT.as_secs())
    }
}

impl std::error::Error for NoAnswer {}
