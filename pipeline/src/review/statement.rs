//! The EU's statement of reasons: what a provider has to tell the person concerned (Regulation (EU) 2022/2065, Article 17), in the form in which
//! the Commission's transparency database takes it (Article 24(5)). Pure.
//!
//! Names and values of the fields are those of the database's API as of its second schema (July 2025): repository
//! `digital-services-act/transparency-database`, `app/Http/Requests/StatementStoreRequest.php` and `app/Models/Statement.php`. A draft: a person reads
//! it before it is sent; what only the platform knows (where its terms are, which territory) is left to them.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{action::ActionKind, error::PipelineError, item::ItemKind};

/// Longest explanation that the database takes, in characters.
const MAX_EXPLANATION: usize = 2000;
/// Longest facts.
const MAX_FACTS: usize = 5000;

/// What a statement is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Grounds<'a> {
    /// Unique for the platform: becomes `puid`.
    pub id: &'a str,
    /// What was done.
    pub action: ActionKind,
    /// Until when, when not for ever.
    pub seconds: Option<u64>,
    /// When.
    pub at: DateTime<Utc>,
    /// The rule that was broken.
    pub rule: &'a str,
    /// One sentence.
    pub reason: &'a str,
    /// Labels, and reasons of reports.
    pub labels: &'a [String],
    /// What was judged.
    pub kinds: &'a [ItemKind],
    /// When the content was made.
    pub content_at: Option<DateTime<Utc>>,
    /// Language of the content, `de`.
    pub language: Option<&'a str>,
    /// Somebody had reported it.
    pub reported: bool,
    /// A model had found it.
    pub found_by_model: bool,
    /// A person decided.
    pub decided_by_person: bool,
}

/// A statement, with the database's own names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Restrictions of what is seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decision_visibility: Vec<String>,
    /// In words, of `DECISION_VISIBILITY_OTHER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_visibility_other: Option<String>,
    /// Suspension of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_provision: Option<String>,
    /// Suspension or termination of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_account: Option<String>,
    /// When the restriction of the account ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date_account_restriction: Option<NaiveDate>,
    /// When the restriction of the service ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date_service_restriction: Option<NaiveDate>,
    /// When the restriction of what is seen ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date_visibility_restriction: Option<NaiveDate>,
    /// Against the law, or against the terms.
    pub decision_ground: String,
    /// Which part of the terms.
    pub incompatible_content_ground: String,
    /// Why.
    pub incompatible_content_explanation: String,
    /// Is it held to be illegal, too?
    pub incompatible_content_illegal: String,
    /// Kinds of content.
    pub content_type: Vec<String>,
    /// In words, of `CONTENT_TYPE_OTHER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type_other: Option<String>,
    /// What sort of violation.
    pub category: String,
    /// More exactly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub category_specification: Vec<String>,
    /// Language of the content, upper case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// When the content was made.
    pub content_date: NaiveDate,
    /// From when on it holds.
    pub application_date: NaiveDate,
    /// What happened.
    pub decision_facts: String,
    /// How it was noticed.
    pub source_type: String,
    /// Was it found by a machine?
    pub automated_detection: String,
    /// Was it decided by a machine?
    pub automated_decision: String,
    /// The platform's unique id.
    pub puid: String,
}

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementState {
    /// Somebody has to read it.
    Draft,
    /// Somebody let it go: it is to be sent.
    Queued,
    /// The database has it.
    Sent,
    /// The database refused it: correct it, then let it go again.
    Failed,
    /// It is not to be sent: the decision fell, or somebody said so.
    Withdrawn,
}

impl StatementState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Draft, Self::Queued, Self::Sent, Self::Failed, Self::Withdrawn];

    /// Name for rows and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// May somebody let it go from here?
    pub fn may_go(self) -> bool {
        matches!(self, Self::Draft | Self::Failed | Self::Withdrawn)
    }
}

