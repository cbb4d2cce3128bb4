//! `chaperone eval matching`: how well the parts of a match score tell who says yes, on the speed-dating evenings.
//!
//! Honest by construction: every evening is predicted by a model that saw no evening with any of its people (leave one evening out; people
//! came to one evening only). "With earlier decisions" means decisions that both had made, or been given, in earlier rounds of the same
//! evening. What was asked after a date (`post_*`) is never read.

mod evening;
mod fit;
mod history;
mod profiles;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use datasets::{measure::roc_auc, table::Table};
use serde::Serialize;

use self::{
    evening::Dates,
    fit::{held_out, probability},
    profiles::Sensitive,
};
use super::Args;

/// What is asked of the figures: match and said-yes, from profiles alone and with earlier decisions.
const GOALS: [(f64, f64); 2] = [(0.60, 0.63), (0.72, 0.78)];

/// What the models may read of people: the first is how the product works.
const VIEWS: [(&str, Sensitive); 3] = [
    ("without race and religion (default)", Sensitive { age: true, race_and_religion: false }),
    ("… and without age", Sensitive { age: false, race_and_religion: false }),
    ("… with race and religion", Sensitive { age: true, race_and_religion: true }),
];

/// Two ROC-AUCs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Figures {
    /// Both said yes.
    matched: f64,
    /// One said yes.
    said_yes: f64,
}

/// One way of looking at the data.
#[derive(Debug, Serialize)]
struct Line {
    /// What the model may read of people.
    reads: &'static str,
    /// From profiles alone.
    profiles: Figures,
    /// With earlier decisions of the evening.
    history: Figures,
}

/// The report.
#[derive(Debug, Serialize)]
struct Report {
    evenings: usize,
    people: usize,
    decisions: usize,
    lines: Vec<Line>,
}

/// Measures on the folder that `--data` names.
pub(super) fn measure(args: &Args) -> anyhow::Result<(String, serde_json::Value)> {
    let folder = args.data.as_deref().context(
        "name the folder of speed_participants.csv.gz and speed_dates.csv.gz with `--data FOLDER`: the speed-dating data has no licence, so it \
         does not come with the project",
    )?;
    let report = report(folder, &VIEWS)?;
    Ok((report.to_text(), serde_json::to_value(&report)?))
}

/// Reads and measures.
fn report(folder: &Path, views: &[(&'static str, Sensitive)]) -> anyhow::Result<Report> {
    let read = |name: &str| {
        let file = file(folder, name);
        Table::read(&file)
            .with_context(|| format!("{} cannot be read: name its folder with `--data FOLDER`", file.display()))
    };
    let people = read("speed_participants")?;
    let dates = Dates::new(&read("speed_dates")?)?;
    ensure!(dates.evenings().len() > 2, "the evenings are too few to hold one out");
    let mut lines = Vec::new();
    for (reads, sensitive) in views.iter().copied() {
        let rows = profiles::rows(&people, &dates, sensitive)?;
        let alone = held_out(&dates, &rows, &profiles::precisions(rows.first().map_or(0, Vec::len)));
        let history = history::held_out(&dates, &rows, &alone);
        lines.push(Line { reads, profiles: figures(&dates, &alone)?, history: figures(&dates, &history)? });
    }
    Ok(Report { evenings: dates.evenings().len(), people: people.len(), decisions: dates.len(), lines })
}

/// Compressed or not.
fn file(folder: &Path, name: &str) -> PathBuf {
    let plain = folder.join(format!("{name}.csv"));
    if plain.exists() { plain } else { folder.join(format!("{name}.csv.gz")) }
}

/// Both figures of one set of log odds that the viewer says yes.
fn figures(dates: &Dates, logits: &[f64]) -> anyhow::Result<Figures> {
    let auc = |scores: Vec<f32>, marks: Vec<bool>| roc_auc(&scores, &marks).context("all answers are alike");
    let yes = logits.iter().map(|logit| *logit as f32).collect();
    let both = (0..dates.len()).map(|row| match dates.reverse(row) {
        Some(other) => (probability(logits[row]) * probability(logits[other])) as f32,
        None => probability(logits[row]).powi(2) as f32,
    });
    Ok(Figures {
        matched: auc(both.collect(), dates.iter().map(|date| date.matched).collect())?,
        said_yes: auc(yes, dates.iter().map(|date| date.yes).collect())?,
    })
}

impl Report {
    fn to_text(&self) -> String {
        let Self { evenings, people, decisions, lines } = self;
        let mut text = format!(
            "speed dating: {decisions} decisions of {people} people on {evenings} evenings, each evening predicted from the others\n\n\
             {:<46} {:>8} {:>8}   {:>8} {:>8}\n{:<46} {:>17}   {:>17}\n",
            "ROC-AUC", "match", "said yes", "match", "said yes", "", "profiles alone", "earlier decisions"
        );
        let mut row = |name: &str, [a, b]: [(f64, f64); 2]| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<46} {:>8.3} {:>8.3}   {:>8.3} {:>8.3}", a.0, a.1, b.0, b.1);
        };
        for line in lines {
            let pair = |figures: &Figures| (figures.matched, figures.said_yes);
            row(line.reads, [pair(&line.profiles), pair(&line.history)]);
        }
        row("asked for", GOALS);
        text
    }
}

#[cfg(test)]
mod tests;
