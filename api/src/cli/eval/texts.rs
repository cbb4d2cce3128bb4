//! `chaperone eval texts`: the text model on every labelled set, as the pipeline uses it (texts folded), with its slices, the
//! cascade's share and price, JSON, and curves.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::Context as _;
use datasets::{
    Manifest, curve,
    labelled::{self, Labelled},
};
use futures::{StreamExt as _, stream};
use models::{
    Engine, EngineConfig, Input, Lane, Repository, Scores,
    cascade::{Compared, Stage},
};
use pipeline::normalise::Normalised;

use super::{
    Args, IN_FLIGHT, collect, evenly,
    sets::{Answers, Report, SetReport},
    svg::{self, Panel},
};

/// Measures `args.model` on the wanted sets; the table and the figures.
pub(super) async fn measure(args: &Args, config: &EngineConfig) -> anyhow::Result<(String, serde_json::Value)> {
    let model = args.model.as_deref().unwrap_or("toxicity-minilm");
    let repository = Repository::open(&config.repository)?;
    let screening = EngineConfig { load: vec![model.to_owned()], screening: true, ..config.clone() };
    let engine = Engine::start(&screening, &repository).await?;
    let mut sets = Vec::new();
    for (name, path, seen) in wanted(args)? {
        let rows = evenly(labelled::read(&name, &path)?, args.limit);
        sets.push(one(args, &engine, &name, seen, &rows, Form::Written).await?);
        if rows.iter().any(|row| row.original.is_some()) {
            let name = format!("{name} (as first written)");
            sets.push(one(args, &engine, &name, seen, &rows, Form::Original).await?);
        }
        if name == HIDDEN {
            let name = format!("{name} (among harmless sentences)");
            sets.push(one(args, &engine, &name, seen, &rows, Form::Hidden).await?);
        }
    }
    let spec = engine.spec(model)?;
    let report = Report { model: Arc::clone(&spec.name), version: Arc::clone(&spec.version), sets };
    engine.shutdown().await;
    Ok((report.to_text(), serde_json::to_value(&report)?))
}

/// Name, file, and whether the model was trained on it.
fn wanted(args: &Args) -> anyhow::Result<Vec<(String, PathBuf, bool)>> {
    if let Some(path) = &args.data {
        let [set] = args.set.as_slice() else {
            anyhow::bail!(
                "--data needs --set NAME, which says what columns the file has: {}",
                labelled::SETS.join(", ")
            );
        };
        return Ok(vec![(set.clone(), path.clone(), false)]);
    }
    let manifest = Manifest::open(&args.datasets)?;
    let names: Vec<String> = match args.set.as_slice() {
        [] => labelled::SETS.map(String::from).to_vec(),
        named => named.to_vec(),
    };
    let known = |name: String| {
        let path = manifest.verify(&name)?;
        let seen = manifest.set(&name)?.used_for == "train";
        Ok((name, path, seen))
    };
    names.into_iter().map(known).collect()
}

/// Which text of a row.
#[derive(Clone, Copy)]
enum Form {
    Written,
    Original,
    /// Between [`AROUND`].
    Hidden,
}

/// The set whose texts are also judged among harmless sentences, where whoever wants to evade puts them.
const HIDDEN: &str = "functional_heldout";
/// What stands before and behind them.
const AROUND: [&str; 2] = [
    "The ferry left the harbour a little after six, when the fog had thinned enough for the lighthouse to show. Thank you for the detailed \
     explanation, I have added the reference to the article.",
    "The population of the town was counted again in the spring census. The committee will meet on Tuesday to discuss the budget.",
];

