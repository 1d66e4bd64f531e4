//! The story of one pass: observe, validate, plan, apply, status.
//!
//! Trouble is data all along; a pass always ends with a status.

mod deletion;

pub use self::deletion::deletion;
use crate::{
    apply::{self, Outcome},
    conditions::Evidence,
    observe,
    pass::{Context, Found, Pass, Request, Shown},
    pause,
    plan::{self, Plan},
    ports::Ports,
    settings::Identity,
    status, validate,
};

/// Brings the broker's objects of a pipeline to what its spec says, and tells how far it came.
pub async fn pipeline<P: Ports>(ports: &P, context: &Context, request: Request<'_>) -> Pass {
    let Request { object, previous, memory, now, .. } = request;
    let found = match validate::pipeline(object, &context.settings) {
        Ok(pipeline) => {
            let past = status::past(object, previous, memory);
            let observed = observe::pipeline(ports, &context.brokers, &pipeline, past, now).await;
            let plan = plan::next(&pipeline, &observed);
            Found::of(pipeline, observed, plan)
        }
        Err(violations) => Found::nothing(Plan::rejected(violations)),
    };
    let is_local = context.settings.identity == Identity::Local;
    let found = found.paused(pause::of(object, now).filter(|_| !is_local));

    // What somebody changed is told before it is repaired: afterwards nobody could see it.
    let mut shown = previous.clone();
    if found.paused.is_none() && !found.plan.drift().is_empty() {
        let status = status::next(object, previous, &Evidence::before(&found, request));
        apply::status(ports, &mut shown, &status).await;
    }
    let outcome = match found.paused {
        Some(_) => Outcome::of_pause(&found.plan),
        None => apply::plan(ports, &context.brokers, &found).await,
    };
    let status = status::next(object, &shown, &Evidence::after(&found, request, &outcome));
    let published = apply::status(ports, &mut shown, &status).await;
    Pass::of(found, &outcome, request, Shown { status, published })
}
