//! What stories of an earlier run left that was killed, on a cluster that is kept.

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, api::ListParams};
use tokio::sync::OnceCell;

use super::{
    Cluster, Stage,
    scene::{self, LABEL, STORIES},
};

/// Removes namespaces, virtual hosts and users of stories, before the first of this run.
pub(crate) async fn remove(cluster: &Cluster, stage: &Stage) {
    static REMOVED: OnceCell<()> = OnceCell::const_new();
    REMOVED.get_or_init(|| remove_all(cluster, stage)).await;
}

async fn remove_all(cluster: &Cluster, stage: &Stage) {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let ours = ListParams::default().labels(&format!("{LABEL}={STORIES}"));
    let namespaces = namespaces.list(&ours).await.expect("a list of namespaces");
    let names: Vec<_> = namespaces.iter().map(ResourceExt::name_any).collect();
    join_all(names.iter().map(|name| scene::clear(cluster, name))).await;
    // The demo's broker is the stories' alone.
    for vhost in stage.vhosts().await.iter().filter(|name| name.starts_with("test-")) {
        stage.delete(&["vhosts", vhost]).await;
    }
    for user in stage.users().await.iter().filter(|name| name.starts_with("e2e-")) {
        stage.delete(&["users", user]).await;
    }
}
