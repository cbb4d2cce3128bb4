//! False alarms on harmless photos: of the small picture model alone, and with the second opinion.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::Context as _;
use futures::{StreamExt as _, stream};
use models::{Engine, EngineConfig, Input, Lane, Repository};
use pipeline::{
    decode::{Detail, Limits, decode_on_pool},
    opinion::SecondOpinionConfig,
    signal::{Signal, signals},
};
use serde::Serialize;

use super::{Args, IN_FLIGHT, collect, evenly};
use crate::cli::table::{Paint, rows};

const MODEL: &str = "nsfw-mobilenet";

/// Classes whose score over the cut would be a violation.
const VIOLATIONS: [&str; 3] = ["porn", "hentai", "sexy"];

#[derive(Debug, Serialize)]
struct ClassFigures {
    class: Arc<str>,
    mean: f64,
    highest: f64,
    over_cut: usize,
}

#[derive(Debug, Serialize)]
struct PhotosReport {
    model: &'static str,
    folder: PathBuf,
    photos: usize,
    cut: f32,
    classes: Vec<ClassFigures>,
    /// Photos that would be violations.
    false_alarms: Vec<String>,
    seconds: f64,
    second_opinion: Option<Opinion>,
}

/// What the second opinion leaves.
#[derive(Debug, Serialize)]
struct Opinion {
    model: String,
    /// Photos that it was asked about.
    asked: usize,
    false_alarms: Vec<String>,
    /// The highest combined score of a suspicious label.
    highest: f32,
    seconds: f64,
}

pub(super) async fn measure(
    args: &Args,
    config: &EngineConfig,
    opinion: &SecondOpinionConfig,
    limits: Limits,
) -> anyhow::Result<(String, serde_json::Value)> {
    let folder = args.data.clone().unwrap_or_else(|| args.datasets.join("photos"));
    let files = evenly(pictures(&folder)?, args.limit);
    let cut = args.cut.unwrap_or(0.75);
    let mut load = vec![MODEL.to_owned()];
    load.extend(Some(opinion.model.clone()).filter(|model| !model.is_empty()));
    let engine =
        Engine::start(&EngineConfig { load, ..config.clone() }, &Repository::open(&config.repository)?).await?;
    let started = Instant::now();
    let shared = &engine;
    let judged = stream::iter(&files).map(|file| async move {
        let bytes = tokio::fs::read(file).await.with_context(|| format!("reading {}", file.display()))?;
        let picture = decode_on_pool(bytes.into(), limits, Detail::Whole).await;
        let picture = picture.with_context(|| format!("decoding {}", file.display()))?;
        let scores = shared.classify(MODEL, Input::Image(Arc::new(picture.pixels)), Lane::Bulk).await?;
        Ok::<_, anyhow::Error>(scores)
    });
    // Decoded pictures are large: fewer in progress than texts.
    let scores = collect(files.len(), judged.buffered(IN_FLIGHT / 8)).await?;
    let seconds = started.elapsed().as_secs_f64();
    let second_opinion = match opinion.model.is_empty() {
        true => None,
        false => Some(ask(&engine, opinion, cut, limits, &files, &scores).await?),
    };
    engine.shutdown().await;

    let first = scores.first().context("no photos to measure")?;
    let classes = (0..first.scores.len())
        .map(|class| {
            let values = || scores.iter().map(|scores| scores.scores[class].score);
            ClassFigures {
                class: first.scores[class].label.clone(),
                mean: values().map(f64::from).sum::<f64>() / scores.len() as f64,
                highest: values().map(f64::from).fold(0.0, f64::max),
                over_cut: values().filter(|score| *score > cut).count(),
            }
        })
        .collect();
    let alarmed = |scores: &models::Scores| {
        scores.scores.iter().any(|score| score.score > cut && VIOLATIONS.contains(&&*score.label))
    };
    let false_alarms = files.iter().zip(&scores).filter(|(_, scores)| alarmed(scores)).map(|(file, _)| name(file));
    let false_alarms = false_alarms.collect();
    let photos = files.len();
    let report = PhotosReport { model: MODEL, folder, photos, cut, classes, false_alarms, seconds, second_opinion };
    Ok((report.to_text(), serde_json::to_value(&report)?))
}

