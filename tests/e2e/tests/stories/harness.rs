//! What the stories share: the cluster, the installed operator, the demo's broker and receiver, and
//! a scene of its own for each story.

pub(crate) mod cluster;
pub(crate) mod diagnosis;
pub(crate) mod forward;
pub(crate) mod leftovers;
pub(crate) mod operator;
pub(crate) mod pipeline;
pub(crate) mod process;
pub(crate) mod producer;
pub(crate) mod receiver;
pub(crate) mod scene;
pub(crate) mod stage;
pub(crate) mod waiting;

pub(crate) use cluster::Cluster;
pub(crate) use operator::Operator;
pub(crate) use pipeline::Pipeline;
pub(crate) use producer::Producer;
pub(crate) use scene::{Scene, alone, alone_after, story};
pub(crate) use stage::Stage;
pub(crate) use waiting::until;
