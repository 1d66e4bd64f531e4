//! What the passes of a pipeline want its keeper to do.
//!
//! Pure. Orders, which are the mode, the bounds, a suspension and a pause, hold at once. Which
//! queues are looked at changes only where the broker's objects are known to stand.

use super::scalers::Kept;
use crate::pipeline::Pipeline;

/// What the passes of a pipeline want.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The pipeline and its surroundings.
    pub(super) kept: Kept,
    /// How often objects of the broker were made anew.
    pub(super) repairs: u64,
}

impl Wanted {
    /// What the first pass wants.
    pub(super) fn new(kept: Kept) -> Self {
        Self { kept, repairs: 0 }
    }

    /// Takes in what the next pass wants; whether that is something new.
    pub(super) fn follow(&mut self, kept: Kept) -> bool {
        self.repairs += u64::from(kept.repaired);
        let kept = if kept.login.is_none() && self.kept.login.is_some() {
            let pipeline = with_orders(&self.kept.pipeline, &kept.pipeline);
            Kept { pipeline, login: self.kept.login.clone(), ..kept }
        } else {
            kept
        };
        let old = std::mem::replace(&mut self.kept, kept);
        let new = &self.kept;
        new.repaired
            || old.paused != new.paused
            || old.object != new.object
            || old.login != new.login
            || old.pipeline != new.pipeline
    }
}

/// A pipeline as it was, with the scaling that is ordered now.
fn with_orders(was: &Pipeline, now: &Pipeline) -> Pipeline {
    let mut next = was.clone();
    for queue in &mut next.queues {
        let ordered = now.queues.iter().find(|ordered| ordered.name == queue.name);
        if let Some(ordered) = ordered {
            queue.scaling = ordered.scaling;
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ObjectReference;
    use warren_broker::login::{Login, Secret};

    use super::*;
    use crate::fixtures::{valid, with_spec};
    use crate::scale::scalers::LastChanges;

    const EMAIL: &str = "{name: email, handler: {log: {}}}";
    const BOTH: &str = "{name: email, handler: {log: {}}}, {name: sms, handler: {log: {}}}";

    fn kept(spec: &str, queues: &str, login: Option<&str>) -> Kept {
        Kept {
            uid: "u-1".to_owned(),
            object: ObjectReference::default(),
            pipeline: valid(&with_spec(spec, queues)),
            login: login.map(|host| Login::new(host, "admin", Secret::new("secret"))),
            last_changes: LastChanges::new(),
            paused: false,
            repaired: false,
        }
    }

    #[test]
    fn the_same_again_is_nothing_new_and_a_repair_is() {
        let mut wanted = Wanted::new(kept("", EMAIL, Some("rabbit")));
        assert!(!wanted.follow(kept("", EMAIL, Some("rabbit"))));
        assert!(wanted.follow(Kept { repaired: true, ..kept("", EMAIL, Some("rabbit")) }));
        assert_eq!(wanted.repairs, 1);
        assert!(!wanted.follow(kept("", EMAIL, Some("rabbit"))));
        assert!(wanted.follow(kept("", EMAIL, Some("hare"))));
    }

    #[test]
    fn orders_hold_while_the_broker_is_not_seen_and_the_view_of_it_stays() {
        let mut wanted = Wanted::new(kept("", EMAIL, Some("rabbit")));
        let before = wanted.kept.clone();
        assert!(!wanted.follow(kept("", EMAIL, None)), "a blind pass alone is nothing new");
        assert!(wanted.follow(kept("suspend: true", BOTH, None)));
        let kept = &wanted.kept;
        assert_eq!(kept.login, before.login);
        assert_eq!(kept.pipeline.queues.len(), 1);
        assert!(kept.pipeline.queues[0].scaling.suspended);
        assert!(wanted.follow(Kept { paused: true, ..self::kept("suspend: true", EMAIL, None) }));
        assert!(wanted.kept.paused);
    }

    #[test]
    fn what_was_never_seen_is_kept_by_orders_alone_until_it_is() {
        let mut wanted = Wanted::new(kept("", EMAIL, None));
        assert!(wanted.follow(kept("suspend: true", BOTH, None)));
        assert_eq!((wanted.kept.pipeline.queues.len(), &wanted.kept.login), (2, &None));
        assert!(wanted.follow(kept("suspend: true", BOTH, Some("rabbit"))));
        assert!(wanted.kept.login.is_some());
    }
}
