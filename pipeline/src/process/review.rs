//! From a verdict to a reviewer: which outcomes ask for a human, and what is kept for them to judge by.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Pipeline, Work};
use crate::{
    action::{Action, ActionKind},
    decode::{self, Detail, Picture, decode_on_pool_and},
    enforcement::entry::ActionEntry,
    error::PipelineError,
    hash::sha256_hex,
    item::{ActionId, ActorId, AppealId, CallId, CaseId, Content, Envelope, ItemId, ItemKind, TenantId, check_name},
    language::UNDETERMINED,
    record::Terms,
    review::{
        appeal::{Appeal, AppealState},
        case::{Before, CaseDraft, CaseFacts, Exhibit, ItemExhibit, Media, Source},
        decision::{DecisionDraft, lasts},
        routing::{ReviewSettings, drawn},
        staff::Staff,
    },
    store::{
        CaseOpening, ItemRecord, Recorded,
        desk::{
            Desk,
            decide::Decided,
            effects::{Following, ends},
            people::Receipt,
        },
    },
    stream::call::{Call, ParticipantState},
    verdict::Outcome,
};

/// Messages of the author that are kept with a text, as context.
const CONTEXT_KEPT: usize = 10;
/// Longest side of a picture that is kept for reviewers, in pixels.
const KEPT_SIDE: u32 = 1280;
/// Quality of such a picture (JPEG, 1 to 100).
const KEPT_QUALITY: u8 = 85;
/// From this score on, a label says what a picture shows.
const SHOWS: f32 = 0.5;
/// Calls on the live wall.
const WALL_CALLS: usize = 500;

/// A running call as the live wall shows it.
#[derive(Debug, Clone, Serialize)]
pub struct WallCall {
    /// Which.
    pub id: String,
    /// Since when.
    pub started_at: DateTime<Utc>,
    /// The highest risk of its participants, 0 to 1.
    pub risk: f32,
    /// Who is in it.
    pub participants: Vec<WallParticipant>,
}

/// Somebody in a running call.
#[derive(Debug, Clone, Serialize)]
pub struct WallParticipant {
    /// Who.
    pub actor: String,
    /// What their frames looked like lately, 0 to 1.
    pub risk: f32,
    /// Frames judged.
    pub frames: u64,
    /// Violations that are remembered, over all ladders.
    pub violations: usize,
    /// Were they disconnected?
    pub disconnected: bool,
    /// What holds for them, newest first.
    pub actions: Vec<WallAction>,
}

/// Something that holds for somebody in a call, whoever did it.
#[derive(Debug, Clone, Serialize)]
pub struct WallAction {
    /// Names it: the key of its event.
    pub id: ActionId,
    /// `warn`, `blur`, `mute`, …
    pub kind: String,
    /// `policy`, or the pseudonym of a member of staff.
    pub by: String,
    /// A person did it.
    pub by_hand: bool,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when, when not for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl From<ActionEntry> for WallAction {
    fn from(entry: ActionEntry) -> Self {
        let ActionEntry { id, kind, by, at, until, .. } = entry;
        Self { id, kind, by_hand: by != "policy", by, at, until }
    }
}

/// What a member of staff does to somebody in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionByHand {
    /// In which call.
    pub call: Option<CallId>,
    /// To whom.
    pub actor: ActorId,
    /// What.
    pub kind: ActionKind,
    /// For how long, in seconds.
    pub seconds: Option<u64>,
    /// One sentence for the person concerned.
    pub reason: String,
}

