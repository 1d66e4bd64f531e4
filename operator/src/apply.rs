//! I/O out: carries out a plan, step by step, and reports on each. Nothing is decided here but
//! where to stop.

mod removal;

use tracing::{debug, warn};
use warren_api::{MessagePipelineStatus, metadata::QUEUE_LABEL};
use warren_broker::{
    login::{Login, Secret},
    management::Management,
};
use warren_core::topology::ObjectKind;

use crate::{
    brokers::Brokers,
    children::{ChildKind, ChildStep, Manifest},
    error::StepError,
    pass::{Found, Parting},
    pipeline::{Holder, Pipeline},
    plan::{Kind, Plan, Step},
    ports::{Account, Ports},
    resources::queue_label,
    status,
    trouble::Trouble,
};

/// What became of each step of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The steps in their order.
    pub results: Vec<(Step, StepResult)>,
}

/// What became of a step.
#[derive(Debug)]
pub enum StepResult {
    /// It was carried out.
    Done,
    /// It failed.
    Failed(StepError),
    /// It was not tried, because one that it builds upon failed.
    Skipped,
    /// It was not tried, because the pipeline is paused.
    Paused,
}

/// Whose objects are written, and where.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// Nothing of one that is being deleted.
    pipeline: Option<&'a Pipeline>,
    /// The operator's own login.
    login: &'a Login,
}

/// Bytes of a password.
const PASSWORD_BYTES: usize = 32;

impl Outcome {
    /// The first trouble with the broker.
    pub fn trouble(&self) -> Option<Trouble> {
        self.failures().find_map(|(step, error)| {
            let trouble = error.trouble()?;
            Some(Trouble::new(trouble.reason, format!("{step}: {}", trouble.message)))
        })
    }

    /// The steps that failed, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&Step, &StepError)> {
        self.results.iter().filter_map(|(step, result)| match result {
            StepResult::Failed(error) => Some((step, error)),
            StepResult::Done | StepResult::Skipped | StepResult::Paused => None,
        })
    }

    /// The steps that wait for the end of a pause.
    pub fn paused(&self) -> impl Iterator<Item = &Step> {
        let paused = self.results.iter().filter(|(_, result)| matches!(result, StepResult::Paused));
        paused.map(|(step, _)| step)
    }

    /// The steps that were carried out.
    pub fn done(&self) -> impl Iterator<Item = &Step> {
        let done = self.results.iter().filter(|(_, result)| matches!(result, StepResult::Done));
        done.map(|(step, _)| step)
    }

    /// The steps that were not carried out.
    pub fn undone(&self) -> impl Iterator<Item = &Step> {
        let undone = self.results.iter().filter(|(_, result)| !matches!(result, StepResult::Done));
        undone.map(|(step, _)| step)
    }

    /// What comes of a plan for a paused pipeline: nothing.
    pub(crate) fn of_pause(plan: &Plan) -> Self {
        let steps = plan.steps.iter().cloned();
        Self { results: steps.map(|step| (step, StepResult::Paused)).collect() }
    }

    fn permits(&self, step: &Step) -> bool {
        let mut failures = self.failures();
        !failures.any(|(failed, error)| error.trouble().is_some() || carries(failed, step))
    }
}

/// Carries out a plan as far as it goes.
pub(crate) async fn plan<P: Ports>(ports: &P, brokers: &Brokers, found: &Found) -> Outcome {
    let mut outcome = Outcome::default();
    let state = found.observed.as_ref().and_then(|observed| observed.broker.as_ref().ok());
    let (Some(pipeline), Some(state)) = (&found.pipeline, state) else {
        return outcome;
    };
    let place = Place { pipeline: Some(pipeline), login: &state.login };
    let client = brokers.client(&state.login);
    let mut unheld = if found.plan.needs_hold() { ports.hold().await.err() } else { None };
    let held = unheld.is_none();
    for step in &found.plan.steps {
        let result = match &client {
            _ if let Some(error) = unheld.take() => told(step, Err(StepError::Hold(error))),
            _ if !held || !outcome.permits(step) => StepResult::Skipped,
            Ok(client) => told(step, carry_out(ports, client, place, step).await),
            Err(error) => StepResult::Failed(StepError::Broker(error.clone())),
        };
        outcome.results.push((step.clone(), result));
    }
    if let Some(error) = unheld {
        log_unheld(&error);
    }
    outcome
}

fn log_unheld(error: &dyn std::fmt::Display) {
    warn!(%error, "pipeline not held");
}

/// Carries out the plan of a deletion as far as it goes.
pub(crate) async fn parting<P: Ports>(ports: &P, brokers: &Brokers, parting: &Parting) -> Outcome {
    let mut outcome = Outcome::default();
    let Some(login) = parting.remains().map(|remains| &remains.login) else {
        return outcome;
    };
    let place = Place { pipeline: None, login };
    let client = brokers.client(login);
    for step in &parting.plan.steps {
        let result = match &client {
            _ if !outcome.permits(step) => StepResult::Skipped,
            Ok(client) => told(step, carry_out(ports, client, place, step).await),
            Err(error) => StepResult::Failed(StepError::Broker(error.clone())),
        };
        outcome.results.push((step.clone(), result));
    }
    outcome
}

