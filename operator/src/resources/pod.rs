//! The pods of workers and of the producer.
//!
//! Nothing here may differ from one version of Warren to the next but the image: it would restart
//! every worker at an upgrade. The pods keep to the Pod Security Standard "restricted"
//! (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>); which user they run as
//! is the image's business, because some clusters choose it themselves.

use std::time::Duration;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
        EnvVar, EnvVarSource, HTTPGetAction, Lifecycle, LifecycleHandler, ObjectFieldSelector,
        PodSecurityContext, PodSpec, PodTemplateSpec, Probe, SeccompProfile, SecretVolumeSource,
        SecurityContext, SleepAction, Volume, VolumeMount,
    },
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use serde_json::Value;

use super::{
    additions,
    metadata::{self, Part},
    names, reserved,
};
use crate::pipeline::{Holder, Pipeline, Pods};

/// The variable with the pod's own name.
pub(super) const POD_NAME: &str = "POD_NAME";
/// The directory in which the keys of Secrets stand as `<secret>/<key>`.
pub(super) const SECRETS: &str = "/etc/warren/handler";
/// The port with metrics and health, of which scraping knows the name.
pub(super) const PORT_NAME: &str = "metrics";
/// The port of the producer's HTTP.
pub(super) const PRODUCER_PORT: i32 = 5000;
/// The port of a worker's metrics and health.
pub(crate) const WORKER_PORT: i32 = 8000;
/// The only protocol there is here; said, because ports are told apart by it.
pub(super) const TCP: &str = "TCP";

/// The directory with the files of the broker login.
const BROKER: &str = "/etc/warren/broker";
/// The only directory that a program may write to.
pub(super) const TEMPORARY: &str = "/tmp";

/// Whether a program takes work is asked this often, in seconds: a new worker counts soon after it
/// consumes.
const READINESS_PERIOD: i32 = 2;
/// How long a probe waits for an answer, in seconds: nodes are busy just when many pods start.
const PROBE_TIMEOUT: i32 = 5;

/// What runs in a pod.
pub(super) struct Program<'a> {
    /// Whose pods.
    pub(super) holder: &'a Holder,
    /// What was said about them.
    pub(super) pods: &'a Pods,
    /// The ConfigMap with what the program is told.
    pub(super) config_map: String,
    /// A hash of what it says.
    pub(super) config: String,
    /// The Secrets whose keys it reads.
    pub(super) secrets: Vec<&'a str>,
    /// How long it may take to stop.
    pub(super) grace: Duration,
}

/// The annotation with the hash of what the program is told.
///
/// Programs read their configuration once, so that another one takes another pod. A field that a
/// later version adds to a configuration is left out of it while it has its default, or that version
/// restarts every worker.
pub(super) const CONFIG_ANNOTATION: &str = "warren.dev/config";

/// What follows from which program it is.
struct Kind {
    /// The file of the program.
    ///
    /// It is said although Warren's images begin with it, because a team's image may not.
    file: &'static str,
    /// What it is to do.
    command: &'static str,
    port: i32,
    /// How long it goes on while others learn that it is about to stop, in seconds.
    lame_duck: Option<i64>,
}

/// A worker is nobody's server.
const WORKER: Kind = Kind {
    file: "/usr/local/bin/warren-worker",
    command: "run",
    port: WORKER_PORT,
    lame_duck: None,
};

/// A Service sends requests for a moment to a pod that is told to stop
/// (<https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination-flow>).
const PRODUCER: Kind = Kind {
    file: "/usr/local/bin/warren-producer",
    command: "serve",
    port: PRODUCER_PORT,
    lame_duck: Some(5),
};