impl Pipeline {
    /// The reviewers' desk.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The case that an outcome asks for, with what is to be kept: the text or picture as it was judged, what was written before, and the policy's
    /// numbers. `None` when it asks for none.
    pub(super) async fn case_for(
        &self,
        work: &Work<'_>,
        outcome: &Outcome,
    ) -> Result<Option<Box<CaseOpening>>, PipelineError> {
        let settings = self.desk.settings(&work.envelope.tenant).await?;
        let Some(source) = asks(outcome, &settings) else { return Ok(None) };
        let envelope = work.envelope;
        let subject = envelope.actor.as_ref().map_or_else(|| format!("item:{}", envelope.id), ToString::to_string);
        let mut draft = CaseDraft::new(envelope.tenant.clone(), subject, source, outcome.decided_at);
        draft.kind = envelope.kind.as_str().to_owned();
        let language = outcome.verdict.language.as_ref().map(|language| language.code.as_str());
        draft.language = language.filter(|code| *code != UNDETERMINED).map(ToOwned::to_owned);
        draft.facts = facts(outcome, &settings, source);
        let mut exhibit = exhibit(outcome, work.policy.thresholds());
        match work.content {
            Content::Text(text) => {
                exhibit.text = Some(text.clone());
                exhibit.before = self.before(envelope).await?;
            }
            Content::Picture(bytes) => {
                let media = self.kept_picture(bytes.clone()).await?;
                exhibit.media = vec![media.id.clone()];
                draft.media = vec![media];
            }
        }
        draft.exhibits = vec![Exhibit::Item(Box::new(exhibit))];
        let route = settings.route(&draft);
        Ok(Some(Box::new(CaseOpening { draft, route, hooks: self.desk.hooks() })))
    }

    /// The text as a version of the message that its platform names, where the tenant keeps those.
    pub(super) async fn version_for(
        &self,
        work: &Work<'_>,
        outcome: &Outcome,
    ) -> Result<Option<Box<ItemExhibit>>, PipelineError> {
        let (Some(_), Content::Text(text)) = (&work.envelope.message, work.content) else { return Ok(None) };
        if self.desk.settings(&work.envelope.tenant).await?.version_days == 0 {
            return Ok(None);
        }
        let version = ItemExhibit { text: Some(text.clone()), ..exhibit(outcome, work.policy.thresholds()) };
        Ok(Some(Box::new(version)))
    }

    async fn before(&self, envelope: &Envelope) -> Result<Vec<Before>, PipelineError> {
        let (Some(conversation), Some(actor)) = (&envelope.conversation, &envelope.actor) else {
            return Ok(Vec::new());
        };
        let at = envelope.occurred_at;
        let texts = self.store.recent_texts(&envelope.tenant, conversation, actor, at, CONTEXT_KEPT).await?;
        Ok(texts.into_iter().map(|(at, text)| Before { at, text }).collect())
    }

