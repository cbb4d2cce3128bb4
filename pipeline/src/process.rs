//! The stages in order: this file is the product's story.
//!
//! ```text
//! text      seen before? → fold → scores (cache) → author's turn → policy → context → policy again → commit
//! picture   seen before? → decode → scores → policy → commit
//! frame     seen before? too old? → decode → same as the last? or scores → participant's turn → policy → next pause → commit
//! profile   check → embed when the text changed → store → index → like a banned one?
//! match     who fits both ways → score → who is out? → shown fairly, or paired
//! message   check → embed → store → index; found by meaning and by words, by those who may
//! ```
//!
//! Deciding is pure (`policy`, `stream`, `judge`, `record`); here the parts are called in order, and one transaction
//! writes all that one item changes. Whoever calls acks the delivery afterwards.

use std::{
    hash::RandomState,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use models::{Engine, Lane};
use moka::sync::Cache;
use tokio::sync::Semaphore;

pub mod alike;
pub mod backtests;
mod banks;
pub mod calls;
mod commit;
pub mod enforcement;
mod fallback;
mod frames;
pub mod matching;
pub mod messages;
pub mod notices;
mod pictures;
pub mod policies;
mod profiles;
mod reports;
pub mod review;
mod ruling;
pub mod stage;
pub mod switch;
mod texts;
pub mod traces;

use crate::{
    action::Action,
    clock::{Clock, clamp_occurred},
    config::PipelineConfig,
    decode::{self, Detail, Picture, decode_on_pool_and},
    error::PipelineError,
    hash::{TextKey, content_sha256},
    index::VectorIndex,
    item::{ActionId, ActorId, CallId, Content, ConversationId, Envelope, Item, ItemKind, ProfileId, TenantId},
    judge::{Judged, sanitize, verdict},
    language::{Detector, Language},
    normalise::Normalised,
    pdq::{Hashed, Pdq},
    policy::{Facts, InForce, PolicySet, share},
    record::{Terms, action, outcome_record},
    signal::Signal,
    slots::Slots,
    store::{OutcomeRecord, ParticipantChange, Store, desk::Desk},
    stream::{
        call::{ParticipantState, Standing},
        context::Window,
        likeness::Likeness,
        sampling::{self, Sampler},
    },
    verdict::{Outcome, Stopwatch, Verdict},
};

pub use crate::{profile::ProfileDraft, record::WebhookInterest};
use pictures::Seen;
pub use profiles::{Like, Written};
use ruling::Ruling;
use texts::{Folded, JudgedText, Listed, TextModel};

/// Participants whose state is kept in memory; others are read from the store.
const PARTICIPANTS_IN_MEMORY: usize = 50_000;
/// Tries of a change while other processes change the same participant's state, or the same call.
const STALE_TRIES: usize = 5;
/// Backtests at the same time: they read much, and nobody waits for them inside a request.
const BACKTESTS: usize = 2;
/// Authors and profiles that may be at work at the same time before idle ones are forgotten.
const TURNS_IN_MEMORY: usize = 10_000;

/// The result of processing one item.
#[derive(Debug, Clone)]
pub struct Processed {
    /// What was decided.
    pub outcome: Outcome,
    /// `false`: another outcome of this item had been recorded before; nothing was written.
    pub fresh: bool,
}

/// Whether the outcome is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Record outcome, state and events; actions go out.
    Record,
    /// Judge only: nothing is written, no state changes, no action goes out.
    DryRun,
}

type ParticipantKey = (TenantId, CallId, ActorId);
type AuthorKey = (TenantId, ConversationId, ActorId);

