//! What one item changes, written down in one transaction.

use std::time::Instant;

use super::{Mode, Pipeline, Processed, Work, ruling::Ruling, stage};
use crate::{
    action::ActionKind,
    error::PipelineError,
    item::{Envelope, ItemKind},
    store::{ItemRecord, OutcomeRecord, Recorded},
    verdict::Outcome,
};

impl Pipeline {
    /// Writes everything in one transaction, or nothing at all. `None` when the participant's or the person's state is no longer the one
    /// that was read.
    pub(super) async fn try_commit(
        &self,
        work: &Work<'_>,
        mut record: OutcomeRecord,
        ruling: &Ruling,
    ) -> Result<Option<Processed>, PipelineError> {
        let outcome = record.outcome.clone();
        if work.mode == Mode::Record {
            let kept = Box::pin(self.keep(work, &outcome, &mut record)).await;
            let begun = Instant::now();
            let recorded = match kept {
                Ok(()) => self.store.record_outcome(record).await,
                Err(error) => Err(error),
            };
            if !matches!(recorded, Ok(Recorded::New)) {
                self.give_places_back(&work.envelope.tenant, &ruling.taken).await;
            }
            match recorded? {
                Recorded::New => stage::of_item(&outcome.timings, begun.elapsed()),
                Recorded::Already => return self.recorded(work.envelope).await.map(Some),
                Recorded::Stale => return Ok(None),
            }
        }
        if work.mode == Mode::Record {
            let passed = outcome.verdict.action == ActionKind::Allow;
            self.policies.count(&work.envelope.tenant, &work.policy, passed);
        }
        let labels = [("kind", work.envelope.kind.as_str()), ("action", outcome.verdict.action.as_str())];
        metrics::counter!("chaperone_items_judged_total", &labels).increment(1);
        metrics::histogram!("chaperone_item_seconds", "kind" => work.envelope.kind.as_str())
            .record(f64::from(outcome.timings.total_ms) / 1000.0);
        if work.envelope.kind == ItemKind::Frame {
            let age = outcome.decided_at - work.envelope.received_at;
            metrics::histogram!("chaperone_frame_age_seconds").record(age.to_std().unwrap_or_default().as_secs_f64());
        }
        Ok(Some(Processed { outcome, fresh: true }))
    }

    /// What people may want to look at later: the case that it asks for, its text as a version of a message, its picture's hash.
    async fn keep(&self, work: &Work<'_>, outcome: &Outcome, record: &mut OutcomeRecord) -> Result<(), PipelineError> {
        record.case = self.case_for(work, outcome).await?;
        record.version = self.version_for(work, outcome).await?;
        record.picture = self.picture_for(work, outcome).await?;
        Ok(())
    }

    /// The outcome that was recorded for this item before.
    pub(super) async fn recorded(&self, envelope: &Envelope) -> Result<Processed, PipelineError> {
        match self.store.load_item(&envelope.tenant, envelope.id).await? {
            Some(ItemRecord::Judged(outcome)) => Ok(Processed { outcome: *outcome, fresh: false }),
            _ => Err(PipelineError::Conflict {
                code: "item_id_taken",
                message: format!("item id `{}` belongs to another item: give every item its own id", envelope.id),
            }),
        }
    }
}