async fn one(
    args: &Args,
    engine: &Engine,
    name: &str,
    seen: bool,
    rows: &[Labelled],
    form: Form,
) -> anyhow::Result<SetReport> {
    let model = args.model.as_deref().unwrap_or("toxicity-minilm");
    let texts: Vec<(usize, Arc<str>)> =
        rows.iter().enumerate().flat_map(|(number, row)| readings(row, form).map(move |text| (number, text))).collect();
    let started = Instant::now();
    let judged = stream::iter(&texts).map(|(_, text)| judge(engine, model, text)).buffered(IN_FLIGHT);
    let judged: Vec<Compared> = collect(texts.len(), judged).await.with_context(|| format!("set {name}"))?;
    let took = started.elapsed();
    let (mut whole, mut served): (Vec<Scores>, Vec<(Scores, bool)>) = (Vec::new(), Vec::new());
    for ((number, _), judged) in texts.iter().zip(judged) {
        let spared = judged.by != Stage::Encoder;
        if let (Some(first), Some((scores, all_spared))) = (whole.get_mut(*number), served.get_mut(*number)) {
            raise(first, &judged.whole);
            raise(scores, &judged.served);
            *all_spared &= spared;
        } else {
            whole.push(judged.whole);
            served.push((judged.served, spared));
        }
    }
    let answers = Answers { whole: &whole, served: &served };
    let report = SetReport::new(name, seen, rows, &answers, args.cut.unwrap_or(0.5), took)?;
    if let Some(folder) = &args.svg {
        draw(folder, name, rows, &served).await?;
    }
    Ok(report)
}

/// What the pipeline judges of a text: as it reads, and without its disguises when it has any.
fn readings(row: &Labelled, form: Form) -> impl Iterator<Item = Arc<str>> {
    let text = match form {
        Form::Written => Cow::Borrowed(&*row.text),
        Form::Original => Cow::Borrowed(row.original.as_deref().unwrap_or(&row.text)),
        Form::Hidden => Cow::Owned([AROUND[0], &row.text, AROUND[1]].join(" ")),
    };
    let plain = Normalised::new(&text);
    let unmasked = plain.unmasked().map(|text| Arc::from(text.text()));
    std::iter::once(Arc::from(plain.text())).chain(unmasked)
}

/// Of both readings the higher scores, as the pipeline takes them.
fn raise(scores: &mut Scores, others: &Scores) {
    for (score, other) in scores.scores.iter_mut().zip(&others.scores) {
        score.score = score.score.max(other.score);
    }
}

/// What is served beside what the encoder says, whom every text goes through: what screening costs is the difference.
async fn judge(engine: &Engine, model: &str, text: &Arc<str>) -> Result<Compared, models::ModelError> {
    if let Some(compared) = engine.compare(model, Arc::clone(text), Lane::Bulk).await? {
        return Ok(compared);
    }
    let whole = engine.classify(model, Input::Text(Arc::clone(text)), Lane::Bulk).await?;
    Ok(Compared { served: whole.clone(), by: Stage::Encoder, whole })
}

/// One file per set: curves of the labels that the set marks.
async fn draw(folder: &Path, set: &str, rows: &[Labelled], served: &[(Scores, bool)]) -> anyhow::Result<()> {
    let (mut labels, mut roc, mut recall, mut calibration) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for label in super::sets::labels_of(rows, served) {
        let column = super::sets::column(rows, served, label);
        let (scores, marks): (Vec<f32>, Vec<bool>) = column.iter().map(|one| (one.served, one.mark)).unzip();
        let natural = column.iter().filter(|one| one.natural);
        let (natural_scores, natural_marks): (Vec<f32>, Vec<bool>) = natural.map(|one| (one.served, one.mark)).unzip();
        roc.push(curve::roc(&scores, &marks));
        recall.push(curve::precision_recall(&scores, &marks));
        calibration.push(curve::calibration(&natural_scores, &natural_marks));
        labels.push(label.to_owned());
    }
    let panels = [
        Panel { title: "ROC", x: "false-positive rate", y: "recall", diagonal: true, curves: roc },
        Panel { title: "Precision", x: "recall", y: "precision", diagonal: false, curves: recall },
        Panel { title: "Calibration", x: "mean score", y: "share of positives", diagonal: true, curves: calibration },
    ];
    tokio::fs::create_dir_all(folder).await.with_context(|| format!("creating {}", folder.display()))?;
    let file: String = set.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let path = folder.join(format!("{}.svg", file.trim_end_matches('_')));
    tokio::fs::write(&path, svg::draw(set, &labels, &panels))
        .await
        .with_context(|| format!("writing {}", path.display()))
}