/// Shows a status where it says something else than the one that is `shown`; whether everybody can
/// see what it says.
pub(crate) async fn status<P: Ports>(
    ports: &P,
    shown: &mut MessagePipelineStatus,
    status: &MessagePipelineStatus,
) -> bool {
    if !status::differs(shown, status) {
        return true;
    }
    match ports.publish(status).await {
        Ok(()) => *shown = status.clone(),
        Err(error) => {
            warn!(%error, "status not published");
            return false;
        }
    }
    true
}

/// Whether a step builds upon one that failed.
///
/// Policies, exchanges and queues are declared in an order in which each stands on those before
/// it; bindings and users fail one by one.
fn carries(failed: &Step, step: &Step) -> bool {
    match (failed, step) {
        (Step::Broker(failed), Step::Broker(_)) => failed.kind() != ObjectKind::Binding,
        (Step::Remove(failed), Step::Remove(_)) => failed.kind() != Kind::User,
        (Step::PutUser { user, .. }, Step::Permit { user: next, .. }) => user == next,
        // What goes later empties or leads to what goes before; workers start when everything
        // they need stands.
        (Step::Broker(_), Step::Remove(_) | Step::Child(_))
        | (Step::Permit { .. }, Step::Child(_)) => true,
        (Step::PutUser { holder, .. }, Step::Child(ChildStep::Apply(manifest))) => {
            starts_pods(manifest) && manifest.label(QUEUE_LABEL) == Some(queue_label(holder))
        }
        (Step::Child(ChildStep::Apply(failed)), Step::Child(ChildStep::Apply(manifest))) => {
            let queue = failed.label(QUEUE_LABEL);
            starts_pods(manifest) && (queue.is_none() || queue == manifest.label(QUEUE_LABEL))
        }
        // By a ConfigMap the Secret is found that nobody may list.
        (Step::Child(ChildStep::Delete(failed)), Step::Child(ChildStep::Delete(next))) => {
            failed.kind == ChildKind::Secret && next.kind == ChildKind::ConfigMap
        }
        _ => false,
    }
}

/// Whether pods start when it is applied, which need the objects before it.
fn starts_pods(manifest: &Manifest) -> bool {
    manifest.key().kind == ChildKind::Deployment
}

fn told(step: &Step, result: Result<(), StepError>) -> StepResult {
    let failed = |error: StepError| {
        if error.is_overtaken() {
            log_overtaken(step, &error);
        } else {
            warn!(%step, %error, "step failed");
        }
        StepResult::Failed(error)
    };
    result.map_or_else(failed, |()| StepResult::Done)
}

fn log_overtaken(step: &Step, error: &StepError) {
    debug!(%step, %error, "overtaken; the next pass sees what is there now");
}

async fn carry_out<P: Ports>(
    ports: &P,
    client: &Management,
    place: Place<'_>,
    step: &Step,
) -> Result<(), StepError> {
    let vhost = &place.login.vhost;
    match step {
        Step::Broker(change) => client.apply(vhost, change).await.map_err(StepError::Broker),
        Step::PutUser { holder, user, .. } => put_user(ports, client, place, holder, user).await,
        Step::Permit { user, permissions } => {
            let permitted = client.put_permissions(vhost, user, permissions).await;
            permitted.map_err(StepError::Broker)
        }
        Step::Child(step) => ports.write(step).await.map_err(StepError::Child),
        Step::Remove(removal) => {
            removal::carry_out(client, vhost, removal).await.map_err(StepError::Broker)
        }
    }
}

/// Writes the user first and keeps the password then: when it stops in between, the next pass finds
/// a user whose password nobody knows, and makes another one.
async fn put_user<P: Ports>(
    ports: &P,
    client: &Management,
    place: Place<'_>,
    holder: &Holder,
    user: &str,
) -> Result<(), StepError> {
    let kept = ports
        .password(holder, user)
        .await
        .map_err(|source| StepError::ReadPassword { user: user.to_owned(), source })?;
    let password = match &kept {
        Some(password) => password.clone(),
        None => random_password(user)?,
    };
    client.put_user(user, &password, &[]).await.map_err(StepError::Broker)?;
    if kept.is_some() {
        return Ok(());
    }
    let Place { pipeline, login } = place;
    let pipeline = pipeline.expect("no user is made for a pipeline that is being deleted");
    let account = Account { pipeline, login, holder, user, password: &password };
    let kept = ports.keep_password(account).await;
    kept.map_err(|source| StepError::KeepPassword { user: user.to_owned(), source })
}

/// Random bytes as hexadecimal digits, which no file, URL or shell misreads.
fn random_password(user: &str) -> Result<Secret, StepError> {
    let mut bytes = [0_u8; PASSWORD_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|source| StepError::MakePassword { user: user.to_owned(), source })?;
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Secret::new(digits.concat()))
}

#[cfg(test)]
mod tests;