/// The template of the pods, with the additions of the pipeline's author.
pub(super) fn template(pipeline: &Pipeline, program: &Program<'_>) -> Value {
    let part = Part::of(program.holder);
    let pods = program.pods;
    let metadata = ObjectMeta {
        labels: Some(metadata::labels(pipeline, part)),
        annotations: Some([(CONFIG_ANNOTATION.to_owned(), program.config.clone())].into()),
        ..ObjectMeta::default()
    };
    let spec = PodSpec {
        containers: vec![container(program)],
        volumes: Some(volumes(pipeline, program)),
        service_account_name: Some(names::service_account(&pipeline.id)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(seconds(program.grace)),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        ..PodSpec::default()
    };
    let template = PodTemplateSpec { metadata: Some(metadata), spec: Some(spec) };
    let template = serde_json::to_value(template).expect("a pod template is plain JSON");
    additions::merged(template, pods)
}

fn container(program: &Program<'_>) -> Container {
    let kind = kind(program.holder);
    let sleep = kind.lame_duck.map(|seconds| Lifecycle {
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction { seconds }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    });
    Container {
        name: Part::of(program.holder).component().to_owned(),
        image: Some(program.pods.image.clone()),
        image_pull_policy: Some(program.pods.pull.as_str().to_owned()),
        command: Some(vec![kind.file.to_owned()]),
        args: Some(vec![kind.command.to_owned()]),
        env: Some(vec![pod_name()]),
        ports: Some(vec![ContainerPort {
            name: Some(PORT_NAME.to_owned()),
            container_port: kind.port,
            protocol: Some(TCP.to_owned()),
            ..ContainerPort::default()
        }]),
        // "Ready" is "registered at the broker": a paused worker is ready, a draining one is not.
        readiness_probe: Some(Probe { period_seconds: Some(READINESS_PERIOD), ..probe("/readyz") }),
        liveness_probe: Some(probe("/livez")),
        lifecycle: sleep,
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        // Why a worker ended stands in the pod's status then, where the operator can read it.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts(program)),
        ..Container::default()
    }
}

/// What the program logs in to the broker as, and how it is called in metrics and logs.
fn pod_name() -> EnvVar {
    let field = ObjectFieldSelector { field_path: "metadata.name".to_owned(), api_version: None };
    let source = EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() };
    EnvVar { name: POD_NAME.to_owned(), value: None, value_from: Some(source) }
}

fn probe(path: &str) -> Probe {
    let get = HTTPGetAction {
        path: Some(path.to_owned()),
        port: IntOrString::String(PORT_NAME.to_owned()),
        ..HTTPGetAction::default()
    };
    Probe { http_get: Some(get), timeout_seconds: Some(PROBE_TIMEOUT), ..Probe::default() }
}

/// The directories a program reads, each a volume of its own.
///
/// The login is not a part of the volume around it: only a volume's own directory changes from one
/// version of a Secret to the next as a whole, so that no user meets the password of another one.
fn mounts(program: &Program<'_>) -> Vec<VolumeMount> {
    let read_only = |name: String, path: String| VolumeMount {
        name,
        mount_path: path,
        read_only: Some(true),
        ..VolumeMount::default()
    };
    let mut mounts = vec![
        read_only(volume_name("config"), reserved::DIRECTORY.to_owned()),
        read_only(volume_name("broker"), BROKER.to_owned()),
    ];
    let secrets = program.secrets.iter().enumerate();
    mounts.extend(secrets.map(|(index, secret)| {
        read_only(secret_volume_name(index), format!("{SECRETS}/{secret}"))
    }));
    if !has_own_temporary(program.pods) {
        mounts.push(VolumeMount {
            name: volume_name("tmp"),
            mount_path: TEMPORARY.to_owned(),
            ..VolumeMount::default()
        });
    }
    mounts
}

fn volumes(pipeline: &Pipeline, program: &Program<'_>) -> Vec<Volume> {
    let of_secret = |name: String, secret: String| Volume {
        name,
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    let config = ConfigMapVolumeSource {
        name: program.config_map.clone(),
        ..ConfigMapVolumeSource::default()
    };
    let login = names::broker_secret(&pipeline.id, program.holder);
    let mut volumes = vec![
        Volume { name: volume_name("config"), config_map: Some(config), ..Volume::default() },
        of_secret(volume_name("broker"), login),
    ];
    let secrets = program.secrets.iter().enumerate();
    volumes.extend(
        secrets.map(|(index, secret)| of_secret(secret_volume_name(index), (*secret).to_owned())),
    );
    if !has_own_temporary(program.pods) {
        let empty = Some(EmptyDirVolumeSource::default());
        volumes.push(Volume { name: volume_name("tmp"), empty_dir: empty, ..Volume::default() });
    }
    volumes
}

/// Whether the author mounts something in the place of the usual directory for temporary files.
fn has_own_temporary(pods: &Pods) -> bool {
    let mounts = pods.additions.container.get("volumeMounts").and_then(Value::as_array);
    let path = |mount: &Value| mount.get("mountPath").and_then(Value::as_str).map(str::to_owned);
    let mut paths = mounts.into_iter().flatten().filter_map(path);
    paths.any(|path| path.trim_end_matches('/') == TEMPORARY)
}

fn volume_name(of: &str) -> String {
    format!("{}{of}", reserved::VOLUME_PREFIX)
}

/// By number, because a Secret's name may be longer than a volume's and have dots in it.
fn secret_volume_name(index: usize) -> String {
    volume_name(&format!("secret-{index}"))
}

const fn kind(holder: &Holder) -> &'static Kind {
    match holder {
        Holder::Worker(_) => &WORKER,
        Holder::Producer => &PRODUCER,
    }
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> i64 {
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i64::try_from(whole).unwrap_or(i64::MAX)
}
