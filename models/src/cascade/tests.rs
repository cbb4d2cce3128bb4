use std::collections::BTreeMap;

use super::*;
use crate::linear::tests::tiny;

const SPEC: &str = r#"
name = "both"
version = "3"
summary = ""
task = "classify-text"
backend = "ort"
labels = ["threat", "insult"]

[cascade]
first = "tiny"
screen = { insult = 0.3, threat = 0.3 }

[cascade.stack]
threat = { encoder = 1.0, first = 0.0, offset = 0.0, slope = 1.0, shift = 0.0 }
insult = { encoder = 0.5, first = 0.5, offset = 1.0, slope = 2.0, shift = -1.0 }
"#;

fn cascade(text: &str) -> Result<Cascade, String> {
    let spec = ModelSpec::parse(text, std::path::Path::new("model.toml")).map_err(|error| error.to_string())?;
    Cascade::new(tiny(), &spec, spec.cascade.as_ref().unwrap())
}

fn own(threat: f32, insult: f32) -> Scores {
    let score = |label: &str, score| Score { label: label.into(), score };
    let scores = vec![score("threat", threat), score("insult", insult)];
    Scores { model: "both".into(), version: "3".into(), scores, spans: Vec::new() }
}

fn by_label(scores: &Scores) -> BTreeMap<&str, f32> {
    scores.scores.iter().map(|score| (&*score.label, score.score)).collect()
}

#[test]
fn the_plainly_harmless_is_answered_alone_and_recalibrated() {
    let cascade = cascade(SPEC).unwrap();
    let look = cascade.look("a lovely day").unwrap();
    assert!(look.clean);
    let answer = cascade.answer(&look);
    assert_eq!((&*answer.model, &*answer.version), ("both", "3"));
    assert_eq!(answer.scores[0].label.as_ref(), "threat", "in the order of the model's own labels");
    // The first model's labels are insult, threat.
    assert!((by_label(&answer)["threat"] - look.scores[1]).abs() < 1e-6);
    assert!((by_label(&answer)["insult"] - logistic(2.0 * logit(look.scores[0]) - 1.0)).abs() < 1e-6);
}

#[test]
fn doubt_asks_the_encoder_and_both_are_heard() {
    let cascade = cascade(SPEC).unwrap();
    let look = cascade.look("you are an idiot").unwrap();
    assert!(!look.clean);
    let answer = cascade.combine("you are an idiot", &look, None, &own(0.25, 0.5));
    assert!((by_label(&answer)["threat"] - 0.25).abs() < 1e-6, "the first model has no say here");
    let expected = logistic(0.5 * logit(0.5) + 0.5 * logit(look.scores[0]) + 1.0);
    assert!((by_label(&answer)["insult"] - expected).abs() < 1e-6);
    let span = answer.spans.iter().find(|span| &*span.label == "insult").expect("the offending word");
    assert_eq!(&"you are an idiot"[span.start..span.end], "idiot");
}

#[test]
fn a_glance_counts_beside_the_encoder() {
    let three = SPEC.replace("{ encoder = 1.0, first = 0.0,", "{ encoder = 0.5, glance = 0.25, first = 0.0,");
    let (cascade, look) = (cascade(&three).unwrap(), FirstLook { scores: vec![0.5, 0.5], clean: false });
    let answer = cascade.combine("idiot", &look, Some(&own(0.9, 0.5)), &own(0.25, 0.5));
    assert!((by_label(&answer)["threat"] - logistic(0.5 * logit(0.25) + 0.25 * logit(0.9))).abs() < 1e-6);
    let without = cascade.combine("idiot", &look, None, &own(0.25, 0.5));
    assert!((by_label(&without)["threat"] - logistic(0.75 * logit(0.25))).abs() < 1e-6, "the encoder stands for it");
}

const PARTS: &str = r#"
[cascade.parts]
ends = ["."]
from = 4
least = 2
most = 8
overlap = 1
discount = 1.0
whole = ["insult"]
"#;

#[test]
fn t6_the_worst_part_counts_less_a_discount() {
    let cascade = cascade(&format!("{SPEC}{PARTS}")).unwrap();
    let look = FirstLook { scores: vec![0.5, 0.5], clean: false };
    let part = cascade.part(&look, None, &own(0.9, 0.99));
    assert!((part[0] - (logit(0.9) - 1.0)).abs() < 1e-5, "the first model has no say here");
    assert_eq!(part[1], f32::NEG_INFINITY, "only the whole has this label");
    let whole = Scores { spans: Vec::new(), ..cascade.combine("a lovely day", &look, None, &own(0.1, 0.2)) };
    let mild = cascade.part(&look, None, &own(0.2, 0.9));
    let answer = cascade.with_worst(whole.clone(), &[mild.clone(), part], "you are an idiot");
    assert!((by_label(&answer)["threat"] - logistic(logit(0.9) - 1.0)).abs() < 1e-6);
    assert_eq!(by_label(&answer)["insult"], by_label(&whole)["insult"]);
    assert!(!answer.spans.is_empty(), "the offending word is named");
    assert_eq!(cascade.with_worst(whole.clone(), &[mild], "you are an idiot").scores, whole.scores);
    assert_eq!(
        cascade.doubt(&look, Some(&own(0.0, 0.0)), true),
        Some(f32::INFINITY),
        "nobody knows without a small encoder"
    );
    let spans = cascade.spans_by_sentence("A fine day! you are an idiot. Bye.");
    assert!(
        spans.iter().all(|span| &"A fine day! you are an idiot. Bye."[span.start..span.end] == "idiot"),
        "{spans:?}"
    );
    assert!(!spans.is_empty());
    let without = cascade.with_parts(false);
    assert!(!without.has_parts() && without.part(&look, None, &own(0.9, 0.9)).is_empty());
}

