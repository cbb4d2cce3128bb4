//! Which queue a case waits in, how urgent it is and until when it should be decided: rules that are data. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::case::{CaseDraft, LegalClock, Priority};
use crate::{action::ActionKind, error::PipelineError};

/// The settings of a tenant that has written none.
pub const BUILTIN: &str = include_str!("../../policies/review.toml");
/// The queue of what no rule wants.
pub const DEFAULT_QUEUE: &str = "general";
/// Queues that one tenant may have.
pub const MAX_QUEUES: usize = 64;
/// Sentences that one tenant may have ready.
pub const MAX_TEMPLATES: usize = 200;
/// Longest of them, in bytes: what a decision may say.
const MAX_SENTENCE: usize = 500;

/// How a tenant's review works. `policies/review.toml` explains every member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewSettings {
    /// Seconds that a claim holds without a heartbeat.
    pub lease_seconds: u32,
    /// Cases that one reviewer may have at once.
    pub capacity: u32,
    /// Actions of the policy that ask for a human: what they did is looked at afterwards.
    pub case_actions: Vec<ActionKind>,
    /// Rules of the policy that ask for a human, whatever they do.
    pub case_rules: Vec<String>,
    /// Share of judged items that become a case by chance, 0 to 1.
    pub sample_share: f64,
    /// Share of decisions that somebody else judges again, 0 to 1.
    pub second_share: f64,
    /// Share of claims that are answered with a case whose answer is known, 0 to 1.
    pub golden_share: f64,
    /// Must a decision that acts say why?
    pub require_reason: bool,
    /// Must a decision that acts name the rule that was broken?
    pub require_rule: bool,
    /// Days that evidence is kept after its case is decided.
    pub evidence_days: u32,
    /// Days that the versions of messages which the platform names are kept; 0: none is. Settings of before this member keep their day's meaning.
    #[serde(default = "version_days")]
    pub version_days: u32,
    /// Days in which copies of a picture are found: hashes of judged uploads are kept so long; 0: none is.
    #[serde(default = "copy_days")]
    pub copy_days: u32,
    /// Days in which what a reporter was right or wrong about counts half.
    pub credibility_half_life_days: u32,
    /// Does a decision that restricts something want a statement of reasons for the transparency database of the European Commission?
    #[serde(default)]
    pub statements: bool,
    /// Labels of what harms to look at.
    pub graphic_labels: Vec<String>,
    /// Reasons of reports that start the 48-hour clock of intimate pictures.
    pub intimate_reasons: Vec<String>,
    /// Minutes until a case should be decided, by priority.
    pub sla_minutes: SlaMinutes,
    /// What one person should look at in a day.
    pub exposure: ExposureBudget,
    /// Sentences for the person concerned that reviewers pick instead of writing them.
    #[serde(default)]
    pub templates: Vec<Template>,
    /// The queues; of those whose conditions hold, the first takes the case.
    pub queues: Vec<QueueRule>,
}

/// What settings say that were written before there was the member.
fn copy_days() -> u32 {
    30
}

/// What settings say that were written before there was the member.
fn version_days() -> u32 {
    30
}

/// A sentence for the person concerned, ready to be picked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Template {
    /// What reviewers pick it by.
    pub name: String,
    /// The sentence.
    pub text: String,
    /// Only with these rules; with all, when empty.
    pub rules: Vec<String>,
}

/// Minutes until a case should be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlaMinutes {
    /// Urgent.
    pub urgent: u32,
    /// High.
    pub high: u32,
    /// Normal.
    pub normal: u32,
    /// Low.
    pub low: u32,
}

impl SlaMinutes {
    /// Of one priority.
    pub fn of(&self, priority: Priority) -> u32 {
        match priority {
            Priority::Urgent => self.urgent,
            Priority::High => self.high,
            Priority::Normal => self.normal,
            Priority::Low => self.low,
        }
    }
}

/// What one person should look at in a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExposureBudget {
    /// Graphic cases.
    pub items: u32,
    /// Minutes on graphic cases.
    pub minutes: u32,
}

/// A queue and what comes into it. An empty list asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueRule {
    /// Unique: `a-z`, `0-9`, `_`, `-`.
    pub name: String,
    /// For people.
    pub description: String,
    /// `rule`, `report`, `sample`, `appeal`, `manual`.
    pub sources: Vec<String>,
    /// `text`, `frame`, `image`, `report`.
    pub kinds: Vec<String>,
    /// Policy rules.
    pub rules: Vec<String>,
    /// Labels of the case, or reasons of its reports.
    pub labels: Vec<String>,
    /// Languages (`en`, `de`, …).
    pub languages: Vec<String>,
    /// How urgent what comes into it is.
    pub priority: Option<Priority>,
    /// Minutes until decided, instead of the priority's.
    pub sla_minutes: Option<u32>,
    /// Only staff who have this skill get its cases.
    pub skill: Option<String>,
    /// Only leads get its cases.
    pub leads_only: bool,
    /// Nobody gets its cases for now; they still come in.
    pub paused: bool,
}

