//! Deciding: pure. Facts, state and time in; verdict, action and new state out.

use std::collections::{BTreeSet, HashMap};

use cel::Value;
use chrono::{DateTime, TimeDelta, Utc};

use super::{Policy, Rule, RuleMode, Then, expression::Hit};
use crate::{
    action::ActionKind,
    enforcement::{
        inverse::restricts,
        person::{Person, PersonState},
    },
    item::ItemKind,
    language::Language,
    signal::Signal,
    stream::{
        call::{ParticipantState, Standing},
        ladder::{Climb, Scope},
    },
    verdict::Reason,
};

/// What is known about an item.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What it is.
    pub kind: ItemKind,
    /// Characters of a text, bytes of a picture.
    pub length: usize,
    /// Pixels per row; 0 for a text.
    pub width: u32,
    /// Rows; 0 for a text.
    pub height: u32,
    /// Language of a text; `None` for a picture.
    pub language: Option<&'a Language>,
    /// Scores of the item alone.
    pub signals: &'a [Signal],
    /// Scores of the item together with its context; empty when it was not judged that way.
    pub context: &'a [Signal],
    /// Frames: suspected ones in a row, this one included.
    pub suspected_frames: u32,
    /// Whether a ladder's action would still reach the participant.
    pub standing: Standing,
    /// The person's place among a hundred ([`super::share`]): canaries act on those below their `percent`. `None` when nobody is
    /// named: canaries then act on nobody.
    pub share: Option<u8>,
    /// What is known of the person; `None` when nobody is named, or nobody looked yet.
    pub person: Option<&'a Person>,
}

/// What is to be done. Becomes an `Action` when it gets an id.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionDraft {
    /// What.
    pub kind: ActionKind,
    /// Rule that asked for it.
    pub rule: String,
    /// One sentence.
    pub reason: String,
    /// Score behind it, 0..=1.
    pub confidence: f32,
    /// Violations in the ladder's window; 0 outside ladders.
    pub violations: u32,
    /// Strikes that come with it.
    pub strikes: u32,
    /// How long it lasts; until it is taken back when absent.
    pub lasts: Option<TimeDelta>,
    /// What was asked for before the breaker made a review of it.
    pub instead_of: Option<ActionKind>,
}

/// A decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The severest action of all live rules that fired; `allow` when none did.
    pub action: ActionKind,
    /// Live rules that fired, severest first, then the surest.
    pub reasons: Vec<Reason>,
    /// Shadow rules that would have fired.
    pub shadow: Vec<Reason>,
    /// Score behind the first reason; without reasons 1 − the highest score that a rule looked at.
    pub confidence: f32,
    /// Labels whose spans are to be masked.
    pub mask: BTreeSet<String>,
    /// What is to be done; `None` for `allow`.
    pub draft: Option<ActionDraft>,
    /// What the strikes lead to, beside `draft` ([`super::add_consequences`]).
    pub consequence: Option<ActionDraft>,
    /// Something depends on the person, and the facts had none: look them up and judge again.
    pub wants_person: bool,
    /// What is remembered of the person after this item; `None` when it is as before.
    pub person: Option<PersonState>,
    /// A live ladder was climbed, whether or not it led to anything.
    pub climbed: bool,
    /// The participant after this item.
    pub state: ParticipantState,
}

impl Evaluation {
    /// Did at least one live rule fire?
    pub fn flagged(&self) -> bool {
        !self.reasons.is_empty()
    }
}

/// Scores by label; of several models with the same label the highest.
pub(crate) struct Scores<'a> {
    pub(crate) alone: HashMap<&'a str, f32>,
    pub(crate) context: HashMap<&'a str, f32>,
}

impl<'a> Scores<'a> {
    fn of(facts: &Facts<'a>) -> Self {
        Self { alone: by_label(facts.signals), context: by_label(facts.context) }
    }

    pub(crate) fn get(&self, context: bool, label: &str) -> Option<f32> {
        if context { self.context.get(label).copied() } else { self.alone.get(label).copied() }
    }
}

fn by_label(signals: &[Signal]) -> HashMap<&str, f32> {
    let mut scores = HashMap::with_capacity(signals.len());
    for signal in signals {
        let score = scores.entry(signal.label.as_str()).or_insert(signal.score);
        *score = signal.score.max(*score);
    }
    scores
}

