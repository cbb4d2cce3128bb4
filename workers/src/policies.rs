//! Policies taken up while running: every process looks again and again what is in force, so that a change needs no restart.

use std::time::Duration;

use pipeline::{PipelineError, process::Pipeline};
use tokio_util::sync::CancellationToken;

/// Time between two looks: a change is in force everywhere after this long.
const PERIOD: Duration = Duration::from_secs(2);

/// Looks again and again until `stop`. A failure is logged, and the next turn tries again: what is in force stays.
pub async fn run(pipeline: Pipeline, stop: CancellationToken) {
    let mut failing = false;
    while stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
        let Some(turn) = stop.run_until_cancelled(turn(&pipeline)).await else { break };
        match turn {
            Ok(()) => failing = false,
            // Once: a store that is down is told of by others, too.
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "policies cannot be read: those in force stay");
            }
            Err(_) => {}
        }
    }
    if let Err(error) = pipeline.flush_tallies().await {
        tracing::warn!(%error, "what was judged since the last look is not counted for the alarms");
    }
}

/// One look: what was judged is written down, alarms are heeded, what is new is taken up.
async fn turn(pipeline: &Pipeline) -> Result<(), PipelineError> {
    pipeline.flush_tallies().await?;
    pipeline.heed_alarms().await?;
    pipeline.refresh_policies().await.map(drop)
}
