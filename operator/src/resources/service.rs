//! The Service of the HTTP producer, internal to the cluster.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use warren_core::names::PipelineId;

use super::{
    metadata::{self, Part},
    names, pod, stamp,
};
use crate::{children::Manifest, pipeline::Pipeline};

/// Where the producer is reached from within the cluster.
pub(crate) fn url(pipeline: &PipelineId) -> String {
    let (name, namespace) = (names::producer(pipeline), pipeline.namespace());
    format!("http://{name}.{namespace}.svc:{}", pod::PRODUCER_PORT)
}

/// The Service of the producer.
pub(super) fn manifest(pipeline: &Pipeline) -> Manifest {
    let part = Part::Producer;
    let port = ServicePort {
        name: Some("http".to_owned()),
        port: pod::PRODUCER_PORT,
        protocol: Some(pod::TCP.to_owned()),
        target_port: Some(IntOrString::String(pod::PORT_NAME.to_owned())),
        ..ServicePort::default()
    };
    stamp::manifest(&Service {
        metadata: metadata::object(pipeline, names::producer(&pipeline.id), part),
        spec: Some(ServiceSpec {
            ports: Some(vec![port]),
            selector: Some(metadata::identity(pipeline, part)),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}
