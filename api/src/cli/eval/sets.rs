//! Figures of a text model by set, label and slice.

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc, time::Duration};

use datasets::{labelled::Labelled, measure};
use models::Scores;
use serde::Serialize;

use crate::cli::table::{Paint, rows as table};

/// All sets.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) model: Arc<str>,
    pub(super) version: Arc<str>,
    pub(super) sets: Vec<SetReport>,
}

/// One set.
#[derive(Debug, Serialize)]
pub(super) struct SetReport {
    set: String,
    trained_on_these_rows: bool,
    rows: usize,
    natural_rows: usize,
    cut: f32,
    /// Share of texts that never reach the encoder.
    answered_alone: f64,
    mean_roc_auc: Option<f64>,
    mean_average_precision_natural: Option<f64>,
    /// What screening costs: mean over the labels.
    mean_roc_auc_lost: Option<f64>,
    labels: Vec<LabelFigures>,
    slices: Vec<SliceFigures>,
    seconds: f64,
}

/// One label of a set.
#[derive(Debug, Serialize)]
struct LabelFigures {
    label: String,
    positives: usize,
    roc_auc: Option<f64>,
    roc_auc_natural: Option<f64>,
    average_precision_natural: Option<f64>,
    f1: Option<f64>,
    macro_f1: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    false_positive_rate: Option<f64>,
    calibration_error: Option<f64>,
    /// The encoder judging every text.
    roc_auc_unscreened: Option<f64>,
    /// Positives that were answered before the encoder.
    positives_answered_alone: usize,
}

/// One slice of a set, for the set's first label.
#[derive(Debug, Serialize)]
struct SliceFigures {
    slice: String,
    rows: usize,
    positives: usize,
    recall: Option<f64>,
    false_positive_rate: Option<f64>,
    roc_auc: Option<f64>,
}

/// Both answers about each row.
pub(super) struct Answers<'a> {
    pub(super) whole: &'a [Scores],
    pub(super) served: &'a [(Scores, bool)],
}

/// One row, for one label.
pub(super) struct One {
    pub(super) served: f32,
    pub(super) mark: bool,
    pub(super) natural: bool,
    whole: f32,
    alone: bool,
    row: usize,
}

/// The labels that both the rows and the model speak of.
pub(super) fn labels_of(rows: &[Labelled], served: &[(Scores, bool)]) -> Vec<&'static str> {
    let Some((first, _)) = served.first() else { return Vec::new() };
    let mut labels = Vec::new();
    for (label, _) in rows.iter().flat_map(|row| &row.marks) {
        if !labels.contains(label) && first.scores.iter().any(|score| &*score.label == *label) {
            labels.push(*label);
        }
    }
    labels
}

/// The rows that speak of `label`.
pub(super) fn column(rows: &[Labelled], served: &[(Scores, bool)], label: &str) -> Vec<One> {
    column_of(rows, &Answers { whole: &[], served }, label)
}

fn column_of(rows: &[Labelled], answers: &Answers<'_>, label: &str) -> Vec<One> {
    let of = |scores: &Scores| scores.scores.iter().find(|score| &*score.label == label).map(|score| score.score);
    let one = |(row, labelled): (usize, &Labelled)| {
        let (_, mark) = labelled.marks.iter().find(|(name, _)| *name == label)?;
        let (scores, alone) = answers.served.get(row)?;
        let served = of(scores)?;
        let whole = answers.whole.get(row).and_then(of).unwrap_or(served);
        Some(One { served, whole, mark: *mark, natural: labelled.natural, alone: *alone, row })
    };
    rows.iter().enumerate().filter_map(one).collect()
}

impl SetReport {
    /// `answers` are parallel to `rows`.
    pub(super) fn new(
        set: &str,
        trained_on_these_rows: bool,
        rows: &[Labelled],
        answers: &Answers<'_>,
        cut: f32,
        took: Duration,
    ) -> anyhow::Result<Self> {
        let names = labels_of(rows, answers.served);
        anyhow::ensure!(
            !names.is_empty(),
            "the model has none of the labels of {set}: this data does not fit this model"
        );
        let labels: Vec<LabelFigures> =
            names.iter().map(|label| LabelFigures::new(label, &column_of(rows, answers, label), cut)).collect();
        let alone = answers.served.iter().filter(|(_, alone)| *alone).count();
        let lost = |label: &LabelFigures| Some(label.roc_auc_unscreened? - label.roc_auc?);
        Ok(Self {
            set: set.to_owned(),
            trained_on_these_rows,
            rows: rows.len(),
            natural_rows: rows.iter().filter(|row| row.natural).count(),
            cut,
            answered_alone: alone as f64 / rows.len().max(1) as f64,
            mean_roc_auc: mean(labels.iter().map(|label| label.roc_auc)),
            mean_average_precision_natural: mean(labels.iter().map(|label| label.average_precision_natural)),
            mean_roc_auc_lost: mean(labels.iter().map(lost)),
            slices: slices(rows, &column_of(rows, answers, names[0]), cut),
            labels,
            seconds: took.as_secs_f64(),
        })
    }
}