    /// A copy for reviewers: encoded anew, so that nothing of what cameras and phones write into pictures (place, device) is kept.
    async fn kept_picture(&self, bytes: Bytes) -> Result<Media, PipelineError> {
        let limits = decode::Limits { bytes: bytes.len(), pixels: self.config.max_pixels };
        let encoded = decode_on_pool_and(bytes, limits, Detail::AtLeast(KEPT_SIDE), |Picture { pixels, .. }| {
            let (width, height) = (pixels.width(), pixels.height());
            let picture = image::RgbImage::from_raw(width, height, pixels.rgb().to_vec())?;
            let mut picture = image::DynamicImage::from(picture);
            if width.max(height) > KEPT_SIDE {
                picture = picture.resize(KEPT_SIDE, KEPT_SIDE, image::imageops::FilterType::Triangle);
            }
            let mut jpeg = Vec::new();
            let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, KEPT_QUALITY);
            picture.write_with_encoder(encoder).ok()?;
            Some(jpeg)
        })
        .await?;
        let encoded = encoded.ok_or_else(|| PipelineError::Internal {
            part: "decode",
            message: "a picture that was judged cannot be kept".into(),
        })?;
        Ok(Media { id: sha256_hex(&encoded), media_type: "image/jpeg".into(), bytes: encoded.into() })
    }

    /// Decides a case that `staff` has; what follows for the person is followed as the policy says. The same key again answers what was decided.
    pub async fn decide_case(&self, staff: &Staff, id: CaseId, draft: DecisionDraft) -> Result<Decided, PipelineError> {
        let policy = self.policies.of(&staff.tenant);
        let strikes = draft.rule.as_deref().map_or(0, |rule| policy.strikes_of(rule));
        let copies = if draft.copies { self.copies_of(&staff.tenant, id).await? } else { Vec::new() };
        let following = Following { terms: Terms::of(&policy), strikes, rules: policy.strikes().cloned(), copies };
        Box::pin(self.desk.decide(staff, id, draft, following)).await
    }

    /// Takes an appeal against a decision or an item in. Sent again, it changes nothing.
    pub async fn take_appeal(&self, appeal: Appeal) -> Result<(Appeal, Recorded), PipelineError> {
        let mut exhibits = Vec::new();
        if let Some(id) = appeal.item {
            let missing = || PipelineError::NotFound { what: "item", id: id.to_string() };
            let Some(ItemRecord::Judged(outcome)) = self.store.load_item(&appeal.tenant, id).await? else {
                return Err(missing());
            };
            if outcome.envelope.actor.as_ref().is_none_or(|actor| actor.as_str() != appeal.actor) {
                return Err(missing());
            }
            exhibits.push(Exhibit::Item(Box::new(exhibit(&outcome, &Default::default()))));
        }
        self.desk.take_appeal(appeal, exhibits).await
    }

    /// A new appeal, now.
    pub fn new_appeal(&self, tenant: TenantId, id: Option<AppealId>, actor: String, text: String) -> Appeal {
        let (id, at) = (id.unwrap_or_else(AppealId::new), self.clock.now());
        Appeal {
            id,
            tenant,
            actor,
            decision: None,
            item: None,
            text,
            at,
            state: AppealState::Open,
            case: None,
            resolved_at: None,
        }
    }

    /// Running calls, those with the highest risk first.
    pub async fn wall(&self, tenant: &TenantId) -> Result<Vec<WallCall>, PipelineError> {
        let calls = self.store.open_calls(tenant, WALL_CALLS).await?;
        let shown = calls.into_iter().map(|call| self.wall_call(tenant, call));
        let mut shown = futures::future::try_join_all(shown).await?;
        shown.sort_by(|one, other| other.risk.total_cmp(&one.risk).then(one.started_at.cmp(&other.started_at)));
        Ok(shown)
    }

    async fn wall_call(&self, tenant: &TenantId, call: Call) -> Result<WallCall, PipelineError> {
        let present: Vec<ActorId> = call.present().cloned().collect();
        let mut in_force = self.desk.in_force(tenant, &call.id, call.started_at, &present).await?;
        let mut participants = Vec::with_capacity(present.len());
        for actor in &present {
            let state = self.store.load_participant(tenant, &call.id, actor).await?;
            let state = state.map(|(state, _)| state).unwrap_or_default();
            participants.push(wall_participant(actor, &state, in_force.remove(actor).unwrap_or_default()));
        }
        participants.sort_by(|one, other| other.risk.total_cmp(&one.risk));
        let risk = participants.first().map_or(0.0, |participant| participant.risk);
        Ok(WallCall { id: call.id.0, started_at: call.started_at, risk, participants })
    }

    /// Does something to somebody by hand, through the same outbox as automatic actions.
    pub async fn act_by_hand(&self, staff: &Staff, by_hand: ActionByHand) -> Result<Action, PipelineError> {
        check_name("actor", by_hand.actor.as_str())?;
        let kind = by_hand.kind;
        if matches!(kind, ActionKind::Allow | ActionKind::Review | ActionKind::Remove) {
            let message = "by hand there are `warn`, `blur`, `mute`, `disconnect`, `suspend` and `ban`";
            return Err(PipelineError::invalid("decision_action", message));
        }
        if by_hand.seconds.is_some_and(|seconds| seconds == 0 || !lasts(kind)) {
            let message = "`seconds` belongs to `mute`, `blur`, `suspend` and `ban`, from 1 s";
            return Err(PipelineError::invalid("decision_duration", message));
        }
        let (now, policy) = (self.clock.now(), self.policies.of(&staff.tenant));
        if let Some(call) = &by_hand.call {
            let found = self.store.load_call(&staff.tenant, call).await?;
            let there = found
                .is_some_and(|call| call.ended_at.is_none() && call.present().any(|actor| *actor == by_hand.actor));
            if !there {
                let id = format!("{} in {call}", by_hand.actor);
                return Err(PipelineError::NotFound { what: "participant", id });
            }
        }
        let subject = Envelope {
            id: ItemId::new(),
            tenant: staff.tenant.clone(),
            kind: if by_hand.call.is_some() { ItemKind::Frame } else { ItemKind::Text },
            actor: Some(by_hand.actor),
            conversation: None,
            call: by_hand.call,
            reference: None,
            message: None,
            occurred_at: now,
            received_at: now,
        };
        let action = Action {
            id: ActionId::new(),
            kind,
            subject,
            rule: "by_hand".into(),
            reason: by_hand.reason.chars().take(500).collect(),
            confidence: 1.0,
            policy: policy.version().to_owned(),
            violations: 0,
            decided_at: now,
            expires_at: ends(now, by_hand.seconds),
            strikes: 0,
            instead_of: None,
            cause: None,
        };
        self.desk.act_by_hand(staff, action.clone(), by_hand.seconds, Terms::of(&policy)).await?;
        Ok(action)
    }

    /// Erases somebody everywhere: rows, evidence, pictures, messages, profile and vectors. A hold refuses it. When a part is down the call fails
    /// and has to be repeated.
    pub async fn erase_person(&self, staff: &Staff, actor: &str) -> Result<Receipt, PipelineError> {
        let receipt = self.desk.erase_person(staff, actor).await?;
        self.forget_messages(&staff.tenant, actor).await?;
        // After the rows, which a hold protects; a profile that is not there is nothing to do.
        match self.delete_profile(&staff.tenant, &actor.into()).await {
            Ok(_) | Err(PipelineError::NotFound { .. }) => Ok(receipt),
            Err(error) => Err(error),
        }
    }
}

