//! What a pass needs, from an API server: Secrets by name, the objects made for the pipeline, and
//! its status.
//!
//! Who writes what is kept apart by field managers: `warren-operator` applies objects,
//! `warren-scaler` numbers of replicas, `warren-status` the status. Nothing is decided here.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::future::join_all;
use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Secret as KubernetesSecret, Service, ServiceAccount},
        policy::v1::PodDisruptionBudget,
    },
};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
};
use serde_json::{Value, json};
use warren_api::{
    MessagePipeline, MessagePipelineStatus,
    metadata::{GROUP, KIND, VERSION},
};
use warren_broker::login::Secret;
use warren_core::names::PipelineId;

use super::{
    fault::{Fault, within},
    finalizer as finalizers,
    logbook::Logbook,
    replicas::{self, Order},
    stores::Stores,
};
use crate::{
    children::{
        Child, ChildError, ChildErrorKind, ChildKey, ChildKind, ChildStep, ChildrenReading,
        Manifest, OPERATOR,
    },
    finalizer,
    login::SecretData,
    pipeline::Holder,
    ports::{Account, PortError, Ports},
    resources::{broker_secret, names},
};

/// The field manager of statuses.
const STATUS: &str = "warren-status";

/// What one pass needs.
pub(crate) struct KubePorts<'a> {
    /// The API server.
    pub(crate) client: &'a Client,
    /// What was seen.
    pub(crate) stores: &'a Stores,
    /// Where a published status is noted.
    pub(crate) logbook: &'a Logbook,
    /// The pipeline.
    pub(crate) object: &'a MessagePipeline,
    /// Its name.
    pub(crate) id: &'a PipelineId,
    /// Its uid.
    pub(crate) uid: &'a str,
    /// The Secrets with passwords that were read and not asked for again yet.
    pub(crate) read: Mutex<BTreeMap<ChildKey, Option<Manifest>>>,
}

impl KubePorts<'_> {
    /// The pipelines of the namespace.
    pub(crate) fn pipelines(&self) -> Api<MessagePipeline> {
        Api::namespaced(self.client.clone(), self.id.namespace())
    }

    fn secrets(&self) -> Api<KubernetesSecret> {
        Api::namespaced(self.client.clone(), self.id.namespace())
    }

    fn api(&self, kind: ChildKind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), self.id.namespace(), &resource(kind))
    }

    /// The object as it is now, asked for by name.
    async fn get(&self, key: &ChildKey) -> Result<Option<Manifest>, Fault> {
        let found = within(self.api(key.kind).get_opt(&key.name)).await?;
        // The server leaves the types out of nothing, but the client's type has them optional.
        let manifest = |object: DynamicObject| {
            let mut value = serde_json::to_value(object).unwrap_or_default();
            if let Some(fields) = value.as_object_mut() {
                fields.insert("apiVersion".to_owned(), key.kind.api_version().into());
                fields.insert("kind".to_owned(), key.kind.as_str().into());
            }
            Manifest(value)
        };
        Ok(found.map(manifest))
    }

    fn child(&self, live: Manifest) -> Child {
        let is_ours = is_controlled_by(&live, self.uid);
        Child { live, is_ours }
    }

    async fn seen(&self, wanted: &[ChildKey]) -> Result<BTreeMap<ChildKey, Child>, String> {
        let ours = self.stores.children(self.id).into_iter();
        let ours =
            ours.map(|live| (live.key(), self.child(live))).filter(|(_, child)| child.is_ours);
        let mut seen: BTreeMap<ChildKey, Child> = ours.collect();
        let missing = wanted.iter().filter(|key| !seen.contains_key(*key)).map(async |key| {
            let known = self.stores.child(self.id.namespace(), key);
            match known.map(Some).or_else(|| self.read().remove(key)) {
                Some(known) => Ok((key, known)),
                None => self.get(key).await.map(|live| (key, live)).map_err(|fault| (key, fault)),
            }
        });
        for found in join_all(missing.collect::<Vec<_>>()).await {
            let (key, live) =
                found.map_err(|(key, fault)| format!("{key} cannot be read: {fault}"))?;
            if let Some(live) = live {
                seen.insert(key.clone(), self.child(live));
            }
        }
        Ok(seen)
    }

    async fn apply(&self, manifest: &Manifest) -> Result<(), Fault> {
        let ChildKey { kind, name } = manifest.key();
        let manager = PatchParams::apply(OPERATOR).force();
        within(self.api(kind).patch(&name, &manager, &Patch::Apply(&manifest.0))).await.map(|_| ())
    }

    async fn scale(
        &self,
        deployment: &str,
        replicas: u32,
        resource_version: &str,
    ) -> Result<(), Fault> {
        let namespace = self.id.namespace();
        let order = Order { namespace, deployment, resource_version, replicas };
        replicas::apply(self.client, order).await
    }

    /// Deletes the object that is ours, and no other that has taken its name in the meantime.
    async fn delete(&self, key: &ChildKey) -> Result<(), ChildError> {
        let Some(live) = self.get(key).await? else {
            return Ok(());
        };
        if !is_controlled_by(&live, self.uid) {
            let message = format!("{key} belongs to somebody else by now, so it stays");
            return Err(ChildError { kind: ChildErrorKind::Conflict, message });
        }
        let uid = Some(live.text("/metadata/uid").to_owned());
        let preconditions = Some(Preconditions { uid, resource_version: None });
        let how = DeleteParams { preconditions, ..DeleteParams::background() };
        match within(self.api(key.kind).delete(&key.name, &how)).await {
            Err(fault) if fault.is_not_found() => Ok(()),
            result => Ok(result.map(|_| ())?),
        }
    }

    fn read(&self) -> MutexGuard<'_, BTreeMap<ChildKey, Option<Manifest>>> {
        // It is whole between any two statements, so a panic elsewhere spoils nothing.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreadable(&self, name: &str, fault: Fault) -> PortError {
        let what = format!("Secret {name} of namespace {} cannot be read", self.id.namespace());
        if !fault.is_forbidden() {
            return PortError::new(what, fault);
        }
        let advice = "the operator's account may not: give it the right to `get` Secrets there";
        PortError::new(format!("{what}, because {advice}"), fault).refusal()
    }
}

