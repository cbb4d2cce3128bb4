//! Who is near and fits both ways, among ten thousand to a million: the embedded index with and without quantization against comparing with
//! everybody; and a person's list made through the product, store included. No service needed, one connection.
//!
//! Profiles are drawn around topics, as texts of people are; the limits of both sides (gender, age, region) let about one in twenty through.

use std::{collections::HashSet, path::Path, sync::Arc, time::Instant};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use models::{Engine, EngineConfig, Repository};
use pipeline::{
    clock::Clock,
    config::{IndexConfig, PipelineConfig, Quantization},
    index::{self, Query, VectorIndex},
    item::TenantId,
    matching::{
        dice::Dice,
        feature::cosine,
        filter,
        person::{About, Seeks, Terms},
    },
    policy::PolicySet,
    process::Pipeline,
    profile::Profile,
    store::{self, Store},
};

use crate::{
    report::{Report, percentile_ms},
    service::resident_mib,
};

/// Length of vectors.
const DIMENSIONS: usize = 384;
/// People that one write brings.
const BATCH: usize = 500;
/// Questions.
const QUESTIONS: usize = 200;
/// Hits that are compared.
const HITS: usize = 10;
/// Lists that are made through the product.
const LISTS: usize = 200;
/// Writes to the store at the same time: it commits them together.
const WRITERS: usize = 256;
/// Regions, of which everybody seeks their own.
const REGIONS: usize = 4;
/// Name of the stand-in for the embedding model.
const MODEL: &str = "embed-minilm";

/// What is measured beside searches.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Lists through the product.
    pub lists: bool,
    /// Not the whole vectors.
    pub quantized_only: bool,
    /// No graphs: exact answers alone.
    pub without_graphs: bool,
    /// Threads that build graphs.
    pub threads: usize,
}

/// Of searches by the graph: the beam, and the share of points up to which a filter makes it look at neighbours of neighbours; the default first.
const WAYS: [(usize, f64); 3] = [(512, 0.0), (128, 0.0), (128, 0.1)];

fn tenant() -> TenantId {
    "bench".into()
}

/// Measures with each number of people.
pub async fn run(sizes: &[usize], plan: Plan) -> anyhow::Result<Report> {
    let mut report = Report::new("neighbours");
    for size in sizes {
        let people = people(*size);
        let questions = questions(&people);
        let share = questions.iter().map(|question| question.fitting as f64).sum::<f64>()
            / (questions.len() * people.len()).max(1) as f64;
        report.figure(&format!("{size}: share that fits both ways, %"), vec![share * 100.0]);
        for quantization in [Quantization::None, Quantization::Int8] {
            if quantization == Quantization::Int8 || !plan.quantized_only {
                indexed(&mut report, &people, &questions, quantization, plan).await?;
            }
        }
        if plan.lists {
            recommended(&mut report, &people, plan.threads).await?;
        }
    }
    Ok(report)
}

/// People around topics: a topic, a turn of one's own, limits of both sides.
fn people(count: usize) -> Vec<Profile> {
    let mut dice = Dice::seeded(11);
    let draw = |dice: &mut Dice| -> Vec<f32> { (0..DIMENSIONS).map(|_| dice.normal() as f32).collect() };
    let topics: Vec<Vec<f32>> = (0..400).map(|_| draw(&mut dice)).collect();
    (0..count)
        .map(|n| {
            let (topic, own) = (&topics[dice.below(topics.len())], draw(&mut dice));
            let raw: Vec<f32> = topic.iter().zip(own).map(|(topic, own)| topic + own).collect();
            let norm = raw.iter().map(|value| value * value).sum::<f32>().sqrt();
            let age = 18 + dice.below(42) as u8;
            let (gender, other) = if dice.chance(0.5) { ("f", "m") } else { ("m", "f") };
            let region = format!("region {}", dice.below(REGIONS));
            let about =
                About { age: Some(age), gender: Some(gender.into()), region: Some(region.clone()), ..About::default() };
            let seeks = Seeks {
                genders: vec![other.into()],
                min_age: Some(age.saturating_sub(10).max(18)),
                max_age: Some(age + 10),
                regions: vec![region],
                ..Seeks::default()
            };
            Profile {
                id: format!("p{n:07}").as_str().into(),
                tenant: tenant(),
                interests: Vec::new(),
                bio: format!("person {n}"),
                attributes: Default::default(),
                version: 1,
                text_sha256: format!("{n}"),
                vector: raw.iter().map(|value| value / norm).collect(),
                updated_at: DateTime::<Utc>::UNIX_EPOCH,
                terms: Terms { about, seeks, ..Terms::default() },
            }
        })
        .collect()
}

