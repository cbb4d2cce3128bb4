//! What a policy would have done with what is recorded. Pure: outcomes in, one by one and in their order, a report out. Memory is bounded
//! however many there are.
//!
//! What cannot be known is said, not guessed: scores that nobody computed skip a rule as ever, and are counted.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ActionDraft, Evaluation, Facts, Policy, add_consequences, evaluate, share};
use crate::{
    action::ActionKind,
    enforcement::{
        inverse::restricts,
        person::{Person, PersonState, Restriction},
    },
    item::{ActorId, CallId, ItemId, ItemKind, TenantId},
    opinion::SecondOpinionConfig,
    signal::{CONTEXT_PREFIX, Signal},
    stream::call::{ParticipantState, Standing},
    verdict::Outcome,
};

/// People and participants whose state is simulated at the same time.
const REMEMBERED: usize = 50_000;
/// People that are told apart in the report.
const PEOPLE: usize = 1_000_000;
/// Samples of each direction.
pub const SAMPLES: usize = 20;

/// What humans have said about an item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Human {
    /// Whether it breaks the rules, if somebody said so.
    pub violates: Option<bool>,
    /// What was done about it was taken back.
    pub overturned: bool,
}

/// How often an action was taken, then and now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionDiff {
    /// Times that it was taken.
    pub before: u64,
    /// Times that the policy would take it.
    pub after: u64,
    /// People whom it met.
    pub people_before: u64,
    /// People whom it would meet.
    pub people_after: u64,
    /// People whom it would meet and did not.
    pub people_gained: u64,
    /// People whom it met and would not.
    pub people_lost: u64,
}

/// How a policy agrees with humans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Broke the rules, and flagged.
    pub caught: u64,
    /// Broke the rules, not flagged.
    pub missed: u64,
    /// Fine, but flagged.
    pub false_alarms: u64,
    /// Fine, not flagged.
    pub passed: u64,
}

/// An item about which the two differ. Ids only, never content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Which.
    pub item: ItemId,
    /// Whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<ActorId>,
    /// What was done.
    pub before: ActionKind,
    /// What would be done.
    pub after: ActionKind,
    /// The rules that say so.
    pub rules: Vec<String>,
}

/// What came of a backtest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Items that were judged again.
    pub items: u64,
    /// Items that no model had judged: left out.
    pub unjudged: u64,
    /// Items that the policy would have wanted to see with their context, which nobody computed: judged alone.
    pub without_context: u64,
    /// Items whose size was not recorded: rules that read it skipped them.
    pub without_size: u64,
    /// Texts in which another policy's word lists were looked up and nobody looked up this one's: what lists of the same name found counts,
    /// and no other list finds anything.
    #[serde(default)]
    pub other_lists: u64,
    /// People or participants whose simulated state was forgotten for want of room.
    pub forgotten: u64,
    /// There are more people than can be told apart: their counts are lower bounds.
    pub at_least: bool,
    /// Items that passed then.
    pub passed_before: u64,
    /// Items that would pass.
    pub passed_after: u64,
    /// By action's name.
    pub actions: BTreeMap<String, ActionDiff>,
    /// Items whose actions humans took back.
    pub overturned: u64,
    /// Those on which the policy would act again.
    pub overturned_repeated: u64,
    /// How what was done agrees with humans.
    pub agreement_before: Agreement,
    /// How the policy would.
    pub agreement_after: Agreement,
    /// Items on which the policy is harder.
    pub harder: Vec<Sample>,
    /// Items on which it is milder.
    pub milder: Vec<Sample>,
}

/// A backtest that was asked for, and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Names it.
    pub id: uuid::Uuid,
    /// Whose.
    pub tenant: TenantId,
    /// The version that is tried; absent for a text that is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// SHA-256 of its text.
    pub digest: String,
    /// Outcomes decided from then on.
    pub from: DateTime<Utc>,
    /// Up to then.
    pub to: DateTime<Utc>,
    /// Who asked.
    pub by: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was last heard of: one that is silent for long has died with its process.
    pub heard_at: DateTime<Utc>,
    /// Items so far.
    pub items: u64,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// Why nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A running backtest.
pub struct Backtest {
    policy: Arc<Policy>,
    opinion: SecondOpinionConfig,
    report: Report,
    reads_lists: bool,
    participants: Remembered<(CallId, ActorId), ParticipantState>,
    people: Remembered<ActorId, Simulated>,
    /// Person → actions that met them: then, now. By digest, so that many fit.
    met: HashMap<u64, (u16, u16)>,
    harder: BTreeMap<u64, Sample>,
    milder: BTreeMap<u64, Sample>,
}

