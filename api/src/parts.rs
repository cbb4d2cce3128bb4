//! What the service depends on, and what of it is down: for `/health/ready`, for the gauge, and for the log when it changes.

use std::{
    collections::BTreeMap,
    future::Future,
    time::{Duration, Instant},
};

use pipeline::PipelineError;
use tokio_util::sync::CancellationToken;

use crate::{config::Part, services::Services};

/// A part that has not answered by then counts as down.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Time between two looks of [`watch`].
const PERIOD: Duration = Duration::from_secs(5);

/// How one part is.
#[derive(Debug, Clone, PartialEq)]
pub struct PartState {
    /// It answers.
    pub up: bool,
    /// Without it the service is not ready: `server.required_parts`.
    pub required: bool,
    /// How long it took to answer.
    pub latency: Duration,
    /// Its own words when it is down: for the log only.
    pub cause: Option<String>,
}

/// Every part.
pub type Parts = BTreeMap<Part, PartState>;

/// Can the service do its work? Parts that are not required may be down.
pub fn is_ready(parts: &Parts) -> bool {
    parts.values().all(|part| part.up || !part.required)
}

/// Asks every part.
pub async fn look(services: &Services) -> Parts {
    let models = async {
        let dead: Vec<String> =
            services.engine.models().iter().filter(|model| !model.ready).map(|model| model.name.to_string()).collect();
        if dead.is_empty() { Ok(()) } else { Err(format!("not ready: {}", dead.join(", "))) }
    };
    let words = |result: Result<(), PipelineError>| result.map_err(|error| error.to_string());
    let (models, store, queue, index) = tokio::join!(
        ask(models),
        ask(async { words(services.store.health().await) }),
        ask(async { words(services.queue.health().await) }),
        ask(async { words(services.index.health().await) }),
    );
    let required = &services.config.server.required_parts;
    let answers = [(Part::Models, models), (Part::Store, store), (Part::Queue, queue), (Part::Index, index)];
    let state = |(part, (answer, latency)): (Part, (Result<(), String>, Duration))| {
        (part, PartState { up: answer.is_ok(), required: required.contains(&part), latency, cause: answer.err() })
    };
    answers.into_iter().map(state).collect()
}

async fn ask(health: impl Future<Output = Result<(), String>>) -> (Result<(), String>, Duration) {
    let started = Instant::now();
    let answer = tokio::time::timeout(PATIENCE, health).await;
    (answer.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))), started.elapsed())
}

/// Looks again and again until `stop`: keeps the gauges `chaperone_degraded`, and logs what goes down and what comes back.
pub async fn watch(services: Services, stop: CancellationToken) {
    let mut before = Parts::new();
    loop {
        let Some(now) = stop.run_until_cancelled(look(&services)).await else { return };
        show(&now);
        for (part, state) in &now {
            let was_up = before.get(part).is_none_or(|before| before.up);
            let (part, required) = (part.as_str(), state.required);
            match (was_up, state.up) {
                (true, false) => {
                    let cause = state.cause.as_deref().unwrap_or_default();
                    tracing::warn!(part, required, cause, "a part is down: the rest goes on without it");
                }
                (false, true) => tracing::info!(part, "a part is back"),
                _ => {}
            }
        }
        before = now;
        if stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_none() {
            return;
        }
    }
}

/// Sets the gauges.
pub fn show(parts: &Parts) {
    for (part, state) in parts {
        metrics::gauge!("chaperone_degraded", "part" => part.as_str()).set(f64::from(u8::from(!state.up)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i6_only_required_parts_decide() {
        let state = |up, required| PartState { up, required, latency: Duration::ZERO, cause: None };
        for (store, index, ready) in [
            (state(true, true), state(true, false), true),
            (state(true, true), state(false, false), true),
            (state(true, true), state(false, true), false),
            (state(false, true), state(true, false), false),
            (state(false, false), state(false, false), true),
        ] {
            let parts = Parts::from([(Part::Store, store), (Part::Index, index)]);
            assert_eq!(is_ready(&parts), ready, "{parts:?}");
        }
    }
}
