//! The demo on a cluster: the chart, the services of `deploy/demo`, and the pipeline in a namespace
//! made for it.
//!
//! The cluster is this machine's own, or the one that the environment names. Warren and the
//! services stay there; namespace and virtual host go.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::access::{Access, Services};
use self::pods::{Pods, Site};
use super::folder::Folder;
use super::manifest::{Changes, Endpoint, Manifest, Named};
use super::notes::Notes;
use super::place::Place;
use super::programs::Programs;
use super::receiver::Receiver;
use super::{Ending, Performance, suffix};
use crate::args::Demo;
use crate::interrupt::Interrupt;
use crate::paths::{self, Paths};
use crate::process::Process;
use crate::progress::Progress;

mod access;
mod board;
mod pods;

/// Where `deploy/demo` puts broker and receiver.
const SERVICES: &str = "warren-demo";
/// The Secret with the broker's login, there and in the example.
const SECRET: &str = "rabbitmq";

/// What a demo made and has to remove.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    namespace: String,
    vhost: String,
    prefix: String,
    /// What the receiver was told about.
    endpoints: BTreeMap<String, Endpoint>,
    /// The ways into the cluster, which do not end by themselves.
    ways: Vec<Process>,
}

/// What a demo is shown with.
struct Stage<'a> {
    access: &'a Access,
    services: &'a Services,
    folder: &'a Folder,
    interrupt: &'a Interrupt,
    options: &'a Demo,
}

/// Shows the pipeline in the file `example`, and removes what it made.
///
/// # Errors
/// When it cannot be shown to its end, or cannot be removed again.
pub(super) fn show(
    paths: &Paths,
    root: &Path,
    options: &Demo,
    example: &Path,
) -> anyhow::Result<Ending> {
    let given = options.given.kubeconfig.as_ref();
    ensure!(options.broker_dir.is_none(), "with --cluster the broker is the one of deploy/demo");
    ensure!(given.is_none() || !options.down, "--down would end a cluster that is not the demo's");
    let access = if let Some(kubeconfig) = given {
        Access::given(kubeconfig, &options.given)?
    } else {
        let built = Programs::built(&options.cargo, root)?;
        Access::own(crate::cluster::ensure(paths, root, &built, &options.source)?)
    };
    let ending = show_on(paths, root, options, &access, example);
    if options.down {
        crate::cluster::down(paths)?;
    } else {
        let own = "the cluster stays up; `cargo xtask cluster down` ends it";
        eprintln!("{}", if given.is_some() { access::END } else { own });
    }
    ending
}

fn show_on(
    paths: &Paths,
    root: &Path,
    options: &Demo,
    access: &Access,
    example: &Path,
) -> anyhow::Result<Ending> {
    let folder = Folder::take(&paths.dev().join("demo-cluster"))?;
    let interrupt = Interrupt::listen()?;
    let left = folder.left::<Record>()?;
    for way in left.iter().flat_map(|record| &record.ways) {
        way.signal(rustix::process::Signal::KILL)?;
    }
    if left.is_none() {
        folder.empty()?;
    }
    let progress = Progress::new();
    progress.step("demo: installing Warren with helm");
    access.install(root)?;
    interrupt.check()?;
    progress.step("demo: starting broker and receiver");
    access.set_services(root)?;
    interrupt.check()?;
    drop(progress);
    let services = &Services::open(access, &folder)?;
    let stage = Stage { access, services, folder: &folder, interrupt: &interrupt, options };
    if let Some(left) = left {
        eprintln!("removing what an interrupted demo left");
        let receiver = stage.receiver(left.endpoints.clone());
        stage.clear(&Place::left(&stage.login()?, &left.vhost, true)?, &receiver, &left)?;
    }
    stage.show(example)
}