impl QueueRule {
    fn takes(&self, draft: &CaseDraft) -> bool {
        let among = |wanted: &[String], have: &str| wanted.is_empty() || wanted.iter().any(|one| one == have);
        let any = |wanted: &[String], have: &[String]| wanted.is_empty() || wanted.iter().any(|one| have.contains(one));
        among(&self.sources, draft.source.as_str())
            && among(&self.kinds, &draft.kind)
            && any(&self.rules, &draft.facts.rules)
            && any(&self.labels, &draft.facts.labels)
            && (self.languages.is_empty()
                || draft.language.as_ref().is_some_and(|language| self.languages.contains(language)))
    }
}

/// Where a find goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Queue.
    pub queue: String,
    /// How urgent.
    pub priority: Priority,
    /// Until when.
    pub due_at: DateTime<Utc>,
}

impl ReviewSettings {
    /// The settings of a tenant that has written none.
    pub fn builtin() -> Self {
        toml::from_str(BUILTIN).expect("the built-in settings are part of the binary and parsed by a test")
    }

    /// Refuses what cannot work, with the member's name.
    pub fn check(&self) -> Result<(), PipelineError> {
        let wrong = |message: String| Err(PipelineError::invalid("review_settings", message));
        for (name, share) in [
            ("sample_share", self.sample_share),
            ("second_share", self.second_share),
            ("golden_share", self.golden_share),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return wrong(format!("`{name}` is a share between 0 and 1"));
            }
        }
        if !(15..=3600).contains(&self.lease_seconds) {
            return wrong("`lease_seconds` is 15 to 3600".into());
        }
        if !(1..=100).contains(&self.capacity) {
            return wrong("`capacity` is 1 to 100".into());
        }
        if self.queues.len() > MAX_QUEUES {
            return wrong(format!("`queues` has at most {MAX_QUEUES} entries"));
        }
        if self.templates.len() > MAX_TEMPLATES {
            return wrong(format!("`templates` has at most {MAX_TEMPLATES} entries"));
        }
        for (index, Template { name, text, .. }) in self.templates.iter().enumerate() {
            if !(1..=64).contains(&name.len()) || self.templates[..index].iter().any(|other| other.name == *name) {
                return wrong(format!("`templates[{index}].name` is 1 to 64 bytes, and no other's name"));
            }
            if !(1..=MAX_SENTENCE).contains(&text.len()) {
                return wrong(format!("`templates[{index}].text` is 1 to {MAX_SENTENCE} bytes"));
            }
        }
        for (index, queue) in self.queues.iter().enumerate() {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
            if !(1..=64).contains(&queue.name.len()) || !queue.name.bytes().all(fits) {
                return wrong(format!("`queues[{index}].name` is 1 to 64 of a-z, 0-9, `_`, `-`"));
            }
            if self.queues[..index].iter().any(|other| other.name == queue.name) {
                return wrong(format!("`queues[{index}].name`: there is another queue of this name"));
            }
        }
        Ok(())
    }

    /// The queue of this name; the default one has no rule of its own unless somebody wrote it.
    pub fn queue(&self, name: &str) -> Option<&QueueRule> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// Where a find goes. What a law sets the time for comes first: its clock is never longer than the law's.
    pub fn route(&self, draft: &CaseDraft) -> Route {
        let rule = match &draft.queue {
            Some(name) => self.queue(name),
            None => self.queues.iter().find(|queue| queue.takes(draft)),
        };
        let queue = draft.queue.clone().or_else(|| rule.map(|rule| rule.name.clone()));
        let mut priority = rule.and_then(|rule| rule.priority).unwrap_or_default();
        priority = draft.at_most.map_or(priority, |most| priority.max(most));
        priority = draft.at_least.map_or(priority, |least| priority.min(least));
        let most = match draft.facts.clock {
            Some(LegalClock::IntimateImage) => {
                priority = Priority::Urgent;
                INTIMATE_MINUTES
            }
            None => u32::MAX,
        };
        let minutes = rule.and_then(|rule| rule.sla_minutes).unwrap_or_else(|| self.sla_minutes.of(priority)).min(most);
        Route {
            queue: queue.unwrap_or_else(|| DEFAULT_QUEUE.to_owned()),
            priority,
            due_at: draft.at + TimeDelta::minutes(i64::from(minutes)),
        }
    }

    /// Does a report with this reason start the clock of intimate pictures?
    pub fn starts_clock(&self, reason: &str) -> Option<LegalClock> {
        self.intimate_reasons.iter().any(|one| one == reason).then_some(LegalClock::IntimateImage)
    }

    /// Do these labels harm to look at?
    pub fn is_graphic<'a>(&self, mut labels: impl Iterator<Item = &'a str>) -> bool {
        labels.any(|label| self.graphic_labels.iter().any(|graphic| graphic == label))
    }
}

/// 48 hours (see [`LegalClock::IntimateImage`]).
pub const INTIMATE_MINUTES: u32 = 48 * 60;

