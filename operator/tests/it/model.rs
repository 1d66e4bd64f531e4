//! A broker that is a value: what it would have after a step.

use std::collections::BTreeMap;

use warren_broker::login::{Login, Secret};
use warren_core::topology::{
    BrokerFacts, Change, Found, FoundBinding, FoundExchange, FoundPolicy, FoundQueue,
    POLICY_PRIORITY,
};
use warren_operator::{
    children::ChildrenReading,
    observe::{BrokerState, FoundUser, Observed, PasswordState, Past, Stage, UsersReading},
    pipeline::{Pipeline, Users},
    plan::{self, Plan, Removal, Step},
};

/// A broker that is a value.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) version: String,
    pub(crate) tags: Vec<String>,
    pub(crate) found: Found,
    pub(crate) users: BTreeMap<String, FoundUser>,
}

impl Model {
    /// An empty broker of this version, with an administrator.
    pub(crate) fn empty(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            tags: vec!["administrator".to_owned()],
            found: Found::default(),
            users: BTreeMap::new(),
        }
    }

    /// What a pass would see of it.
    pub(crate) fn observed(&self, pipeline: &Pipeline, stage: Stage) -> Observed {
        let users = match pipeline.users {
            Users::Scoped => UsersReading::Found(self.users.clone()),
            Users::Shared => UsersReading::NotAsked,
        };
        let broker = BrokerState {
            login: Login::new("rabbit", "admin", Secret::new("secret")),
            facts: BrokerFacts { version: self.version.parse().unwrap() },
            tags: self.tags.clone(),
            found: self.found.clone(),
            users,
            looks: BTreeMap::new(),
        };
        let past = Past { stage, ..Past::default() };
        Observed { broker: Ok(broker), children: ChildrenReading::NotKept, past }
    }

    /// The plan for a pipeline that was never declared.
    pub(crate) fn plan(&self, pipeline: &Pipeline) -> Plan {
        plan::next(pipeline, &self.observed(pipeline, Stage::Declaring))
    }

    /// Carries out a whole plan.
    pub(crate) fn carry_out(&mut self, plan: &Plan) {
        plan.steps.iter().for_each(|step| self.apply(step));
    }

    /// Carries out a step.
    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::Broker(change) => self.change(change),
            Step::PutUser { user, .. } => {
                let permissions = self.users.remove(user).and_then(|found| found.permissions);
                let found =
                    FoundUser { password: PasswordState::Kept, tags: Vec::new(), permissions };
                self.users.insert(user.clone(), found);
            }
            Step::Permit { user, permissions } => {
                let found =
                    self.users.get_mut(user).expect("a user is made before it is permitted");
                found.permissions = Some(permissions.clone());
            }
            Step::Remove(removal) => self.remove(removal),
            Step::Child(step) => panic!("nobody keeps objects here, but the plan says: {step}"),
        }
    }

    fn remove(&mut self, removal: &Removal) {
        match removal {
            Removal::Binding(gone) => self.found.bindings.retain(|binding| binding != gone),
            Removal::Queue(name) => {
                assert!(self.found.queues.remove(name).is_some(), "{removal}: there is none");
                self.found.bindings.retain(|found| found.binding.queue != *name);
            }
            Removal::Exchange(name) => {
                assert!(self.found.exchanges.remove(name).is_some(), "{removal}: there is none");
                let is_used = self.found.bindings.iter().any(|found| found.binding.source == *name);
                assert!(!is_used, "{removal}: it is used");
            }
            Removal::Policy(name) => {
                assert!(self.found.policies.remove(name).is_some(), "{removal}: there is none");
            }
            Removal::User(name) => {
                assert!(self.users.remove(name).is_some(), "{removal}: there is none");
            }
        }
    }

    fn change(&mut self, change: &Change) {
        let found = &mut self.found;
        match change {
            Change::PutPolicy(policy) => {
                let as_found = FoundPolicy {
                    pattern: policy.pattern.clone(),
                    apply_to: policy.apply_to.to_owned(),
                    priority: POLICY_PRIORITY,
                    definition: policy.definition.clone(),
                };
                found.policies.insert(policy.name.clone(), as_found);
            }
            Change::DeclareExchange(exchange) => {
                let as_found = FoundExchange {
                    kind: exchange.kind.as_str().to_owned(),
                    durable: true,
                    arguments: exchange.arguments.clone(),
                };
                let before = found.exchanges.insert(exchange.name.clone(), as_found);
                assert_eq!(before, None, "{} was declared over another", exchange.name);
            }
            Change::DeclareQueue(queue) => {
                let as_found = FoundQueue { durable: true, arguments: queue.arguments.clone() };
                let before = found.queues.insert(queue.name.clone(), as_found);
                assert_eq!(before, None, "{} was declared over another", queue.name);
            }
            Change::Bind(binding) => {
                assert!(found.exchanges.contains_key(&binding.source), "{binding}: no exchange");
                assert!(found.queues.contains_key(&binding.queue), "{binding}: no queue");
                let properties_key = binding.routing_key.clone();
                found.bindings.push(FoundBinding { binding: binding.clone(), properties_key });
            }
            Change::Unbind(gone) => found.bindings.retain(|binding| binding != gone),
        }
    }

    /// Takes an object away, whatever it is, with the bindings that hang on it. A binding is named
    /// as it is shown.
    pub(crate) fn take_away(&mut self, name: &str) {
        let found = &mut self.found;
        found.exchanges.remove(name);
        found.queues.remove(name);
        found.policies.remove(name);
        self.users.remove(name);
        found.bindings.retain(|found| {
            let binding = &found.binding;
            binding.to_string() != name && binding.source != name && binding.queue != name
        });
    }

    /// The names of everything there is.
    pub(crate) fn names(&self) -> Vec<String> {
        let found = &self.found;
        let bindings = found.bindings.iter().map(|found| found.binding.to_string());
        let objects =
            found.exchanges.keys().chain(found.queues.keys()).chain(found.policies.keys());
        objects.chain(self.users.keys()).cloned().chain(bindings).collect()
    }
}
