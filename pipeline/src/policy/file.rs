//! The policy file: TOML in, a checked [`Policy`] out.

use std::collections::{BTreeMap, HashSet};

use chrono::TimeDelta;
use serde::Deserialize;
use toml::Spanned;

use super::{
    Policy, PolicyError, Rule, RuleMode, Then, UnsupportedLanguages,
    expression::{Condition, Constants},
    locate::offset_in_raw,
    tables::{self, AcknowledgeFile, RolloutRules, StrikesFile},
};
use crate::{
    action::ActionKind,
    enforcement::{inverse::restricts, strikes::Severity},
    hash::sha256_hex,
    item::ItemKind,
    lists::{ListFile, WordLists},
    stream::ladder::{Ladder, MAX_REMEMBERED, Scope, Step},
};

/// Largest policy file, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// Longest window, cooldown and calm of a ladder over one call: a day.
const MAX_WINDOW_SECONDS: u64 = 86_400;
/// The same over a person: 90 days.
const MAX_PERSON_SECONDS: u64 = 90 * 86_400;
/// Most labels in a set.
const MAX_LABELS: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    name: Spanned<String>,
    #[serde(default)]
    unsupported_languages: UnsupportedLanguages,
    #[serde(default)]
    thresholds: BTreeMap<String, Spanned<f64>>,
    #[serde(default)]
    labels: BTreeMap<String, Spanned<Vec<String>>>,
    #[serde(default, rename = "list")]
    lists: Vec<Spanned<ListFile>>,
    #[serde(default, rename = "ladder")]
    ladders: Vec<LadderFile>,
    #[serde(default, rename = "rule")]
    rules: Vec<RuleFile>,
    strikes: Option<StrikesFile>,
    #[serde(default)]
    breaker: BTreeMap<ActionKind, Spanned<u32>>,
    acknowledge: Option<AcknowledgeFile>,
    #[serde(default)]
    rollout: RolloutRules,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LadderFile {
    name: Spanned<String>,
    window_seconds: Spanned<u64>,
    steps: Spanned<Vec<Step>>,
    #[serde(default)]
    scope: Scope,
    cooldown_seconds: Option<Spanned<u64>>,
    calm_seconds: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    name: Spanned<String>,
    kinds: Spanned<Vec<ItemKind>>,
    when: Spanned<String>,
    action: Option<ActionKind>,
    ladder: Option<Spanned<String>>,
    reason: Spanned<String>,
    #[serde(default)]
    mode: RuleMode,
    percent: Option<Spanned<u8>>,
    #[serde(default)]
    mask: Vec<String>,
    severity: Option<Severity>,
    strikes: Option<u32>,
    hours: Option<Spanned<u32>>,
}

