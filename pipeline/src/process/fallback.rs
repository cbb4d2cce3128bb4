//! What is recorded when the models fail: an outcome that says so.

use super::{Mode, Pipeline, Processed, Ruling, Stopwatch, Work, contended};
use crate::{
    Lane,
    action::ActionKind,
    error::PipelineError,
    fallback::{Fallback, MODEL_FAILURE},
    item::Item,
    policy::{ActionDraft, Evaluation},
    stream::call::ParticipantState,
    verdict::{Reason, Verdict},
};

impl Pipeline {
    /// [`Pipeline::process`] for try number `attempt` (from 1) of a queued item: when its models fail too often, the lane's answer of
    /// `pipeline.on_model_failure` is recorded instead. It is final: nothing is judged again when the models are back.
    pub async fn process_queued(&self, item: &Item, lane: Lane, attempt: u32) -> Result<Processed, PipelineError> {
        match self.process(item, lane, Mode::Record).await {
            Err(error) => match self.config.on_model_failure.of_queue(&error, lane, attempt) {
                Some(fallback) => self.fall_back(item, lane, Mode::Record, fallback, &error).await,
                None => Err(error),
            },
            processed => processed,
        }
    }

    /// [`Pipeline::process`] for a caller who waits: when the models fail, the answer that `pipeline.on_model_failure.check` asks for.
    pub async fn process_now(&self, item: &Item, mode: Mode) -> Result<Processed, PipelineError> {
        let lane = Lane::Interactive;
        match self.process(item, lane, mode).await {
            Err(error) => match self.config.on_model_failure.of_check(&error) {
                Some(fallback) => self.fall_back(item, lane, mode, fallback, &error).await,
                None => Err(error),
            },
            processed => processed,
        }
    }

    async fn fall_back(
        &self,
        item: &Item,
        lane: Lane,
        mode: Mode,
        fallback: Fallback,
        error: &PipelineError,
    ) -> Result<Processed, PipelineError> {
        let (envelope, policy) = (&item.envelope, self.policy_for(&item.envelope));
        let action = fallback.action(envelope.kind);
        tracing::error!(item.id = %envelope.id, lane = lane.as_str(), %error, action = action.as_str(), "the models fail: answered without them");
        metrics::counter!("chaperone_items_unjudged_total", "lane" => lane.as_str(), "action" => action.as_str())
            .increment(1);
        let verdict = unjudged(fallback, action, policy.version().to_owned());
        let watch = Stopwatch::start(self.clock.now() - envelope.received_at);
        let (reused, next_frame_ms, size) = (false, None, (0, 0, 0));
        let any_language = false;
        let content = &item.content;
        let work = Work {
            envelope,
            content,
            lane,
            mode,
            policy,
            watch,
            any_language,
            reused,
            next_frame_ms,
            size,
            hashed: None,
        };
        let ruling = Ruling::plain(evaluation(&verdict));
        let record = self.decide(&work, Vec::new(), verdict, &ruling);
        debug_assert!(record.participant.is_none(), "what nobody saw changes nobody's standing");
        self.try_commit(&work, record, &ruling).await?.ok_or_else(|| contended("an item"))
    }
}

/// The verdict about what no model has seen.
fn unjudged(fallback: Fallback, action: ActionKind, policy: String) -> Verdict {
    let text = fallback.reason().to_owned();
    let reason = Reason { rule: MODEL_FAILURE.to_owned(), text, label: String::new(), score: 0.0, action };
    Verdict {
        action,
        flagged: action != ActionKind::Allow,
        reasons: vec![reason],
        shadow: Vec::new(),
        confidence: 0.0,
        sanitized_text: None,
        spans: Vec::new(),
        policy,
        degraded: true,
        language: None,
    }
}

/// The same as the policy would have said it.
fn evaluation(verdict: &Verdict) -> Evaluation {
    let draft = verdict.reasons.first().filter(|reason| reason.action != ActionKind::Allow).map(|reason| ActionDraft {
        kind: reason.action,
        rule: reason.rule.clone(),
        reason: reason.text.clone(),
        confidence: 0.0,
        violations: 0,
        strikes: 0,
        lasts: None,
        instead_of: None,
    });
    Evaluation {
        action: verdict.action,
        reasons: verdict.reasons.clone(),
        shadow: Vec::new(),
        confidence: 0.0,
        mask: Default::default(),
        draft,
        consequence: None,
        wants_person: false,
        person: None,
        climbed: false,
        state: ParticipantState::default(),
    }
}
