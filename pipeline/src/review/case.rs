//! A case: everything about one person that waits for a human, as one piece of work. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    error::PipelineError,
    item::{AppealId, CaseId, DecisionId, Envelope, EvidenceId, ReportId, TenantId},
    signal::{Signal, Span},
    verdict::Reason,
};

/// How urgent a case is. The order is the order of work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody is in danger, or a law sets the time.
    Urgent,
    /// Harm goes on meanwhile.
    High,
    /// The usual.
    #[default]
    Normal,
    /// When there is time.
    Low,
}

impl Priority {
    /// Every priority, most urgent first.
    pub const ALL: [Self; 4] = [Self::Urgent, Self::High, Self::Normal, Self::Low];

    /// Name for rows, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// Position in [`Self::ALL`]: what queues are sorted by.
    pub fn rank(self) -> i64 {
        self as i64
    }

    /// The inverse of [`Self::rank`].
    pub fn of_rank(rank: i64) -> Self {
        usize::try_from(rank).ok().and_then(|rank| Self::ALL.get(rank).copied()).unwrap_or(Self::Low)
    }

    /// One step less urgent.
    #[must_use]
    pub fn lower(self) -> Self {
        Self::of_rank(self.rank() + 1)
    }
}

/// Why there is a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A policy rule asked for a human.
    Rule,
    /// Somebody reported somebody.
    Report,
    /// Drawn by chance, to see what the models let pass and stop.
    Sample,
    /// Somebody objects to a decision.
    Appeal,
    /// A decided case that somebody else judges again, to measure agreement.
    Second,
    /// A case whose answer is known, mixed in. Never told to the reviewer.
    Golden,
    /// A member of staff opened it.
    Manual,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 7] =
        [Self::Rule, Self::Report, Self::Sample, Self::Appeal, Self::Second, Self::Golden, Self::Manual];

    /// Name for rows, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Report => "report",
            Self::Sample => "sample",
            Self::Appeal => "appeal",
            Self::Second => "second",
            Self::Golden => "golden",
            Self::Manual => "manual",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }

    /// Do later finds about the same person join the case while it is open? Samples, appeals and measurements stay apart: each is one question.
    pub fn merges(self) -> bool {
        matches!(self, Self::Rule | Self::Report | Self::Manual)
    }

    /// May a decision on it change anything on the platform? Measurements do not.
    pub fn acts(self) -> bool {
        !matches!(self, Self::Second | Self::Golden)
    }
}

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// It waits, or somebody has it (see [`Case::lease`]).
    Open,
    /// Put aside until a time.
    Held,
    /// Somebody decided.
    Decided,
}

impl CaseState {
    /// Name for rows and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Held => "held",
            Self::Decided => "decided",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn named(name: &str) -> Option<Self> {
        [Self::Open, Self::Held, Self::Decided].into_iter().find(|state| state.as_str() == name)
    }
}

/// Who has a case, for how long. Nobody else gets it meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The member of staff.
    pub holder: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when, unless it is prolonged.
    pub until: DateTime<Utc>,
}

/// A law or rule that sets a case's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegalClock {
    /// An intimate picture shown without consent has to be gone 48 hours after a valid request (United States, TAKE IT DOWN Act, Public Law
    /// 119-12, section 3(a)(3)).
    IntimateImage,
}

/// What of a case is no column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CaseFacts {
    /// The rules that asked for a human.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Labels and reasons of reports.
    #[serde(default)]
    pub labels: Vec<String>,
    /// One sentence: why it is here.
    #[serde(default)]
    pub summary: String,
    /// How many pieces of evidence it has.
    #[serde(default)]
    pub evidence: u32,
    /// How many of them are reports.
    #[serde(default)]
    pub reports: u32,
    /// Does it show what harms to look at?
    #[serde(default)]
    pub graphic: bool,
    /// The highest score behind it.
    #[serde(default)]
    pub score: f32,
    /// A law sets its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<LegalClock>,
    /// The case whose evidence it shows: of second reviews, appeals and golden items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<CaseId>,
    /// The decision that it measures or that is appealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<DecisionId>,
    /// The appeal that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appeal: Option<AppealId>,
}

