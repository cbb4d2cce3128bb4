//! The live table: one line per judged item.

use std::time::Duration;

use pipeline::opinion::{FIRST_PREFIX, SECOND_PREFIX};

use super::play::{CONTEXT, Row};
use crate::cli::{
    latency::milliseconds,
    table::{Paint, fit, fit_right, one_line},
};

const TIME: usize = 7;
const KIND: usize = 5;
const WHO: usize = 9;
const SCORES: usize = 32;
const VERDICT: usize = 7;
const ACTION: usize = 12;
const LATENCY: usize = 8;
const GAPS: usize = 2 * 7;

/// Formats rows for a terminal of a given width.
pub(super) struct Board {
    paint: Paint,
    item: usize,
}

impl Board {
    pub(super) fn new(paint: Paint, columns: usize) -> Self {
        let fixed = TIME + KIND + WHO + SCORES + VERDICT + ACTION + LATENCY + GAPS;
        Self { paint, item: columns.saturating_sub(fixed).clamp(16, 60) }
    }

    fn line(&self, [time, kind, who, item, scores, verdict, action, latency]: [&str; 8]) -> String {
        let cells = [
            fit_right(time, TIME),
            fit(kind, KIND),
            fit(who, WHO),
            fit(item, self.item),
            fit(scores, SCORES),
            fit(verdict, VERDICT),
            fit(action, ACTION),
            fit_right(latency, LATENCY),
        ];
        cells.join("  ").trim_end().to_owned()
    }

    pub(super) fn heading(&self) -> String {
        self.paint.bold(&self.line(["time", "kind", "who", "item", "highest scores", "verdict", "action", "latency"]))
    }

    /// `after`: since the story began. `mark`: what refers to the footnote.
    pub(super) fn row(&self, row: &Row, after: Duration) -> String {
        let time = format!("{:.1} s", after.as_secs_f64());
        let mark = match (row.misjudged, row.forbidden) {
            (true, _) => "*",
            (_, true) => "**",
            _ => "",
        };
        let scores = top_scores(row);
        let verdict = if row.judged.flagged { "flagged" } else { "fine" };
        let action = format!("{}{mark}", row.judged.action);
        let latency = milliseconds(row.judged.latency_ms);
        let item = one_line(&row.item);
        let line = self.line([&time, row.kind, &row.who, &item, &scores, verdict, &action, &latency]);
        if row.judged.flagged { self.paint.action(&row.judged.action, &line) } else { line }
    }

    /// Said openly, below the table.
    pub(super) fn footnote(&self) -> String {
        let notes = [
            "*  harmless photo: the small model alone suspects nudity (`first.porn`), the second opinion clears it",
            "** harmless too, but a cartoon, which this demo's own rule forbids in calls",
        ];
        notes.map(|note| self.paint.dim(note)).join("\n")
    }
}

/// The two highest. Scores together with earlier messages only count, and so only show, where they led to something.
fn top_scores(row: &Row) -> String {
    // What the first model suspected, and what the second one left of it.
    let first = row.judged.scores.iter().find(|(label, _)| label.starts_with(FIRST_PREFIX) && row.misjudged);
    if let Some((label, score)) = first {
        let left = row.judged.scores.iter().find(|(other, _)| label.strip_prefix(FIRST_PREFIX) == Some(other.as_str()));
        let left = left.map_or_else(String::new, |(label, score)| format!(", {label} {score:.2}"));
        return format!("{label} {score:.2}{left}");
    }
    let own = |label: &str| !label.starts_with(FIRST_PREFIX) && !label.starts_with(SECOND_PREFIX);
    let shown = row.judged.scores.iter().filter(|(label, _)| own(label));
    let shown = shown.filter(|(label, _)| row.judged.flagged || !label.starts_with(CONTEXT));
    let words: Vec<String> = shown.take(2).map(|(label, score)| format!("{label} {score:.2}")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::ledger::Judged;

    #[test]
    fn the_table_reads_so() {
        let judged = |action: &str, flagged, label: &str, score| Judged {
            action: action.into(),
            flagged,
            scores: vec![(label.into(), score), ("spam".into(), 0.01)],
            latency_ms: 3.21,
        };
        let rows = [
            Row {
                kind: "text",
                who: "mira".into(),
                item: "Good\nmorning".into(),
                judged: judged("allow", false, "toxic", 0.012),
                misjudged: false,
                forbidden: false,
            },
            Row {
                kind: "text",
                who: "rex_77_the_second".into(),
                item: "a much longer text than the column has room for".into(),
                judged: judged("remove", true, "severe_toxic", 0.987),
                misjudged: false,
                forbidden: false,
            },
            Row {
                kind: "frame",
                who: "olaf".into(),
                item: "melons.jpg".into(),
                judged: Judged {
                    scores: vec![("first.porn".into(), 0.92), ("second.neutral".into(), 0.99), ("porn".into(), 0.01)],
                    ..judged("allow", false, "", 0.0)
                },
                misjudged: true,
                forbidden: false,
            },
            Row {
                kind: "frame",
                who: "olaf".into(),
                item: "dinosaur-cartoon.jpg".into(),
                judged: judged("warn", true, "drawing", 0.98),
                misjudged: false,
                forbidden: true,
            },
        ];
        let board = Board::new(Paint::plain(), 120);
        let mut text = format!("{}\n", board.heading());
        for row in &rows {
            text.push_str(&format!("{}\n", board.row(row, Duration::from_millis(1234))));
        }
        text.push_str(&board.footnote());
        insta::assert_snapshot!(text);
    }
}