/// Somebody who asks, with the right answer.
struct Question {
    viewer: usize,
    nearest: HashSet<String>,
    fitting: usize,
}

fn questions(people: &[Profile]) -> Vec<Question> {
    let step = (people.len() / QUESTIONS).max(1);
    (0..people.len()).step_by(step).take(QUESTIONS).map(|viewer| question(people, viewer)).collect()
}

/// Compares with everybody.
fn question(people: &[Profile], viewer: usize) -> Question {
    let own = &people[viewer];
    let fits = |(n, other): &(usize, &Profile)| *n != viewer && filter::mutual(&own.terms, &other.terms).is_ok();
    let fitting = people.iter().enumerate().filter(fits);
    let mut scored: Vec<(f32, usize)> = fitting.map(|(n, other)| (cosine(&own.vector, &other.vector), n)).collect();
    let count = scored.len();
    scored.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    let nearest = scored.iter().take(HITS).map(|(_, n)| people[*n].id.0.clone()).collect();
    Question { viewer, nearest, fitting: count }
}

async fn indexed(
    report: &mut Report,
    people: &[Profile],
    questions: &[Question],
    quantization: Quantization,
    plan: Plan,
) -> anyhow::Result<()> {
    let name = match quantization {
        Quantization::None => "whole",
        Quantization::Int8 => "int8",
    };
    let name = |what: &str| format!("{}, {name}: {what}", people.len());
    let folder = tempfile::tempdir()?;
    let before = resident_mib(std::process::id().into())?;
    let config = config(folder.path(), quantization, plan.threads);
    let begin = Instant::now();
    let index = written(&config, people).await?;
    report.figure(&name("written in, s"), vec![begin.elapsed().as_secs_f64()]);
    report.figure(&name("resident MiB more than before"), vec![resident_mib(std::process::id().into())? - before]);
    report.figure(&name("disk MiB"), vec![disk_mib(folder.path())?]);
    searched(report, index.as_ref(), people, questions, |what| name(&format!("all who pass are compared: {what}")))
        .await?;
    drop(index);
    if plan.without_graphs {
        return Ok(());
    }
    let graphs = IndexConfig { exact_up_to: 0, ..config };
    let index = index::connect(&graphs, DIMENSIONS).await?;
    let begin = Instant::now();
    index.optimise().await?;
    report.figure(&name("graph built in, s"), vec![begin.elapsed().as_secs_f64()]);
    drop(index);
    for (beam, second_neighbours) in WAYS {
        let config = IndexConfig { beam, second_neighbours, ..graphs.clone() };
        let index = index::connect(&config, DIMENSIONS).await?;
        let way = |what: &str| name(&format!("graph, beam {beam}, second neighbours {second_neighbours}: {what}"));
        searched(report, index.as_ref(), people, questions, way).await?;
    }
    Ok(())
}

/// Asks every question twice: the first round warms.
async fn searched(
    report: &mut Report,
    index: &dyn VectorIndex,
    people: &[Profile],
    questions: &[Question],
    name: impl Fn(&str) -> String,
) -> anyhow::Result<()> {
    let (mut found, mut wanted, mut times) = (0, 0, Vec::new());
    for (place, question) in questions.iter().chain(questions).enumerate() {
        let own = &people[question.viewer];
        let query = Query {
            tenant: tenant(),
            vector: own.vector.clone(),
            filter: filter::conditions(&own.terms),
            exclude: vec![own.id.clone()],
            limit: HITS,
        };
        let begin = Instant::now();
        let hits = index.search(query).await?;
        if place < questions.len() {
            continue;
        }
        times.push(begin.elapsed());
        wanted += question.nearest.len();
        found += hits.iter().filter(|hit| question.nearest.contains(hit.id.as_str())).count();
    }
    let recall = found as f64 / wanted.max(1) as f64;
    report.figure(&name("search, median ms"), vec![percentile_ms(&mut times, 0.5)]);
    let slow = report.figure(&name("search, p99 ms"), vec![percentile_ms(&mut times, 0.99)]);
    report.goal(&name("search: p99 at most 30 ms"), slow, slow <= 30.0);
    report.goal(&name("recall@10 at least 0.97"), recall, recall >= 0.97);
    Ok(())
}