/// One piece of work for a reviewer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Names it for ever.
    pub id: CaseId,
    /// Whose.
    pub tenant: TenantId,
    /// About whom: a person of the platform, or `item:<id>` when the platform named nobody.
    pub subject: String,
    /// Why it is there.
    pub source: Source,
    /// In which queue it waits.
    pub queue: String,
    /// How urgent.
    pub priority: Priority,
    /// Where it stands.
    pub state: CaseState,
    /// A lead has to decide.
    pub escalated: bool,
    /// The language of its content, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// When it came.
    pub opened_at: DateTime<Utc>,
    /// When anything of it changed last.
    pub changed_at: DateTime<Utc>,
    /// When it should be decided.
    pub due_at: DateTime<Utc>,
    /// Put aside until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until: Option<DateTime<Utc>>,
    /// Only this person may take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// Who has it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// Counts its changes; a decision names the version that it was made on.
    pub version: i64,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
    /// The rest.
    #[serde(flatten)]
    pub facts: CaseFacts,
}

impl Case {
    /// As a reviewer may see it: what is measured must not be told apart from what is real.
    #[must_use]
    pub fn disguised(mut self) -> Self {
        if matches!(self.source, Source::Golden | Source::Second) {
            self.source = Source::Rule;
            self.facts.about = None;
            self.facts.origin = None;
        }
        self
    }

    /// May `holder` decide now? The errors say who else has it.
    pub fn held_by(&self, holder: &str, now: DateTime<Utc>) -> Result<(), PipelineError> {
        if self.state == CaseState::Decided {
            let message = format!("the case `{}` is decided already: read its decisions", self.id);
            return Err(PipelineError::Conflict { code: "case_decided", message });
        }
        match &self.lease {
            Some(lease) if lease.holder == holder && lease.until > now => Ok(()),
            Some(lease) if lease.until > now => {
                let message = format!("somebody else has the case `{}` now: take the next one", self.id);
                Err(PipelineError::Conflict { code: "case_not_yours", message })
            }
            _ => {
                let message = format!("the time for the case `{}` is over: claim it again", self.id);
                Err(PipelineError::Conflict { code: "case_not_yours", message })
            }
        }
    }
}

/// What a person wrote just before, in the same conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub text: String,
}

/// One thing that a reviewer looks at, as it was when it was decided on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Exhibit {
    /// Something that was judged.
    Item(Box<ItemExhibit>),
    /// Something that was reported.
    Report {
        /// Which.
        report: ReportId,
        /// By whom.
        reporter: String,
        /// The platform's code.
        reason: String,
        /// The reporter's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// How far the reporter is believed, 0 to 1.
        credibility: f64,
        /// In which call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        /// In which conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation: Option<String>,
        /// About which item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<String>,
    },
    /// An objection.
    Appeal {
        /// Which.
        appeal: AppealId,
        /// Their words.
        text: String,
    },
    /// What a member of staff wrote.
    Note {
        /// Who.
        by: String,
        /// What.
        text: String,
    },
}

/// A judged item with what its judges saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemExhibit {
    /// Who, where, when.
    pub envelope: Envelope,
    /// SHA-256 of the content.
    pub content_sha256: String,
    /// The text as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The offending stretches, code points of the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// What the author wrote before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Before>,
    /// Scores, with model and version.
    pub signals: Vec<Signal>,
    /// Rules that fired.
    pub reasons: Vec<Reason>,
    /// What was done already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// Policy version that decided.
    pub policy: String,
    /// The policy's numbers at that time: what the scores were held against.
    #[serde(default)]
    pub thresholds: std::collections::BTreeMap<String, f64>,
    /// Names of pictures that are kept (`GET /v1/cases/{id}/media/{media}`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
}

impl Exhibit {
    /// Name for rows.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Item(_) => "item",
            Self::Report { .. } => "report",
            Self::Appeal { .. } => "appeal",
            Self::Note { .. } => "note",
        }
    }

    /// The words in it that a search should find.
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Item(item) => item.text.as_deref(),
            Self::Report { note, .. } => note.as_deref(),
            Self::Appeal { text, .. } | Self::Note { text, .. } => Some(text),
        }
    }

    /// The item that it is about.
    pub fn item(&self) -> Option<String> {
        match self {
            Self::Item(item) => Some(item.envelope.id.to_string()),
            Self::Report { item, .. } => item.clone(),
            _ => None,
        }
    }
}

/// One row of a case's evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Names it.
    pub id: EvidenceId,
    /// When it came to the case.
    pub at: DateTime<Utc>,
    /// What it is; `null` once its retention is over.
    pub exhibit: Option<Exhibit>,
}

