//! What of a pod is Warren's own, so that a template may neither hide nor change it.

/// The directory in which a program finds what it is told.
pub(crate) const DIRECTORY: &str = "/etc/warren";

/// What the names of Warren's own volumes begin with.
pub(super) const VOLUME_PREFIX: &str = "warren-";

/// What the names of Warren's own labels and annotations begin with.
const DOMAIN: &str = "warren.dev/";

/// The common labels that tell Warren's pods from others
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/>).
const LABELS: [&str; 3] = [
    super::metadata::NAME_LABEL,
    super::metadata::COMPONENT_LABEL,
    super::metadata::MANAGED_BY_LABEL,
];

/// Variables that the program is told something by: its name, and where its probes ask.
const VARIABLES: [&str; 3] = [super::pod::POD_NAME, "WARREN_HTTP_PORT", "WARREN_HTTP_HOST"];

/// Whether a label of the pod is Warren's.
pub(crate) fn is_label(key: &str) -> bool {
    key.starts_with(DOMAIN) || LABELS.contains(&key)
}

/// Whether an annotation of the pod is Warren's.
pub(crate) fn is_annotation(key: &str) -> bool {
    key.starts_with(DOMAIN)
}

/// Whether an environment variable is Warren's.
pub(crate) fn is_variable(name: &str) -> bool {
    VARIABLES.contains(&name)
}

/// Whether a volume is Warren's.
pub(crate) fn is_volume(name: &str) -> bool {
    name.starts_with(VOLUME_PREFIX)
}

/// Whether a mount at this path would hide what Warren mounts, or be hidden by it.
pub(crate) fn is_mount(path: &str) -> bool {
    let parts = |path: &'static str| path.split('/').filter(|part| !part.is_empty());
    let asked = path.split('/').filter(|part| !part.is_empty());
    !path.is_empty() && asked.zip(parts(DIRECTORY)).all(|(asked, ours)| asked == ours)
}