fn wall_participant(actor: &ActorId, state: &ParticipantState, actions: Vec<ActionEntry>) -> WallParticipant {
    WallParticipant {
        actor: actor.to_string(),
        risk: state.risk,
        frames: state.frames,
        violations: state.violations.values().map(Vec::len).sum(),
        disconnected: state.disconnected_at.is_some(),
        actions: actions.into_iter().map(WallAction::from).collect(),
    }
}

/// Why an outcome asks for a human, if it does.
fn asks(outcome: &Outcome, settings: &ReviewSettings) -> Option<Source> {
    let verdict = &outcome.verdict;
    let by_rule = settings.case_actions.contains(&verdict.action)
        || verdict.reasons.iter().any(|reason| {
            // What a severer rule has overruled still asks.
            reason.action == ActionKind::Review && settings.case_actions.contains(&ActionKind::Review)
                || settings.case_rules.contains(&reason.rule)
        });
    if by_rule {
        return Some(Source::Rule);
    }
    drawn(outcome.envelope.id.0.as_bytes(), settings.sample_share).then_some(Source::Sample)
}

fn facts(outcome: &Outcome, settings: &ReviewSettings, source: Source) -> CaseFacts {
    let verdict = &outcome.verdict;
    let mut labels: Vec<String> =
        verdict.reasons.iter().map(|reason| reason.label.clone()).filter(|label| !label.is_empty()).collect();
    labels.dedup();
    let shown = outcome.signals.iter().filter(|signal| signal.score >= SHOWS).map(|signal| signal.label.as_str());
    let graphic =
        outcome.envelope.kind != ItemKind::Text && settings.is_graphic(shown.chain(labels.iter().map(String::as_str)));
    let first = verdict.reasons.first();
    CaseFacts {
        rules: verdict.reasons.iter().map(|reason| reason.rule.clone()).collect(),
        labels,
        summary: match (source, first) {
            (Source::Sample, _) => "Drawn by chance".into(),
            (_, Some(reason)) => reason.text.clone(),
            (_, None) => String::new(),
        },
        graphic,
        score: first.map_or(0.0, |reason| reason.score),
        ..CaseFacts::default()
    }
}

/// What was judged, without its content.
fn exhibit(outcome: &Outcome, thresholds: &std::collections::BTreeMap<String, f64>) -> ItemExhibit {
    ItemExhibit {
        envelope: outcome.envelope.clone(),
        content_sha256: outcome.content_sha256.clone(),
        text: None,
        spans: outcome.verdict.spans.clone(),
        before: Vec::new(),
        signals: outcome.signals.clone(),
        reasons: outcome.verdict.reasons.clone(),
        actions: outcome.actions.clone(),
        policy: outcome.verdict.policy.clone(),
        thresholds: thresholds.clone(),
        media: Vec::new(),
    }
}

/// Shared by whoever builds a [`Pipeline`].
pub(super) fn desk_of(
    store: &Arc<dyn crate::store::Store>,
    clock: &crate::clock::Clock,
    hooks: &[crate::record::WebhookInterest],
) -> Desk {
    Desk::new(store.tables(), clock.clone(), hooks.to_vec().into())
}
