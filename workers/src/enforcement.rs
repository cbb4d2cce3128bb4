//! What becomes of actions with time: bans that end are lifted, actions that nobody acknowledges are told again. One process at a time does it.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use pipeline::{PipelineError, action::ActionKind, clock::Clock, process::Pipeline, store::Store};
use tokio_util::sync::CancellationToken;

/// Name of the duty.
const DUTY: &str = "enforcement";
/// Time between two turns: a ban ends, and an action is told again, at most this much late.
const PERIOD: Duration = Duration::from_secs(2);
/// How long a process that vanished keeps others from it.
const LEASE: TimeDelta = TimeDelta::seconds(15);

/// Does it again and again until `stop`. A failure is logged, and the next turn tries again.
pub async fn run(pipeline: Pipeline, store: Arc<dyn Store>, clock: Clock, holder: String, stop: CancellationToken) {
    let mut failing = false;
    while stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
        let Some(turn) = stop.run_until_cancelled(turn(&pipeline, &*store, &clock, &holder)).await else { return };
        if let Err(error) = &turn
            && !failing
        {
            tracing::warn!(%error, "actions are not followed: the next turn tries again");
        }
        failing = turn.is_err();
    }
}

async fn turn(pipeline: &Pipeline, store: &dyn Store, clock: &Clock, holder: &str) -> Result<(), PipelineError> {
    let now = clock.now();
    if !store.claim_duty(DUTY, holder, now, now + LEASE).await? {
        return Ok(());
    }
    let (lifted, retold) = (pipeline.lift_expired().await?, pipeline.retell_unacknowledged().await?);
    if lifted + retold > 0 {
        tracing::info!(lifted, retold, "actions that ended are lifted, unacknowledged ones told again");
    }
    let open = pipeline.open_breakers().await?;
    for kind in [ActionKind::Disconnect, ActionKind::Suspend, ActionKind::Ban] {
        let count = open.iter().filter(|state| state.kind == kind).count();
        metrics::gauge!("chaperone_breakers_open", "action" => kind.as_str()).set(count as f64);
    }
    Ok(())
}
