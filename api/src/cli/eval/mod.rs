//! `chaperone eval`: measure a model on labelled data, through the same engine that serves.

mod figures;
mod matching;
mod photos;
mod sets;
mod svg;
mod texts;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::ValueEnum;
use datasets::{Manifest, load};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use models::{Engine, EngineConfig, Input, Lane, Repository};
use pipeline::decode::Limits;

use self::figures::{ClassifierReport, SimilarityReport};
use super::{Exit, Global};
use crate::config::Config;

/// Inputs in progress at once: enough to fill every batch.
const IN_FLIGHT: usize = 128;

/// Arguments of `chaperone eval`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  chaperone eval texts                         the text model on every set, by label and slice, and what its cascade spares
  chaperone eval texts --set edos_dev          the same on one set (repeat it for more)
  chaperone eval texts --svg curves            ROC, precision and calibration curves, one picture per set
  chaperone eval texts --set edos_dev --data my.csv   your own file with the columns of that set
  chaperone eval toxicity                      the linear model alone on jigsaw_test: ROC-AUC, average precision, F1, calibration
  chaperone eval toxicity --json figures.json  the same, and the figures as JSON
  chaperone eval sts                           Spearman of the embedder on stsb_dev_open
  chaperone eval spam --data my.csv            your own file, with columns `text` and `spam` (0 or 1)
  chaperone eval nsfw-photos                   false alarms on harmless photos
  chaperone eval matching --data DIR           who says yes to whom, on unseen speed-dating evenings

Figures that depend on prevalence (F1, precision, recall, calibration) use natural rows alone; ROC-AUC and average
precision use all rows. The files come with the project (datasets/manifest.toml has their sources and licences).")]
pub struct Args {
    /// What to measure.
    #[arg(value_enum)]
    what: What,
    /// Data file (CSV, or CSV.gz) instead of the bundled one; for nsfw-photos: a folder of pictures; for matching: the folder with the
    /// speed-dating files, which do not come with the project.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Folder that holds manifest.toml.
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    datasets: PathBuf,
    /// For texts: only this set (repeatable).
    #[arg(long, value_name = "NAME")]
    set: Vec<String>,
    /// For texts: another model of the repository [default: toxicity-minilm].
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// For texts: draw curves into this folder as SVG.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure on N rows, evenly spaced over the file, instead of all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Score from which on a row counts as called, for F1, precision and recall [default: 0.5; spam 0.8].
    #[arg(long, value_name = "SCORE")]
    cut: Option<f32>,
}

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// All labels of the text model on all sets.
    Texts,
    /// Six toxicity labels of the linear model.
    Toxicity,
    /// Spam score.
    Spam,
    /// Sentence similarity of the embedder.
    Sts,
    /// Frame classes on harmless photos.
    NsfwPhotos,
    /// The parts of a match score on speed-dating evenings.
    Matching,
}

