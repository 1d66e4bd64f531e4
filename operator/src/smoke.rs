//! `smoke`: asks whether the operator of this cluster is at work, for `helm test`.
//!
//! A pipeline is made that is suspended and names a Secret nobody has, so that no broker is needed
//! and none is touched. The operator must say so in its status, and the pipeline must go when it is
//! deleted.

use std::{
    fmt,
    future::Future,
    io::{self, Write},
    time::Duration,
};

use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use serde_json::json;
use tokio::time::{sleep, timeout};
use warren_api::{MessagePipeline, conditions::ConditionType};
use warren_core::duration;
use warren_service::exit::{Exit, Failure};

use crate::args::SmokeArgs;

/// How often the API server is asked.
const STEP: Duration = Duration::from_millis(500);

/// What did not go as it should.
#[derive(Debug, thiserror::Error)]
enum SmokeError {
    /// Nothing says where the API server is.
    #[error("find the API server")]
    Connect(#[source] kube::Error),
    /// The API server says no, or nothing.
    #[error("{doing}")]
    Call {
        doing: Doing,
        #[source]
        source: kube::Error,
    },
    /// Something did not happen in time.
    #[error("{doing}: {}", .doing.advice())]
    Late { doing: Doing },
    /// What was seen could not be told.
    #[error("write to standard output")]
    Tell(#[source] io::Error),
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Making the pipeline.
    Create,
    /// Waiting for the operator's word.
    Verdict,
    /// Deleting the pipeline, until it is gone.
    Delete,
}

/// The pipeline, and how long anything with it may take.
struct Smoke<'a> {
    pipelines: Api<MessagePipeline>,
    name: &'a str,
    limit: Duration,
}

/// Makes a pipeline, waits for the operator's verdict and deletes it again.
///
/// # Errors
/// With [`Exit::AccessRefused`] when the account may not do this, else with [`Exit::Unavailable`].
pub fn run(args: &SmokeArgs) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Exit::Internal.because(error))?;
    match runtime.block_on(story(args)) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(error.exit().because(error)),
    }
}

async fn story(args: &SmokeArgs) -> Result<(), SmokeError> {
    let client = Client::try_default().await.map_err(SmokeError::Connect)?;
    let pipelines = Api::namespaced(client, &args.namespace);
    let smoke = Smoke { pipelines, name: &args.name, limit: args.timeout };
    // One that an interrupted test left would answer for the new one.
    smoke.delete().await?;
    smoke.create().await?;
    tell(&format!("made the pipeline {}/{}", args.namespace, args.name))?;
    let verdict = smoke.verdict().await?;
    tell(&format!("the operator says: {verdict}"))?;
    smoke.delete().await?;
    tell(&format!("deleted it; within {} each", duration::format(args.timeout)))
}

impl Smoke<'_> {
    async fn create(&self) -> Result<(), SmokeError> {
        let pipeline = pipeline(self.name);
        let parameters = PostParams::default();
        let made = self.pipelines.create(&parameters, &pipeline);
        self.within(Doing::Create, made).await.map(drop)
    }

    async fn verdict(&self) -> Result<String, SmokeError> {
        self.within(Doing::Verdict, async {
            loop {
                let pipeline = self.pipelines.get(self.name).await?;
                if let Some(verdict) = verdict(&pipeline) {
                    return Ok(verdict);
                }
                sleep(STEP).await;
            }
        })
        .await
    }

    async fn delete(&self) -> Result<(), SmokeError> {
        self.within(Doing::Delete, async {
            match self.pipelines.delete(self.name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
                answer => answer?,
            };
            while self.pipelines.get_opt(self.name).await?.is_some() {
                sleep(STEP).await;
            }
            Ok(())
        })
        .await
    }

    async fn within<T>(
        &self,
        doing: Doing,
        work: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, SmokeError> {
        let done = timeout(self.limit, work).await.map_err(|_| SmokeError::Late { doing })?;
        done.map_err(|source| SmokeError::Call { doing, source })
    }
}