/// Makes errors that point into the file.
pub(super) struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    pub(super) fn error(&self, offset: usize, message: impl Into<String>) -> PolicyError {
        PolicyError::at(self.file, self.text, offset, message)
    }

    /// Refuses an empty or repeated name.
    fn unique(&self, what: &str, name: &Spanned<String>, seen: &mut HashSet<String>) -> Result<String, PolicyError> {
        let text = name.get_ref().trim();
        if text.is_empty() {
            return Err(self.error(name.span().start, format!("a {what} needs a name")));
        }
        if !seen.insert(text.to_owned()) {
            return Err(self
                .error(name.span().start, format!("there is a {what} `{text}` already: give this one another name")));
        }
        Ok(text.to_owned())
    }

    fn lists(&self, lists: Vec<Spanned<ListFile>>) -> Result<WordLists, PolicyError> {
        let mut seen = HashSet::new();
        for list in &lists {
            let problem = match seen.insert(list.get_ref().name.clone()) {
                true => WordLists::compile(std::slice::from_ref(list.get_ref())).err(),
                false => Some(format!("there is a list `{}` already: give this one another name", list.get_ref().name)),
            };
            if let Some(problem) = problem {
                return Err(self.error(list.span().start, problem));
            }
        }
        let lists: Vec<ListFile> = lists.into_iter().map(Spanned::into_inner).collect();
        WordLists::compile(&lists).map_err(|problem| self.error(0, problem))
    }

    fn ladder(&self, ladder: LadderFile, seen: &mut HashSet<String>) -> Result<Ladder, PolicyError> {
        let name = self.unique("ladder", &ladder.name, seen)?;
        let most = if ladder.scope == Scope::Person { MAX_PERSON_SECONDS } else { MAX_WINDOW_SECONDS };
        let time = |what: &str, seconds: &Spanned<u64>| {
            if !(1..=most).contains(seconds.get_ref()) {
                return Err(self.error(seconds.span().start, format!("a {what} has 1 to {most} seconds")));
            }
            Ok(TimeDelta::seconds(i64::try_from(*seconds.get_ref()).unwrap_or(i64::MAX)))
        };
        let window = time("window", &ladder.window_seconds)?;
        let or_none = |what, seconds: &Option<Spanned<u64>>| {
            let some = seconds.as_ref().filter(|seconds| *seconds.get_ref() > 0);
            some.map_or_else(|| Ok(TimeDelta::zero()), |seconds| time(what, seconds))
        };
        let (cooldown, calm) =
            (or_none("cooldown", &ladder.cooldown_seconds)?, or_none("time of calm", &ladder.calm_seconds)?);
        let span = ladder.steps.span();
        let steps = ladder.steps.into_inner();
        let refuse = |message: String| Err(self.error(span.start, message));
        if steps.is_empty() {
            return refuse(format!("ladder `{name}` needs at least one step"));
        }
        if !steps.is_sorted_by(|a, b| a.violations < b.violations) {
            return refuse(format!("steps of ladder `{name}` must ascend by `violations`, each number once"));
        }
        for step in &steps {
            if step.violations == 0 || step.violations as usize > MAX_REMEMBERED {
                return refuse(format!("`violations` is 1 to {MAX_REMEMBERED}"));
            }
            if step.action == ActionKind::Allow {
                return refuse("a step cannot `allow`: leave it out".into());
            }
        }
        Ok(Ladder { name, window, steps, scope: ladder.scope, cooldown, calm })
    }

    fn rule(
        &self,
        rule: RuleFile,
        ladders: &[Ladder],
        constants: &Constants,
        seen: &mut HashSet<String>,
    ) -> Result<Rule, PolicyError> {
        let name = self.unique("rule", &rule.name, seen)?;
        let kinds = rule.kinds.get_ref();
        if kinds.is_empty() {
            return Err(self.error(rule.kinds.span().start, format!("rule `{name}` needs kinds: text, frame, image")));
        }
        if rule.reason.get_ref().trim().is_empty() {
            return Err(self.error(rule.reason.span().start, format!("rule `{name}` needs a reason: one sentence")));
        }
        let then = match (rule.action, rule.ladder) {
            (Some(action), None) => Then::Action(action),
            (None, Some(ladder)) => {
                let at = ladder.span().start;
                let known = ladders.iter().position(|known| known.name == *ladder.get_ref());
                if known.is_none_or(|known| ladders[known].scope == Scope::Call)
                    && kinds.iter().any(|kind| *kind != ItemKind::Frame)
                {
                    let message = "ladders count frames of calls: give other kinds an `action`, or the ladder `scope = \"person\"`";
                    return Err(self.error(at, message));
                }
                Then::Ladder(known.ok_or_else(|| {
                    let names: Vec<_> = ladders.iter().map(|ladder| ladder.name.as_str()).collect();
                    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                    self.error(at, format!("unknown ladder `{}`: there are {names}", ladder.get_ref()))
                })?)
            }
            _ => {
                let message = format!("rule `{name}` needs either an `action` or a `ladder`");
                return Err(self.error(rule.name.span().start, message));
            }
        };
        let acts = |wanted: fn(ActionKind) -> bool| match then {
            Then::Action(action) => wanted(action),
            Then::Ladder(ladder) => ladders[ladder].steps.iter().any(|step| wanted(step.action)),
        };
        let lasts = match &rule.hours {
            Some(hours) if !acts(restricts) => {
                let message = "only a suspension or a ban lasts for `hours`";
                return Err(self.error(hours.span().start, message));
            }
            Some(hours) => Some(tables::lasting(self, hours.span().start, *hours.get_ref())?),
            None => None,
        };
        let percent = match (rule.mode, &rule.percent) {
            (RuleMode::Canary, Some(percent)) if (1..=99).contains(percent.get_ref()) => *percent.get_ref(),
            (RuleMode::Canary, Some(percent)) => {
                let message = "`percent` of a canary is 1 to 99: for everybody, make the rule `live`";
                return Err(self.error(percent.span().start, message));
            }
            (RuleMode::Canary, None) => {
                let message = format!("rule `{name}` is a canary: say for how many people in a hundred with `percent`");
                return Err(self.error(rule.name.span().start, message));
            }
            (_, Some(percent)) => {
                let message = "only a rule with `mode = \"canary\"` has a `percent`";
                return Err(self.error(percent.span().start, message));
            }
            (_, None) => 100,
        };
        let condition = Condition::compile(rule.when.get_ref(), constants).map_err(|flaw| {
            let span = rule.when.span();
            let raw = self.text.get(span.clone()).unwrap_or_default();
            let message = format!("condition of rule `{name}`: {}", flaw.message);
            self.error(span.start + offset_in_raw(raw, flaw.character), message)
        })?;
        let counts = rule.severity.is_some() || rule.strikes.unwrap_or(0) > 0;
        let hard = counts || acts(|action| action > ActionKind::Review);
        if hard && rule.mode != RuleMode::Shadow && condition.evasion_alone() {
            let message = format!(
                "rule `{name}` acts on `actor.evasion` alone: people share devices and networks, so it may lead to `review` at most, without strikes; \
                 or read a score, too"
            );
            return Err(self.error(rule.when.span().start, message));
        }
        Ok(Rule {
            name,
            kinds: rule.kinds.into_inner(),
            then,
            reason: rule.reason.into_inner().trim().to_owned(),
            mode: rule.mode,
            percent,
            mask: rule.mask,
            severity: rule.severity,
            strikes: rule.strikes,
            lasts,
            condition,
        })
    }
}

