//! Policy: what the platform forbids, as data.
//!
//! A policy is a TOML file: thresholds, label sets, ladders, and rules whose conditions are CEL expressions. The header
//! of `policies/default.toml` documents the format and the variables. A file is checked as a whole before it is used;
//! an error names line and column ([`PolicyError`]). Deciding is pure ([`evaluate`]).

pub mod backtest;
mod consequence;
mod error;
mod evaluate;
mod expression;
mod file;
mod locate;
pub mod rollout;
mod set;
mod share;
mod tables;
pub mod tuner;

pub(crate) use consequence::step_beside;
pub use consequence::{STRIKES, add_consequences};
pub use error::PolicyError;
pub use evaluate::{ActionDraft, Evaluation, Facts, evaluate};
pub use set::{InForce, PolicySet};
pub use share::share;
pub use tables::RolloutRules;

use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::{
    action::ActionKind,
    enforcement::{
        acknowledge::Acknowledge,
        breaker::Caps,
        strikes::{Severity, StrikeRules},
    },
    item::ItemKind,
    lists::WordLists,
    stream::ladder::{Ladder, Scope},
};

/// The policy that is in force when nobody wrote another.
pub const BUILTIN: &str = include_str!("../../policies/default.toml");

/// Whether a rule acts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleMode {
    /// It acts.
    #[default]
    Live,
    /// It is evaluated and recorded, and never acts: a rule on trial.
    Shadow,
    /// It acts for a share of the people, always the same ones, and is a shadow for the others.
    Canary,
}

/// What models do with a text in a language that they have not learnt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnsupportedLanguages {
    /// Nothing: there is no score, so no rule about scores fires.
    #[default]
    Skip,
    /// They judge it all the same.
    Judge,
}

/// What a rule that fires leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Always this.
    Action(ActionKind),
    /// One more violation on this ladder (index into the policy's ladders).
    Ladder(usize),
}

/// One rule, compiled.
#[derive(Debug)]
pub struct Rule {
    /// Unique in its policy.
    pub name: String,
    /// Items that it looks at.
    pub kinds: Vec<ItemKind>,
    /// What it leads to.
    pub then: Then,
    /// One sentence for the person concerned and for staff.
    pub reason: String,
    /// Whether it acts.
    pub mode: RuleMode,
    /// For how many people in a hundred it acts; 100 unless it is a canary.
    pub percent: u8,
    /// Labels whose spans are masked in the sanitized text when it fires.
    pub mask: Vec<String>,
    /// How bad it is to break it.
    pub severity: Option<Severity>,
    /// Strikes of breaking it, whatever its severity.
    pub strikes: Option<u32>,
    /// How long its suspension or ban lasts; for good when absent.
    pub lasts: Option<TimeDelta>,
    condition: expression::Condition,
}

/// A checked policy. Immutable; share it by `Arc`.
pub struct Policy {
    name: String,
    version: String,
    text: Arc<str>,
    unsupported_languages: UnsupportedLanguages,
    lists: WordLists,
    rules: Vec<Rule>,
    ladders: Vec<Ladder>,
    strikes: Option<StrikeRules>,
    caps: Caps,
    acknowledge: Option<Acknowledge>,
    rollout: RolloutRules,
    constants: expression::Constants,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Policy({}, {} rules)", self.version, self.rules.len())
    }
}

impl Policy {
    /// Reads and checks `text`; `file` is the name that errors show.
    pub fn parse(file: &str, text: &str) -> Result<Self, PolicyError> {
        file::parse(file, text)
    }

    /// The built-in default policy.
    pub fn builtin() -> Arc<Self> {
        let policy = Self::parse("policies/default.toml", BUILTIN);
        Arc::new(policy.expect("the built-in policy is part of the binary and parsed by a test"))
    }

    /// The name that the file declares.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `name@` and the first 12 hex digits of the file's SHA-256: every edit is another version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// SHA-256 of the text, lower-case hex.
    pub fn digest(&self) -> String {
        crate::hash::sha256_hex(self.text.as_bytes())
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What models do with a text in a language that they have not learnt.
    pub fn unsupported_languages(&self) -> UnsupportedLanguages {
        self.unsupported_languages
    }

    /// The word lists.
    pub fn lists(&self) -> &WordLists {
        &self.lists
    }

    /// The table `[thresholds]`.
    pub fn thresholds(&self) -> &std::collections::BTreeMap<String, f64> {
        self.constants.thresholds()
    }

    /// A number of the table `[thresholds]`.
    pub fn threshold(&self, name: &str) -> Option<f64> {
        self.constants.threshold(name)
    }

    /// All rules, in file order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// All ladders, in file order.
    pub fn ladders(&self) -> &[Ladder] {
        &self.ladders
    }

    /// What strikes weigh and lead to.
    pub fn strikes(&self) -> Option<&StrikeRules> {
        self.strikes.as_ref()
    }

    /// What is asked of the version that comes after this one.
    pub fn rollout(&self) -> RolloutRules {
        self.rollout
    }

    /// How many severe actions a day may be decided without a human.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// How long the platform's word is awaited; `None`: nobody asks for it.
    pub fn acknowledge(&self) -> Option<Acknowledge> {
        self.acknowledge
    }

    /// Does any rule for `kind` look at what is known of the person?
    pub fn reads_person(&self, kind: ItemKind) -> bool {
        self.rules.iter().any(|rule| rule.kinds.contains(&kind) && rule.condition.reads_person())
    }

    /// Does the rule look at the score of `label`? `None`: there is no such rule.
    pub fn rule_reads(&self, rule: &str, label: &str) -> Option<bool> {
        self.rules.iter().find(|known| known.name == rule).map(|rule| rule.condition.reads(label))
    }

    /// Does any rule look at a word list?
    pub fn reads_lists(&self) -> bool {
        self.rules.iter().any(|rule| rule.condition.reads_lists())
    }

    /// Does any rule for `kind` look at scores of the context window?
    pub fn reads_context(&self, kind: ItemKind) -> bool {
        self.rules.iter().any(|rule| rule.kinds.contains(&kind) && rule.condition.reads_context())
    }

    /// The longest window of all ladders.
    pub(crate) fn longest_window(&self) -> TimeDelta {
        let of_calls = self.ladders.iter().filter(|ladder| ladder.scope == Scope::Call);
        of_calls.map(|ladder| ladder.window).max().unwrap_or_else(TimeDelta::zero)
    }
}
