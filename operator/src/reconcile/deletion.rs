//! The story of one pass over a pipeline that is being deleted: the same road as any other pass,
//! with what is left in the place of what should be.

use crate::{
    apply, observe,
    pass::{Context, Parting, Pass, Request, Shown},
    plan::deletion,
    ports::Ports,
    status, validate,
};

/// Takes the broker's objects of a deleted pipeline away as far as that is safe, and tells how far
/// it came; once [`Pass::released`], nothing holds the pipeline any more.
pub async fn deletion<P: Ports>(ports: &P, context: &Context, request: Request<'_>) -> Pass {
    let Request { object, previous, now, .. } = request;
    let memory = request.memory.departing(now);
    let Some(departing) = validate::departing(object, previous, &context.settings) else {
        return Pass::of_nothing(request);
    };
    let departure = observe::departure(ports, &context.brokers, &departing, &memory, now).await;
    let plan = deletion::next(&departing, departure.as_ref(), &memory, now);
    let parting = Parting::of(departing, departure, plan, memory);

    let outcome = apply::parting(ports, &context.brokers, &parting).await;
    let status = status::departing(object, previous, &parting, now);
    let mut shown = previous.clone();
    let published = apply::status(ports, &mut shown, &status).await;
    Pass::of_parting(parting, &outcome, previous, Shown { status, published })
}
