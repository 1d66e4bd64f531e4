//! Annotations, labels and the finalizer of pipelines and of the objects made for them.

/// API group of the custom resource.
pub const GROUP: &str = "warren.dev";
/// Version of the custom resource.
pub const VERSION: &str = "v1alpha1";
/// Kind of the custom resource.
pub const KIND: &str = "MessagePipeline";

/// `"true"`: nothing is written for the pipeline; status and deletion still are.
pub const PAUSED: &str = "warren.dev/paused";
/// Why it is paused, for people.
pub const PAUSED_REASON: &str = "warren.dev/paused-reason";
/// Until when it is paused, RFC 3339.
pub const PAUSED_UNTIL: &str = "warren.dev/paused-until";
/// The pipeline's uid, to release a deletion that cannot finish.
pub const FORCE_FINALIZE: &str = "warren.dev/force-finalize";

/// The pipeline an object was made for.
pub const PIPELINE_LABEL: &str = "warren.dev/pipeline";
/// The queue an object was made for, `producer` for the producer.
pub const QUEUE_LABEL: &str = "warren.dev/queue";

/// Held while the broker has objects of the pipeline.
pub const FINALIZER: &str = "warren.dev/broker";