/// A live rule that fired, with what it leads to.
struct Fired<'a> {
    rule: &'a Rule,
    hit: Hit,
    action: ActionKind,
    violations: u32,
}

/// Judges an item by `policy`. `state` is the participant before this item (the default one for everything but frames),
/// `at` when the item was captured or written.
///
/// All rules of one ladder that fire on one item are one violation. A participant who was disconnected is not climbed
/// against again, until they come back: told by the call, or shown by frames that still arrive when the longest window
/// has passed.
pub fn evaluate(policy: &Policy, facts: &Facts<'_>, state: &ParticipantState, at: DateTime<Utc>) -> Evaluation {
    let scores = Scores::of(facts);
    let context = policy.constants.context(item(facts), known(facts, at), &scores);
    let rules: Vec<&Rule> = policy.rules.iter().filter(|rule| rule.kinds.contains(&facts.kind)).collect();
    let back = state.disconnected_at.is_some_and(|since| at > since + policy.longest_window());
    let mut state = if back { state.clone().returned() } else { state.clone() };
    state.frames += u64::from(facts.kind == ItemKind::Frame);
    let reachable = state.disconnected_at.is_none() && facts.standing == Standing::Open;

    let mut climbs = HashMap::new();
    let (mut live, mut shadow, mut climbed, mut wants_person) = (Vec::new(), Vec::new(), false, false);
    let mut person = facts.person.map(|person| person.state.clone());
    for &rule in &rules {
        let Some(hit) = rule.condition.hit(&context, &scores) else { continue };
        let acts = acts(rule, facts);
        let (action, violations) = match rule.then {
            Then::Action(action) => (action, 0),
            Then::Ladder(ladder) if policy.ladders[ladder].scope == Scope::Person => {
                // What nobody did, or somebody whom nobody has looked up yet, counts on no ladder.
                let Some(person) = &mut person else {
                    wants_person = true;
                    continue;
                };
                let ladder = &policy.ladders[ladder];
                let climb = if acts {
                    let climbing = person.ladders.entry(ladder.name.clone()).or_default();
                    let climb = || ladder.climb_held(&mut climbing.times, &mut climbing.held, at);
                    *climbs.entry(&ladder.name).or_insert_with(climb)
                } else {
                    let mut climbing = person.ladders.get(&ladder.name).cloned().unwrap_or_default();
                    ladder.climb_held(&mut climbing.times, &mut climbing.held, at)
                };
                led_to(climb)
            }
            Then::Ladder(_) if !reachable => {
                climbed |= acts;
                (ActionKind::Allow, 0)
            }
            Then::Ladder(ladder) => {
                let ladder = &policy.ladders[ladder];
                let mut held = state.held.get(&ladder.name).copied();
                let climb = if acts {
                    climbed = true;
                    let times = state.violations.entry(ladder.name.clone()).or_default();
                    let climb = || ladder.climb_held(times, &mut held, at);
                    *climbs.entry(&ladder.name).or_insert_with(climb)
                } else {
                    let mut times = state.violations.get(&ladder.name).cloned().unwrap_or_default();
                    ladder.climb_held(&mut times, &mut held.clone(), at)
                };
                if let Some(held) = held {
                    state.held.insert(ladder.name.clone(), held);
                }
                led_to(climb)
            }
        };
        let fired = Fired { rule, hit, action, violations };
        if acts { live.push(fired) } else { shadow.push(fired) }
    }
    live.sort_by(|a, b| b.action.cmp(&a.action).then(b.hit.score.total_cmp(&a.hit.score)));

    let looked_at = rules.iter().filter_map(|rule| rule.condition.highest(&scores)).max_by(f32::total_cmp);
    let action = live.first().map_or(ActionKind::Allow, |fired| fired.action);
    if action == ActionKind::Disconnect && facts.kind == ItemKind::Frame {
        state.disconnected_at = Some(at);
    }
    let draft = live.first().filter(|fired| fired.action != ActionKind::Allow).map(|fired| ActionDraft {
        kind: fired.action,
        rule: fired.rule.name.clone(),
        reason: fired.rule.reason.clone(),
        confidence: fired.hit.score.clamp(0.0, 1.0),
        violations: fired.violations,
        strikes: policy.weight(fired.rule),
        lasts: fired.rule.lasts.filter(|_| restricts(fired.action)),
        instead_of: None,
    });
    wants_person |= facts.person.is_none() && draft.as_ref().is_some_and(|draft| draft.strikes > 0);
    Evaluation {
        action,
        confidence: live.first().map_or(1.0 - looked_at.unwrap_or(0.0), |fired| fired.hit.score).clamp(0.0, 1.0),
        mask: live.iter().flat_map(|fired| fired.rule.mask.iter().cloned()).collect(),
        reasons: live.into_iter().map(reason).collect(),
        shadow: shadow.into_iter().map(reason).collect(),
        draft,
        consequence: None,
        wants_person,
        person: person.filter(|state| facts.person.is_some_and(|before| before.state != *state)),
        climbed,
        state,
    }
}

