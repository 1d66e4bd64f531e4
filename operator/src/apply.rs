//! I/O out: carries out a plan, step by step, and reports on each. Nothing is decided here but
//! where to stop.

use tracing::warn;
use warren_api::MessagePipelineStatus;
use warren_broker::{
    login::{Login, Secret},
    management::Management,
};
use warren_core::topology::ObjectKind;

use crate::{
    brokers::Brokers,
    error::StepError,
    pass::Found,
    pipeline::{Holder, Pipeline},
    plan::Step,
    ports::{Account, Ports},
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
}

/// Whose objects are written, and where.
#[derive(Clone, Copy)]
struct Place<'a> {
    pipeline: &'a Pipeline,
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
            StepResult::Done | StepResult::Skipped => None,
        })
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
    let place = Place { pipeline, login: &state.login };
    let client = brokers.client(&state.login);
    for step in &found.plan.steps {
        let result = match &client {
            _ if !outcome.permits(step) => StepResult::Skipped,
            Ok(client) => told(step, carry_out(ports, client, place, step).await),
            Err(error) => StepResult::Failed(StepError::Broker(error.clone())),
        };
        outcome.results.push((step.clone(), result));
    }
    outcome
}

/// Shows a status where it says something else than the one that is `shown`.
pub(crate) async fn status<P: Ports>(
    ports: &P,
    shown: &mut MessagePipelineStatus,
    status: &MessagePipelineStatus,
) {
    if !status::differs(shown, status) {
        return;
    }
    match ports.publish(status).await {
        Ok(()) => *shown = status.clone(),
        Err(error) => warn!(%error, "status not published"),
    }
}

/// Whether a step builds upon one that failed.
///
/// Policies, exchanges and queues are declared in an order in which each stands on those before
/// it; bindings and users fail one by one.
fn carries(failed: &Step, step: &Step) -> bool {
    match (failed, step) {
        (Step::Broker(failed), Step::Broker(_)) => failed.kind() != ObjectKind::Binding,
        (Step::PutUser { user, .. }, Step::Permit { user: next, .. }) => user == next,
        // Workers start when everything they need stands.
        (Step::Broker(_) | Step::PutUser { .. } | Step::Permit { .. }, Step::Child(_)) => true,
        (Step::Child(_), Step::Child(_)) => failed.kind() != step.kind(),
        _ => false,
    }
}

fn told(step: &Step, result: Result<(), StepError>) -> StepResult {
    let failed = |error| {
        warn!(%step, %error, "step failed");
        StepResult::Failed(error)
    };
    result.map_or_else(failed, |()| StepResult::Done)
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
