//! Where pipelines are looked for: in the whole cluster, or in some namespaces, each watched alone
//! so that no right beyond them is needed.

use std::fmt;

use kube::{Api, Client, Resource, core::NamespaceResourceScope};

use crate::settings::Watched;

/// Where one set of watches looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everywhere.
    Cluster,
    /// In one namespace.
    Namespace(String),
}

impl Scope {
    /// All that are to be watched.
    pub(crate) fn all(watched: &Watched) -> Vec<Self> {
        match &watched.namespaces {
            None => vec![Scope::Cluster],
            Some(namespaces) => namespaces.iter().cloned().map(Scope::Namespace).collect(),
        }
    }

    /// Whether objects of a namespace are seen.
    pub(crate) fn covers(&self, namespace: &str) -> bool {
        match self {
            Scope::Cluster => true,
            Scope::Namespace(own) => own == namespace,
        }
    }

    /// The objects of a kind in it.
    pub(crate) fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        match self {
            Scope::Cluster => Api::all(client.clone()),
            Scope::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Cluster => f.write_str("all namespaces"),
            Scope::Namespace(namespace) => write!(f, "namespace {namespace}"),
        }
    }
}