impl SmokeError {
    fn exit(&self) -> Exit {
        match self {
            SmokeError::Call { source: kube::Error::Api(status), .. } if status.is_forbidden() => {
                Exit::AccessRefused
            }
            SmokeError::Connect(_) | SmokeError::Call { .. } | SmokeError::Late { .. } => {
                Exit::Unavailable
            }
            SmokeError::Tell(_) => Exit::Internal,
        }
    }
}

impl Doing {
    /// What to look at when it takes too long.
    const fn advice(self) -> &'static str {
        match self {
            Doing::Create => "the API server gave no answer in time",
            Doing::Verdict => {
                "no status in time; does the operator run, does it look at this namespace, and what \
                 does its log say?"
            }
            Doing::Delete => {
                "not gone in time; `kubectl describe` shows which finalizer holds the pipeline, and \
                 the operator's log says why"
            }
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Doing::Create => "make the pipeline",
            Doing::Verdict => "wait for the operator's verdict on the pipeline",
            Doing::Delete => "delete the pipeline",
        })
    }
}

/// A pipeline that touches no broker: its Secret would be named like itself, and nobody makes it.
fn pipeline(name: &str) -> MessagePipeline {
    let pipeline = json!({
        "apiVersion": "warren.dev/v1alpha1",
        "kind": "MessagePipeline",
        "metadata": {"name": name},
        "spec": {
            "broker": {"secretRef": {"name": format!("{name}-no-such-secret")}, "users": "Shared"},
            "queues": [{"name": "smoke", "handler": {"log": {}}}],
            "suspend": true,
        },
    });
    serde_json::from_value(pipeline).expect("the pipeline above is one")
}

/// What the operator says of the pipeline as it is now; nothing when it has not judged it yet.
fn verdict(pipeline: &MessagePipeline) -> Option<String> {
    let status = pipeline.status.as_ref()?;
    if status.observed_generation != pipeline.metadata.generation {
        return None;
    }
    let ready = ConditionType::Ready.as_str();
    let ready = status.conditions.iter().find(|condition| condition.type_ == ready)?;
    Some(format!("Ready={} {}: {}", ready.status, ready.reason, ready.message))
}

fn tell(line: &str) -> Result<(), SmokeError> {
    writeln!(io::stdout(), "{line}").map_err(SmokeError::Tell)
}

#[cfg(test)]
mod tests {
    use warren_api::{MessagePipelineStatus, schema};

    use super::*;

    #[test]
    fn the_pipeline_is_one_that_an_api_server_takes() {
        let pipeline = serde_json::to_value(pipeline("warren-smoke")).unwrap();
        assert_eq!(schema::violations(&schema::with_defaults(&pipeline)), []);
        assert!(schema::unknown_fields(&pipeline).is_empty());
    }

    #[test]
    fn a_verdict_is_about_the_pipeline_as_it_is_now() {
        let conditions = json!([{
            "type": "Ready",
            "status": "False",
            "reason": "SecretNotFound",
            "message": "there is no Secret x",
            "lastTransitionTime": "2026-11-21T10:00:00Z",
        }]);
        let of = |observed: i64, conditions: &serde_json::Value| {
            let mut pipeline = pipeline("warren-smoke");
            pipeline.metadata.generation = Some(2);
            let status = json!({"observedGeneration": observed, "conditions": conditions});
            let status: MessagePipelineStatus = serde_json::from_value(status).unwrap();
            pipeline.status = Some(status);
            verdict(&pipeline)
        };
        let said = of(2, &conditions);
        assert_eq!(said.as_deref(), Some("Ready=False SecretNotFound: there is no Secret x"));
        assert_eq!(of(1, &conditions), None);
        assert_eq!(of(2, &json!([])), None);
        assert_eq!(verdict(&pipeline("warren-smoke")), None);
    }
}
