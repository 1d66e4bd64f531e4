//! Which cluster the stories of the cluster layer run on, and how they learn of it.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{bail, ensure};

use crate::args::TestCluster;
use crate::cluster::Cluster;

/// The package with the stories.
pub(super) const STORIES: &str = "warren-e2e";
/// The package that runs helm on the chart. It needs no cluster, but Go, which builds helm.
pub(super) const CHART: &str = "warren-chart-tests";

/// The variable that names helm, for the chart's tests too.
pub(super) const HELM: &str = "WARREN_TEST_HELM";
/// The variables by which tests learn of cluster and programs.
const KUBECONFIG: &str = "WARREN_TEST_KUBECONFIG";
const KUBECTL: &str = "WARREN_TEST_KUBECTL";
const IMAGES: &str = "WARREN_TEST_IMAGES";

/// Where the stories run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ground {
    /// Nowhere: they are not among what is tested.
    Unwanted,
    /// Nowhere, and somebody should know why.
    Missing(&'static str),
    /// On the cluster of this machine.
    Ours,
    /// On a cluster of the user's.
    Theirs(Theirs),
}

/// A cluster that the user has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Theirs {
    kubeconfig: PathBuf,
    images: PathBuf,
}

/// What is to be tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stories {
    /// Without the stories.
    Without,
    /// Everything there is.
    Among,
    /// The stories, by name.
    Named,
}

impl Ground {
    /// Chooses, given what was asked for and why this machine can run no cluster, if so.
    ///
    /// # Errors
    /// When the stories were asked for by name and cannot run, or when the user's cluster is named
    /// by halves.
    pub(super) fn choose(
        stories: Stories,
        named: &TestCluster,
        refusal: Option<&'static str>,
    ) -> anyhow::Result<Self> {
        if stories == Stories::Without {
            return Ok(Self::Unwanted);
        }
        match (path(named.kubeconfig.as_ref()), path(named.images.as_ref()), refusal) {
            (Some(kubeconfig), Some(images), _) => Ok(Self::Theirs(Theirs { kubeconfig, images })),
            (Some(_), None, _) => bail!(
                "{KUBECONFIG} names a cluster, but {IMAGES} does not name a file with the images \
                 that it can pull: {{\"operator\": \"registry/image:tag\", \"worker\": …, \
                 \"producer\": …, \"receiver\": …, \"rabbitmq\": …, \"busybox\": …}}"
            ),
            (None, _, None) => Ok(Self::Ours),
            (None, _, Some(refusal)) => {
                ensure!(stories != Stories::Named, "the cluster layer {refusal}");
                Ok(Self::Missing(refusal))
            }
        }
    }

    /// Whether the stories run.
    pub(super) fn exists(&self) -> bool {
        matches!(self, Self::Ours | Self::Theirs(_))
    }
}

impl Theirs {
    /// What tests are told: the programs that were named, else those that are typed.
    pub(super) fn variables(&self, named: &TestCluster) -> Vec<(&'static str, PathBuf)> {
        let kubectl = path(named.kubectl.as_ref()).unwrap_or_else(|| "kubectl".into());
        vec![
            (KUBECONFIG, self.kubeconfig.clone()),
            (IMAGES, self.images.clone()),
            (KUBECTL, kubectl),
        ]
    }
}

/// What tests are told of the cluster of this machine.
pub(super) fn variables(cluster: &Cluster) -> Vec<(&'static str, PathBuf)> {
    vec![
        (KUBECONFIG, cluster.kubeconfig.clone()),
        (IMAGES, cluster.images.clone()),
        (KUBECTL, cluster.kubectl.clone()),
    ]
}

/// The helm that the user named.
pub(super) fn named_helm(named: &TestCluster) -> Option<PathBuf> {
    path(named.helm.as_ref())
}

/// A variable that is set to nothing counts as not set.
fn path(variable: Option<&OsString>) -> Option<PathBuf> {
    variable.filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const REFUSAL: Option<&str> = Some("needs root on Linux, or WARREN_TEST_KUBECONFIG");

    fn named(kubeconfig: &str, images: &str) -> TestCluster {
        TestCluster {
            kubeconfig: Some(kubeconfig.into()),
            images: Some(images.into()),
            kubectl: None,
            helm: None,
        }
    }

    #[test]
    fn the_cluster_of_the_user_wins_over_ours() {
        for refusal in [None, REFUSAL] {
            let ground = Ground::choose(Stories::Among, &named("/k", "/i"), refusal);
            let Ok(Ground::Theirs(theirs)) = ground else { panic!("{ground:?}") };
            assert_eq!(theirs.kubeconfig, Path::new("/k"));
        }
        let ours = Ground::choose(Stories::Among, &named("", ""), None);
        assert_eq!(ours.expect("a cluster"), Ground::Ours);
    }

    #[test]
    fn a_cluster_without_images_is_asked_for_them() {
        let error = Ground::choose(Stories::Among, &named("/k", ""), None).expect_err("no images");
        assert!(error.to_string().contains(IMAGES), "{error}");
    }

    #[test]
    fn where_no_cluster_can_run_it_is_told_and_never_passed_over() {
        let nobody = named("", "");
        let ground = Ground::choose(Stories::Among, &nobody, REFUSAL).expect("the rest runs");
        assert_eq!(Some(ground), REFUSAL.map(Ground::Missing));
        assert!(Ground::choose(Stories::Named, &nobody, REFUSAL).is_err());
        let without = Ground::choose(Stories::Without, &nobody, REFUSAL).expect("as asked for");
        assert_eq!(without, Ground::Unwanted);
    }
}