impl Statement {
    /// Refuses what the database would refuse for its form. The values themselves are its business: new ones come without asking us.
    pub fn check(&self) -> Result<(), PipelineError> {
        let wrong = |message: String| Err(PipelineError::invalid("statement_invalid", message));
        let restricts = !self.decision_visibility.is_empty()
            || self.decision_provision.is_some()
            || self.decision_account.is_some();
        if !restricts {
            return wrong(
                "a statement names at least one of `decision_visibility`, `decision_provision`, `decision_account`"
                    .into(),
            );
        }
        let visibility =
            self.decision_visibility.iter().map(|value| ("decision_visibility", "DECISION_VISIBILITY_", value));
        let types = self.content_type.iter().map(|value| ("content_type", "CONTENT_TYPE_", value));
        let single = [
            ("decision_ground", "DECISION_GROUND_", &self.decision_ground),
            ("category", "STATEMENT_CATEGORY_", &self.category),
            ("source_type", "SOURCE_", &self.source_type),
            ("automated_decision", "AUTOMATED_DECISION_", &self.automated_decision),
        ];
        for (field, start, value) in single.into_iter().chain(visibility).chain(types) {
            if !value.starts_with(start) {
                return wrong(format!("`{field}` begins with `{start}`: take a value of the database's list"));
            }
        }
        if self.content_type.is_empty() {
            return wrong("`content_type` names at least one kind of content".into());
        }
        for (field, most, text) in [
            ("incompatible_content_ground", 500, &self.incompatible_content_ground),
            ("incompatible_content_explanation", MAX_EXPLANATION, &self.incompatible_content_explanation),
            ("decision_facts", MAX_FACTS, &self.decision_facts),
        ] {
            if text.trim().is_empty() || text.chars().count() > most {
                return wrong(format!("`{field}` has 1 to {most} characters"));
            }
        }
        Ok(())
    }
}

/// A draft; `None` for actions that restrict nothing in the meaning of Article 17 (a warning, a hand-over to a reviewer).
pub fn draft(grounds: &Grounds<'_>) -> Option<Statement> {
    let end = grounds.seconds.and_then(|seconds| i64::try_from(seconds).ok()).and_then(TimeDelta::try_seconds);
    let end = end.and_then(|span| grounds.at.checked_add_signed(span)).map(|end| end.date_naive());
    let (category, specification) = category(grounds.labels);
    let mut statement = Statement {
        decision_visibility: Vec::new(),
        decision_visibility_other: None,
        decision_provision: None,
        decision_account: None,
        end_date_account_restriction: None,
        end_date_service_restriction: None,
        end_date_visibility_restriction: None,
        decision_ground: "DECISION_GROUND_INCOMPATIBLE_CONTENT".into(),
        incompatible_content_ground: cut(grounds.rule, 500),
        incompatible_content_explanation: cut(grounds.reason, MAX_EXPLANATION),
        incompatible_content_illegal: "No".into(),
        content_type: content_types(grounds.kinds),
        content_type_other: None,
        category: category.into(),
        category_specification: specification.map(ToOwned::to_owned).into_iter().collect(),
        content_language: grounds.language.map(str::to_uppercase),
        content_date: grounds.content_at.unwrap_or(grounds.at).date_naive(),
        application_date: grounds.at.date_naive(),
        decision_facts: facts(grounds),
        source_type: if grounds.reported { "SOURCE_ARTICLE_16" } else { "SOURCE_VOLUNTARY" }.into(),
        automated_detection: if grounds.found_by_model { "Yes" } else { "No" }.into(),
        automated_decision: match (grounds.decided_by_person, grounds.found_by_model) {
            (false, _) => "AUTOMATED_DECISION_FULLY",
            (true, true) => "AUTOMATED_DECISION_PARTIALLY",
            (true, false) => "AUTOMATED_DECISION_NOT_AUTOMATED",
        }
        .into(),
        puid: grounds
            .id
            .chars()
            .filter(|character| character.is_ascii_alphanumeric() || "-_".contains(*character))
            .take(500)
            .collect(),
    };
    if statement.content_type == ["CONTENT_TYPE_OTHER"] {
        statement.content_type_other = Some("behaviour towards others, as reported".into());
    }
    match grounds.action {
        ActionKind::Allow | ActionKind::Warn | ActionKind::Review => return None,
        ActionKind::Blur => {
            statement.decision_visibility = vec!["DECISION_VISIBILITY_OTHER".into()];
            statement.decision_visibility_other = Some("video obscured".into());
            statement.end_date_visibility_restriction = end;
        }
        ActionKind::Remove => statement.decision_visibility = vec!["DECISION_VISIBILITY_CONTENT_REMOVED".into()],
        ActionKind::Mute | ActionKind::Disconnect => {
            statement.decision_provision = Some("DECISION_PROVISION_PARTIAL_SUSPENSION".into());
            statement.end_date_service_restriction = end;
        }
        ActionKind::Suspend => {
            statement.decision_account = Some("DECISION_ACCOUNT_SUSPENDED".into());
            statement.end_date_account_restriction = end;
        }
        // A ban that ends is a suspension.
        ActionKind::Ban if end.is_some() => {
            statement.decision_account = Some("DECISION_ACCOUNT_SUSPENDED".into());
            statement.end_date_account_restriction = end;
        }
        ActionKind::Ban => statement.decision_account = Some("DECISION_ACCOUNT_TERMINATED".into()),
    }
    Some(statement)
}