fn config(folder: &Path, quantization: Quantization, build_threads: usize) -> IndexConfig {
    let url = format!("edge:{}", folder.join("index").display());
    IndexConfig { url, quantization, build_threads, ..IndexConfig::default() }
}

async fn written(config: &IndexConfig, people: &[Profile]) -> anyhow::Result<Arc<dyn VectorIndex>> {
    let index = index::connect(config, DIMENSIONS).await?;
    for batch in people.chunks(BATCH) {
        index.upsert(batch.iter().map(Profile::point).collect()).await?;
    }
    Ok(index)
}

fn disk_mib(folder: &Path) -> anyhow::Result<f64> {
    use std::os::unix::fs::MetadataExt as _;
    let (mut folders, mut blocks) = (vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            // What is written, not how long sparse files say they are.
            blocks += about.blocks();
            if about.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(blocks as f64 * 512.0 / f64::from(1 << 20))
}

/// Lists of people who ask for the first time: candidates from the index, their rows from the store, scores, exposure, the list written.
async fn recommended(report: &mut Report, people: &[Profile], threads: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = store::connect(&format!("sqlite:{}", folder.path().join("store.db").display())).await?;
    let writes = people.iter().map(|profile| {
        let store: Arc<dyn Store> = Arc::clone(&store);
        async move { store.put_profile(profile).await }
    });
    stream::iter(writes).buffer_unordered(WRITERS).try_collect::<Vec<()>>().await?;
    let index = written(&config(folder.path(), Quantization::Int8, threads), people).await?;
    let engine = stand_in(folder.path()).await?;
    let (policies, clock) = (Arc::new(PolicySet::builtin()), Clock::system());
    let config = PipelineConfig { text_models: Vec::new(), ..PipelineConfig::default() };
    let pipeline = Pipeline::new(engine, policies, store, index, clock, config, Vec::new());
    let step = (people.len() / LISTS).max(1);
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for profile in people.iter().step_by(step).take(LISTS) {
        for times in [&mut first, &mut again] {
            let begin = Instant::now();
            let list = pipeline.recommend(&tenant(), &profile.id, 20).await?;
            times.push(begin.elapsed());
            anyhow::ensure!(!list.is_empty(), "nobody is recommended");
        }
    }
    let name = |what: &str| format!("{}, int8: {what}", people.len());
    report.figure(&name("a list made and answered, median ms"), vec![percentile_ms(&mut first, 0.5)]);
    let made = report.figure(&name("a list made and answered, p99 ms"), vec![percentile_ms(&mut first, 0.99)]);
    let kept = report.figure(&name("the day's list answered, p99 ms"), vec![percentile_ms(&mut again, 0.99)]);
    report.goal(&name("recommend, list made: p99 at most 30 ms"), made, made <= 30.0);
    report.goal(&name("recommend, list of the day: p99 at most 30 ms"), kept, kept <= 30.0);
    Ok(())
}

/// Embeds nothing that matters: vectors are drawn, not made of texts.
async fn stand_in(folder: &Path) -> anyhow::Result<Engine> {
    let repository = folder.join("models");
    let model = repository.join(MODEL);
    std::fs::create_dir_all(&model)?;
    let spec = format!(
        "name = \"{MODEL}\"\nversion = \"1\"\nsummary = \"stand-in\"\ntask = \"embed-text\"\nbackend = \"fake\"\ndimensions = {DIMENSIONS}\n\
         max_tokens = 256\n"
    );
    std::fs::write(model.join("model.toml"), spec)?;
    let found = Repository::open(&repository)?;
    let load = vec![format!("fake:{MODEL}")];
    let config = EngineConfig { repository, load, threads: 1, ..EngineConfig::default() };
    Engine::start(&config, &found).await.context("the stand-in for the model does not start")
}