/// A picture that is kept for reviewers.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// SHA-256 of the bytes, hex.
    pub id: String,
    /// E.g. `image/jpeg`.
    pub media_type: String,
    /// The picture, without what cameras write into it.
    pub bytes: bytes::Bytes,
}

impl std::fmt::Debug for Media {
    /// Never shows content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Media({}, {} bytes)", self.media_type, self.bytes.len())
    }
}

/// A find that asks for a human: becomes a case, or joins one.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseDraft {
    /// Whose.
    pub tenant: TenantId,
    /// About whom.
    pub subject: String,
    /// Why.
    pub source: Source,
    /// When.
    pub at: DateTime<Utc>,
    /// `text`, `frame`, `image`, `report`, …: what routing rules call it.
    pub kind: String,
    /// Its content's language.
    pub language: Option<String>,
    /// Rules, labels and the rest; counts are made by the store.
    pub facts: CaseFacts,
    /// At least this urgent, whatever the queue says.
    pub at_least: Option<Priority>,
    /// At most this urgent: of reporters who are not believed.
    pub at_most: Option<Priority>,
    /// Into this queue, whatever the rules say.
    pub queue: Option<String>,
    /// Staff who must not get it.
    pub barred: Vec<String>,
    /// What is to be looked at.
    pub exhibits: Vec<Exhibit>,
    /// Pictures of the exhibits.
    pub media: Vec<Media>,
}

impl CaseDraft {
    /// A find without evidence yet.
    pub fn new(tenant: TenantId, subject: impl Into<String>, source: Source, at: DateTime<Utc>) -> Self {
        Self {
            tenant,
            subject: subject.into(),
            source,
            at,
            kind: source.as_str().to_owned(),
            language: None,
            facts: CaseFacts::default(),
            at_least: None,
            at_most: None,
            queue: None,
            barred: Vec::new(),
            exhibits: Vec::new(),
            media: Vec::new(),
        }
    }
}

/// Adds what is new, in order, up to `most`.
pub(crate) fn join(known: &mut Vec<String>, more: &[String], most: usize) {
    for one in more {
        if known.len() < most && !known.contains(one) {
            known.push(one.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn c2_priorities_are_sorted_and_come_back_from_their_rank() {
        for priority in Priority::ALL {
            assert_eq!(Priority::of_rank(priority.rank()), priority);
        }
        assert!(Priority::Urgent < Priority::Low);
        assert_eq!((Priority::Low.lower(), Priority::of_rank(-1)), (Priority::Low, Priority::Low));
    }

    #[test]
    fn c2_only_who_has_the_case_in_time_may_decide() {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let lease = |holder: &str, until| Some(Lease { holder: holder.into(), since: at(0), until: at(until) });
        let rows = [
            (CaseState::Open, lease("mia", 10), Ok(())),
            (CaseState::Open, lease("mia", 5), Err("case_not_yours")),
            (CaseState::Open, lease("tom", 10), Err("case_not_yours")),
            (CaseState::Open, None, Err("case_not_yours")),
            (CaseState::Decided, lease("mia", 10), Err("case_decided")),
        ];
        for (state, lease, expected) in rows {
            let case = Case { state, lease, ..sample() };
            let answer = case.held_by("mia", at(5)).map_err(|error| match error {
                PipelineError::Conflict { code, .. } => code,
                _ => "other",
            });
            assert_eq!(answer, expected, "{case:?}");
        }
    }

    #[test]
    fn c7_what_is_measured_looks_like_what_is_real() {
        let mut case = Case { source: Source::Golden, ..sample() };
        case.facts.about = Some(DecisionId::new());
        let seen = case.disguised();
        assert_eq!((seen.source, seen.facts.about), (Source::Rule, None));
    }

    fn sample() -> Case {
        Case {
            id: CaseId::new(),
            tenant: "t".into(),
            subject: "ann".into(),
            source: Source::Rule,
            queue: "general".into(),
            priority: Priority::Normal,
            state: CaseState::Open,
            escalated: false,
            language: None,
            opened_at: DateTime::UNIX_EPOCH,
            changed_at: DateTime::UNIX_EPOCH,
            due_at: DateTime::UNIX_EPOCH,
            held_until: None,
            assignee: None,
            lease: None,
            version: 1,
            decided_at: None,
            facts: CaseFacts::default(),
        }
    }
}