/// Everything that judging needs. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    engine: Engine,
    policies: Arc<PolicySet>,
    store: Arc<dyn Store>,
    desk: Desk,
    index: Arc<dyn VectorIndex>,
    clock: Clock,
    config: Arc<PipelineConfig>,
    webhooks: Arc<[WebhookInterest]>,
    /// Every text model, in order: part of every cache key.
    text_models: Arc<[TextModel]>,
    languages: Detector,
    texts: Cache<TextKey, Arc<Judged>>,
    /// States with their versions in the store.
    participants: Arc<Slots<ParticipantKey, (ParticipantState, u64)>>,
    authors: Arc<Slots<AuthorKey, ()>>,
    calls: Arc<Slots<(TenantId, CallId), ()>>,
    profiles: Arc<Slots<(TenantId, ProfileId), ()>>,
    /// Those who wait for a partner.
    pool: Arc<matching::Pool>,
    /// Messages that can be searched; `None` where nobody configured their index.
    messages: Option<Arc<messages::MessageArea>>,
    /// The embedding model that is to come.
    next: Option<Arc<switch::Next>>,
    /// Memory only: after a restart every participant's next frame is judged.
    last_frames: Cache<ParticipantKey, Arc<frames::LastFrame>>,
    sampler: Arc<Mutex<Sampler>>,
    /// Makes participants' keys for the sampler.
    keys: RandomState,
    /// Frames from the queue that are older are given up. `None`: none is too old.
    live_max_age: Option<TimeDelta>,
    /// Backtests that may run at the same time in this process.
    backtests: Arc<Semaphore>,
    /// Places of uploads at the second opinion.
    opinions: Arc<Semaphore>,
    /// Known pictures.
    banks: Arc<banks::Banks>,
}

/// One item on its way: what every stage needs to know.
struct Work<'a> {
    envelope: &'a Envelope,
    content: &'a Content,
    lane: Lane,
    mode: Mode,
    policy: InForce,
    watch: Stopwatch,
    /// Every text model judges, whatever the language.
    any_language: bool,
    /// See `Outcome::reused`.
    reused: bool,
    /// See `Outcome::next_frame_ms`.
    next_frame_ms: Option<u32>,
    /// Length, width, height: see `Outcome`.
    size: (usize, u32, u32),
    /// Pictures: by what they are known again.
    hashed: Option<Hashed>,
}

impl Pipeline {
    /// Wires the parts. `webhooks`: which webhooks are told of which events (see `store::OutcomeRecord::webhooks`).
    pub fn new(
        engine: Engine,
        policies: Arc<PolicySet>,
        store: Arc<dyn Store>,
        index: Arc<dyn VectorIndex>,
        clock: Clock,
        config: PipelineConfig,
        webhooks: Vec<WebhookInterest>,
    ) -> Self {
        let text_models = config.text_models.iter().map(|name| TextModel::of(&engine, name)).collect();
        Self {
            text_models,
            languages: Detector::new(config.language_confidence),
            texts: Cache::new(config.cache_entries),
            participants: Arc::new(Slots::new(PARTICIPANTS_IN_MEMORY)),
            authors: Arc::new(Slots::new(TURNS_IN_MEMORY)),
            calls: Arc::new(Slots::new(TURNS_IN_MEMORY)),
            profiles: Arc::new(Slots::new(TURNS_IN_MEMORY)),
            pool: Arc::default(),
            messages: None,
            next: None,
            last_frames: Cache::builder()
                .max_capacity(PARTICIPANTS_IN_MEMORY as u64)
                .time_to_live(Duration::from_secs(config.frame_reuse_seconds))
                .build(),
            sampler: Arc::new(Mutex::new(Sampler::new(config.frame_budget_per_second.into()))),
            keys: RandomState::new(),
            live_max_age: None,
            backtests: Arc::new(Semaphore::new(BACKTESTS)),
            opinions: Arc::new(Semaphore::new(pictures::places(&engine, &config.second_opinion.model))),
            banks: Arc::default(),
            desk: review::desk_of(&store, &clock, &webhooks),
            engine,
            policies,
            store,
            index,
            clock,
            config: Arc::new(config),
            webhooks: webhooks.into(),
        }
    }

