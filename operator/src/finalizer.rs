//! The finalizer: what keeps a deleted pipeline until its broker objects are cared for.

use warren_api::{
    MessagePipeline,
    metadata::{FINALIZER, FORCE_FINALIZE},
};

/// Whether the object carries it, which it does once something outside the cluster exists.
pub fn is_on(object: &MessagePipeline) -> bool {
    object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// Whether somebody ordered the end of this very object: a name alone may be another one's by now.
pub fn is_forced(object: &MessagePipeline) -> bool {
    let annotations = object.metadata.annotations.as_ref();
    let asked = annotations.and_then(|annotations| annotations.get(FORCE_FINALIZE));
    asked.is_some() && asked == object.metadata.uid.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::with_queue;

    #[test]
    fn only_the_uid_of_the_object_itself_forces_its_end() {
        for (asked, uid, forced) in [
            (None, Some("u1"), false),
            (Some("u2"), Some("u1"), false),
            (Some("true"), Some("u1"), false),
            (Some("u1"), Some("u1"), true),
            (Some(""), None, false),
        ] {
            let mut object = with_queue("");
            object.metadata.uid = uid.map(str::to_owned);
            object.metadata.annotations =
                asked.map(|asked| [(FORCE_FINALIZE.to_owned(), asked.to_owned())].into());
            assert_eq!(is_forced(&object), forced, "{asked:?} {uid:?}");
        }
    }
}