/// Category and keyword of what was found; the first row that fits counts.
fn category(labels: &[String]) -> (&'static str, Option<&'static str>) {
    const ROWS: &[(&[&str], &str, Option<&str>)] = &[
        (&["csam", "minor", "child_safety"], "STATEMENT_CATEGORY_PROTECTION_OF_MINORS", None),
        (
            &["intimate_image", "non_consensual_intimate_image", "ncii"],
            "STATEMENT_CATEGORY_CYBER_VIOLENCE",
            Some("KEYWORD_NON_CONSENSUAL_IMAGE_SHARING"),
        ),
        (&["self_harm", "suicide"], "STATEMENT_CATEGORY_SELF_HARM", None),
        (&["identity_hate", "hate"], "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH", Some("KEYWORD_HATE_SPEECH")),
        (&["threat", "violence", "gore"], "STATEMENT_CATEGORY_VIOLENCE", None),
        (&["scam", "fraud", "phishing"], "STATEMENT_CATEGORY_SCAMS_AND_FRAUD", None),
        (
            &["harassment", "insult", "toxic", "severe_toxic", "obscene", "bullying"],
            "STATEMENT_CATEGORY_CYBER_VIOLENCE",
            Some("KEYWORD_CYBER_HARASSMENT"),
        ),
        (
            &["porn", "hentai", "sexy", "nudity"],
            "STATEMENT_CATEGORY_OTHER_VIOLATION_TC",
            Some("KEYWORD_ADULT_SEXUAL_MATERIAL"),
        ),
    ];
    let bare = |label: &String| label.trim_start_matches("context.").to_owned();
    let labels: Vec<String> = labels.iter().map(bare).collect();
    let fits = |row: &&(&[&str], &str, Option<&str>)| row.0.iter().any(|name| labels.iter().any(|label| label == name));
    let row = ROWS.iter().find(fits);
    row.map_or(("STATEMENT_CATEGORY_OTHER_VIOLATION_TC", None), |(_, category, keyword)| (*category, *keyword))
}

fn content_types(kinds: &[ItemKind]) -> Vec<String> {
    let mut types: Vec<&str> = kinds
        .iter()
        .map(|kind| match kind.as_str() {
            "text" => "CONTENT_TYPE_TEXT",
            "frame" => "CONTENT_TYPE_VIDEO",
            "image" => "CONTENT_TYPE_IMAGE",
            _ => "CONTENT_TYPE_OTHER",
        })
        .collect();
    types.sort_unstable();
    types.dedup();
    if types.is_empty() {
        types.push("CONTENT_TYPE_OTHER");
    }
    types.into_iter().map(ToOwned::to_owned).collect()
}

