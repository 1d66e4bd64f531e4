//! The story of one pass: observe, validate, plan, apply, status.
//!
//! Trouble is data all along; a pass always ends with a status.

use crate::{
    apply,
    conditions::Evidence,
    observe,
    pass::{Context, Found, Pass, Request},
    plan::{self, Plan},
    ports::Ports,
    status, validate,
};

/// Brings the broker's objects of a pipeline to what its spec says, and tells how far it came.
pub async fn pipeline<P: Ports>(ports: &P, context: &Context, request: Request<'_>) -> Pass {
    let Request { object, previous, .. } = request;
    let found = match validate::pipeline(object, &context.settings) {
        Ok(pipeline) => {
            let past = status::past(object, previous);
            let observed = observe::pipeline(ports, &context.brokers, &pipeline, past).await;
            let plan = plan::next(&pipeline, &observed);
            Found::of(pipeline, observed, plan)
        }
        Err(violations) => Found::nothing(Plan::rejected(violations)),
    };

    // What somebody changed is told before it is repaired: afterwards nobody could see it.
    let mut shown = previous.clone();
    if !found.plan.drift().is_empty() {
        let status = status::next(object, previous, &Evidence::before(&found, request));
        apply::status(ports, &mut shown, &status).await;
    }
    let outcome = apply::plan(ports, &context.brokers, &found).await;
    let status = status::next(object, &shown, &Evidence::after(&found, request, &outcome));
    apply::status(ports, &mut shown, &status).await;
    Pass::of(found, &outcome, previous, status)
}