fn led_to(climb: Climb) -> (ActionKind, u32) {
    (climb.action.unwrap_or(ActionKind::Allow), climb.violations)
}

/// What conditions read as `actor`. Only what is known is there: a rule that reads anything else does not fire.
fn known(facts: &Facts<'_>, at: DateTime<Utc>) -> HashMap<String, Value> {
    let Some(person) = facts.person else { return HashMap::new() };
    let mut known = HashMap::from([
        ("strikes".to_owned(), Value::Int(person.strikes.into())),
        ("restricted".to_owned(), Value::Bool(!person.restrictions.is_empty())),
    ]);
    if let Some(created) = person.account_created_at {
        known.insert("account_age_days".to_owned(), Value::Int((at - created).num_days().max(0)));
    }
    if let Some(evasion) = person.evasion {
        known.insert("evasion".to_owned(), Value::Int(evasion.into()));
    }
    known
}

/// Does the rule act on this person?
fn acts(rule: &Rule, facts: &Facts<'_>) -> bool {
    match rule.mode {
        RuleMode::Live => true,
        RuleMode::Shadow => false,
        RuleMode::Canary => facts.share.is_some_and(|share| share < rule.percent),
    }
}

/// What conditions read as `item`. A length of 0 is one that is not known, since nothing empty is judged: then the size is not there.
fn item(facts: &Facts<'_>) -> HashMap<String, Value> {
    let kind = ("kind".to_owned(), Value::from(facts.kind.as_str()));
    if facts.length == 0 {
        return HashMap::from([kind]);
    }
    HashMap::from([
        kind,
        ("length".to_owned(), Value::Int(i64::try_from(facts.length).unwrap_or(i64::MAX))),
        ("width".to_owned(), Value::Int(facts.width.into())),
        ("height".to_owned(), Value::Int(facts.height.into())),
        ("suspected_frames".to_owned(), Value::Int(facts.suspected_frames.into())),
        ("language".to_owned(), Value::from(facts.language.map_or("", |language| language.code.as_str()))),
        ("language_supported".to_owned(), Value::Bool(facts.language.is_none_or(|language| language.supported))),
    ])
}