/// A person as the policy would have left them.
#[derive(Default)]
struct Simulated {
    state: PersonState,
    strikes: Vec<(DateTime<Utc>, u32)>,
    restrictions: Vec<Restriction>,
}

impl Simulated {
    fn at(&mut self, now: DateTime<Utc>) -> Person {
        self.strikes.retain(|(until, _)| *until > now);
        self.restrictions.retain(|known| known.until.is_none_or(|until| until > now));
        Person {
            state: self.state.clone(),
            strikes: self.strikes.iter().map(|(_, strikes)| strikes).sum(),
            restrictions: self.restrictions.clone(),
            ..Person::default()
        }
    }
}

impl Backtest {
    /// Nothing was judged yet. `opinion`: by which frames were suspected.
    pub fn new(policy: Arc<Policy>, opinion: SecondOpinionConfig) -> Self {
        Self {
            opinion,
            reads_lists: policy.reads_lists(),
            policy,
            report: Report::default(),
            participants: Remembered::default(),
            people: Remembered::default(),
            met: HashMap::new(),
            harder: BTreeMap::new(),
            milder: BTreeMap::new(),
        }
    }

    /// Items judged so far.
    pub fn items(&self) -> u64 {
        self.report.items
    }

    /// Judges one outcome again. Outcomes come in the order in which they were decided.
    pub fn add(&mut self, outcome: &Outcome, human: Human) {
        if outcome.verdict.degraded {
            self.report.unjudged += 1;
            return;
        }
        let decision = self.judge(outcome);
        let drafts = || decision.draft.iter().chain(&decision.consequence);
        let (before, after) = (outcome.verdict.action, decision.action);
        self.report.items += 1;
        self.report.passed_before += u64::from(before == ActionKind::Allow);
        self.report.passed_after += u64::from(after == ActionKind::Allow);
        self.report.without_size += u64::from(outcome.length == 0);
        let listed = outcome.envelope.kind == ItemKind::Text && outcome.verdict.policy != self.policy.version();
        self.report.other_lists += u64::from(listed && self.reads_lists);
        let then: Vec<ActionKind> = outcome.actions.iter().map(|action| action.kind).collect();
        let now: Vec<ActionKind> = drafts().map(|draft| draft.kind).collect();
        for kind in &then {
            self.report.actions.entry(kind.as_str().to_owned()).or_default().before += 1;
        }
        for kind in &now {
            self.report.actions.entry(kind.as_str().to_owned()).or_default().after += 1;
        }
        self.meet(outcome.envelope.actor.as_ref(), &then, &now);
        if human.overturned {
            self.report.overturned += 1;
            self.report.overturned_repeated += u64::from(after >= before && after != ActionKind::Allow);
        }
        if let Some(violates) = human.violates {
            agree(&mut self.report.agreement_before, violates, outcome.verdict.flagged);
            agree(&mut self.report.agreement_after, violates, decision.flagged());
        }
        if before != after {
            let rules = decision.reasons.iter().map(|reason| reason.rule.clone()).collect();
            let (item, actor) = (outcome.envelope.id, outcome.envelope.actor.clone());
            let sample = Sample { item, actor, before, after, rules };
            let samples = if after > before { &mut self.harder } else { &mut self.milder };
            // The lowest digests: as good as drawn by lot, and the same every time.
            samples.insert(number(item.0.as_bytes()), sample);
            if samples.len() > SAMPLES {
                samples.pop_last();
            }
        }
    }

    fn judge(&mut self, outcome: &Outcome) -> Evaluation {
        let policy = Arc::clone(&self.policy);
        let envelope = &outcome.envelope;
        let (context, alone): (Vec<Signal>, Vec<Signal>) =
            outcome.signals.iter().cloned().partition(|signal| signal.label.starts_with(CONTEXT_PREFIX));
        let context: Vec<Signal> = context
            .into_iter()
            .map(|signal| Signal { label: signal.label[CONTEXT_PREFIX.len()..].to_owned(), ..signal })
            .collect();
        let at = envelope.occurred_at;
        let person = envelope.actor.as_ref().map(|actor| self.people.of(actor.clone(), at).at(at));
        let participant = envelope.call.clone().zip(envelope.actor.clone());
        let mut state = participant.clone().map(|key| self.participants.of(key, at).clone()).unwrap_or_default();
        state.suspicion = state.suspicion.after(self.opinion.suspected(&alone), at, self.opinion.window());
        let facts = Facts {
            kind: envelope.kind,
            length: outcome.length,
            width: outcome.width,
            height: outcome.height,
            language: outcome.verdict.language.as_ref(),
            signals: &alone,
            context: &[],
            suspected_frames: state.suspicion.frames,
            standing: Standing::Open,
            share: envelope.actor.as_ref().map(|actor| share(&envelope.tenant, actor)),
            person: person.as_ref(),
        };
        let mut decision = evaluate(&policy, &facts, &state, at);
        if !decision.flagged() && policy.reads_context(envelope.kind) {
            if context.is_empty() && outcome.verdict.flagged {
                self.report.without_context += 1;
            }
            decision = evaluate(&policy, &Facts { context: &context, ..facts }, &state, at);
        }
        let decision = add_consequences(&policy, decision, person.as_ref(), &[]);
        if let Some(key) = participant {
            *self.participants.of(key, at) = decision.state.clone();
        }
        if let Some(actor) = &envelope.actor {
            let drafts = decision.draft.iter().chain(&decision.consequence);
            let window = policy.strikes().map(|rules| rules.window);
            self.people.of(actor.clone(), at).remember(decision.person.clone(), drafts, window, at);
        }
        self.report.forgotten += self.people.make_room() + self.participants.make_room();
        decision
    }

