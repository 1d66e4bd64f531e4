//! `image`, `resources` and `template` of a worker or of the producer: what its pods have.
//!
//! A template adds to what Warren makes and takes nothing away. What would hide or change something
//! of Warren's own is refused by name here; everything else is for the API server to judge.

use serde::Serialize;
use serde_json::Value;
use warren_api::{PodTemplateSpec, ProducerSpec, ResourcesSpec, WorkerSpec};

use super::{path::Path, report::Report};
use crate::{
    pipeline::{Additions, Fields, Pods},
    resources::reserved,
    settings::ImagePull,
};

/// What a spec says about pods.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    image: Option<&'a str>,
    resources: &'a ResourcesSpec,
    template: &'a PodTemplateSpec,
}

/// What the operator was told about pods.
#[derive(Clone, Copy)]
pub(super) struct Usual<'a> {
    /// The image of pods that ask for none.
    pub(super) image: &'a str,
    /// How nodes get images.
    pub(super) pull: &'a ImagePull,
}

/// The fields of a template that belong to the container.
const OF_CONTAINER: [&str; 3] = ["env", "envFrom", "volumeMounts"];

impl<'a> From<&'a WorkerSpec> for Said<'a> {
    fn from(spec: &'a WorkerSpec) -> Self {
        let WorkerSpec { image, resources, template, .. } = spec;
        Self { image: image.as_deref(), resources, template }
    }
}

impl<'a> From<&'a ProducerSpec> for Said<'a> {
    fn from(spec: &'a ProducerSpec) -> Self {
        let ProducerSpec { image, resources, template, .. } = spec;
        Self { image: image.as_deref(), resources, template }
    }
}

/// The pods of a program; `at` is the worker or the producer.
pub(super) fn read(said: Said<'_>, usual: Usual<'_>, at: &Path, report: &mut Report) -> Pods {
    judge(said.template, &at.field("template"), report);
    Pods {
        image: said.image.unwrap_or(usual.image).to_owned(),
        pull: usual.pull.policy,
        resources: fields(said.resources),
        additions: additions(said.template, usual.pull),
    }
}

fn additions(template: &PodTemplateSpec, pull: &ImagePull) -> Additions {
    let mut pod = fields(template);
    for of_metadata in ["labels", "annotations"] {
        pod.remove(of_metadata);
    }
    let container = OF_CONTAINER.into_iter().filter_map(|field| pod.remove_entry(field)).collect();
    let mut pull_secrets: Vec<&str> = pull.secrets.iter().map(String::as_str).collect();
    pull_secrets.extend(template.image_pull_secrets.iter().map(|secret| secret.name.as_str()));
    pull_secrets.sort_unstable();
    pull_secrets.dedup();
    if !pull_secrets.is_empty() {
        let secrets = pull_secrets.into_iter().map(|name| serde_json::json!({"name": name}));
        pod.insert("imagePullSecrets".to_owned(), secrets.collect());
    }
    Additions {
        labels: template.labels.clone(),
        annotations: template.annotations.clone(),
        container,
        pod,
    }
}

fn judge(template: &PodTemplateSpec, at: &Path, report: &mut Report) {
    for label in template.labels.keys().filter(|label| reserved::is_label(label)) {
        let message = format!("{label} is a label by which Warren knows its pods: leave it out");
        report.refuse(&at.field("labels"), message);
    }
    for annotation in template.annotations.keys().filter(|key| reserved::is_annotation(key)) {
        let message = format!("{annotation} is an annotation of Warren's own: leave it out");
        report.refuse(&at.field("annotations"), message);
    }
    for (index, variable) in template.env.iter().enumerate() {
        let message = "is set by Warren itself: leave it out";
        let at = at.field("env").index(index).field("name");
        report.require(!reserved::is_variable(&variable.name), &at, message);
    }
    for (index, volume) in template.volumes.iter().enumerate() {
        let message = "begins with warren-, like the volumes of Warren's own: choose another name";
        let at = at.field("volumes").index(index).field("name");
        report.require(!reserved::is_volume(&volume.name), &at, message);
    }
    for (index, mount) in template.volume_mounts.iter().enumerate() {
        let path = mount.0.get("mountPath").and_then(Value::as_str).unwrap_or_default();
        let message = "hides files that Warren mounts there: choose a path outside /etc/warren";
        let at = at.field("volumeMounts").index(index).field("mountPath");
        report.require(!reserved::is_mount(path), &at, message);
    }
}

