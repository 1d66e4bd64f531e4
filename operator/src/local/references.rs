//! The Secrets a pipeline names: all of them must be there before anything starts.
//!
//! In a cluster a Secret may come later, so there it is a condition; files do not change while they
//! are run, so here it is a mistake.

use std::collections::BTreeMap;

use warren_core::config::{HandlerConfig, SecretKey};

use super::{
    manifests::{Manifest, Mistake},
    ports::Secrets,
};
use crate::{
    login,
    pipeline::{Access, CaChoice, Pipeline},
};

/// The keys that handlers and the producer read, by Secret and key.
pub(super) type HandlerKeys = BTreeMap<(String, String), Vec<u8>>;

/// A key of a Secret, and the field that names it.
struct Reference<'a> {
    path: String,
    key: &'a SecretKey,
}

/// What handlers and the producer read.
///
/// # Errors
/// All Secrets and keys that are named and missing, and a broker's login that is none.
pub(super) fn resolve(manifest: &Manifest, secrets: &Secrets) -> Result<HandlerKeys, Vec<Mistake>> {
    let pipeline = &manifest.pipeline;
    let mut mistakes = Vec::new();
    let mut refuse = |path: &str, message: String| {
        mistakes.push(Mistake::new(&manifest.place, path, message));
    };
    let mut keys = HandlerKeys::new();
    for Reference { path, key } in references(pipeline) {
        match value(secrets, key) {
            Ok(content) => {
                keys.insert((key.name.clone(), key.key.clone()), content);
            }
            Err(message) => refuse(&path, message),
        }
    }
    if let Err((path, message)) = broker(pipeline, secrets) {
        refuse(path, message);
    }
    if mistakes.is_empty() { Ok(keys) } else { Err(mistakes) }
}

fn references(pipeline: &Pipeline) -> Vec<Reference<'_>> {
    let mut references = Vec::new();
    for (index, queue) in pipeline.queues.iter().enumerate() {
        let HandlerConfig::Http(http) = &queue.handler else {
            continue;
        };
        for (header, of) in http.headers.iter().enumerate() {
            let path = format!(
                "spec.queues[{index}].handler.http.headers[{header}].valueFrom.secretKeyRef"
            );
            let source = of.value_from.as_ref();
            references.extend(source.map(|source| Reference { path, key: &source.secret_key_ref }));
        }
    }
    if let Access::Bearer(key) = &pipeline.producer.access {
        let path = "spec.producer.auth.bearerSecretRef".to_owned();
        references.push(Reference { path, key });
    }
    references
}

fn value(secrets: &Secrets, key: &SecretKey) -> Result<Vec<u8>, String> {
    let secret = secrets.manifests.get(&key.name).ok_or_else(|| {
        let name = &key.name;
        format!("Secret {name} is in none of the files, in the pipeline's namespace")
    })?;
    secret
        .get(&key.key)
        .cloned()
        .ok_or_else(|| format!("Secret {} has no key {}", key.name, key.key))
}

fn broker(pipeline: &Pipeline, secrets: &Secrets) -> Result<(), (&'static str, String)> {
    let broker = &pipeline.broker;
    let at_secret = "spec.broker.secretRef";
    let secret = secrets
        .get(&broker.secret)
        .map_err(|error| (at_secret, format!("--broker-dir cannot be read: {error}")))?
        .ok_or_else(|| {
            let name = &broker.secret;
            let message = format!(
                "Secret {name} is in none of the files, in the pipeline's namespace: add it, or \
                 give --broker-dir"
            );
            (at_secret, message)
        })?;
    let ca = match &broker.ca {
        CaChoice::OfSecret => None,
        CaChoice::Key(key) => {
            let at_ca = "spec.broker.tls.caSecretRef";
            Some(value(secrets, key).map_err(|message| (at_ca, message))?)
        }
    };
    login::resolve(broker, &secret, ca.as_deref())
        .map(drop)
        .map_err(|trouble| (at_secret, trouble.message))
}