/// Reads and checks a policy file.
pub(super) fn parse(file: &str, text: &str) -> Result<Policy, PolicyError> {
    let source = Source { file, text };
    if text.len() > MAX_BYTES {
        return Err(source.error(0, format!("a policy has at most {MAX_BYTES} bytes")));
    }
    let raw: PolicyFile = toml::from_str(text)
        .map_err(|error| source.error(error.span().map_or(0, |span| span.start), error.message().trim()))?;
    let name = source.unique("policy", &raw.name, &mut HashSet::new())?;

    for (label, value) in &raw.thresholds {
        if !value.get_ref().is_finite() {
            return Err(source.error(value.span().start, format!("threshold `{label}` must be a number")));
        }
    }
    for (set, labels) in &raw.labels {
        if labels.get_ref().is_empty() || labels.get_ref().len() > MAX_LABELS {
            return Err(source.error(labels.span().start, format!("label set `{set}` has 1 to {MAX_LABELS} labels")));
        }
    }
    let thresholds = raw.thresholds.into_iter().map(|(name, value)| (name, value.into_inner())).collect();
    let labels = raw.labels.into_iter().map(|(name, labels)| (name, labels.into_inner())).collect();
    let lists = source.lists(raw.lists)?;
    let constants = Constants::new(thresholds, labels, lists.labels());

    let mut seen = HashSet::new();
    let ladders =
        raw.ladders.into_iter().map(|ladder| source.ladder(ladder, &mut seen)).collect::<Result<Vec<_>, _>>()?;
    seen.clear();
    let rules = raw.rules.into_iter().map(|rule| source.rule(rule, &ladders, &constants, &mut seen));
    let rules = rules.collect::<Result<Vec<_>, _>>()?;

    let strikes = raw.strikes.map(|table| tables::strikes(&source, table)).transpose()?;
    let caps = tables::breaker(&source, raw.breaker)?;
    let acknowledge = raw.acknowledge.as_ref().map(|table| tables::acknowledge(&source, table)).transpose()?;

    let rollout = raw.rollout;
    let digest = sha256_hex(text.as_bytes());
    let version = format!("{name}@{}", &digest[..12]);
    let (unsupported_languages, text) = (raw.unsupported_languages, text.into());
    Ok(Policy {
        name,
        version,
        text,
        unsupported_languages,
        lists,
        rules,
        ladders,
        strikes,
        caps,
        acknowledge,
        rollout,
        constants,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> PolicyError {
        Policy::parse("p.toml", text).expect_err(text)
    }

    const HEAD: &str = "name = \"test\"\n[thresholds]\ncut = 0.5\n[labels]\nbad = [\"a\"]\n";

    /// A policy whose only rule, from line 6 on, has these lines.
    fn rule(lines: &str) -> String {
        format!("{HEAD}[[rule]]\nname = \"r\"\nkinds = [\"text\"]\nreason = \"why\"\n{lines}\n")
    }

    fn strikes(days: &str, steps: &str) -> String {
        format!("{HEAD}[strikes]\ndays = {days}\nweights = {{ low = 1 }}\nsteps = [{steps}]\n")
    }

    #[test]
    fn p2_the_builtin_policy_parses() {
        let policy = Policy::builtin();
        assert_eq!(policy.name(), "default");
        assert!(policy.rules().len() >= 8);
        assert!(policy.version().starts_with("default@"));
        assert_eq!(policy.version().len(), "default@".len() + 12);
        assert!(policy.reads_context(ItemKind::Text));
        assert!(!policy.reads_context(ItemKind::Frame));
    }

    #[test]
    fn p2_every_edit_is_another_version() {
        let one = Policy::parse("p", HEAD).unwrap();
        let two = Policy::parse("p", &format!("{HEAD}\n")).unwrap();
        assert_ne!(one.version(), two.version());
    }

    #[test]
    fn p2_errors_name_line_and_column() {
        let ladder = "[[ladder]]\nname = \"l\"\nwindow_seconds = 30\nsteps = [";
        let table: &[(String, usize, usize, &str)] = &[
            ("name = \"x\"\nnope = 1\n".into(), 2, 1, "unknown field `nope`"),
            ("name = \"x\"\nb = = 1\n".into(), 2, 5, "extra `=`"),
            ("name = \" \"".into(), 1, 8, "needs a name"),
            ("[thresholds]\ncut = 1\n".into(), 1, 1, "missing field `name`"),
            ("name = \"x\"\nunsupported_languages = \"guess\"\n".into(), 2, 25, "unknown variant `guess`"),
            ("name = \"x\"\n[thresholds]\ncut = \"high\"\n".into(), 3, 7, "expected f64"),
            ("name = \"x\"\n[thresholds]\ncut = nan\n".into(), 3, 7, "must be a number"),
            ("name = \"x\"\n[labels]\nbad = []\n".into(), 3, 7, "1 to 256 labels"),
            (rule("when = \"true\"\naction = \"explode\""), 11, 10, "unknown variant `explode`"),
            (rule("when = \"true\"\naction = \"warn\"\nmode = \"loud\""), 12, 8, "unknown variant `loud`"),
            (rule("when = \"true\"\naction = \"warn\"\nmode = \"canary\""), 7, 8, "is a canary: say for how many"),
            (rule("when = \"true\"\naction = \"warn\"\nmode = \"canary\"\npercent = 100"), 13, 11, "1 to 99"),
            (rule("when = \"true\"\naction = \"warn\"\npercent = 10"), 12, 11, "only a rule with"),
            (rule("when = \"true\"\naction = \"warn\"\nhours = 3"), 12, 9, "only a suspension or a ban lasts"),
            (rule("when = \"true\"\naction = \"ban\"\nhours = 0"), 12, 9, "`hours` is 1 to"),
            (rule("when = \"true\"\naction = \"ban\"\nseverity = \"bad\""), 12, 12, "unknown variant `bad`"),
            (format!("{HEAD}[breaker]\nban = 5\nwarn = 7\n"), 8, 8, "`warn` needs no breaker"),
            (format!("{HEAD}[acknowledge]\nseconds = 0\ntries = 3\n"), 7, 11, "`seconds` is 1 to 3600"),
            (format!("{HEAD}[acknowledge]\nseconds = 60\ntries = 0\n"), 8, 9, "`tries` is 1 to 20"),
            (strikes("0", "{ strikes = 1, action = \"ban\" }"), 7, 8, "`days` is 1 to 3650"),
            (strikes("9", ""), 9, 9, "1 to 20 steps"),
            (strikes("9", "{ strikes = 0, action = \"ban\" }"), 9, 9, "ascend by `strikes`"),
            (strikes("9", "{ strikes = 1, action = \"warn\" }"), 9, 9, "is `suspend` or `ban`"),
            (strikes("9", "{ strikes = 1, action = \"suspend\" }"), 9, 9, "a suspension has an end"),
            (rule("when = \"true\""), 7, 8, "either an `action` or a `ladder`"),
            (rule("when = \"true\"\naction = \"warn\"\nladder = \"l\""), 7, 8, "either an `action` or a `ladder`"),
            (rule("when = \"true\"\nladder = \"l\""), 11, 10, "give other kinds an `action`"),
            (rule("when = \"true\"\naction = \"warn\"\nlevel = 3"), 12, 1, "unknown field `level`"),
            (rule("when = \"score.toxic >\"\naction = \"warn\""), 10, 22, "not a CEL expression"),
            (rule("when = \"score.a > 0.1 && ) \"\naction = \"warn\""), 10, 26, "not a CEL expression"),
            (rule("when = '''\nscore.a > 0.1\n  && ) '''\naction = \"warn\""), 12, 6, "not a CEL expression"),
            (
                rule("when = \"scores.toxic > 0.5\"\naction = \"warn\""),
                10,
                9,
                "unknown variable `scores`: a condition knows score, context, list, item, actor, thresholds, labels",
            ),
            (
                rule("when = \"score.a > thresholds.cat\"\naction = \"warn\""),
                10,
                29,
                "`thresholds` has no `cat`: there are cut",
            ),
            (
                rule("when = \"labels.good.exists(l, true)\"\naction = \"warn\""),
                10,
                15,
                "`labels` has no `good`: there are bad",
            ),
            (rule("when = \"list.own > 0.5\"\naction = \"warn\""), 10, 13, "`list` has no `own`: it is empty"),
            (rule("when = \"item.size > 3\"\naction = \"warn\""), 10, 13, "`item` has no `size`"),
            (rule("when = \"1 + 1\"\naction = \"warn\""), 10, 11, "must be true or false, but is int"),
            (rule("when = \"score.a\"\naction = \"warn\""), 10, 14, "must be true or false, but is float"),
            (rule("when = \"score.a > 0.1 || score.b\"\naction = \"warn\""), 10, 31, "must be true or false"),
            (rule("when = \"score.a > 'x'\"\naction = \"warn\""), 10, 17, "overload"),
            (rule("when = \"shout(score.a)\"\naction = \"warn\""), 10, 14, "shout"),
            (rule("when = \"actor.evasion > 0\"\naction = \"ban\""), 10, 8, "at most"),
            (rule("when = \"score.a > 0.9 || actor['evasion'] >= 2\"\naction = \"suspend\""), 10, 8, "at most"),
            (rule("when = \"actor.evasion > 0\"\naction = \"review\"\nstrikes = 1"), 10, 8, "without strikes"),
            (format!("{HEAD}{ladder}]"), 9, 9, "at least one step"),
            (
                format!(
                    "{HEAD}{ladder}{{ violations = 3, action = \"warn\" }}, {{ violations = 1, action = \"ban\" }}]"
                ),
                9,
                9,
                "must ascend",
            ),
            (format!("{HEAD}{ladder}{{ violations = 0, action = \"warn\" }}]"), 9, 9, "`violations` is 1 to"),
            (format!("{HEAD}{ladder}{{ violations = 1, action = \"allow\" }}]"), 9, 9, "cannot `allow`"),
            (format!("{HEAD}{}", ladder.replace("30", "0") + "]"), 8, 18, "1 to 86400 seconds"),
        ];
        let mut wrong = Vec::new();
        for (text, line, column, message) in table {
            let error = error(text);
            if (error.line, error.column) != (*line, *column) || !error.message.contains(message) {
                wrong.push(format!("expected {line}:{column} {message}, found {error}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn p2_names_of_kinds_ladders_and_rules_are_checked() {
        let video = rule("when = \"true\"\naction = \"warn\"").replace("\"text\"", "\"video\"");
        assert!(error(&video).message.contains("unknown variant `video`"), "{}", error(&video));
        let none = rule("when = \"true\"\naction = \"warn\"").replace("[\"text\"]", "[]");
        assert!(error(&none).message.contains("needs kinds"));
        let ladder = rule("when = \"true\"\nladder = \"steep\"").replace("\"text\"", "\"frame\"");
        assert_eq!(error(&ladder).message, "unknown ladder `steep`: there are none");
        let twice = format!(
            "{}{}",
            rule("when = \"true\"\naction = \"warn\""),
            &rule("when = \"true\"\naction = \"warn\"")[HEAD.len()..]
        );
        assert_eq!((error(&twice).line, error(&twice).column), (13, 8), "{}", error(&twice));
        assert_eq!(error(&twice).message, "there is a rule `r` already: give this one another name");
        let deep = rule("when = \"[1].exists(a, [1].exists(b, [1].exists(c, true)))\"\naction = \"warn\"");
        assert!(error(&deep).message.contains("nested"));
        let list = format!("{HEAD}[[list]]\nname = \"l\"\nlanguages = [\"xx\"]\n");
        assert!(error(&list).message.contains("no built-in terms for `xx`"), "{}", error(&list));
        let lists = format!("{HEAD}[[list]]\nname = \"l\"\n[[list]]\nname = \"l\"\n");
        assert!(error(&lists).message.contains("there is a list `l` already"), "{}", error(&lists));
        let long = rule(&format!("when = \"{}\"\naction = \"warn\"", "true || ".repeat(600) + "true"));
        assert!(error(&long).message.contains("4096"));
    }

    #[test]
    fn p2_names_of_a_comprehension_are_its_own() {
        let good = rule("when = \"labels.bad.exists(score, score == 'a') && has(score.x)\"\naction = \"warn\"");
        Policy::parse("p.toml", &good).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn p2_no_condition_panics_the_parser(condition in "[a-z0-9.<>=&|!()\\[\\]'\" ]{0,40}") {
            let quoted = toml::Value::String(condition).to_string();
            let _ = Policy::parse("p.toml", &rule(&format!("when = {quoted}\naction = \"warn\"")));
        }
    }
}