impl Ports for KubePorts<'_> {
    async fn secret(&self, name: &str) -> Result<Option<SecretData>, PortError> {
        let found = within(self.secrets().get_opt(name)).await;
        let found = found.map_err(|fault| self.unreadable(name, fault))?;
        Ok(found.map(|secret| {
            let data = secret.data.unwrap_or_default().into_iter();
            data.map(|(key, ByteString(bytes))| (key, bytes)).collect()
        }))
    }

    async fn password(&self, holder: &Holder, user: &str) -> Result<Option<Secret>, PortError> {
        let name = names::broker_secret(self.id, holder);
        let key = ChildKey::new(ChildKind::Secret, name.as_str());
        let found = self.get(&key).await.map_err(|fault| self.unreadable(&name, fault))?;
        self.read().insert(key, found.clone());
        let ours = found.filter(|secret| is_controlled_by(secret, self.uid));
        Ok(ours.and_then(|secret| broker_secret::password_of(&secret, user)))
    }

    async fn keep_password(&self, account: Account<'_>) -> Result<(), PortError> {
        let Account { pipeline, login, holder, user, password } = account;
        let own = broker_secret::Account { user: user.to_owned(), password: password.clone() };
        let manifest = broker_secret::manifest(pipeline, holder, login, Some(&own));
        let key = manifest.key();
        let found = self.get(&key).await.map_err(|fault| self.unreadable(&key.name, fault))?;
        if found.is_some_and(|secret| !is_controlled_by(&secret, self.uid)) {
            let why = "it belongs to somebody else: delete it, or rename the pipeline";
            return Err(PortError::new(format!("write {key}"), why));
        }
        let applied = self.apply(&manifest).await;
        applied.map_err(|fault| PortError::new(format!("write {key}"), fault))
    }

    async fn hold(&self) -> Result<(), PortError> {
        if finalizer::is_on(self.object) {
            return Ok(());
        }
        let put = finalizers::put(&self.pipelines(), self.id.name(), self.uid).await;
        put.map_err(|fault| PortError::new(format!("put the finalizer on {}", self.id), fault))
    }

    async fn children(&self, wanted: &[ChildKey]) -> ChildrenReading {
        self.seen(wanted).await.map_or_else(ChildrenReading::Unknown, ChildrenReading::Seen)
    }

    async fn write(&self, step: &ChildStep) -> Result<(), ChildError> {
        match step {
            ChildStep::Apply(manifest) => Ok(self.apply(manifest).await?),
            ChildStep::HandOver { deployment, replicas, resource_version } => {
                Ok(self.scale(deployment, *replicas, resource_version).await?)
            }
            ChildStep::Stop { deployment, resource_version } => {
                match self.scale(deployment, 0, resource_version).await {
                    Err(fault) if fault.is_not_found() => Ok(()),
                    result => Ok(result?),
                }
            }
            ChildStep::Delete(key) => self.delete(key).await,
        }
    }

    async fn publish(&self, status: &MessagePipelineStatus) -> Result<(), PortError> {
        let published = publish(self.client, self.id, self.uid, status).await;
        let version = published
            .map_err(|fault| PortError::new(format!("write the status of {}", self.id), fault))?;
        self.logbook.published(self.uid, status, version);
        Ok(())
    }
}

/// Writes all of the status that is ours; conditions of others stay. The version of the object that
/// has it.
///
/// # Errors
/// When nobody can see it.
pub(crate) async fn publish(
    client: &Client,
    id: &PipelineId,
    uid: &str,
    status: &MessagePipelineStatus,
) -> Result<String, Fault> {
    let told = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": KIND,
        // Another object of the same name is refused: the status is not about it.
        "metadata": {"name": id.name(), "uid": uid},
        "status": status,
    });
    // Untyped, because the status of an object that is no pipeline is written in the same way.
    let kind = ApiResource::erase::<MessagePipeline>(&());
    let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), id.namespace(), &kind);
    let manager = PatchParams::apply(STATUS).force();
    let written = within(objects.patch_status(id.name(), &manager, &Patch::Apply(told))).await?;
    Ok(written.metadata.resource_version.unwrap_or_default())
}

fn resource(kind: ChildKind) -> ApiResource {
    match kind {
        ChildKind::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
        ChildKind::Secret => ApiResource::erase::<KubernetesSecret>(&()),
        ChildKind::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
        ChildKind::Service => ApiResource::erase::<Service>(&()),
        ChildKind::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
        ChildKind::Deployment => ApiResource::erase::<Deployment>(&()),
    }
}

/// Whether the object with this uid made it.
fn is_controlled_by(live: &Manifest, uid: &str) -> bool {
    let owners = live.0.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().any(|owner| {
        owner.get("controller") == Some(&Value::Bool(true))
            && owner.get("uid").and_then(Value::as_str) == Some(uid)
    })
}

#[cfg(test)]
mod tests;
