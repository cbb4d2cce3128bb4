//! What `check` writes: one row or one JSON object per input as it is judged, and a summary on standard error.

use std::{io::Write as _, time::Duration};

use pipeline::{
    Kind, PipelineError,
    action::ActionKind,
    signal::Signal,
    verdict::{Outcome, Verdict},
};
use serde::Serialize;

use super::{Format, inputs::Sink};
use crate::cli::{
    latency::{Latencies, milliseconds, rate},
    table::{Paint, columns, fit, fit_end, fit_right, one_line},
};

/// One input with what became of it.
pub(super) struct Checked {
    pub(super) source: String,
    /// The `id` of a JSONL line, echoed.
    pub(super) id: Option<serde_json::Value>,
    /// The beginning of a text; empty for pictures.
    pub(super) excerpt: String,
    pub(super) result: Result<Outcome, Problem>,
    pub(super) latency: Duration,
}

/// Why an input has no verdict.
#[derive(Serialize)]
pub(super) struct Problem {
    pub(super) code: String,
    pub(super) message: String,
}

impl From<PipelineError> for Problem {
    fn from(error: PipelineError) -> Self {
        let code = match (&error, error.kind()) {
            (PipelineError::Invalid { code, .. } | PipelineError::Conflict { code, .. }, _) => code,
            (_, Kind::Invalid) => "invalid",
            (_, Kind::TooBusy) => "too_busy",
            (_, Kind::Unavailable) => "unavailable",
            _ => "internal",
        };
        Self { code: code.to_owned(), message: error.to_string() }
    }
}

/// Counts of a finished run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Summary {
    pub(super) judged: usize,
    pub(super) flagged: usize,
    pub(super) errors: usize,
}

/// Writes results and counts them.
pub(super) struct Report {
    format: Format,
    sink: Sink,
    paint: Paint,
    columns: usize,
    heading_written: bool,
    summary: Summary,
    latencies: Latencies,
}

impl Report {
    pub(super) fn new(format: Format, sink: Sink) -> Self {
        let paint = if matches!(sink, Sink::Stdout(_)) { Paint::stdout() } else { Paint::plain() };
        Self {
            format,
            sink,
            paint,
            columns: columns(),
            heading_written: false,
            summary: Summary::default(),
            latencies: Latencies::default(),
        }
    }

    pub(super) fn add(&mut self, checked: &Checked) -> std::io::Result<()> {
        match &checked.result {
            Ok(outcome) => {
                self.summary.judged += 1;
                self.summary.flagged += usize::from(outcome.verdict.flagged);
                self.latencies.add(checked.latency.as_secs_f64() * 1e3);
            }
            Err(_) => self.summary.errors += 1,
        }
        let line = match self.format {
            Format::Jsonl => object(checked),
            Format::Table => {
                if !std::mem::replace(&mut self.heading_written, true) {
                    let heading = self.row("source", "content", "scores", "verdict", "time");
                    self.sink.write(&format!("{}\n", self.paint.bold(&heading)))?;
                }
                self.table_row(checked)
            }
        };
        self.sink.write(&format!("{line}\n"))
    }

    fn row(&self, source: &str, content: &str, scores: &str, verdict: &str, time: &str) -> String {
        // What the fixed columns and the four gaps leave is shared by source and content.
        let free = self.columns.saturating_sub(34 + 11 + 9 + 8);
        let (left, right) = (free * 2 / 5, free - free * 2 / 5);
        let cells = [
            fit_end(&one_line(source), left),
            fit(&one_line(content), right),
            fit(scores, 34),
            fit(verdict, 11),
            fit_right(time, 9),
        ];
        cells.join("  ").trim_end().to_owned()
    }

    fn table_row(&self, checked: &Checked) -> String {
        let time = milliseconds(checked.latency.as_secs_f64() * 1e3);
        match &checked.result {
            Ok(outcome) => {
                let action = outcome.verdict.action.as_str();
                let row = self.row(&checked.source, &checked.excerpt, &top_scores(&outcome.signals, 2), action, &time);
                if outcome.verdict.flagged { self.paint.action(action, &row) } else { row }
            }
            Err(problem) => self.paint.red(&format!(
                "{}  error {}: {}",
                one_line(&checked.source),
                problem.code,
                one_line(&problem.message)
            )),
        }
    }

    /// Closes the output and tells the counts.
    pub(super) fn finish(self, elapsed: Duration) -> std::io::Result<Summary> {
        self.sink.finish()?;
        let Summary { judged, flagged, errors } = self.summary;
        let per_second = rate(judged, elapsed);
        let latencies = self.latencies.sentence();
        let text =
            format!("{judged} judged, {flagged} flagged, {errors} errors; {per_second:.0} items/s, {latencies}\n");
        std::io::stderr().write_all(text.as_bytes())?;
        Ok(self.summary)
    }
}

/// The highest scores, `toxic 0.98, insult 0.91`.
pub(in crate::cli) fn top_scores(signals: &[Signal], count: usize) -> String {
    let mut sorted: Vec<&Signal> = signals.iter().collect();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let shown: Vec<String> =
        sorted.iter().take(count).map(|signal| format!("{} {:.2}", signal.label, signal.score)).collect();
    shown.join(", ")
}

/// One JSON line. A struct and not a `Value`: scores keep their short decimal form.
#[derive(Serialize)]
struct Object<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a serde_json::Value>,
    #[serde(flatten)]
    result: ResultObject<'a>,
    latency_ms: f64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ResultObject<'a> {
    Judged { action: ActionKind, flagged: bool, verdict: &'a Verdict, signals: &'a [Signal] },
    Failed { error: &'a Problem },
}

fn object(checked: &Checked) -> String {
    let result = match &checked.result {
        Ok(Outcome { verdict, signals, .. }) => {
            ResultObject::Judged { action: verdict.action, flagged: verdict.flagged, verdict, signals }
        }
        Err(error) => ResultObject::Failed { error },
    };
    let latency_ms = round(checked.latency.as_secs_f64() * 1e3);
    let object = Object { source: &checked.source, id: checked.id.as_ref(), result, latency_ms };
    serde_json::to_string(&object).expect("strings, numbers and string keys always serialise")
}

fn round(milliseconds: f64) -> f64 {
    (milliseconds * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_scores_come_first() {
        let signal = |label: &str, score| Signal { model: "m".into(), version: "1".into(), label: label.into(), score };
        let signals = [signal("a", 0.1), signal("b", 0.9), signal("c", 0.5)];
        assert_eq!(top_scores(&signals, 2), "b 0.90, c 0.50");
        assert_eq!(top_scores(&[], 2), "");
    }

    #[test]
    fn an_error_keeps_its_code() {
        let problem = Problem::from(PipelineError::invalid("image_truncated", "the file ends too early"));
        let checked = Checked {
            source: "a.jpg".into(),
            id: None,
            excerpt: String::new(),
            result: Err(problem),
            latency: Duration::from_millis(2),
        };
        assert_eq!(
            object(&checked),
            r#"{"source":"a.jpg","error":{"code":"image_truncated","message":"the file ends too early"},"latency_ms":2.0}"#
        );
    }
}
