//! Policy: what the platform forbids, as data.
//!
//! A policy is a TOML file: thresholds, label sets, ladders, and rules whose conditions are CEL expressions. The header
//! of `policies/default.toml` documents the format and the variables. A file is checked as a whole before it is used;
//! an error names line and column ([`PolicyError`]). Deciding is pure ([`evaluate`]).

mod error;
mod evaluate;
mod expression;
mod file;
mod locate;
mod set;

pub use error::PolicyError;
pub use evaluate::{ActionDraft, Evaluation, Facts, evaluate};
pub use set::PolicySet;

use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::{action::ActionKind, item::ItemKind, stream::ladder::Ladder};

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
    /// Labels whose spans are masked in the sanitized text when it fires.
    pub mask: Vec<String>,
    condition: expression::Condition,
}

/// A checked policy. Immutable; share it by `Arc`.
pub struct Policy {
    name: String,
    version: String,
    rules: Vec<Rule>,
    ladders: Vec<Ladder>,
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

    /// Does any rule for `kind` look at scores of the context window?
    pub fn reads_context(&self, kind: ItemKind) -> bool {
        self.rules.iter().any(|rule| rule.kinds.contains(&kind) && rule.condition.reads_context())
    }

    /// The longest window of all ladders.
    pub(crate) fn longest_window(&self) -> TimeDelta {
        self.ladders.iter().map(|ladder| ladder.window).max().unwrap_or_else(TimeDelta::zero)
    }
}