    /// Gives up frames of the live lane that are older than `limit` when their turn comes.
    #[must_use]
    pub fn with_live_max_age(self, limit: Duration) -> Self {
        Self { live_max_age: TimeDelta::from_std(limit).ok(), ..self }
    }

    /// Checks an item's form: sizes, names, emptiness. Cheap; called before acceptance so that a bad item is refused at the door.
    pub fn validate(&self, item: &Item) -> Result<(), PipelineError> {
        item.check(&self.config)
    }

    /// Judges one item: dispatches on its kind to `process_text` or `process_picture`. A call frame of the live lane that has
    /// become too old is [`PipelineError::Stale`].
    pub async fn process(&self, item: &Item, lane: Lane, mode: Mode) -> Result<Processed, PipelineError> {
        self.run(item, lane, mode, false).await
    }

    /// As [`Pipeline::process`], by every text model, whatever language the text seems to be in: for callers who say which one it is.
    pub async fn process_in_any_language(
        &self,
        item: &Item,
        lane: Lane,
        mode: Mode,
    ) -> Result<Processed, PipelineError> {
        self.run(item, lane, mode, true).await
    }

    /// The language of `text`, and whether some text model has learnt it.
    pub fn language_of(&self, text: &str) -> Language {
        self.language(self.languages.detect(Normalised::new(text).text()))
    }

    async fn run(&self, item: &Item, lane: Lane, mode: Mode, any_language: bool) -> Result<Processed, PipelineError> {
        if mode == Mode::Record {
            let asked = Instant::now();
            let judged = self.store.is_judged(item.envelope.id).await?;
            stage::SEEN.took(asked.elapsed());
            if judged {
                return self.recorded(&item.envelope).await;
            }
        }
        self.validate(item)?;
        let mut envelope = item.envelope.clone();
        // The door clamps too; what came by another way must not drag windows into the future.
        envelope.occurred_at = clamp_occurred(Some(envelope.occurred_at), envelope.received_at);
        self.refuse_stale(&envelope, lane, mode)?;
        let waited = self.clock.now() - envelope.received_at;
        let work = Work {
            envelope: &envelope,
            content: &item.content,
            lane,
            mode,
            policy: self.policy_for(&envelope),
            watch: Stopwatch::start(waited),
            any_language,
            reused: false,
            next_frame_ms: None,
            size: (0, 0, 0),
            hashed: None,
        };
        match &item.content {
            Content::Text(text) => self.process_text(work, text).await,
            Content::Picture(bytes) => self.process_picture(work, bytes.clone()).await,
        }
    }

    async fn process_text(&self, mut work: Work<'_>, text: &str) -> Result<Processed, PipelineError> {
        let folded = Folded::new(text);
        work.watch.prepared();
        let alone = self.judge_folded(&folded, &work).await?;
        let author = author(work.envelope);
        // From here to the commit one message of an author at a time: the next one must find this one in the store.
        let _turn = match (&author, work.mode) {
            (Some(author), Mode::Record) => Some(self.authors.hold(author.clone()).await),
            _ => None,
        };
        for _ in 0..STALE_TRIES {
            if let Some(processed) = self.judge_written(&mut work, text, &folded, &alone, &author).await? {
                return Ok(processed);
            }
        }
        Err(contended("a person's state"))
    }