fn facts(grounds: &Grounds<'_>) -> String {
    let noticed = match (grounds.reported, grounds.found_by_model) {
        (true, true) => "A user reported it and automated detection had found it.",
        (true, false) => "A user reported it.",
        (false, true) => "Automated detection found it.",
        (false, false) => "A member of the moderation team found it.",
    };
    let decided = if grounds.decided_by_person { "A reviewer decided." } else { "The decision was automated." };
    let labels =
        if grounds.labels.is_empty() { String::new() } else { format!(" Found: {}.", grounds.labels.join(", ")) };
    cut(&format!("{noticed} {decided}{labels}"), MAX_FACTS)
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grounds<'a>(action: ActionKind, labels: &'a [String]) -> Grounds<'a> {
        Grounds {
            id: "0198-a!b",
            action,
            seconds: None,
            at: DateTime::UNIX_EPOCH + TimeDelta::days(20_000),
            rule: "nudity",
            reason: "Nudity is not allowed.",
            labels,
            kinds: &[ItemKind::Frame, ItemKind::Text, ItemKind::Frame],
            content_at: None,
            language: Some("de"),
            reported: false,
            found_by_model: true,
            decided_by_person: true,
        }
    }

    #[test]
    fn c7_every_action_becomes_the_restriction_that_the_law_knows() {
        type Restriction<'a> = (&'a [&'a str], Option<&'a str>, Option<&'a str>);
        let rows: [(ActionKind, Option<u64>, Option<Restriction<'_>>); 9] = [
            (ActionKind::Warn, None, None),
            (ActionKind::Review, None, None),
            (ActionKind::Blur, None, Some((&["DECISION_VISIBILITY_OTHER"], None, None))),
            (ActionKind::Remove, None, Some((&["DECISION_VISIBILITY_CONTENT_REMOVED"], None, None))),
            (ActionKind::Mute, Some(60), Some((&[], Some("DECISION_PROVISION_PARTIAL_SUSPENSION"), None))),
            (ActionKind::Disconnect, None, Some((&[], Some("DECISION_PROVISION_PARTIAL_SUSPENSION"), None))),
            (ActionKind::Suspend, Some(86_400), Some((&[], None, Some("DECISION_ACCOUNT_SUSPENDED")))),
            (ActionKind::Ban, Some(86_400), Some((&[], None, Some("DECISION_ACCOUNT_SUSPENDED")))),
            (ActionKind::Ban, None, Some((&[], None, Some("DECISION_ACCOUNT_TERMINATED")))),
        ];
        for (action, seconds, expected) in rows {
            let statement = draft(&Grounds { seconds, ..grounds(action, &[]) });
            let found = statement.as_ref().map(|statement| {
                let visibility: Vec<&str> = statement.decision_visibility.iter().map(String::as_str).collect();
                (visibility, statement.decision_provision.as_deref(), statement.decision_account.as_deref())
            });
            assert_eq!(
                found,
                expected.map(|(visibility, provision, account)| (visibility.to_vec(), provision, account)),
                "{action:?}"
            );
            if action == ActionKind::Suspend {
                let end = statement.unwrap().end_date_account_restriction.unwrap();
                assert_eq!(end.to_string(), "2024-10-05");
            }
        }
    }

    #[test]
    fn c7_what_the_database_would_refuse_for_its_form_is_refused_here() {
        let good = draft(&grounds(ActionKind::Remove, &[])).unwrap();
        good.check().unwrap();
        let rows: [fn(&mut Statement); 8] = [
            |one| one.decision_visibility.clear(),
            |one| one.decision_visibility = vec!["REMOVED".into()],
            |one| one.category = "SCAMS".into(),
            |one| one.content_type.clear(),
            |one| one.content_type.push("TEXT".into()),
            |one| one.decision_facts = " ".into(),
            |one| one.incompatible_content_explanation = "x".repeat(MAX_EXPLANATION + 1),
            |one| one.automated_decision = "Yes".into(),
        ];
        for (index, change) in rows.into_iter().enumerate() {
            let mut wrong = good.clone();
            change(&mut wrong);
            assert!(wrong.check().is_err(), "row {index}");
        }
        for state in StatementState::ALL {
            assert_eq!(StatementState::named(state.as_str()), Some(state));
        }
        let may_go = StatementState::ALL.map(StatementState::may_go);
        assert_eq!(may_go, [true, false, false, true, true]);
    }

    #[test]
    fn c7_a_statement_carries_the_databases_own_values() {
        let labels = ["intimate_image".to_owned()];
        let statement = draft(&Grounds { reported: true, ..grounds(ActionKind::Remove, &labels) }).unwrap();
        assert_eq!(statement.category, "STATEMENT_CATEGORY_CYBER_VIOLENCE");
        assert_eq!(statement.category_specification, ["KEYWORD_NON_CONSENSUAL_IMAGE_SHARING"]);
        assert_eq!(statement.content_type, ["CONTENT_TYPE_TEXT", "CONTENT_TYPE_VIDEO"]);
        assert_eq!(
            (statement.source_type.as_str(), statement.automated_decision.as_str()),
            ("SOURCE_ARTICLE_16", "AUTOMATED_DECISION_PARTIALLY")
        );
        assert_eq!((statement.puid.as_str(), statement.content_language.as_deref()), ("0198-ab", Some("DE")));
        let json = serde_json::to_value(&statement).unwrap();
        assert_eq!((&json["application_date"], json.get("decision_account")), (&serde_json::json!("2024-10-04"), None));
        let automatic = draft(&Grounds { decided_by_person: false, ..grounds(ActionKind::Remove, &[]) }).unwrap();
        assert_eq!(automatic.automated_decision, "AUTOMATED_DECISION_FULLY");
        assert_eq!(automatic.category, "STATEMENT_CATEGORY_OTHER_VIOLATION_TC");
    }
}