#[test]
fn without_screening_everything_goes_to_the_encoder() {
    let cascade = cascade(SPEC).unwrap().with_screening(false);
    assert!(!cascade.look("a lovely day").unwrap().clean);
}

/// With a small encoder whose word counts alone for threats, and for insults half.
fn glancing(cut: f32) -> Cascade {
    let glance = format!(
        r#"
[cascade.glance.screen]
insult = {cut}

[cascade.glance.stack]
threat = {{ glance = 1.0, first = 0.0, offset = 0.0, shift = 0.0 }}
insult = {{ glance = 0.5, first = 0.5, offset = 1.0, shift = -0.5 }}
"#
    );
    cascade(&(SPEC.replace("[cascade]", "[files]\nglance = \"g.onnx\"\n\n[cascade]") + ARTIFACT + &glance)).unwrap()
}

const ARTIFACT: &str = "\n[[artifact]]\npath = \"g.onnx\"\nsha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"\n";

#[test]
fn a_glance_answers_with_both_opinions_when_it_is_sure() {
    let look = FirstLook { scores: vec![0.5, 0.9], clean: false };
    let held = 0.5 * logit(0.2) + 1.0;
    let answer = glancing(0.6).answer_at_a_glance(&look, &own(0.4, 0.2)).expect("surely harmless");
    assert!((by_label(&answer)["insult"] - logistic(held - 0.5)).abs() < 1e-6);
    assert!(logistic(held) > 0.5, "the cut is held against the score before its shift");
    assert!((by_label(&answer)["threat"] - 0.4).abs() < 1e-6, "no cut: it is not asked, whatever its score");
    assert!(glancing(0.5).answer_at_a_glance(&look, &own(0.4, 0.2)).is_none(), "above its cut");
    assert!(glancing(0.6).with_screening(false).answer_at_a_glance(&look, &own(0.4, 0.2)).is_none());
    let empty = Scores { scores: Vec::new(), ..own(0.0, 0.0) };
    assert!(glancing(0.6).answer_at_a_glance(&look, &empty).is_none(), "an answer without labels is none");
    assert!(cascade(SPEC).unwrap().answer_at_a_glance(&look, &own(0.0, 0.0)).is_none(), "there is no small encoder");
}

#[test]
fn one_score_at_its_cut_is_doubt() {
    let strict = cascade(&SPEC.replace("threat = 0.3 }", "threat = 0.001 }")).unwrap();
    assert!(!strict.look("a lovely day").unwrap().clean);
    let deaf = cascade(&SPEC.replace(", threat = 0.3 }", " }")).unwrap();
    assert!(deaf.look("a lovely day").unwrap().clean, "a label without a cut is not asked");
}

#[test]
fn certain_scores_stay_finite() {
    let cascade = cascade(SPEC).unwrap();
    let look = FirstLook { scores: vec![1.0, 0.0], clean: false };
    let answers = [cascade.answer(&look), cascade.combine("idiot", &look, None, &own(0.0, 1.0))];
    assert!(answers.iter().flat_map(|answer| &answer.scores).all(|score| (0.0..=1.0).contains(&score.score)));
}

#[test]
fn contradictions_are_named() {
    let table = [
        (
            "insult = { encoder = 0.5, first = 0.5, offset = 1.0, slope = 2.0, shift = -1.0 }",
            "",
            "no entry for the label `insult`",
        ),
        ("screen = { insult", "screen = { rude = 0.1, insult", "names `rude`"),
        ("insult = 0.3", "insult = 1.5", "outside 0..=1"),
        ("classify-text", "embed-text\"\ndimensions = 2\n#", "for text classifiers"),
    ];
    for (from, to, expected) in table {
        let message = cascade(&SPEC.replace(from, to)).unwrap_err();
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
    let glance = "\n[cascade.glance]\nscreen = {}\nstack = {}\n";
    assert!(cascade(&format!("{SPEC}{glance}")).unwrap_err().contains("`files.glance`"));
    let stranger = SPEC.replace("\"insult\"]", "\"rude\"]").replace("insult =", "rude =");
    assert!(cascade(&stranger).unwrap_err().contains("`tiny` has no label `rude`"));
}

#[test]
fn an_empty_text_is_refused() {
    assert!(matches!(cascade(SPEC).unwrap().look(" \n"), Err(ModelError::InvalidInput(_))));
}
