//! T6: what folding gives back of the scores that disguises take, and that it takes nothing from clean texts.

use std::{collections::BTreeMap, path::Path, time::Instant};

use datasets::{load, measure::roc_auc};
use models::linear::LinearModel;
use pipeline::normalise::Normalised;

use crate::data;

fn model() -> LinearModel {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    LinearModel::load(&root.join("models/repository/toxicity/weights.bin")).unwrap()
}

/// Scores as the pipeline takes them: of the folded text, and of its reading without disguises the higher ones.
fn serve(model: &LinearModel, text: &str) -> (Vec<f32>, bool) {
    let folded = Normalised::new(text);
    let (mut scores, _) = model.score(folded.text(), false);
    let unmasked = folded.unmasked();
    if let Some(unmasked) = &unmasked {
        let (others, _) = model.score(unmasked.text(), false);
        scores.iter_mut().zip(others).for_each(|(score, other)| *score = score.max(other));
    }
    (scores, unmasked.is_some())
}

#[test]
fn t6_disguises_cost_at_most_a_hundredth_of_auc() {
    let model = model();
    let rows = load::evasions(&data("evasion_public")).unwrap();
    let truth: Vec<bool> = rows.iter().map(|row| row.toxic).collect();
    let original: Vec<f32> = rows.iter().map(|row| serve(&model, &row.original).0[0]).collect();
    let plain: Vec<f32> = rows.iter().map(|row| model.score(&row.text, false).0[0]).collect();
    let served: Vec<f32> = rows.iter().map(|row| serve(&model, &row.text).0[0]).collect();
    let auc = |scores: &[f32]| roc_auc(scores, &truth).unwrap();
    println!(
        "as written before {:.4}, disguised {:.4}, disguised and folded {:.4}",
        auc(&original),
        auc(&plain),
        auc(&served)
    );
    let mut tricks = BTreeMap::<&str, (usize, usize, usize)>::new();
    for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.toxic) {
        let trick = tricks.entry(&row.evasion).or_default();
        trick.0 += usize::from(original[index] >= 0.5);
        trick.1 += usize::from(plain[index] >= 0.5);
        trick.2 += usize::from(served[index] >= 0.5);
    }
    println!("recall at 0.5 by trick, of 80: as before, disguised, folded: {tricks:?}");
    assert!(auc(&original) - auc(&served) <= 0.01, "{} {}", auc(&original), auc(&served));
}

#[test]
fn t6_folding_takes_nothing_from_other_texts() {
    let model = model();
    let rows = load::toxicity(&data("jigsaw_test")).unwrap();
    let mut before = Vec::new();
    let (mut after, mut twice) = (Vec::new(), 0);
    for row in &rows {
        before.push(model.score(&row.text, false).0);
        let (scores, unmasked) = serve(&model, &row.text);
        twice += usize::from(unmasked);
        after.push(scores);
    }
    let mean = |scores: &[Vec<f32>]| {
        let of = |label: usize| {
            let column: Vec<f32> = scores.iter().map(|scores| scores[label]).collect();
            let truth: Vec<bool> = rows.iter().map(|row| row.labels[label]).collect();
            roc_auc(&column, &truth).unwrap()
        };
        (0..6).map(of).sum::<f64>() / 6.0
    };
    let (before, after) = (mean(&before), mean(&after));
    let share = twice as f64 / rows.len() as f64;
    println!(
        "jigsaw_test, mean AUC of six labels: without folding {before:.5}, with {after:.5}; judged twice {share:.4}"
    );
    assert!(after >= before - 1e-4, "{before} {after}");
    assert!(share < 0.03, "{share}");
    let ham: Vec<String> =
        load::spam(&data("sms_public")).unwrap().into_iter().filter(|row| !row.spam).map(|row| row.text).collect();
    let twice = ham.iter().filter(|text| Normalised::new(text).unmasked().is_some()).count();
    let started = Instant::now();
    ham.iter().for_each(|text| {
        std::hint::black_box(Normalised::new(text).unmasked());
    });
    let took = started.elapsed().as_secs_f64() * 1e6 / ham.len() as f64;
    println!("honest messages: {} of {} judged twice; folding takes {took:.1} µs a text", twice, ham.len());
    assert!(twice * 50 < ham.len());
}
