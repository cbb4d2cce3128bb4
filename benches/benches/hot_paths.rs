//! Each hot path that is ours, alone: `make bench-micro`.

use std::{hint::black_box, path::Path, sync::Arc, time::Instant};

use chrono::{DateTime, TimeDelta};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use models::{Lane, Pixels, batcher::BatchState, linear::LinearModel, spec::Batching};
use pipeline::{
    action::ActionKind,
    config::PipelineConfig,
    decode::{Detail, Limits, decode, decode_to},
    item::ItemKind,
    language::Detector,
    normalise::Normalised,
    policy::{Facts, Policy, evaluate},
    signal::Signal,
    stream::{
        call::{ParticipantState, Standing},
        ladder::{Ladder, Scope, Step},
        likeness::Likeness,
    },
};

const MESSAGE: &str = "does anybody here know a good place for climbing near the river on a rainy weekend";

const GERMAN: &str = "kennt hier jemand eine gute Stelle zum Klettern am Fluss für ein verregnetes Wochenende";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("members lie in the workspace root")
}

fn batching(criterion: &mut Criterion) {
    let now = Instant::now();
    let mut group = criterion.benchmark_group("batcher");
    group.throughput(Throughput::Elements(1024));
    group.bench_function("push and cut 1,024 texts of mixed length", |bencher| {
        bencher.iter_batched(
            || BatchState::new(Batching::default()),
            |mut state| {
                for index in 0..1024_usize {
                    state.push(Lane::ALL[index % 3], 4 + (index * 37) % 120, now);
                }
                while let Some(cut) = state.cut() {
                    black_box(cut.ids.len());
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn texts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Bytes(MESSAGE.len() as u64));
    group.bench_function("fold", |bencher| bencher.iter(|| Normalised::new(black_box(MESSAGE))));
    let folded = Normalised::new(MESSAGE);
    group.bench_function("look for disguised words", |bencher| bencher.iter(|| black_box(&folded).unmasked()));
    let policy = Policy::builtin();
    group.bench_function("look through the word lists", |bencher| {
        bencher.iter(|| policy.lists().find(black_box(&folded), "en"));
    });
    let languages = Detector::new(PipelineConfig::default().language_confidence);
    group.bench_function("language of English", |bencher| bencher.iter(|| languages.detect(black_box(MESSAGE))));
    group.bench_function("language of German", |bencher| bencher.iter(|| languages.detect(black_box(GERMAN))));
    for name in ["toxicity", "spam"] {
        let weights = root().join("models/repository").join(name).join("weights.bin");
        let model = LinearModel::load(&weights).expect("weights are tracked in git");
        group
            .bench_function(format!("score {name}"), |bencher| bencher.iter(|| model.score(black_box(MESSAGE), false)));
    }
    group.finish();
}

fn pictures(criterion: &mut Criterion) {
    let frames = benches::workload::frames(&root().join("datasets/photos"), 1).expect("photos are tracked in git");
    let limits = Limits { bytes: 1 << 20, pixels: 1 << 24 };
    let pixels = decode(&frames[0], &limits).expect("a frame");
    let mut group = criterion.benchmark_group("picture 640x480");
    group.throughput(Throughput::Elements(1));
    group.bench_function("decode JPEG", |bencher| bencher.iter(|| decode(black_box(&frames[0]), &limits)));
    group.bench_function("likeness", |bencher| bencher.iter(|| Likeness::of(black_box(&pixels))));
    group.bench_function("decode and resize to a 224 tensor", |bencher| {
        let decode = || decode_to(black_box(&frames[0]), &limits, Detail::for_side(224));
        bencher.iter(|| decode().map(|picture| picture.pixels.to_tensor(224)));
    });
    group.bench_function("resize to a 224 tensor", |bencher| {
        bencher.iter(|| Pixels::to_tensor(black_box(&pixels), 224));
    });
    group.finish();
}

fn decisions(criterion: &mut Criterion) {
    let policy = Policy::builtin();
    let signal = |label: &str, score| Signal { model: "m".into(), version: "1".into(), label: label.into(), score };
    let text: Vec<Signal> = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate", "spam"]
        .map(|label| signal(label, 0.1))
        .to_vec();
    let frame: Vec<Signal> = ["drawing", "hentai", "neutral", "porn", "sexy"].map(|label| signal(label, 0.2)).to_vec();
    let facts = |kind, signals| Facts {
        kind,
        length: 80,
        width: 0,
        height: 0,
        language: None,
        signals,
        context: &[],
        suspected_frames: 0,
        standing: Standing::Open,
        share: None,
        person: None,
    };
    let (state, at) = (ParticipantState::default(), DateTime::UNIX_EPOCH);
    criterion.bench_function("policy/clean text", |bencher| {
        bencher.iter(|| evaluate(&policy, black_box(&facts(ItemKind::Text, &text)), &state, at));
    });
    criterion.bench_function("policy/clean frame", |bencher| {
        bencher.iter(|| evaluate(&policy, black_box(&facts(ItemKind::Frame, &frame)), &state, at));
    });
    let ladder = Ladder {
        name: "call".into(),
        window: TimeDelta::seconds(30),
        steps: vec![Step { violations: 3, action: ActionKind::Disconnect }],
        scope: Scope::Call,
        cooldown: TimeDelta::zero(),
        calm: TimeDelta::zero(),
    };
    criterion.bench_function("ladder/climb", |bencher| {
        let mut times = Vec::new();
        let mut at = at;
        bencher.iter(|| {
            at += TimeDelta::milliseconds(200);
            ladder.climb(&mut times, at)
        });
    });
    black_box(Arc::strong_count(&policy));
}

criterion_group!(hot_paths, batching, texts, pictures, decisions);
criterion_main!(hot_paths);
