//! The owner marker that keeps two pipelines from sharing or deleting each other's objects.
//!
//! Every exchange and queue carries it as the argument [`ARGUMENT`]. RabbitMQ stores arguments it
//! does not know and does not compare them on redeclaration, so the marker survives and harms
//! nothing; for the same reason it can never be rewritten, and ownership is its first three parts.

use std::{fmt, str::FromStr};

use crate::names::{NameError, PipelineId};

/// The name of the argument that holds the marker.
pub const ARGUMENT: &str = "x-warren-owner";

/// The cluster part of the marker in local mode, where there is no Kubernetes cluster.
pub const LOCAL_CLUSTER: &str = "local";

/// Who made a broker object: `<cluster>/<namespace>/<name>/<uid>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The UID of namespace `kube-system`, or a configured id, or [`LOCAL_CLUSTER`].
    pub cluster: String,
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The UID of the pipeline object.
    pub uid: String,
}

/// How the marker found on an object relates to the pipeline that wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// Ours, or of an earlier object of the same cluster, namespace and name.
    Ours,
    /// Of the same namespace and name in another Kubernetes cluster.
    OtherCluster(String),
    /// Of another pipeline.
    Other(String),
    /// There is no marker.
    Unmarked,
}

impl Owner {
    /// Judges a marker found on a broker object.
    pub fn relation(&self, marker: Option<&str>) -> Relation {
        let Some(text) = marker else {
            return Relation::Unmarked;
        };
        match text.parse::<Owner>() {
            Ok(other) if other.pipeline != self.pipeline => Relation::Other(text.to_owned()),
            Ok(other) if other.cluster != self.cluster => Relation::OtherCluster(text.to_owned()),
            Ok(_) => Relation::Ours,
            Err(_) => Relation::Other(text.to_owned()),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.cluster, self.pipeline, self.uid)
    }
}

impl FromStr for Owner {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = text.splitn(4, '/');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let (cluster, namespace, name, uid) = (part(), part(), part(), part());
        Ok(Self { cluster, pipeline: PipelineId::new(namespace, name)?, uid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Owner {
        "c1/shop/orders/u1".parse().unwrap()
    }

    #[test]
    fn a_recreated_pipeline_still_owns_what_it_made() {
        assert_eq!(ours().relation(Some("c1/shop/orders/u2")), Relation::Ours);
    }

    #[test]
    fn another_cluster_pipeline_or_scribble_does_not_pass_as_ours() {
        let judge = |marker: &str| ours().relation(Some(marker));
        assert!(matches!(judge("c2/shop/orders/u1"), Relation::OtherCluster(_)));
        assert!(matches!(judge("c1/shop/orders2/u1"), Relation::Other(_)));
        assert!(matches!(judge("scribble"), Relation::Other(_)));
        assert_eq!(ours().relation(None), Relation::Unmarked);
    }

    #[test]
    fn the_marker_reads_back_as_it_was_written() {
        assert_eq!(ours().to_string().parse::<Owner>().unwrap(), ours());
    }
}
