//! `spec.broker`: how the broker is reached.

use warren_api::{BrokerSpec, BrokerUsers, TlsMode};
use warren_core::config::SecretKey;

use super::{path::Path, report::Report};
use crate::pipeline::{BrokerReference, CaChoice, Pipeline, TlsChoice, Users, VhostChoice};

/// Which broker. `clusterRef` gives none, because nothing can be reached by it yet.
pub(super) fn read(spec: &BrokerSpec, at: &Path, report: &mut Report) -> Option<BrokerReference> {
    let one = spec.secret_ref.is_some() != spec.cluster_ref.is_some();
    report.require(one, at, "give exactly one of secretRef and clusterRef");
    let secret = spec.secret_ref.as_ref()?;
    let tls = match spec.tls.mode {
        None => TlsChoice::ByPort,
        Some(TlsMode::Verify) => TlsChoice::Verify,
        Some(TlsMode::Plaintext) => TlsChoice::Plaintext,
    };
    let ca = spec.tls.ca_secret_ref.as_ref();
    Some(BrokerReference {
        secret: secret.name.clone(),
        vhost: spec.vhost.clone().map_or(VhostChoice::OfSecret, VhostChoice::Named),
        tls,
        ca: ca.map_or(CaChoice::OfSecret, |ca| {
            let (name, key) = (ca.name.clone(), ca.key.clone());
            CaChoice::Key(SecretKey { name, key })
        }),
    })
}

pub(super) fn users(spec: &BrokerSpec) -> Users {
    match spec.users {
        BrokerUsers::Scoped => Users::Scoped,
        BrokerUsers::Shared => Users::Shared,
    }
}

/// Names must fit into the virtual host, where it is known already.
pub(super) fn names_fit(pipeline: &Pipeline, report: &mut Report) {
    let VhostChoice::Named(vhost) = &pipeline.broker.vhost else {
        return;
    };
    if let Some(message) = too_long_in(pipeline, vhost) {
        report.refuse(&Path::root("spec.namePrefix"), message);
    }
}

/// Why the pipeline's names do not fit into a virtual host.
pub(crate) fn too_long_in(pipeline: &Pipeline, vhost: &str) -> Option<String> {
    let excess = pipeline.excess_in(vhost);
    (excess > 0).then(|| {
        format!(
            "{} makes names that are {excess} bytes too long for the broker in virtual host \
             {vhost}: shorten the prefix or a queue's name",
            pipeline.prefix
        )
    })
}