/// Is `key` among the `share` that is drawn? The same key always gets the same answer, so that a second try draws nothing new, and no
/// process needs to ask another.
pub fn drawn(key: &[u8], share: f64) -> bool {
    if share <= 0.0 {
        return false;
    }
    let digest = Sha256::digest(key);
    let (first, _) = digest.split_at(8);
    let number = first.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    // 53 bits are exact in an f64.
    (number >> 11) as f64 / (1_u64 << 53) as f64 <= share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::case::Source;

    fn at() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn draft(source: Source) -> CaseDraft {
        CaseDraft::new("t".into(), "ann", source, at())
    }

    #[test]
    fn c2_the_built_in_settings_are_sound() {
        let settings = ReviewSettings::builtin();
        settings.check().unwrap();
        assert!(settings.queue("intimate").is_some() && settings.queue("appeals").is_some());
    }

    #[test]
    fn c2_the_first_queue_whose_conditions_hold_takes_the_case() {
        let settings = ReviewSettings {
            queues: vec![
                QueueRule { name: "de".into(), languages: vec!["de".into()], ..QueueRule::default() },
                QueueRule {
                    name: "threats".into(),
                    rules: vec!["threat".into()],
                    priority: Some(Priority::High),
                    ..QueueRule::default()
                },
                QueueRule {
                    name: "frames".into(),
                    kinds: vec!["frame".into()],
                    sla_minutes: Some(5),
                    ..QueueRule::default()
                },
            ],
            ..ReviewSettings::builtin()
        };
        let with = |change: &dyn Fn(&mut CaseDraft)| {
            let mut draft = draft(Source::Rule);
            change(&mut draft);
            let route = settings.route(&draft);
            (route.queue, route.priority, (route.due_at - at()).num_minutes())
        };
        let normal = i64::from(settings.sla_minutes.normal);
        let high = i64::from(settings.sla_minutes.high);
        assert_eq!(with(&|_| {}), (DEFAULT_QUEUE.into(), Priority::Normal, normal));
        assert_eq!(with(&|draft| draft.language = Some("de".into())), ("de".into(), Priority::Normal, normal));
        assert_eq!(with(&|draft| draft.facts.rules = vec!["threat".into()]), ("threats".into(), Priority::High, high));
        assert_eq!(with(&|draft| draft.kind = "frame".into()), ("frames".into(), Priority::Normal, 5));
        assert_eq!(with(&|draft| draft.queue = Some("x".into())).0, "x");
        assert_eq!(with(&|draft| draft.at_most = Some(Priority::Low)).1, Priority::Low);
        assert_eq!(with(&|draft| draft.at_least = Some(Priority::Urgent)).1, Priority::Urgent);
    }

    #[test]
    fn c7_an_intimate_picture_has_48_hours_at_most_and_its_own_queue() {
        let settings = ReviewSettings::builtin();
        let mut draft = draft(Source::Report);
        draft.facts.labels = vec!["intimate_image".into()];
        draft.facts.clock = settings.starts_clock("intimate_image");
        let route = settings.route(&draft);
        assert_eq!((route.queue.as_str(), route.priority), ("intimate", Priority::Urgent));
        assert!(route.due_at <= at() + TimeDelta::hours(48));
        let lax = ReviewSettings {
            sla_minutes: SlaMinutes { urgent: 99_999, ..settings.sla_minutes },
            queues: vec![],
            ..settings
        };
        assert_eq!(lax.route(&draft).due_at, at() + TimeDelta::hours(48));
        assert_eq!(lax.starts_clock("spam"), None);
    }

    #[test]
    fn c1_a_share_is_drawn_and_the_same_key_is_drawn_again() {
        let count = |share| (0..10_000_u32).filter(|n| drawn(&n.to_le_bytes(), share)).count();
        assert_eq!((count(0.0), count(1.0)), (0, 10_000));
        // 3 standard deviations of a binomial with 10 000 draws of 0.1 are 90.
        assert!((910..=1090).contains(&count(0.1)), "{}", count(0.1));
        assert_eq!(drawn(b"x", 0.5), drawn(b"x", 0.5));
    }

    #[test]
    fn c2_settings_that_cannot_work_are_refused_by_name() {
        let good = ReviewSettings::builtin();
        let rows = [
            (ReviewSettings { sample_share: 1.5, ..good.clone() }, "sample_share"),
            (ReviewSettings { second_share: f64::NAN, ..good.clone() }, "second_share"),
            (ReviewSettings { lease_seconds: 1, ..good.clone() }, "lease_seconds"),
            (ReviewSettings { capacity: 0, ..good.clone() }, "capacity"),
            (ReviewSettings { queues: vec![QueueRule::default()], ..good.clone() }, "queues[0].name"),
            (ReviewSettings { templates: vec![Template::default()], ..good.clone() }, "templates[0].name"),
            (
                ReviewSettings {
                    templates: vec![Template { name: "a".into(), ..Template::default() }],
                    ..good.clone()
                },
                "templates[0].text",
            ),
            (
                ReviewSettings { queues: vec![good.queues[0].clone(), good.queues[0].clone()], ..good.clone() },
                "queues[1].name",
            ),
        ];
        for (settings, name) in rows {
            let error = settings.check().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