    /// One try of a text. `None` when another process has written a newer state of the person.
    async fn judge_written(
        &self,
        work: &mut Work<'_>,
        text: &str,
        folded: &Folded,
        alone: &JudgedText,
        author: &Option<AuthorKey>,
    ) -> Result<Option<Processed>, PipelineError> {
        let (length, state) = (text.chars().count(), ParticipantState::default());
        work.size = (length, 0, 0);
        let language = alone.language().cloned();
        let listed = Listed::find(folded, work.policy.lists(), language.as_ref());
        let mut signals = alone.signals();
        signals.extend(listed.signals(work.policy.version()));
        let own = signals.clone();
        let facts = Facts { length, language: language.as_ref(), signals: &own, ..no_facts(work.envelope) };
        let mut ruling = self.rule(work, facts, &state).await?;
        // A text that is flagged alone has its answer: judging it again with its context would double the cost of
        // exactly those texts that an attacker can send in masses, and could only make the reason vaguer.
        if !ruling.evaluation.flagged()
            && work.policy.reads_context(ItemKind::Text)
            && let Some(joined) = self.with_context(author, work, folded.text()).await?
        {
            let together = self.judge_folded(&Folded::new(&joined), work).await?.signals();
            let facts = Facts { context: &together, ..facts };
            ruling = self.rule(work, facts, &state).await?;
            signals.extend(together.iter().map(Signal::of_context));
        }
        work.watch.inferred();
        let ruling = self.add_consequences(work, ruling).await?;
        let evaluation = &ruling.evaluation;
        let spans = alone.spans(folded, &listed, text, &evaluation.mask);
        let sanitized = sanitize(text, &spans, &evaluation.mask);
        let mut verdict = verdict(&work.policy, evaluation, sanitized, spans, language);
        if alone.is_unread() && !verdict.flagged {
            // That no rule fired on what no model could read says nothing.
            verdict.confidence = 0.0;
        }
        // What was flagged never becomes context: it has had its answer, and must not colour what follows.
        let context = (author.is_some() && !evaluation.flagged()).then(|| folded.text().to_owned());
        let record = OutcomeRecord { context_text: context, ..self.decide(work, signals, verdict, &ruling) };
        self.try_commit(work, record, &ruling).await
    }

    async fn process_picture(&self, mut work: Work<'_>, bytes: bytes::Bytes) -> Result<Processed, PipelineError> {
        let size = bytes.len();
        let limits = decode::Limits { bytes: size, pixels: self.config.max_pixels };
        let participant = frames::participant(work.envelope);
        // A dry run leaves no trace, so it takes no short cut either.
        let compare = participant.is_some() && self.config.frame_reuse_bits > 0 && work.mode == Mode::Record;
        let banks = self.banks_of(&work.envelope.tenant).await?;
        let (hashes, id, now) = (Self::hashes(work.envelope, &banks), work.envelope.id, self.clock.now());
        let look = move |picture: Picture| {
            let likeness = compare.then(|| Likeness::of(&picture.pixels));
            let hashed = hashes.then(|| Pdq::of(&picture.pixels));
            let known = hashed.map(|hashed| banks.signals(&hashed, id, now)).unwrap_or_default();
            (picture, likeness, hashed, known)
        };
        // A hash is compared with hashes that others made of the whole picture: of fewer pixels up to 24 of its 256 bits were others.
        let detail = if hashes { Detail::Whole } else { self.picture_detail() };
        let (picture, likeness, hashed, in_banks) = decode_on_pool_and(bytes.clone(), limits, detail, look).await?;
        let (width, height) = picture.size;
        work.hashed = hashed;
        work.watch.prepared();
        let known = participant.as_ref().zip(likeness.as_ref()).and_then(|(key, likeness)| self.same(key, likeness));
        let seen = match known {
            Some(seen) => {
                work.reused = true;
                seen
            }
            None => {
                // The last moment at which giving up saves work; a verdict that was paid for stands.
                self.refuse_stale(work.envelope, work.lane, work.mode)?;
                let mut seen = self.judge_picture(picture, bytes, &work).await?;
                seen.signals.extend(in_banks);
                seen
            }
        };
        work.watch.inferred();
        if let (Some(key), Some(likeness), false) = (&participant, likeness, work.reused) {
            let last = frames::LastFrame { likeness, seen: seen.clone(), at: self.clock.now() };
            self.last_frames.insert(key.clone(), Arc::new(last));
        }
        work.size = (size, width, height);
        let facts = Facts { length: size, width, height, signals: &seen.signals, ..no_facts(work.envelope) };
        match participant {
            Some(key) => self.process_frame(work, facts, &seen, key).await,
            None => {
                for _ in 0..STALE_TRIES {
                    let ruling = self.rule(&work, facts, &ParticipantState::default()).await?;
                    let ruling = self.add_consequences(&work, ruling).await?;
                    let verdict = verdict(&work.policy, &ruling.evaluation, None, Vec::new(), None);
                    let record = self.decide(&work, seen.signals.clone(), verdict, &ruling);
                    if let Some(processed) = self.try_commit(&work, record, &ruling).await? {
                        return Ok(processed);
                    }
                }
                Err(contended("a person's state"))
            }
        }
    }