/// Asks about what the first model suspects, one photo after the other.
async fn ask(
    engine: &Engine,
    opinion: &SecondOpinionConfig,
    cut: f32,
    limits: Limits,
    files: &[PathBuf],
    scores: &[models::Scores],
) -> anyhow::Result<Opinion> {
    let started = Instant::now();
    let (mut asked, mut false_alarms, mut highest) = (0, Vec::new(), 0.0_f32);
    for (file, scores) in files.iter().zip(scores) {
        let first: Vec<Signal> = signals(scores).collect();
        if !opinion.suspects(&first) {
            continue;
        }
        asked += 1;
        let bytes = tokio::fs::read(file).await.with_context(|| format!("reading {}", file.display()))?;
        let pixels = decode_on_pool(bytes.into(), limits, Detail::Whole).await?.pixels;
        let second = engine.classify(&opinion.model, Input::Image(Arc::new(pixels)), Lane::Bulk).await?;
        let second: Vec<Signal> = signals(&second).collect();
        let combined = opinion.combined(first, &second);
        let suspicious = combined.iter().filter(|signal| opinion.labels.contains(&signal.label));
        let worst = suspicious.map(|signal| signal.score).fold(0.0, f32::max);
        highest = highest.max(worst);
        if worst > cut {
            false_alarms.push(name(file));
        }
    }
    let (model, seconds) = (opinion.model.clone(), started.elapsed().as_secs_f64());
    Ok(Opinion { model, asked, false_alarms, highest, seconds })
}

fn name(file: &Path) -> String {
    file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

impl PhotosReport {
    fn to_text(&self) -> String {
        let cells = |class: &ClassFigures| {
            let figures = [format!("{:.4}", class.mean), format!("{:.4}", class.highest), class.over_cut.to_string()];
            [class.class.to_string()].into_iter().chain(figures).collect::<Vec<_>>()
        };
        let table: Vec<Vec<String>> = self.classes.iter().map(cells).collect();
        let over = format!("over {}", self.cut);
        let mut text = format!("{} on {} photos of {}\n\n", self.model, self.photos, self.folder.display());
        text.push_str(&rows(&["class", "mean", "highest", &over], &table, Paint::stdout()));
        let rate = self.photos as f64 / self.seconds.max(1e-9);
        let _ = writeln!(
            text,
            "\nfalse alarms ({}): {} of {}   {:.1} s, {rate:.0} photos/s",
            VIOLATIONS.join(", "),
            self.false_alarms.len(),
            self.photos,
            self.seconds
        );
        for name in &self.false_alarms {
            let _ = writeln!(text, "  {name}");
        }
        if let Some(opinion) = &self.second_opinion {
            let Opinion { model, asked, false_alarms, highest, seconds } = opinion;
            let _ = writeln!(
                text,
                "\nwith the second opinion of {model}: {} of {} (highest {highest:.2}); asked about {asked}, {seconds:.1} s",
                false_alarms.len(),
                self.photos
            );
            for name in false_alarms {
                let _ = writeln!(text, "  {name}");
            }
        }
        text
    }
}

/// JPEG and PNG files of a folder, by name.
fn pictures(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| {
        format!(
            "{} is missing: run from the project's folder, or name a folder of pictures with `--data`",
            folder.display()
        )
    })?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let extension =
            path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
        if ["jpg", "jpeg", "png"].contains(&extension.as_str()) {
            files.push(path);
        }
    }
    anyhow::ensure!(!files.is_empty(), "{} holds no JPEG or PNG files", folder.display());
    files.sort();
    Ok(files)
}