    fn meet(&mut self, actor: Option<&ActorId>, then: &[ActionKind], now: &[ActionKind]) {
        let Some(actor) = actor.filter(|_| !then.is_empty() || !now.is_empty()) else { return };
        let person = number(actor.as_str().as_bytes());
        if self.met.len() >= PEOPLE && !self.met.contains_key(&person) {
            self.report.at_least = true;
            return;
        }
        let bits = |kinds: &[ActionKind]| kinds.iter().fold(0_u16, |bits, kind| bits | 1 << (*kind as u16));
        let met = self.met.entry(person).or_default();
        *met = (met.0 | bits(then), met.1 | bits(now));
    }

    /// The report.
    pub fn finish(mut self) -> Report {
        for (then, now) in self.met.values() {
            for kind in ActionKind::ALL {
                let had = |bits: u16| u64::from(bits >> (kind as u16) & 1);
                let (then, now) = (had(*then), had(*now));
                if then + now == 0 {
                    continue;
                }
                let diff = self.report.actions.entry(kind.as_str().to_owned()).or_default();
                diff.people_before += then;
                diff.people_after += now;
                diff.people_gained += u64::from(now > then);
                diff.people_lost += u64::from(then > now);
            }
        }
        self.report.harder = self.harder.into_values().collect();
        self.report.milder = self.milder.into_values().collect();
        self.report
    }
}

impl Simulated {
    fn remember<'a>(
        &mut self,
        state: Option<PersonState>,
        drafts: impl Iterator<Item = &'a ActionDraft>,
        window: Option<chrono::TimeDelta>,
        at: DateTime<Utc>,
    ) {
        if let Some(state) = state {
            self.state = state;
        }
        for draft in drafts {
            if let Some(until) = window.filter(|_| draft.strikes > 0).and_then(|window| at.checked_add_signed(window)) {
                self.strikes.push((until, draft.strikes));
            }
            if restricts(draft.kind) {
                let until = draft.lasts.and_then(|lasts| at.checked_add_signed(lasts));
                let action = crate::item::ActionId(uuid::Uuid::nil());
                self.restrictions.push(Restriction { action, kind: draft.kind, since: at, until });
            }
        }
    }
}

fn agree(agreement: &mut Agreement, violates: bool, flagged: bool) {
    match (violates, flagged) {
        (true, true) => agreement.caught += 1,
        (true, false) => agreement.missed += 1,
        (false, true) => agreement.false_alarms += 1,
        (false, false) => agreement.passed += 1,
    }
}

/// The first 8 bytes of the SHA-256.
fn number(bytes: &[u8]) -> u64 {
    Sha256::digest(bytes).iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// States by key, with a limit: beyond it the half that was not seen for longest is forgotten.
struct Remembered<K, V>(HashMap<K, (DateTime<Utc>, V)>);

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone, V: Default> Remembered<K, V> {
    fn of(&mut self, key: K, at: DateTime<Utc>) -> &mut V {
        let (seen, value) = self.0.entry(key).or_insert_with(|| (at, V::default()));
        *seen = at.max(*seen);
        value
    }

    fn make_room(&mut self) -> u64 {
        if self.0.len() <= REMEMBERED {
            return 0;
        }
        let mut times: Vec<DateTime<Utc>> = self.0.values().map(|(seen, _)| *seen).collect();
        let (_, middle, _) = times.select_nth_unstable(REMEMBERED / 2);
        let (middle, before) = (*middle, self.0.len());
        self.0.retain(|_, (seen, _)| *seen > middle);
        (before - self.0.len()) as u64
    }
}

#[cfg(test)]
mod tests;
