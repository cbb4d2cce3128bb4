//! What a decision leads to beside itself: strikes, the step of the strikes that they reach, and the breaker. Pure.

use super::{ActionDraft, Evaluation, Policy, Rule};
use crate::{
    action::ActionKind,
    enforcement::{
        person::Person,
        strikes::{StrikeRules, StrikeStep},
    },
};

/// The rule that a step of the strikes is told by.
pub const STRIKES: &str = "strikes";

impl Policy {
    /// Strikes of a rule that fired.
    pub(super) fn weight(&self, rule: &Rule) -> u32 {
        let by_severity = || {
            let strikes = self.strikes.as_ref()?;
            rule.severity.map(|severity| strikes.weights.of(severity))
        };
        rule.strikes.or_else(by_severity).unwrap_or(0)
    }

    /// Strikes of breaking the rule `name`: 0 when the policy has no table of strikes, or no such rule.
    pub fn strikes_of(&self, name: &str) -> u32 {
        let rule = self.rules.iter().find(|rule| rule.name == name).filter(|_| self.strikes.is_some());
        rule.map_or(0, |rule| self.weight(rule))
    }
}

/// Adds to an evaluation what it leads to. `person` is who did it; nothing is held against nobody. `capped` are the kinds whose breaker is
/// open: they become reviews.
pub fn add_consequences(
    policy: &Policy,
    mut evaluation: Evaluation,
    person: Option<&Person>,
    capped: &[ActionKind],
) -> Evaluation {
    if let Some(draft) = &mut evaluation.draft
        && capped.contains(&draft.kind)
    {
        draft.instead_of = Some(draft.kind);
        draft.kind = ActionKind::Review;
        draft.lasts = None;
        evaluation.action = ActionKind::Review;
        // They are still there, and what they do next must be met.
        evaluation.state.disconnected_at = None;
    }
    let Some(draft) = &mut evaluation.draft else { return evaluation };
    let Some((person, rules)) = person.zip(policy.strikes.as_ref()) else {
        draft.strikes = 0;
        return evaluation;
    };
    // A review is a question, not an answer.
    if draft.kind == ActionKind::Review {
        draft.strikes = 0;
    }
    if draft.strikes == 0 {
        return evaluation;
    }
    let Some(step) = step_beside(rules, person, draft.strikes, draft.kind) else { return evaluation };
    let open = capped.contains(&step.action);
    evaluation.consequence = Some(ActionDraft {
        kind: if open { ActionKind::Review } else { step.action },
        rule: STRIKES.to_owned(),
        reason: rules.reason.clone(),
        confidence: draft.confidence,
        violations: 0,
        strikes: 0,
        lasts: step.lasts.filter(|_| !open),
        instead_of: open.then_some(step.action),
    });
    evaluation
}

/// The step to which `strikes` more lead a person, beside an action of `kind`. `None`: to none, or something as hard is done already.
pub(crate) fn step_beside<'a>(
    rules: &'a StrikeRules,
    person: &Person,
    strikes: u32,
    kind: ActionKind,
) -> Option<&'a StrikeStep> {
    let step = rules.step(person.strikes, person.strikes.saturating_add(strikes))?;
    // Who is banned already is not suspended.
    let met = step.action <= kind || person.restrictions.iter().any(|known| known.kind > step.action);
    (!met).then_some(step)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{
        item::ItemKind,
        policy::{Facts, evaluate},
        signal::Signal,
        stream::call::{ParticipantState, Standing},
    };

    const POLICY: &str = r#"
name = "t"
[strikes]
days = 90
weights = { medium = 1, high = 3 }
steps = [{ strikes = 3, action = "suspend", hours = 24 }, { strikes = 5, action = "ban" }]
[[rule]]
name = "mild"
kinds = ["text"]
when = "score.a > 0.5"
action = "warn"
severity = "medium"
reason = "R."
[[rule]]
name = "bad"
kinds = ["text"]
when = "score.b > 0.5"
action = "remove"
severity = "high"
reason = "R."
[[rule]]
name = "worst"
kinds = ["text"]
when = "score.c > 0.5"
action = "ban"
hours = 48
strikes = 7
reason = "R."
[[rule]]
name = "unsure"
kinds = ["text"]
when = "score.d > 0.5"
action = "review"
severity = "high"
reason = "R."
"#;

    fn decide(label: &str, person: Option<&Person>, capped: &[ActionKind]) -> Evaluation {
        let policy = Policy::parse("t.toml", POLICY).unwrap();
        let signals = [Signal { model: "m".into(), version: "1".into(), label: label.into(), score: 0.9 }];
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
            share: None,
            person,
        };
        let evaluation = evaluate(&policy, &facts, &ParticipantState::default(), DateTime::UNIX_EPOCH);
        add_consequences(&policy, evaluation, person, capped)
    }

    fn with(strikes: u32) -> Person {
        Person { strikes, ..Person::default() }
    }

    #[test]
    fn p3_strikes_are_weighed_and_their_step_is_a_second_action() {
        use ActionKind::{Ban, Suspend};
        for (label, before, strikes, consequence) in [
            ("a", 0, 1, None),
            ("a", 2, 1, Some(Suspend)),
            ("a", 3, 1, None),
            ("b", 0, 3, Some(Suspend)),
            ("b", 2, 3, Some(Ban)),
            ("d", 4, 0, None),
            ("c", 0, 7, None),
        ] {
            let decision = decide(label, Some(&with(before)), &[]);
            let draft = decision.draft.unwrap();
            assert_eq!(draft.strikes, strikes, "{label} after {before}");
            assert_eq!(decision.consequence.as_ref().map(|draft| draft.kind), consequence, "{label} after {before}");
        }
        let lasts = decide("c", Some(&with(0)), &[]).draft.unwrap().lasts;
        assert_eq!(lasts.map(|lasts| lasts.num_hours()), Some(48));
        let suspension = decide("a", Some(&with(2)), &[]).consequence.unwrap();
        assert_eq!((suspension.rule.as_str(), suspension.lasts.map(|lasts| lasts.num_hours())), (STRIKES, Some(24)));
    }

    #[test]
    fn p3_nothing_is_held_against_nobody() {
        let decision = decide("b", None, &[]);
        assert_eq!((decision.draft.unwrap().strikes, decision.consequence), (0, None));
    }

    #[test]
    fn p4_behind_an_open_breaker_an_action_becomes_a_review_without_strikes() {
        let decision = decide("c", Some(&with(0)), &[ActionKind::Ban]);
        assert_eq!(decision.action, ActionKind::Review);
        let draft = decision.draft.unwrap();
        assert_eq!((draft.kind, draft.instead_of, draft.strikes), (ActionKind::Review, Some(ActionKind::Ban), 0));
        assert_eq!((draft.lasts, decision.consequence), (None, None));
        let decision = decide("b", Some(&with(2)), &[ActionKind::Ban]);
        assert_eq!(decision.draft.unwrap().strikes, 3, "the removal and its strikes stand");
        let step = decision.consequence.unwrap();
        assert_eq!((step.kind, step.instead_of), (ActionKind::Review, Some(ActionKind::Ban)));
    }
}
