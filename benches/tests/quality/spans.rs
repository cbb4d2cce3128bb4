//! T1: which characters offend, against what people marked.

use std::{collections::BTreeSet, path::Path};

use datasets::load;
use models::{SpanScore, linear::LinearModel};
use pipeline::{highlight::refine, normalise::Normalised};

use crate::data;

/// Character F1 of one text: 1 when both mark nothing.
fn f1(found: &BTreeSet<usize>, truth: &BTreeSet<usize>) -> f64 {
    if found.is_empty() || truth.is_empty() {
        return f64::from(u8::from(found.is_empty() && truth.is_empty()));
    }
    2.0 * found.intersection(truth).count() as f64 / (found.len() + truth.len()) as f64
}

#[test]
fn t1_offending_characters_are_found_as_people_mark_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let model = LinearModel::load(&root.join("models/repository/toxicity/weights.bin")).unwrap();
    let labels = BTreeSet::from(["toxic".to_owned()]);
    for (set, least) in [("toxic_spans_train", 0.6), ("toxic_spans_trial", 0.62)] {
        let rows = load::toxic_spans(&data(set)).unwrap();
        let (mut before, mut after) = (0.0, 0.0);
        for row in &rows {
            let truth: BTreeSet<usize> = row.spans.iter().cloned().flatten().collect();
            let folded = Normalised::new(&row.text);
            let (_, spans) = model.score(folded.text(), true);
            let spans: Vec<SpanScore> = spans
                .iter()
                .filter(|span| span.label_index == 0)
                .map(|span| SpanScore { start: span.start, end: span.end, label: "toxic".into(), score: span.score })
                .collect();
            let places = |spans: &[SpanScore]| -> BTreeSet<usize> {
                spans.iter().flat_map(|span| folded.original(span.start..span.end)).collect()
            };
            before += f1(&places(&spans), &truth);
            after += f1(&places(&refine(folded.text(), &spans, &labels)), &truth);
        }
        let count = rows.len() as f64;
        println!("{set}: character F1 of the model alone {:.4}, refined {:.4}", before / count, after / count);
        assert!(after / count >= least, "{set}: {}", after / count);
    }
}
