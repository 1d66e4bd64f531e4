//! What differs between the Kubernetes objects a pipeline wants and those there are.

use crate::{
    children::{ChildKey, ChildStep, ChildrenReading},
    observe::BrokerState,
    pipeline::Pipeline,
};

/// What is to be done about the objects made for a pipeline.
#[derive(Debug, Default)]
pub(super) struct Children {
    /// What to write, in a safe order.
    pub(super) steps: Vec<ChildStep>,
    /// What is somebody else's and has a name of ours: it is not touched.
    pub(super) taken: Vec<ChildKey>,
}

/// Compares what there should be with what there is; nothing where nobody keeps objects.
pub(super) fn next(
    _pipeline: &Pipeline,
    _state: &BrokerState,
    _reading: &ChildrenReading,
) -> Children {
    Children::default()
}