/// Runs the verb.
pub async fn run(args: Args, global: &Global) -> anyhow::Result<Exit> {
    let Config { models: config, pipeline, .. } = global.config()?;
    if let Some(cut) = args.cut
        && !(0.0..=1.0).contains(&cut)
    {
        return Ok(super::usage(&format!("--cut {cut}: a score lies between 0 and 1")));
    }
    let (text, figures) = match args.what {
        What::Texts => texts::measure(&args, &config).await?,
        What::Toxicity => classifier(&args, &config, "toxicity", &["jigsaw_test"], read_toxicity).await?,
        What::Spam => {
            let sets = ["sms_public", "youtube_public", "smishing_public"];
            classifier(&args, &config, "spam", &sets, read_spam).await?
        }
        What::Sts => similarity(&args, &config).await?,
        What::Matching => matching::measure(&args)?,
        What::NsfwPhotos => {
            let limits = Limits { bytes: pipeline.max_picture_bytes, pixels: pipeline.max_pixels };
            photos::measure(&args, &config, &pipeline.second_opinion, limits).await?
        }
    };
    write!(std::io::stdout(), "{text}")?;
    if let Some(path) = &args.json {
        let mut json = serde_json::to_vec_pretty(&figures)?;
        json.push(b'\n');
        tokio::fs::write(path, json).await.with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(Exit::Fine)
}

/// A labelled text: its marks in label order, and whether its draw was natural.
struct Row {
    text: Arc<str>,
    marks: Vec<bool>,
    natural: bool,
}

fn read_toxicity(path: &Path) -> Result<Vec<Row>, datasets::DataError> {
    let row = |row: load::Toxicity| Row { text: row.text.into(), marks: row.labels.to_vec(), natural: row.natural };
    Ok(load::toxicity(path)?.into_iter().map(row).collect())
}

fn read_spam(path: &Path) -> Result<Vec<Row>, datasets::DataError> {
    let row = |row: load::Spam| Row { text: row.text.into(), marks: vec![row.spam], natural: true };
    Ok(load::spam(path)?.into_iter().map(row).collect())
}

async fn classifier(
    args: &Args,
    config: &EngineConfig,
    model: &str,
    sets: &[&str],
    read: fn(&Path) -> Result<Vec<Row>, datasets::DataError>,
) -> anyhow::Result<(String, serde_json::Value)> {
    let (files, trained_on) = data_files(args, sets)?;
    let mut rows = Vec::new();
    for file in &files {
        rows.extend(read(file)?);
    }
    let rows = evenly(rows, args.limit);
    let engine = start(config, model).await?;
    let started = Instant::now();
    let scores: Vec<models::Scores> = collect(
        rows.len(),
        stream::iter(&rows)
            .map(|row| engine.classify(model, Input::Text(row.text.clone()), Lane::Bulk))
            .buffered(IN_FLIGHT),
    )
    .await?;
    let took = started.elapsed();
    engine.shutdown().await;
    let marks: Vec<Vec<bool>> = rows.iter().map(|row| row.marks.clone()).collect();
    let natural: Vec<bool> = rows.iter().map(|row| row.natural).collect();
    let cut = args.cut.unwrap_or(if args.what == What::Spam { 0.8 } else { 0.5 });
    let report = ClassifierReport::new(names(&files), &scores, &marks, &natural, cut, trained_on, took)?;
    Ok((report.to_text(), serde_json::to_value(&report)?))
}

async fn similarity(args: &Args, config: &EngineConfig) -> anyhow::Result<(String, serde_json::Value)> {
    const MODEL: &str = "embed-minilm";
    let (files, _) = data_files(args, &["stsb_dev_open"])?;
    let mut rows = Vec::new();
    for file in &files {
        rows.extend(load::similarity(file)?);
    }
    let rows = evenly(rows, args.limit);
    let engine = start(config, MODEL).await?;
    let started = Instant::now();
    let texts = rows.iter().flat_map(|row| [&row.first, &row.second]);
    let vectors: Vec<Arc<[f32]>> = collect(
        rows.len() * 2,
        stream::iter(texts).map(|text| engine.embed(MODEL, text, Lane::Bulk)).buffered(IN_FLIGHT),
    )
    .await?;
    let took = started.elapsed();
    engine.shutdown().await;
    // The vectors have unit length: their product is the cosine.
    let cosines: Vec<f64> = vectors
        .chunks_exact(2)
        .map(|pair| pair[0].iter().zip(pair[1].iter()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum())
        .collect();
    let judged: Vec<f64> = rows.iter().map(|row| row.score).collect();
    let spearman = datasets::measure::spearman(&cosines, &judged).context("the rows have no spread to correlate")?;
    let report = SimilarityReport::new(MODEL, names(&files), rows.len(), spearman, took);
    Ok((report.to_text(), serde_json::to_value(&report)?))
}

/// The files to read, and whether the model has seen them in training.
fn data_files(args: &Args, sets: &[&str]) -> anyhow::Result<(Vec<PathBuf>, bool)> {
    if let Some(path) = &args.data {
        return Ok((vec![path.clone()], false));
    }
    let manifest = Manifest::open(&args.datasets)?;
    let files = sets.iter().map(|set| manifest.verify(set)).collect::<Result<_, _>>()?;
    let mut trained_on = false;
    for set in sets {
        trained_on |= manifest.set(set)?.used_for == "train";
    }
    Ok((files, trained_on))
}

async fn start(config: &EngineConfig, model: &str) -> anyhow::Result<Engine> {
    let repository = Repository::open(&config.repository)?;
    let config = EngineConfig { load: vec![model.to_owned()], ..config.clone() };
    Ok(Engine::start(&config, &repository).await?)
}

/// Drains the answers behind a progress bar; the first failure ends it, with its place.
async fn collect<T, E>(count: usize, answers: impl Stream<Item = Result<T, E>>) -> anyhow::Result<Vec<T>>
where
    E: Into<anyhow::Error>,
{
    let bar = ProgressBar::new(count as u64);
    bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta}")?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let answers = answers.enumerate().map(|(index, answer)| {
        bar.inc(1);
        answer.map_err(Into::into).with_context(|| format!("row {}", index + 1))
    });
    let out = answers.try_collect().await;
    bar.finish_and_clear();
    out
}

/// `limit` rows at even distances, so that a sample has the mixture of the whole.
fn evenly<T>(rows: Vec<T>, limit: Option<u32>) -> Vec<T> {
    let count = rows.len();
    let Some(limit) = limit.map(|limit| limit as usize).filter(|limit| *limit < count) else { return rows };
    rows.into_iter()
        .enumerate()
        .filter(|(index, _)| index * limit / count != (index + 1) * limit / count)
        .map(|(_, row)| row)
        .collect()
}

fn names(files: &[PathBuf]) -> Vec<String> {
    let name = |file: &PathBuf| file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    files.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limited_evaluation_takes_evenly_spaced_rows() {
        let rows: Vec<u32> = (0..10).collect();
        assert_eq!(evenly(rows.clone(), None), rows);
        assert_eq!(evenly(rows.clone(), Some(20)), rows);
        assert_eq!(evenly(rows.clone(), Some(5)), [1, 3, 5, 7, 9]);
        assert_eq!(evenly(rows, Some(3)).len(), 3);
    }

    #[test]
    fn bundled_files_are_found_and_own_files_win() {
        let mut args = Args {
            what: What::Spam,
            data: None,
            datasets: Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets"),
            set: Vec::new(),
            model: None,
            svg: None,
            json: None,
            limit: None,
            cut: None,
        };
        let (files, trained_on) = data_files(&args, &["sms_public"]).unwrap();
        assert!(files[0].is_file() && trained_on);
        assert!(!data_files(&args, &["jigsaw_test"]).unwrap().1);
        args.data = Some("mine.csv".into());
        assert_eq!(data_files(&args, &["sms_public"]).unwrap(), (vec![PathBuf::from("mine.csv")], false));
        args.data = None;
        args.datasets = "no/such/folder".into();
        let error = data_files(&args, &["sms_public"]).unwrap_err();
        assert!(error.to_string().contains("--datasets"), "{error}");
    }
}