    /// The part of a frame that depends on the frames before it. Frames of one participant pass one at a time, from
    /// the reading of the state to its commit. The call itself need not be known: a platform may send frames only.
    async fn process_frame(
        &self,
        mut work: Work<'_>,
        facts: Facts<'_>,
        seen: &Seen,
        key: ParticipantKey,
    ) -> Result<Processed, PipelineError> {
        let mut slot = self.participants.hold(key.clone()).await;
        for _ in 0..STALE_TRIES {
            // Taken out: should anything fail from here on, the next frame reads the state from the store again.
            let known = match slot.take() {
                Some(known) => known,
                None => self.load_participant(&key).await?,
            };
            if let Some((processed, state)) = self.judge_frame(&mut work, facts, seen, &key, known).await? {
                *slot = state;
                return Ok(processed);
            }
            metrics::counter!("chaperone_participant_stale_total").increment(1);
        }
        Err(contended("a participant's state"))
    }

    /// One try of a frame on the participant's state as it is `known`, with its version. Answers the state to remember;
    /// `None` when another process has written a newer one.
    async fn judge_frame(
        &self,
        work: &mut Work<'_>,
        facts: Facts<'_>,
        picture: &Seen,
        key: &ParticipantKey,
        known: (ParticipantState, u64),
    ) -> Result<Option<(Processed, Option<(ParticipantState, u64)>)>, PipelineError> {
        let (mut state, seen) = known.clone();
        let (tenant, call, actor) = key;
        if let Some(since) = state.disconnected_at
            && self.store.load_call(tenant, call).await?.is_some_and(|call| call.rejoined_after(actor, since))
        {
            state = state.returned();
        }
        let at = work.envelope.occurred_at;
        let opinion = &self.config.second_opinion;
        state.suspicion = state.suspicion.after(picture.suspected, at, opinion.window());
        let corroborated = state.suspicion.frames >= opinion.corroborating_frames;
        let hidden = (picture.unconfirmed && !corroborated).then(|| opinion.unconfirmed(&picture.signals));
        let signals = hidden.as_ref().unwrap_or(&picture.signals);
        let facts = Facts { signals, suspected_frames: state.suspicion.frames, ..facts };
        let mut ruling = self.rule(work, facts, &state).await?;
        // Only a frame that climbs a ladder needs to know how the call stands: all others cost no read of it.
        if ruling.evaluation.climbed {
            let call = self.store.load_call(tenant, call).await?;
            let standing = call.map_or(Standing::Open, |call| call.standing(actor, at));
            ruling = self.rule(work, Facts { standing, ..facts }, &state).await?;
        }
        let mut ruling = self.add_consequences(work, ruling).await?;
        let verdict = verdict(&work.policy, &ruling.evaluation, None, Vec::new(), None);
        let score = if verdict.flagged { 1.0 } else { 1.0 - verdict.confidence };
        ruling.evaluation.state.risk = sampling::risk(state.risk, score);
        if work.mode == Mode::Record {
            work.next_frame_ms = Some(self.next_frame(key, &ruling.evaluation.state, work.envelope));
        }
        let mut record = self.decide(work, facts.signals.to_vec(), verdict, &ruling);
        let evaluation = &ruling.evaluation;
        let change =
            ParticipantChange { call: call.clone(), actor: actor.clone(), state: evaluation.state.clone(), seen };
        record.participant = Some(change);
        let Some(processed) = self.try_commit(work, record, &ruling).await? else { return Ok(None) };
        let evaluation = ruling.evaluation;
        let state = match (work.mode, processed.fresh) {
            (Mode::Record, true) => Some((evaluation.state, seen + 1)),
            (Mode::Record, false) => None,
            (Mode::DryRun, _) => Some(known),
        };
        Ok(Some((processed, state)))
    }