impl Stage<'_> {
    fn show(&self, example: &Path) -> anyhow::Result<Ending> {
        let what = || format!("read {}", example.display());
        let text = fs::read_to_string(example).with_context(what)?;
        let suffix = suffix()?;
        let place = Place::find(&self.login()?, &suffix)?;
        let manifest = Manifest::read(&text).and_then(|manifest| {
            manifest.with(Changes {
                suffix: &suffix,
                named: Named::Namespace,
                receiver: &format!("receiver.{SERVICES}.svc/{suffix}"),
                users: place.users(),
            })
        });
        let manifest = manifest.with_context(what)?;
        let receiver = self.receiver(manifest.endpoints.clone());
        let record = Record {
            namespace: manifest.namespace.clone(),
            vhost: place.vhost().to_owned(),
            prefix: manifest.prefix.clone(),
            endpoints: manifest.endpoints.clone(),
            ways: self.services.processes(),
        };
        self.folder.remember(&record)?;
        let shown = receiver.instruct();
        let shown = shown.and_then(|()| place.make());
        let shown = shown.and_then(|()| self.perform(&place, &manifest, &receiver));
        let cleared = self.clear(&place, &receiver, &record);
        super::ended(shown, cleared)
    }

    /// Writes the login of the broker's administrator as a broker folder; gives the folder.
    fn login(&self) -> anyhow::Result<PathBuf> {
        let files = self.folder.broker_dir();
        paths::create_private(&files)?;
        let management = format!("http://{}", self.services.management.address());
        let mut named = vec![("host", "127.0.0.1".to_owned()), ("management-uri", management)];
        for key in ["username", "password"] {
            named.push((key, self.access.secret(SERVICES, SECRET, key)?));
        }
        for (name, text) in named {
            paths::write_private(&files.join(name), &text)?;
        }
        Ok(files)
    }

    fn receiver(&self, endpoints: BTreeMap<String, Endpoint>) -> Receiver {
        Receiver::new(self.services.url(SERVICES, "receiver:80"), endpoints)
    }

    fn perform(
        &self,
        place: &Place,
        manifest: &Manifest,
        receiver: &Receiver,
    ) -> anyhow::Result<Ending> {
        let mut notes = Notes::default();
        let namespace = &manifest.namespace;
        notes.tell(format!(
            "pipeline {} in namespace {namespace}, virtual host {}",
            manifest.name,
            place.vhost()
        ));
        self.access.apply(&self.home(namespace, place.vhost())?.to_string())?;
        self.access.apply(&manifest.text())?;
        let performance = Performance {
            receiver,
            interrupt: self.interrupt,
            options: self.options,
            queues: manifest.endpoints.len(),
        };
        let (access, services) = (self.access, self.services);
        let mut pods = Pods::new(Site { access, services, place, manifest });
        let seen = performance.play(&mut pods, &mut notes)?;
        super::count(place, manifest, receiver, seen, &mut notes)
    }

    /// The namespace of the pipeline, with the Secret that it names.
    fn home(&self, namespace: &str, vhost: &str) -> anyhow::Result<Value> {
        let login = |key| self.access.secret(SERVICES, SECRET, key);
        Ok(json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {
                "name": namespace,
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            }},
            {"apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": SECRET, "namespace": namespace},
                "stringData": {
                    "host": login("host")?, "port": login("port")?, "vhost": vhost,
                    "username": login("username")?, "password": login("password")?,
                },
            },
        ]}))
    }

    /// Removes namespace and virtual host.
    fn clear(&self, place: &Place, receiver: &Receiver, record: &Record) -> anyhow::Result<()> {
        let progress = Progress::new();
        progress.step(format!("demo: removing namespace {}", record.namespace));
        self.access.remove_pipelines(&record.namespace)?;
        self.access.remove_namespace(&record.namespace)?;
        place.clear(&record.prefix)?;
        if let Err(error) = receiver.forget() {
            // It remembers in memory only.
            progress.note(&format!("warning: {error:#}"));
        }
        self.folder.forget()
    }
}