impl LabelFigures {
    fn new(label: &str, column: &[One], cut: f32) -> Self {
        let (all, marks): (Vec<f32>, Vec<bool>) = column.iter().map(|one| (one.served, one.mark)).unzip();
        let whole: Vec<f32> = column.iter().map(|one| one.whole).collect();
        let natural = column.iter().filter(|one| one.natural);
        let (p, t): (Vec<f32>, Vec<bool>) = natural.map(|one| (one.served, one.mark)).unzip();
        let f1 = measure::f1(&p, &t, cut);
        let (turned, other): (Vec<f32>, Vec<bool>) = p.iter().zip(&t).map(|(p, t)| (f32::from(*p < cut), !t)).unzip();
        Self {
            label: label.to_owned(),
            positives: marks.iter().filter(|mark| **mark).count(),
            roc_auc: measure::roc_auc(&all, &marks),
            roc_auc_natural: measure::roc_auc(&p, &t),
            average_precision_natural: measure::average_precision(&p, &t),
            f1,
            macro_f1: f1.zip(measure::f1(&turned, &other, 0.5)).map(|(a, b)| f64::midpoint(a, b)),
            precision: measure::precision(&p, &t, cut),
            recall: measure::recall(&p, &t, cut),
            false_positive_rate: false_positives(column.iter().filter(|one| one.natural), cut),
            calibration_error: measure::calibration_error(&p, &t),
            roc_auc_unscreened: measure::roc_auc(&whole, &marks),
            positives_answered_alone: column.iter().filter(|one| one.mark && one.alone).count(),
        }
    }
}

fn slices(rows: &[Labelled], column: &[One], cut: f32) -> Vec<SliceFigures> {
    let names: BTreeSet<&str> = rows.iter().map(|row| row.slice.as_str()).filter(|slice| !slice.is_empty()).collect();
    let figures = |slice: &str| {
        let own: Vec<&One> = column.iter().filter(|one| rows[one.row].slice == slice).collect();
        let (scores, marks): (Vec<f32>, Vec<bool>) = own.iter().map(|one| (one.served, one.mark)).unzip();
        SliceFigures {
            slice: slice.to_owned(),
            rows: own.len(),
            positives: marks.iter().filter(|mark| **mark).count(),
            recall: measure::recall(&scores, &marks, cut),
            false_positive_rate: false_positives(own.into_iter(), cut),
            roc_auc: measure::roc_auc(&scores, &marks),
        }
    };
    names.into_iter().map(figures).collect()
}

/// Share of the negatives that score from `cut` on; `None` without negatives.
fn false_positives<'a>(column: impl Iterator<Item = &'a One>, cut: f32) -> Option<f64> {
    let negatives: Vec<&One> = column.filter(|one| !one.mark).collect();
    let alarms = negatives.iter().filter(|one| one.served >= cut).count();
    (!negatives.is_empty()).then(|| alarms as f64 / negatives.len() as f64)
}

impl Report {
    /// Tables for a terminal.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{} {}\n", self.model, self.version);
        for set in &self.sets {
            set.write(&mut text);
        }
        text.push_str(
            "\nROC-AUC of all rows; everything else of the natural rows, at the cut that is named. `unscreened`: ROC-AUC when the\n\
             encoder judges every text. `missed`: positives that never reached it.\n",
        );
        text
    }
}

