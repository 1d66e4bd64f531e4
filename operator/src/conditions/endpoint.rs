//! `EndpointAccepting`: whether the endpoints of `http` handlers take messages.
//!
//! Workers see it, and say so on `/readyz`. It is no part of `Ready`: an endpoint that is down is
//! what queues are for.

use warren_api::conditions::ConditionReason;
use warren_core::config::HandlerConfig;

use super::{Evidence, Judgement, named};
use crate::{
    pipeline::{Pipeline, Queue},
    workers::{EndpointReading, Refusal},
};

/// Whether a pipeline calls any endpoint.
pub(crate) fn has_endpoints(pipeline: &Pipeline) -> bool {
    pipeline.queues.iter().any(|queue| endpoint_of(queue).is_some())
}

/// The worst queue decides; the message names up to three like it. Nothing where no worker could
/// be asked yet.
pub(super) fn accepting(evidence: &Evidence<'_>) -> Option<Judgement> {
    let pipeline = evidence.pipeline?;
    let seen: Vec<(&Queue, EndpointReading)> = pipeline
        .queues
        .iter()
        .filter(|queue| endpoint_of(queue).is_some())
        .filter_map(|queue| Some((queue, evidence.workers.queues.get(&queue.name)?.endpoint?)))
        .collect();
    let refusing = |wanted: Refusal| {
        let texts: Vec<String> =
            seen.iter().filter_map(|(queue, seen)| refused(queue, *seen, wanted)).collect();
        (!texts.is_empty()).then(|| named(texts))
    };
    if let Some(message) = refusing(Refusal::Rejected) {
        return Some(Judgement::fails(ConditionReason::EndpointRejected, message));
    }
    if let Some(message) = refusing(Refusal::Unavailable) {
        return Some(Judgement::fails(ConditionReason::BreakerOpen, message));
    }
    let message = "workers call their endpoints";
    (!seen.is_empty()).then(|| Judgement::holds(ConditionReason::Accepting, message))
}

fn refused(queue: &Queue, seen: EndpointReading, wanted: Refusal) -> Option<String> {
    let EndpointReading::Refusing { refusal, last_status } = seen else {
        return None;
    };
    let url = endpoint_of(queue).filter(|_| refusal == wanted)?;
    let name = &queue.name;
    Some(match (refusal, last_status) {
        (Refusal::Rejected, status) => format!(
            "queue {name}: {url} answers {} as if it were the wrong endpoint; messages wait: \
             correct handler.http.url or its headers",
            said(status)
        ),
        (Refusal::Unavailable, Some(status)) => {
            format!("queue {name}: {url} answers status {status}; messages wait until it is mended")
        }
        (Refusal::Unavailable, None) => {
            format!("queue {name}: {url} cannot be reached; messages wait until it answers")
        }
    })
}

fn said(status: Option<u16>) -> String {
    status.map_or_else(|| "every message".to_owned(), |status| format!("status {status}"))
}

/// Where a queue's messages go, without what may be a secret in it.
fn endpoint_of(queue: &Queue) -> Option<String> {
    match &queue.handler {
        HandlerConfig::Http(http) => {
            let url = url::Url::parse(&http.url).ok();
            let host = url.as_ref().and_then(|url| Some(url.host_str()?.to_owned()));
            Some(host.unwrap_or_else(|| "the endpoint".to_owned()))
        }
        HandlerConfig::Exec(_) | HandlerConfig::Simulate(_) | HandlerConfig::Log(_) => None,
    }
}