    /// The text joined with what its author wrote just before; `None` when that is nothing.
    async fn with_context(
        &self,
        author: &Option<AuthorKey>,
        work: &Work<'_>,
        text: &str,
    ) -> Result<Option<String>, PipelineError> {
        let Some((tenant, conversation, actor)) = author else { return Ok(None) };
        let messages = self.config.context_messages;
        if messages == 0 {
            return Ok(None);
        }
        let at = work.envelope.occurred_at;
        let earlier = self.store.recent_texts(tenant, conversation, actor, at, messages).await?;
        let age = i64::try_from(self.config.context_seconds).ok().and_then(TimeDelta::try_seconds);
        let window = Window { messages, age: age.unwrap_or(TimeDelta::MAX), bytes: self.config.max_text_bytes };
        Ok(window.join(&earlier, text, at))
    }

    async fn load_participant(
        &self,
        (tenant, call, actor): &ParticipantKey,
    ) -> Result<(ParticipantState, u64), PipelineError> {
        Ok(self.store.load_participant(tenant, call, actor).await?.unwrap_or_default())
    }

    /// Puts together what is known and decided. The only random thing is the action's id.
    fn decide(&self, work: &Work<'_>, signals: Vec<Signal>, verdict: Verdict, ruling: &Ruling) -> OutcomeRecord {
        let decided_at = self.clock.now();
        let evaluation = &ruling.evaluation;
        let to_action = |draft| action(draft, ActionId::new(), work.envelope, &verdict.policy, decided_at);
        let mut actions: Vec<Action> = evaluation.draft.clone().map(to_action).into_iter().collect();
        let cause = actions.first().map(|action| action.id);
        actions.extend(evaluation.consequence.clone().map(|draft| Action { cause, ..to_action(draft) }));
        let outcome = Outcome {
            actions,
            envelope: work.envelope.clone(),
            content_sha256: content_sha256(work.content),
            signals,
            verdict,
            decided_at,
            timings: work.watch.read(),
            reused: work.reused,
            next_frame_ms: work.next_frame_ms,
            length: work.size.0,
            width: work.size.1,
            height: work.size.2,
        };
        let record = outcome_record(outcome, &Terms::of(&work.policy), &self.webhooks);
        OutcomeRecord { person: ruling.person_change(work), ..record }
    }
}

/// Other processes change the same thing all the time: later it will be calmer.
fn contended(what: &str) -> PipelineError {
    let message = format!("{what} was changed by others during every try to write it");
    PipelineError::Unavailable { part: "store", message }
}

/// Facts about nothing yet.
fn no_facts(envelope: &Envelope) -> Facts<'static> {
    Facts {
        kind: envelope.kind,
        length: 0,
        width: 0,
        height: 0,
        language: None,
        signals: &[],
        context: &[],
        suspected_frames: 0,
        standing: Standing::Open,
        share: envelope.actor.as_ref().map(|actor| share(&envelope.tenant, actor)),
        person: None,
    }
}

/// Whose context a message has: an author's in a conversation.
fn author(envelope: &Envelope) -> Option<AuthorKey> {
    Some((envelope.tenant.clone(), envelope.conversation.clone()?, envelope.actor.clone()?))
}