impl SetReport {
    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "\n{}: {} rows, {} natural, cut {}\n", self.set, self.rows, self.natural_rows, self.cut);
        let cells = |label: &LabelFigures| {
            let figures = [
                label.roc_auc,
                label.average_precision_natural,
                label.f1,
                label.macro_f1,
                label.precision,
                label.recall,
                label.false_positive_rate,
                label.calibration_error,
                label.roc_auc_unscreened,
            ];
            let mut cells = vec![label.label.clone(), label.positives.to_string()];
            cells.extend(figures.map(shown));
            cells.push(label.positives_answered_alone.to_string());
            cells
        };
        let heading = [
            "label",
            "positive",
            "ROC-AUC",
            "AP",
            "F1",
            "macro-F1",
            "precision",
            "recall",
            "FPR",
            "ECE",
            "unscreened",
            "missed",
        ];
        let lines: Vec<Vec<String>> = self.labels.iter().map(cells).collect();
        text.push_str(&table(&heading, &lines, Paint::stdout()));
        let rate = self.rows as f64 / self.seconds.max(1e-9);
        let _ = writeln!(
            text,
            "mean ROC-AUC {}, mean AP {}; {:.1} % never reach the encoder, which costs {} of ROC-AUC; {rate:.0} texts/s by the encoder",
            shown(self.mean_roc_auc),
            shown(self.mean_average_precision_natural),
            self.answered_alone * 100.0,
            shown(self.mean_roc_auc_lost),
        );
        if self.trained_on_these_rows {
            text.push_str("The model was trained on rows of this file, so these figures flatter it.\n");
        }
        if !self.slices.is_empty() {
            let cells = |slice: &SliceFigures| {
                let counts = [slice.slice.clone(), slice.rows.to_string(), slice.positives.to_string()];
                let figures = [slice.recall, slice.false_positive_rate, slice.roc_auc].map(shown);
                counts.into_iter().chain(figures).collect()
            };
            let lines: Vec<Vec<String>> = self.slices.iter().map(cells).collect();
            text.push('\n');
            text.push_str(&table(&["slice", "n", "positive", "recall", "FPR", "ROC-AUC"], &lines, Paint::stdout()));
        }
    }
}

fn shown(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.4}"))
}

/// Mean of what exists; `None` when nothing does.
fn mean(figures: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let figures: Vec<f64> = figures.flatten().collect();
    (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
}

#[cfg(test)]
mod tests {
    use models::Score;

    use super::*;

    fn scores(toxic: f32) -> Scores {
        let scores = vec![Score { label: "other".into(), score: 0.5 }, Score { label: "toxic".into(), score: toxic }];
        Scores { model: "m".into(), version: "1".into(), scores, spans: Vec::new() }
    }

    fn row(slice: &str, toxic: bool, natural: bool) -> Labelled {
        Labelled { text: "t".into(), marks: vec![("toxic", toxic)], slice: slice.into(), natural, original: None }
    }

    #[test]
    fn t6_figures_by_label_and_slice_with_the_price_of_screening() {
        let rows = [row("a", true, true), row("a", false, true), row("b", true, true), row("b", false, false)];
        let whole = [scores(0.9), scores(0.1), scores(0.8), scores(0.7)];
        // The first model is wrong about the third row.
        let served = [(scores(0.9), false), (scores(0.1), false), (scores(0.05), true), (scores(0.7), false)];
        let answers = Answers { whole: &whole, served: &served };
        let report = SetReport::new("s", false, &rows, &answers, 0.5, Duration::from_secs(1)).unwrap();
        assert_eq!((report.rows, report.natural_rows, report.answered_alone), (4, 3, 0.25));
        let [label] = report.labels.as_slice() else { panic!("one label") };
        assert_eq!((label.roc_auc, label.roc_auc_unscreened), (Some(0.5), Some(1.0)));
        assert_eq!((label.recall, label.false_positive_rate), (Some(0.5), Some(0.0)), "natural rows only");
        assert_eq!((label.positives_answered_alone, report.mean_roc_auc_lost), (1, Some(0.5)));
        let slices: Vec<_> =
            report.slices.iter().map(|s| (s.slice.as_str(), s.rows, s.recall, s.false_positive_rate)).collect();
        assert_eq!(slices, [("a", 2, Some(1.0), Some(0.0)), ("b", 2, Some(0.0), Some(1.0))]);
        let text = Report { model: "m".into(), version: "1".into(), sets: vec![report] }.to_text();
        assert!(text.contains("25.0 % never reach the encoder"), "{text}");
    }

    #[test]
    fn a_model_without_the_labels_is_refused() {
        let rows = [Labelled { marks: vec![("rude", true)], ..row("", true, true) }];
        let served = [(scores(0.9), false)];
        let answers = Answers { whole: &[], served: &served };
        let error = SetReport::new("s", false, &rows, &answers, 0.5, Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("none of the labels of s"), "{error}");
    }
}
