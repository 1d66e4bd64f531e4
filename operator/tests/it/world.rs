//! A broker and a cluster that are values, and passes over both.

use warren_broker::login::Secret;
use warren_operator::{
    children::Manifest,
    observe::{Observed, PasswordState, Stage, UsersReading},
    pipeline::{Holder, Pipeline},
    plan::{self, Plan, Step},
    resources::broker_secret,
};

use crate::{model::Model, server::Server};

/// A broker and a cluster.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) broker: Model,
    pub(crate) server: Server,
    /// How many passwords were made.
    passwords: u32,
}

impl World {
    /// A world with a broker of this version in which nothing stands.
    pub(crate) fn empty(version: &str) -> Self {
        Self { broker: Model::empty(version), server: Server::default(), passwords: 0 }
    }

    /// What a pass sees.
    pub(crate) fn observed(&self, pipeline: &Pipeline, stage: Stage) -> Observed {
        let mut observed = self.broker.observed(pipeline, stage);
        let state = observed.broker.as_mut().unwrap();
        if let UsersReading::Found(users) = &mut state.users {
            for holder in pipeline.holders() {
                let user = pipeline.user_of(&holder, &state.login.vhost);
                let kept = self.password(pipeline, &holder, &user).is_some();
                let Some(found) = users.get_mut(&user) else { continue };
                found.password = if kept { PasswordState::Kept } else { PasswordState::Unknown };
            }
        }
        observed.children = self.server.reading();
        observed
    }

    /// The password that was kept for a user.
    pub(crate) fn password(
        &self,
        pipeline: &Pipeline,
        holder: &Holder,
        user: &str,
    ) -> Option<Secret> {
        let key = broker_secret::key(pipeline, holder);
        let live = Manifest(self.server.get(&key)?.clone());
        broker_secret::password_of(&live, user)
    }

    /// What a pass would do.
    pub(crate) fn plan(&self, pipeline: &Pipeline) -> Plan {
        plan::next(pipeline, &self.observed(pipeline, Stage::Declaring))
    }

    /// One pass.
    pub(crate) fn pass(&mut self, pipeline: &Pipeline) -> Plan {
        let observed = self.observed(pipeline, Stage::Declaring);
        let plan = plan::next(pipeline, &observed);
        let login = observed.broker.unwrap().login;
        for step in &plan.steps {
            match step {
                Step::Child(step) => self.server.write(step),
                Step::PutUser { holder, user, .. } => {
                    self.broker.apply(step);
                    if self.password(pipeline, holder, user).is_some() {
                        continue;
                    }
                    self.passwords += 1;
                    let password = Secret::new(format!("password-{}", self.passwords));
                    let account = broker_secret::Account { user: user.clone(), password };
                    let manifest =
                        broker_secret::manifest(pipeline, holder, &login, Some(&account));
                    self.server.apply(&manifest.key(), &manifest.0);
                }
                step => self.broker.apply(step),
            }
        }
        plan
    }

    /// Passes until nothing is left to do; a new Deployment takes one more, for its replicas.
    pub(crate) fn settle(&mut self, pipeline: &Pipeline) {
        let done = (0..3).any(|_| self.pass(pipeline).steps.is_empty());
        assert!(done, "still to do: {:?}", self.plan(pipeline).steps);
    }
}
