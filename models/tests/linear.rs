//! The linear models as they are in git, measured. No fetch needed.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::{Path, PathBuf};

use datasets::{Manifest, load, measure};
use models::linear::{LinearModel, Scratch};

fn model(name: &str) -> LinearModel {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("repository").join(name).join("weights.bin");
    LinearModel::load(&path).unwrap()
}

fn data(name: &str) -> PathBuf {
    Manifest::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets")).unwrap().verify(name).unwrap()
}

fn marked<'a>(model: &LinearModel, text: &'a str) -> Vec<&'a str> {
    let (_, spans) = model.score(text, true);
    spans.iter().filter(|span| span.label_index == 0).map(|span| &text[span.start..span.end]).collect()
}

#[test]
fn t1_toxicity_has_the_six_labels() {
    assert_eq!(model("toxicity").labels().iter().map(|label| &**label).collect::<Vec<_>>(), load::TOXICITY_LABELS);
}

/// Every fifth row, about 2,000. All rows give 0.984; a sample of this size moves by about 0.004.
#[test]
fn t1_toxicity_auc_on_a_fixed_sample_is_at_least_0_98() {
    let model = model("toxicity");
    let rows: Vec<_> = load::toxicity(&data("jigsaw_test")).unwrap().into_iter().step_by(5).collect();
    let mut scratch = Scratch::default();
    let scores: Vec<Vec<f32>> = rows.iter().map(|row| model.score_with(&mut scratch, &row.text, false).0).collect();
    let auc = |label: usize| {
        let of: Vec<f32> = scores.iter().map(|scores| scores[label]).collect();
        let marks: Vec<bool> = rows.iter().map(|row| row.labels[label]).collect();
        measure::roc_auc(&of, &marks).unwrap()
    };
    let mean = (0..6).map(auc).sum::<f64>() / 6.0;
    assert!(mean >= 0.98, "mean ROC-AUC {mean:.4} on {} rows", rows.len());
}

#[test]
fn t1_toxicity_is_calibrated_on_natural_rows() {
    let model = model("toxicity");
    let rows: Vec<_> =
        load::toxicity(&data("jigsaw_test")).unwrap().into_iter().filter(|row| row.natural).step_by(5).collect();
    let scores: Vec<f32> = rows.iter().map(|row| model.score(&row.text, false).0[0]).collect();
    let marks: Vec<bool> = rows.iter().map(|row| row.labels[0]).collect();
    let error = measure::calibration_error(&scores, &marks).unwrap();
    assert!(error < 0.03, "calibration error {error:.4}");
}

#[test]
fn t1_everyday_lines_stay_below_the_default_cut() {
    let model = model("toxicity");
    for line in [
        "hi",
        "how are you?",
        "I love this song",
        "kill the process",
        "see you at 8",
        "i am gay",
        "we are muslims",
        "my mum is jewish",
        "happy birthday!!!",
        "you look great today",
        "Scunthorpe is a town in England",
    ] {
        let (scores, _) = model.score(line, false);
        assert!(scores.iter().all(|score| *score < 0.8), "{line:?}: {scores:?}");
    }
}

#[test]
fn t1_offending_words_are_marked() {
    let model = model("toxicity");
    for (text, expected) in [
        ("you are an idiot", vec!["idiot"]),
        ("What a STUPID thing to say, moron!", vec!["STUPID", "moron"]),
        ("have a lovely day", vec![]),
    ] {
        assert_eq!(marked(&model, text), expected, "{text:?}");
    }
}

/// F1 over the characters, averaged over posts, as the shared task scored it. All posts: 0.61.
#[test]
fn t1_spans_agree_with_people_on_toxic_spans_trial() {
    let model = model("toxicity");
    let rows = load::toxic_spans(&data("toxic_spans_trial")).unwrap();
    let mut sum = 0.0;
    for row in &rows {
        let (_, spans) = model.score(&row.text, true);
        let offsets: Vec<usize> = row.text.char_indices().map(|(at, _)| at).collect();
        let found: Vec<bool> = offsets
            .iter()
            .map(|at| spans.iter().any(|span| span.label_index == 0 && (span.start..span.end).contains(at)))
            .collect();
        let count = |wanted: fn(bool, bool) -> bool| {
            let gold = |index: usize| row.spans.iter().any(|span| span.contains(&index));
            found.iter().enumerate().filter(|(index, found)| wanted(**found, gold(*index))).count() as f64
        };
        let (both, either) = (count(|found, gold| found && gold), count(|found, gold| found != gold));
        sum += if both + either == 0.0 { 1.0 } else { 2.0 * both / (2.0 * both + either) };
    }
    let f1 = sum / rows.len() as f64;
    assert!(f1 >= 0.60, "character F1 {f1:.4}");
}

#[test]
fn t3_spam_is_told_from_chat_at_the_default_cut_of_0_8() {
    let model = model("spam");
    assert_eq!(model.labels().iter().map(|label| &**label).collect::<Vec<_>>(), ["spam"]);
    // Written for this test: none of these is in the training data.
    for (spam, text) in [
        (true, "Congratulations! You have won a free phone. Claim your prize now at http://prize-winner.example"),
        (true, "URGENT: your account has been suspended, verify your details at http://bank-login.example"),
        (true, "Subscribe to my channel and check out my new video, link in bio!!!"),
        (true, "FREE entry! Txt WIN to 84025 to claim your 1000 cash award. T&Cs apply"),
        (true, "Make money online fast, visit my website http://easycash.example"),
        (false, "are we still on for dinner tonight?"),
        (false, "ok i'll call you after work"),
        (false, "can you send me the notes from yesterday's lecture?"),
        (false, "the meeting moved to 3pm, see you there"),
        (false, "my number is 0791 234 5678, text me when you're here"),
        (false, "free tonight? we could watch a movie"),
    ] {
        let score = model.score(text, false).0[0];
        assert_eq!(score >= 0.8, spam, "{score}: {text}");
    }
}

#[test]
fn t3_spam_ranks_its_public_sets() {
    let model = model("spam");
    for set in ["sms_public", "youtube_public", "smishing_public"] {
        let rows = load::spam(&data(set)).unwrap();
        let scores: Vec<f32> = rows.iter().map(|row| model.score(&row.text, false).0[0]).collect();
        let marks: Vec<bool> = rows.iter().map(|row| row.spam).collect();
        let auc = measure::roc_auc(&scores, &marks).unwrap();
        // Trained on these rows: this shows that file, featuriser and labels belong together, not how good the model is.
        assert!(auc > 0.99, "{set}: {auc:.4}");
    }
}

#[test]
fn hostile_texts_are_scored() {
    let (toxicity, spam) = (model("toxicity"), model("spam"));
    let long = "a".repeat(1 << 20);
    let many = "ab ".repeat(1 << 18);
    for text in ["", "\u{0}", "\u{202e}\u{feff}", "\u{1f468}\u{200d}\u{1f469}", long.as_str(), many.as_str()] {
        for model in [&toxicity, &spam] {
            let (scores, _) = model.score(text, true);
            assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "{scores:?}");
        }
    }
}
