//! The custom resource of Warren, `MessagePipeline` of `warren.dev/v1alpha1`, as types.
//!
//! A type here says what a person may write and how it is spelled: fields, defaults, bounds, CEL
//! rules, descriptions. The CustomResourceDefinition is generated from these types ([`crd`]), so
//! the two cannot differ, and [`schema`] judges raw objects by that definition where no API server
//! stands in between.
//!
//! Nothing here decides anything, talks to a server or knows the domain: the operator's
//! `validate` turns a spec into domain values, and no other code reads one.
#![allow(
    unreachable_pub,
    reason = "KubeSchema copies each struct, `pub` and all, into the body of a function"
)]

pub mod conditions;
pub mod events;
pub mod metadata;
pub mod schema;

mod broker;
mod crd;
mod deletion;
mod duration;
mod exchange;
mod handler;
mod limits;
mod names;
mod pipeline;
mod producer;
mod queue;
mod reference;
mod retry;
mod scaling;
mod slo;
mod status;
mod template;
mod text_map;
mod worker;

pub use broker::{BrokerSpec, BrokerUsers, ClusterRef, TlsMode, TlsSpec};
pub use crd::{crd, crd_chart_template, crd_yaml};
pub use deletion::{DeletionPolicy, DeletionSpec};
pub use duration::{
    DurationText, Positive1h, Positive24h, Positive168h, Positive1176h, UpTo24h, UpTo168h,
};
pub use exchange::{BindingSpec, ExchangeSpec, ExchangeType, TargetExchange, Unrouted};
pub use handler::{
    CustomSpec, ExecSpec, ExitOutcome, ForwardSpec, HandlerSpec, HeaderSpec, HeaderValueFrom,
    HttpFormat, HttpMethod, HttpSpec, LogLevel, LogSpec, SigningSpec, SimulateSpec, UrlCheckSpec,
};
pub use limits::{BreakerSpec, DeadLetterSpec, LimitsSpec, RateLimitSpec};
pub use pipeline::{AdoptionPolicy, MessagePipeline, MessagePipelineSpec};
pub use producer::{ProducerAuth, ProducerSpec};
pub use queue::{Order, QueueSpec};
pub use reference::{CaSecretRef, SecretKeyRef, SecretRef};
pub use retry::{BackoffSpec, BackoffType, RetryMode, RetrySpec};
pub use scaling::{
    ActivationSpec, BehaviorSpec, FallbackBehavior, FallbackSpec, PauseSpec, PolicyType,
    ScaleDownRules, ScaleToZeroSpec, ScaleUpRules, ScalingMode, ScalingPolicy, ScalingSpec,
    ScheduleSpec, SelectPolicy, TargetSpec,
};
pub use slo::SloSpec;
pub use status::{
    BrokerStatus, Learned, MessagePipelineStatus, ObjectRef, ObjectState, Observed, QueueStatus,
    ScalingStatus, TopologyStatus,
};
pub use template::{EnvVarSpec, Fragment, PodTemplateSpec, VolumeSpec};
pub use worker::{ResourcesSpec, WorkerSpec};

/// The value of a type of which every field has a default.
///
/// Defaults then stand once, beside their field, and `Default`, serde and the schema agree.
fn all_defaults<T: serde::de::DeserializeOwned>() -> T {
    serde_json::from_value(serde_json::Value::Object(serde_json::Map::new()))
        .expect("every field of the type has a default")
}