fn reason(fired: Fired<'_>) -> Reason {
    Reason {
        rule: fired.rule.name.clone(),
        text: fired.rule.reason.clone(),
        label: fired.hit.label,
        score: fired.hit.score,
        action: fired.action,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn signals(scores: &[(&str, f32)]) -> Vec<Signal> {
        let signal = |(label, score): &(&str, f32)| Signal {
            model: "m".into(),
            version: "1".into(),
            label: (*label).into(),
            score: *score,
        };
        scores.iter().map(signal).collect()
    }

    fn judge(policy: &Policy, kind: ItemKind, scores: &[(&str, f32)], context: &[(&str, f32)]) -> Evaluation {
        let (signals, context) = (signals(scores), signals(context));
        let facts = Facts {
            kind,
            length: 5,
            width: 0,
            height: 0,
            language: None,
            signals: &signals,
            context: &context,
            suspected_frames: 0,
            standing: Standing::Open,
            share: None,
            person: None,
        };
        evaluate(policy, &facts, &ParticipantState::default(), DateTime::UNIX_EPOCH)
    }

    fn policy(rules: &str) -> Policy {
        let head = "name = \"t\"\n[thresholds]\ncut = 0.8\n[labels]\nbad = [\"a\", \"b\"]\n[[ladder]]\nname = \"l\"\n\
                    window_seconds = 10\nsteps = [{ violations = 2, action = \"disconnect\" }]\n";
        Policy::parse("t.toml", &format!("{head}{rules}")).unwrap()
    }

    fn rule(name: &str, kind: &str, when: &str, then: &str) -> String {
        format!("[[rule]]\nname = \"{name}\"\nkinds = [\"{kind}\"]\nreason = \"R.\"\nwhen = \"{when}\"\n{then}\n")
    }

    #[test]
    fn p1_the_severest_action_wins_and_all_reasons_are_kept() {
        let policy = policy(
            &[
                rule("mild", "text", "score.a > 0.5", "action = \"warn\"\nmask = [\"a\"]"),
                rule("hard", "text", "score.b > 0.5", "action = \"remove\"\nmask = [\"b\"]"),
                rule("quiet", "text", "score.c > 0.5", "action = \"ban\""),
            ]
            .concat(),
        );
        let decision = judge(&policy, ItemKind::Text, &[("a", 0.9), ("b", 0.6), ("c", 0.1)], &[]);
        assert_eq!(decision.action, ActionKind::Remove);
        assert_eq!(decision.reasons.iter().map(|r| r.rule.as_str()).collect::<Vec<_>>(), ["hard", "mild"]);
        assert!((decision.confidence - 0.6).abs() < 1e-6);
        assert_eq!(decision.mask, BTreeSet::from(["a".into(), "b".into()]));
        assert_eq!(decision.draft.as_ref().map(|draft| (draft.rule.as_str(), draft.violations)), Some(("hard", 0)));
    }

    #[test]
    fn a_missing_signal_never_triggers_a_rule() {
        for when in [
            "score.gone > 0.5",
            "!(score.gone > 0.5)",
            "score.gone < 0.5",
            "score['gone'] < 0.5",
            "score.a > 0.5 && score.gone < 0.5",
            "labels.bad.exists(l, context[l] < 2.0)",
            "context.a > 0.1",
        ] {
            let decision =
                judge(&policy(&rule("r", "text", when, "action = \"ban\"")), ItemKind::Text, &[("a", 0.9)], &[]);
            assert!(!decision.flagged() && decision.draft.is_none(), "{when}");
        }
        let either = policy(&rule("r", "text", "score.gone > 0.5 || score.a > 0.5", "action = \"ban\""));
        assert!(judge(&either, ItemKind::Text, &[("a", 0.9)], &[]).flagged());
        let guarded = policy(&rule("r", "text", "!has(score.gone) && score.a > 0.5", "action = \"ban\""));
        assert!(judge(&guarded, ItemKind::Text, &[("a", 0.9)], &[]).flagged());
    }

    #[test]
    fn the_label_that_carried_the_rule_is_named() {
        let either = policy(&rule("r", "text", "score.a > 0.9 || score.b > 0.5", "action = \"warn\""));
        let decision = judge(&either, ItemKind::Text, &[("a", 0.85), ("b", 0.6)], &[]);
        assert_eq!(decision.reasons[0].label, "b", "a is higher, but under its own cut");
        let set = policy(&rule("r", "text", "labels.bad.exists(l, score[l] > thresholds.cut)", "action = \"warn\""));
        let decision = judge(&set, ItemKind::Text, &[("a", 0.1), ("b", 0.95), ("z", 0.99)], &[]);
        assert_eq!((decision.reasons[0].label.as_str(), decision.reasons[0].score), ("b", 0.95));
        let before = policy(&rule("r", "text", "context.a > 0.5", "action = \"warn\""));
        assert_eq!(judge(&before, ItemKind::Text, &[("a", 0.1)], &[("a", 0.7)]).reasons[0].label, "context.a");
        let long = policy(&rule("r", "text", "item.length > 3 && item.kind == 'text'", "action = \"warn\""));
        let reason = &judge(&long, ItemKind::Text, &[], &[]).reasons[0];
        assert_eq!((reason.label.as_str(), reason.score), ("item", 1.0));
    }

    #[test]
    fn a_score_equal_to_the_cut_is_equal_in_spite_of_binary_fractions() {
        for cut in ["0.1", "0.7", "0.8", "0.9", "0.35"] {
            let policy = policy(&rule("r", "text", &format!("score.a >= {cut}"), "action = \"warn\""));
            assert!(judge(&policy, ItemKind::Text, &[("a", cut.parse().unwrap())], &[]).flagged(), "{cut}");
            let strict = self::policy(&rule("r", "text", &format!("score.a > {cut}"), "action = \"warn\""));
            assert!(!judge(&strict, ItemKind::Text, &[("a", cut.parse().unwrap())], &[]).flagged(), "{cut}");
        }
    }

    #[test]
    fn without_a_reason_confidence_is_the_distance_to_the_highest_score_looked_at() {
        let policy = policy(&rule("r", "text", "score.a > 0.5", "action = \"warn\""));
        let decision = judge(&policy, ItemKind::Text, &[("a", 0.3), ("neutral", 0.99)], &[]);
        assert_eq!(decision.action, ActionKind::Allow);
        assert!((decision.confidence - 0.7).abs() < 1e-6);
        assert!((judge(&policy, ItemKind::Image, &[("a", 0.9)], &[]).confidence - 1.0).abs() < 1e-6);
    }

    #[test]
    fn p2_a_shadow_rule_is_recorded_and_does_nothing() {
        let policy = policy(
            &[
                rule("trial", "frame", "score.a > 0.5", "ladder = \"l\"\nmode = \"shadow\"\nmask = [\"a\"]"),
                rule("trial2", "frame", "score.a > 0.5", "action = \"ban\"\nmode = \"shadow\""),
            ]
            .concat(),
        );
        let decision = judge(&policy, ItemKind::Frame, &[("a", 0.9)], &[]);
        assert!(!decision.flagged() && decision.draft.is_none() && decision.mask.is_empty() && !decision.climbed);
        assert_eq!(decision.shadow.iter().map(|r| r.action).collect::<Vec<_>>(), [ActionKind::Allow, ActionKind::Ban]);
        assert!(decision.state.violations.is_empty());
    }

    #[test]
    fn p2_a_canary_acts_on_its_share_of_the_people_and_on_nobody_unnamed() {
        let policy = policy(&rule("r", "text", "score.a > 0.5", "action = \"ban\"\nmode = \"canary\"\npercent = 30"));
        let signals = signals(&[("a", 0.9)]);
        for (share, acts) in [(None, false), (Some(0), true), (Some(29), true), (Some(30), false), (Some(99), false)] {
            let facts = Facts {
                kind: ItemKind::Text,
                length: 5,
                width: 0,
                height: 0,
                language: None,
                signals: &signals,
                context: &[],
                suspected_frames: 0,
                standing: Standing::Open,
                share,
                person: None,
            };
            let decision = evaluate(&policy, &facts, &ParticipantState::default(), DateTime::UNIX_EPOCH);
            assert_eq!((decision.draft.is_some(), decision.shadow.len()), (acts, usize::from(!acts)), "{share:?}");
        }
    }

    #[test]
    fn p3_conditions_read_what_is_known_of_the_person_and_nothing_else() {
        let created = DateTime::UNIX_EPOCH - TimeDelta::days(3);
        let known = Person { strikes: 4, account_created_at: Some(created), ..Person::default() };
        for (when, reads, nobody, stranger, somebody) in [
            ("actor.strikes >= 4", true, false, false, true),
            ("actor.strikes < 1", true, false, true, false),
            ("!actor.restricted", true, false, true, true),
            ("actor.account_age_days < 7", true, false, false, true),
            ("actor.evasion > 0", true, false, false, false),
            ("!(actor.evasion > 0)", true, false, false, false),
            ("actor['strikes'] >= 4 && score.a > 0.5", true, false, false, true),
            ("score.a > 0.5", false, true, true, true),
        ] {
            let policy = policy(&rule("r", "text", when, "action = \"warn\""));
            assert_eq!(policy.reads_person(ItemKind::Text), reads, "{when}");
            let signals = signals(&[("a", 0.9)]);
            for (person, fires) in [(None, nobody), (Some(&Person::default()), stranger), (Some(&known), somebody)] {
                let facts = Facts { person, ..bare(ItemKind::Text, &signals) };
                let decision = evaluate(&policy, &facts, &ParticipantState::default(), DateTime::UNIX_EPOCH);
                assert_eq!(decision.flagged(), fires, "{when}: {person:?}");
            }
        }
    }

    #[test]
    fn f4_a_ladder_over_the_person_counts_texts_and_frames_together() {
        let ladder = "[[ladder]]\nname = \"p\"\nscope = \"person\"\nwindow_seconds = 864000\n\
                      steps = [{ violations = 1, action = \"warn\" }, { violations = 3, action = \"suspend\" }]\n";
        let rules = [
            rule("text", "text", "score.a > 0.5", "ladder = \"p\"\nhours = 24"),
            rule("frame", "frame", "score.a > 0.5", "ladder = \"p\"\nhours = 24"),
        ];
        let policy = policy(&format!("{ladder}{}", rules.concat()));
        let signals = signals(&[("a", 0.9)]);
        let mut person = Person::default();
        let mut actions = Vec::new();
        for kind in [ItemKind::Text, ItemKind::Frame, ItemKind::Text] {
            let facts = Facts { person: Some(&person), ..bare(kind, &signals) };
            let decision = evaluate(&policy, &facts, &ParticipantState::default(), DateTime::UNIX_EPOCH);
            let draft = decision.draft.unwrap();
            actions.push((draft.kind, draft.violations, draft.lasts.map(|lasts| lasts.num_hours())));
            person.state = decision.person.unwrap();
        }
        use ActionKind::{Suspend, Warn};
        assert_eq!(actions, [(Warn, 1, None), (Warn, 2, None), (Suspend, 3, Some(24))]);
        let stranger =
            evaluate(&policy, &bare(ItemKind::Text, &signals), &ParticipantState::default(), DateTime::UNIX_EPOCH);
        assert!(stranger.wants_person && !stranger.flagged(), "what nobody did counts on no ladder");
    }

    fn bare(kind: ItemKind, signals: &[Signal]) -> Facts<'_> {
        Facts {
            kind,
            length: 5,
            width: 0,
            height: 0,
            language: None,
            signals,
            context: &[],
            suspected_frames: 0,
            standing: Standing::Open,
            share: None,
            person: None,
        }
    }

    #[test]
    fn f2_two_rules_of_a_ladder_are_one_violation() {
        let policy = policy(
            &[
                rule("one", "frame", "score.a > 0.5", "ladder = \"l\""),
                rule("two", "frame", "score.b > 0.5", "ladder = \"l\""),
            ]
            .concat(),
        );
        let decision = judge(&policy, ItemKind::Frame, &[("a", 0.9), ("b", 0.9)], &[]);
        assert_eq!(decision.state.violations["l"].len(), 1);
        assert_eq!(decision.reasons.len(), 2);
        assert_eq!(decision.draft, None, "this ladder's first step needs two");
    }

    #[test]
    fn f2_nobody_is_disconnected_twice_without_coming_back() {
        let policy = policy(&rule("r", "frame", "score.a > 0.5", "ladder = \"l\""));
        let signals = signals(&[("a", 0.9)]);
        let facts = |standing| Facts {
            kind: ItemKind::Frame,
            length: 9,
            width: 4,
            height: 4,
            language: None,
            signals: &signals,
            context: &[],
            suspected_frames: 0,
            standing,
            share: None,
            person: None,
        };
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let mut state = ParticipantState::default();
        let mut actions = Vec::new();
        for second in [0, 1, 2, 3, 11, 12, 13] {
            let decision = evaluate(&policy, &facts(Standing::Open), &state, at(second));
            actions.push(decision.draft.map(|draft| draft.kind));
            state = decision.state;
        }
        // Disconnected at 1; from 12 on, a full window later, frames of that person mean that they are back.
        let disconnect = Some(ActionKind::Disconnect);
        assert_eq!(actions, [None, disconnect, None, None, None, None, disconnect]);
        assert_eq!(state.frames, 7);

        let returned = ParticipantState { disconnected_at: Some(at(13)), frames: 7, ..Default::default() }.returned();
        assert_eq!(returned, ParticipantState { frames: 7, ..Default::default() });
        let gone = evaluate(&policy, &facts(Standing::Gone), &returned, at(14));
        assert!(gone.flagged() && gone.climbed && gone.draft.is_none() && gone.state.violations.is_empty());
    }
}
