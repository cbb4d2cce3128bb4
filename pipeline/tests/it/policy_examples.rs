//! Policy examples as data: see `tests/policy/default.toml`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use pipeline::{
    action::ActionKind,
    item::ItemKind,
    policy::{Facts, Policy, evaluate},
    signal::Signal,
    stream::call::{ParticipantState, Standing},
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Examples {
    example: Vec<Example>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    name: String,
    kind: ItemKind,
    score: BTreeMap<String, f32>,
    #[serde(default)]
    context: BTreeMap<String, f32>,
    action: ActionKind,
    #[serde(default)]
    rules: Vec<String>,
    label: Option<String>,
    confidence: Option<f32>,
    mask: Option<BTreeSet<String>>,
}

fn signals(scores: &BTreeMap<String, f32>) -> Vec<Signal> {
    let signal = |(label, score): (&String, &f32)| Signal {
        model: "example".into(),
        version: "1".into(),
        label: label.clone(),
        score: *score,
    };
    scores.iter().map(signal).collect()
}

#[test]
fn p2_f1_t1_t2_t3_the_builtin_policy_decides_as_its_examples_say() {
    let policy = Policy::builtin();
    let examples: Examples = toml::from_str(include_str!("../policy/default.toml")).unwrap();
    let mut fired = BTreeSet::new();
    for example in &examples.example {
        let (signals, context) = (signals(&example.score), signals(&example.context));
        let facts = Facts {
            kind: example.kind,
            length: 20,
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
        let decision = evaluate(&policy, &facts, &ParticipantState::default(), DateTime::UNIX_EPOCH);
        let name = &example.name;
        let rules: Vec<_> = decision.reasons.iter().map(|reason| reason.rule.clone()).collect();
        assert_eq!(decision.action, example.action, "{name}");
        assert_eq!(rules, example.rules, "{name}");
        assert_eq!(decision.draft.is_some(), example.action != ActionKind::Allow, "{name}");
        if let Some(label) = &example.label {
            assert_eq!(decision.reasons[0].label, *label, "{name}");
        }
        if let Some(confidence) = example.confidence {
            assert!((decision.confidence - confidence).abs() < 1e-4, "{name}: {}", decision.confidence);
        }
        if let Some(mask) = &example.mask {
            assert_eq!(decision.mask, *mask, "{name}");
        }
        fired.extend(rules);
    }
    let unseen: Vec<_> =
        policy.rules().iter().filter(|rule| !fired.contains(&rule.name)).map(|rule| &rule.name).collect();
    assert!(unseen.is_empty(), "every rule needs an example in which it fires: {unseen:?}");
}