/// A part of a spec as Kubernetes spells it.
fn fields(part: &impl Serialize) -> Fields {
    match serde_json::to_value(part) {
        Ok(Value::Object(fields)) => fields,
        // A struct with text keys is always an object.
        Ok(_) | Err(_) => Fields::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::fixtures::{refused, valid, with_queue, with_spec};

    #[test]
    fn what_hides_something_of_warrens_own_is_refused_by_name() {
        for (template, refusal) in [
            ("labels: {warren.dev/queue: x}", "labels: warren.dev/queue is a label by which"),
            ("labels: {app.kubernetes.io/name: x}", "labels: app.kubernetes.io/name is a label"),
            ("annotations: {warren.dev/config: x}", "annotations: warren.dev/config is an"),
            ("env: [{name: A}, {name: POD_NAME}]", "env[1].name: is set by Warren itself"),
            ("env: [{name: WARREN_HTTP_PORT}]", "env[0].name: is set by Warren itself"),
            ("volumes: [{name: warren-tmp}]", "volumes[0].name: begins with warren-"),
            ("volumeMounts: [{mountPath: /etc/warren/x}]", "volumeMounts[0].mountPath: hides"),
            ("volumeMounts: [{mountPath: /etc/warren/}]", "volumeMounts[0].mountPath: hides"),
            ("volumeMounts: [{mountPath: /etc}]", "volumeMounts[0].mountPath: hides"),
        ] {
            let at = "spec.queues[0].worker.template";
            let all = refused(&with_queue(&format!("worker: {{template: {{{template}}}}}")));
            let hit = all.len() == 1 && all[0].starts_with(&format!("{at}.{refusal}"));
            assert!(hit, "{template}: {all:#?}");
            let producer = format!("producer: {{template: {{{template}}}}}");
            let all = refused(&with_spec(&producer, "{name: email, handler: {log: {}}}"));
            let hit = all.len() == 1 && all[0].starts_with("spec.producer.template.");
            assert!(hit, "{template}: {all:#?}");
        }
    }

    #[test]
    fn what_hides_nothing_is_taken() {
        for template in [
            "labels: {team: shop, app.kubernetes.io/version: '4', app.kubernetes.io/part-of: x}",
            "annotations: {prometheus.io/scrape: 'true'}",
            "env: [{name: WARREN_LOG, value: debug}]",
            "volumes: [{name: data, emptyDir: {}}]",
            "volumeMounts: [{name: data, mountPath: /etc/warrens}, {name: t, mountPath: /tmp}]",
        ] {
            let object = with_queue(&format!("worker: {{template: {{{template}}}}}"));
            assert_eq!(refused(&object), [""; 0], "{template}");
        }
    }

    #[test]
    fn additions_stand_where_kubernetes_has_them() {
        let lines = "worker: {image: 'i:1', resources: {limits: {cpu: 1}}, template: {
            env: [{name: A, value: b}], volumes: [{name: data, emptyDir: {}}],
            serviceAccountName: mine, imagePullSecrets: [{name: b}, {name: a}, {name: b}]}}";
        let pods = valid(&with_queue(lines)).queues.remove(0).worker.pods;
        let text = |fields| serde_json::to_string(fields).unwrap();
        assert_eq!(pods.image, "i:1");
        assert_eq!(text(&pods.resources), r#"{"limits":{"cpu":"1"}}"#);
        assert_eq!(text(&pods.additions.container), r#"{"env":[{"name":"A","value":"b"}]}"#);
        assert_eq!(
            text(&pods.additions.pod),
            r#"{"imagePullSecrets":[{"name":"a"},{"name":"b"}],"serviceAccountName":"mine","volumes":[{"emptyDir":{},"name":"data"}]}"#
        );
    }
}
