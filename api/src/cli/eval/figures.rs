//! What an evaluation found, for people and for programs.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use anyhow::Context as _;
use datasets::measure;
use models::Scores;
use serde::Serialize;

use crate::cli::table::{Paint, rows};

/// Figures of one label.
#[derive(Debug, Serialize)]
pub(super) struct LabelFigures {
    label: Arc<str>,
    positives: usize,
    roc_auc: Option<f64>,
    average_precision: Option<f64>,
    f1: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    calibration_error: Option<f64>,
}

/// Figures of a classifier on labelled rows.
#[derive(Debug, Serialize)]
pub(super) struct ClassifierReport {
    model: Arc<str>,
    version: Arc<str>,
    files: Vec<String>,
    rows: usize,
    natural_rows: usize,
    cut: f32,
    trained_on_these_rows: bool,
    labels: Vec<LabelFigures>,
    mean_roc_auc: Option<f64>,
    mean_average_precision: Option<f64>,
    seconds: f64,
}

impl ClassifierReport {
    /// `scores`, `marks` and `natural` are parallel; each row of marks is in label order.
    pub(super) fn new(
        files: Vec<String>,
        scores: &[Scores],
        marks: &[Vec<bool>],
        natural: &[bool],
        cut: f32,
        trained_on_these_rows: bool,
        took: Duration,
    ) -> anyhow::Result<Self> {
        let first = scores.first().context("no rows to measure")?;
        let width = marks.first().map_or(0, Vec::len);
        anyhow::ensure!(
            first.scores.len() == width,
            "model `{}` gives {} labels, the data has {width}: this data does not fit this model",
            first.model,
            first.scores.len()
        );
        let labels: Vec<LabelFigures> = (0..width)
            .map(|label| {
                let all: Vec<f32> = scores.iter().map(|scores| scores.scores[label].score).collect();
                let truth: Vec<bool> = marks.iter().map(|marks| marks[label]).collect();
                let (p, t): (Vec<f32>, Vec<bool>) =
                    (0..all.len()).filter(|row| natural[*row]).map(|row| (all[row], truth[row])).unzip();
                LabelFigures {
                    label: first.scores[label].label.clone(),
                    positives: truth.iter().filter(|mark| **mark).count(),
                    roc_auc: measure::roc_auc(&all, &truth),
                    average_precision: measure::average_precision(&all, &truth),
                    f1: measure::f1(&p, &t, cut),
                    precision: measure::precision(&p, &t, cut),
                    recall: measure::recall(&p, &t, cut),
                    calibration_error: measure::calibration_error(&p, &t),
                }
            })
            .collect();
        Ok(Self {
            model: first.model.clone(),
            version: first.version.clone(),
            files,
            rows: scores.len(),
            natural_rows: natural.iter().filter(|natural| **natural).count(),
            cut,
            trained_on_these_rows,
            mean_roc_auc: mean(labels.iter().map(|label| label.roc_auc)),
            mean_average_precision: mean(labels.iter().map(|label| label.average_precision)),
            labels,
            seconds: took.as_secs_f64(),
        })
    }

    /// A table and a few lines around it.
    pub(super) fn to_text(&self) -> String {
        let cells = |label: &LabelFigures| {
            vec![
                label.label.to_string(),
                self.rows.to_string(),
                label.positives.to_string(),
                shown(label.roc_auc),
                shown(label.average_precision),
                shown(label.f1),
                shown(label.precision),
                shown(label.recall),
                shown(label.calibration_error),
            ]
        };
        let table: Vec<Vec<String>> = self.labels.iter().map(cells).collect();
        let heading = ["label", "n", "positive", "ROC-AUC", "AP", "F1", "precision", "recall", "ECE"];
        let mut text = format!("{} {} on {}\n\n", self.model, self.version, self.files.join(", "));
        text.push_str(&rows(&heading, &table, Paint::stdout()));
        let rate = self.rows as f64 / self.seconds.max(1e-9);
        let _ = writeln!(
            text,
            "\nmean ROC-AUC {}   mean AP {}   {:.1} s, {rate:.0} texts/s",
            shown(self.mean_roc_auc),
            shown(self.mean_average_precision),
            self.seconds
        );
        let _ = writeln!(
            text,
            "F1, precision and recall at {}, and ECE: on the {} natural rows.",
            self.cut, self.natural_rows
        );
        if self.trained_on_these_rows {
            text.push_str(
                "The model was trained on these rows, so the figures flatter it; its card has the cross-validated ones.\n",
            );
        }
        text
    }
}

/// Figures of an embedder on pairs of sentences.
#[derive(Debug, Serialize)]
pub(super) struct SimilarityReport {
    model: &'static str,
    files: Vec<String>,
    pairs: usize,
    spearman: f64,
    seconds: f64,
}

impl SimilarityReport {
    pub(super) fn new(model: &'static str, files: Vec<String>, pairs: usize, spearman: f64, took: Duration) -> Self {
        Self { model, files, pairs, spearman, seconds: took.as_secs_f64() }
    }

    pub(super) fn to_text(&self) -> String {
        let Self { model, pairs, spearman, seconds, .. } = self;
        let rate = 2.0 * *pairs as f64 / seconds.max(1e-9);
        format!(
            "{model} on {}\n\npairs {pairs}   Spearman {spearman:.4}   {seconds:.1} s, {rate:.0} texts/s\n",
            self.files.join(", ")
        )
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

    fn scores(values: &[f32]) -> Scores {
        let score = |(index, score): (usize, &f32)| Score { label: format!("label{index}").into(), score: *score };
        Scores {
            model: "m".into(),
            version: "1".into(),
            scores: values.iter().enumerate().map(score).collect(),
            spans: Vec::new(),
        }
    }

    #[test]
    fn ranking_uses_all_rows_and_calling_only_natural_ones() {
        let all = [scores(&[0.9]), scores(&[0.2]), scores(&[0.7]), scores(&[0.1])];
        let marks = [vec![true], vec![false], vec![false], vec![true]];
        let natural = [true, true, false, false];
        let report = ClassifierReport::new(vec![], &all, &marks, &natural, 0.5, false, Duration::from_secs(1)).unwrap();
        assert_eq!(report.labels[0].roc_auc, Some(0.5));
        assert_eq!(report.labels[0].f1, Some(1.0));
        assert_eq!((report.rows, report.natural_rows, report.mean_roc_auc), (4, 2, Some(0.5)));
        assert!(report.to_text().contains("label0"));
    }

    #[test]
    fn data_of_another_width_is_refused() {
        let report =
            ClassifierReport::new(vec![], &[scores(&[0.9])], &[vec![true; 2]], &[true], 0.5, false, Duration::ZERO);
        assert!(report.unwrap_err().to_string().contains("does not fit"));
    }

    #[test]
    fn a_label_without_positives_has_no_figure() {
        let report =
            ClassifierReport::new(vec![], &[scores(&[0.9])], &[vec![false]], &[true], 0.5, false, Duration::ZERO)
                .unwrap();
        assert_eq!((report.labels[0].roc_auc, report.mean_roc_auc), (None, None));
        assert!(report.to_text().contains('-'));
    }
}
