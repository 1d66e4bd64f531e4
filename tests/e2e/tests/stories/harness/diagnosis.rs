//! What a failed story looks like from outside, for whoever has to find out why.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ListParams, LogParams},
};
use warren_api::MessagePipeline;

use super::{Scene, pipeline, stage};

/// Lines of the operator's log.
const OPERATOR_LOG: i64 = 60;
/// Lines of the log of each pod that is not well.
const POD_LOG: i64 = 8;

/// Prints pipelines with conditions, Deployments, pods, events and the end of the operator's log.
pub(crate) async fn print(scene: &Scene) {
    println!("\nvirtual host {}", scene.vhost.name);
    for namespace in [&scene.namespace, stage::SHOP] {
        print_namespace(scene, namespace).await;
    }
    println!("--- the operator ---\n{}", scene.operator.log(OPERATOR_LOG).await);
}

async fn print_namespace(scene: &Scene, namespace: &str) {
    let pipelines: Api<MessagePipeline> = scene.cluster.api(namespace);
    let pipelines = pipelines.list(&ListParams::default()).await;
    let pipelines: Vec<_> = pipelines.into_iter().flatten().collect();
    if pipelines.is_empty() {
        return;
    }
    println!("--- {namespace} ---");
    for object in pipelines {
        let conditions = pipeline::listed(pipeline::conditions(&object));
        println!("pipeline {}:{conditions}", object.name_any());
    }
    let wanted = ["get", "deployments,pods", "-n", namespace, "-o", "wide"];
    println!("{}", scene.cluster.try_kubectl(&wanted).await.unwrap_or_else(|error| error));
    let wanted = ["get", "events", "-n", namespace, "--sort-by=.lastTimestamp"];
    println!("{}", scene.cluster.try_kubectl(&wanted).await.unwrap_or_else(|error| error));
    print_pod_logs(scene, namespace).await;
}

async fn print_pod_logs(scene: &Scene, namespace: &str) {
    let pods: Api<Pod> = scene.cluster.api(namespace);
    for pod in pods.list(&ListParams::default()).await.into_iter().flatten() {
        let name = pod.name_any();
        let parameters = LogParams { tail_lines: Some(POD_LOG), ..LogParams::default() };
        if let Ok(log) = pods.logs(&name, &parameters).await {
            println!("--- {name} ---\n{log}");
        }
    }
}
