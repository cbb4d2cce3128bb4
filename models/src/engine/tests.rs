use std::{
    future::Future,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use super::*;
use crate::{ModelSpec, Pixels, Task, spec::Batching};

/// A spec for the fake backend: two labels, 32 dimensions, 4-pixel images.
pub(crate) fn spec(name: &str, task: Task) -> ModelSpec {
    ModelSpec {
        name: name.into(),
        version: "1".into(),
        summary: "for tests".into(),
        task,
        backend: BackendKind::Fake,
        labels: if task == Task::EmbedText { vec![] } else { vec!["toxic".into(), "insult".into()] },
        languages: Vec::new(),
        dimensions: if task == Task::EmbedText { 32 } else { 0 },
        max_tokens: 0,
        emoji_names: false,
        cascade: None,
        image_size: if task == Task::ClassifyImage { 4 } else { 0 },
        files: Default::default(),
        batching: Batching {
            max_inputs: 8,
            max_tokens: 1024,
            max_waiting: 64,
            max_delay_us: 0,
            padding_tokens: 12,
            enough_tokens: 0,
        },
        instances: 1,
        threads: 0,
        device: Device::Auto,
        precision: Precision::Auto,
        source: None,
        artifact: vec![],
    }
}

async fn serve(spec: ModelSpec) -> Result<Served, ModelError> {
    let settings = BackendSettings::new(PathBuf::new(), None, 1);
    let wish = (spec.device, spec.precision);
    let folder = ModelFolder { path: PathBuf::new(), spec };
    let setup = Setup { kind: BackendKind::Fake, folder, settings, wish, cascade: None, glance: None };
    let mut plan = Plan::new(setup).await?;
    plan.settle(&Hardware::default()).await?;
    Served::start(plan).await
}

async fn engine(spec: ModelSpec) -> Engine {
    Engine::of(vec![serve(spec).await.unwrap()]).unwrap()
}

async fn toxicity() -> Engine {
    engine(spec("toxicity", Task::ClassifyText)).await
}

/// Starts a request that goes on by itself.
fn ask(engine: &Engine, text: &str, lane: Lane) -> tokio::task::JoinHandle<Result<Scores, ModelError>> {
    let (engine, input) = (engine.clone(), Input::Text(text.into()));
    tokio::spawn(async move { engine.classify("toxicity", input, lane).await })
}

/// Occupies the only instance for a while, so that what follows has to wait.
async fn occupy(engine: &Engine) -> tokio::task::JoinHandle<Result<Scores, ModelError>> {
    let (own, input) = (engine.clone(), Input::Text("fake:slow=150".into()));
    let mut busy = Box::pin(async move { own.classify("toxicity", input, Lane::Interactive).await });
    // One poll queues it; then it leaves the queue when the instance begins.
    assert!(std::future::poll_fn(|context| Poll::Ready(busy.as_mut().poll(context))).await.is_pending());
    until(|| engine.models()[0].waiting == 0).await;
    tokio::spawn(busy)
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("the condition never came true");
}

fn toxic(scores: &Scores) -> f32 {
    scores.scores[0].score
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scores_carry_model_version_labels_and_spans() {
    let engine = toxicity().await;
    let scores =
        engine.classify("toxicity", Input::Text("hey fake:toxic=0.9".into()), Lane::Interactive).await.unwrap();
    assert_eq!((&*scores.model, &*scores.version), ("toxicity", "1"));
    assert_eq!((&*scores.scores[0].label, toxic(&scores), scores.scores[1].score), ("toxic", 0.9, 0.01));
    assert_eq!((scores.spans[0].start, scores.spans[0].end), (4, 18));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_input_never_spoils_its_batch() {
    let engine = toxicity().await;
    let busy = occupy(&engine).await;
    let asked: Vec<_> = (0..8)
        .map(|i| match i {
            2 => ask(&engine, "fake:fail", Lane::Interactive),
            5 => ask(&engine, "fake:panic", Lane::Interactive),
            _ => ask(&engine, &format!("fake:toxic=0.{i}5"), Lane::Interactive),
        })
        .collect();
    for (i, asked) in asked.into_iter().enumerate() {
        let result = asked.await.unwrap();
        if i == 2 || i == 5 {
            assert!(matches!(result, Err(ModelError::Backend { backend: "fake", .. })), "{i}: {result:?}");
        } else {
            // Each got its own score, not a neighbour's.
            assert_eq!(toxic(&result.unwrap()), format!("0.{i}5").parse::<f32>().unwrap());
        }
    }
    busy.await.unwrap().unwrap();
    assert!(engine.models()[0].ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_and_recovers() {
    let mut small = spec("toxicity", Task::ClassifyText);
    small.batching.max_waiting = 3;
    let engine = engine(small).await;
    let busy = occupy(&engine).await;
    let waiting: Vec<_> = (0..3).map(|_| ask(&engine, "hello", Lane::Bulk)).collect();
    until(|| engine.models()[0].waiting == 3).await;
    let refused = engine.classify("toxicity", Input::Text("hello".into()), Lane::Interactive).await;
    assert!(matches!(refused, Err(ModelError::Full { waiting: 3, .. })), "{refused:?}");
    for asked in waiting {
        asked.await.unwrap().unwrap();
    }
    busy.await.unwrap().unwrap();
    engine.classify("toxicity", Input::Text("hello".into()), Lane::Interactive).await.unwrap();
    assert_eq!(engine.models()[0].waiting, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_whose_caller_left_is_never_run() {
    let engine = toxicity().await;
    let busy = occupy(&engine).await;
    // It would end the instance if it ran.
    let asked = ask(&engine, "fake:die", Lane::Interactive);
    until(|| engine.models()[0].waiting == 1).await;
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    busy.await.unwrap().unwrap();
    engine.classify("toxicity", Input::Text("hello".into()), Lane::Interactive).await.unwrap();
    assert!(engine.models()[0].ready);
    until(|| engine.models()[0].waiting == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn urgent_lanes_are_served_first() {
    let mut single = spec("toxicity", Task::ClassifyText);
    single.batching.max_inputs = 1;
    let engine = engine(single).await;
    let busy = occupy(&engine).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut asked = Vec::new();
    for (place, lane) in [Lane::Bulk, Lane::Live, Lane::Interactive].into_iter().enumerate() {
        // Each takes a moment, so that the answers cannot overtake one another.
        let (answer, order) = (ask(&engine, "fake:slow=20", lane), Arc::clone(&order));
        asked.push(tokio::spawn(async move {
            answer.await.unwrap().unwrap();
            order.lock().unwrap().push(lane);
        }));
        until(|| engine.models()[0].waiting == place + 1).await;
    }
    for asked in asked {
        asked.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [Lane::Interactive, Lane::Live, Lane::Bulk]);
    busy.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_finishes_what_waits_and_then_refuses() {
    let engine = toxicity().await;
    let busy = occupy(&engine).await;
    let waiting: Vec<_> = (0..20).map(|_| ask(&engine, "hello", Lane::Bulk)).collect();
    until(|| engine.models()[0].waiting == 20).await;
    tokio::time::timeout(Duration::from_secs(10), engine.shutdown()).await.unwrap();
    busy.await.unwrap().unwrap();
    for asked in waiting {
        asked.await.unwrap().unwrap();
    }
    let late = engine.classify("toxicity", Input::Text("hello".into()), Lane::Interactive).await;
    assert!(matches!(late, Err(ModelError::Stopped(_))), "{late:?}");
    assert!(!engine.models()[0].ready);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_backend_makes_the_model_not_ready() {
    let engine = toxicity().await;
    let result = engine.classify("toxicity", Input::Text("fake:die".into()), Lane::Interactive).await;
    assert!(matches!(result, Err(ModelError::Stopped(_))), "{result:?}");
    until(|| !engine.models()[0].ready).await;
    let later = engine.classify("toxicity", Input::Text("hello".into()), Lane::Interactive).await;
    assert!(matches!(later, Err(ModelError::Stopped(_))), "{later:?}");
    tokio::time::timeout(Duration::from_secs(10), engine.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_instance_goes_on_when_one_is_lost() {
    let mut two = spec("toxicity", Task::ClassifyText);
    two.instances = 2;
    let engine = engine(two).await;
    assert!(ask(&engine, "fake:die", Lane::Interactive).await.unwrap().is_err());
    until(|| !engine.models()[0].ready).await;
    for _ in 0..20 {
        ask(&engine, "hello", Lane::Interactive).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warm_up_runs_before_start_returns() {
    // A backend whose answers do not fit the spec is found out before it is called ready.
    let mut broken = spec("embed", Task::EmbedText);
    broken.dimensions = 0;
    assert!(matches!(serve(broken).await, Err(ModelError::Backend { .. })));
    let mut sizeless = spec("nsfw", Task::ClassifyImage);
    sizeless.image_size = 0;
    assert!(matches!(serve(sizeless).await, Err(ModelError::BadSpec { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_and_texts_take_their_own_path() {
    let engine = Engine::of(vec![
        serve(spec("nsfw", Task::ClassifyImage)).await.unwrap(),
        serve(spec("embed", Task::EmbedText)).await.unwrap(),
    ])
    .unwrap();
    let image = Input::Image(Arc::new(Pixels::new(9, 5, [1, 204, 7].repeat(45)).unwrap()));
    let scores = engine.classify("nsfw", image.clone(), Lane::Live).await.unwrap();
    assert_eq!(scores.scores[1].score, 0.8);
    let vector = engine.embed("embed", "hello", Lane::Interactive).await.unwrap();
    assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);

    let invalid = |result: Result<(), ModelError>| matches!(result, Err(ModelError::InvalidInput(_)));
    assert!(invalid(engine.classify("embed", image, Lane::Live).await.map(drop)));
    assert!(invalid(engine.classify("embed", Input::Text("x".into()), Lane::Live).await.map(drop)));
    assert!(invalid(engine.embed("nsfw", "hello", Lane::Live).await.map(drop)));
    assert!(invalid(engine.embed("embed", " \n", Lane::Live).await.map(drop)));
    assert!(
        matches!(engine.embed("none", "x", Lane::Live).await, Err(ModelError::UnknownModel(name)) if name == "none")
    );
    assert!(engine.has("embed") && !engine.has("none"));
    assert_eq!(engine.count_tokens("embed", "two words").unwrap(), 2);
    let names: Vec<_> = engine.models().iter().map(|state| state.name.to_string()).collect();
    assert_eq!(names, ["nsfw", "embed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_last_engine_stops_the_threads() {
    let engine = toxicity().await;
    let alive = {
        let clone = engine.clone();
        drop(engine);
        clone.classify("toxicity", Input::Text("hello".into()), Lane::Bulk).await.unwrap();
        Arc::downgrade(&clone.models[0])
    };
    until(|| alive.upgrade().is_none()).await;
}

#[test]
fn load_entries_choose_the_backend() {
    let choice = |name: &str, backend| Choice { name: name.into(), backend };
    assert_eq!(Choice::parse("a").unwrap(), choice("a", None));
    assert_eq!(Choice::parse("a@candle").unwrap(), choice("a", Some(BackendKind::Candle)));
    assert_eq!(Choice::parse("a@openvino").unwrap(), choice("a", Some(BackendKind::OpenVino)));
    assert_eq!(Choice::parse("a@ort").unwrap(), choice("a", Some(BackendKind::Ort)));
    assert_eq!(Choice::parse("fake:a").unwrap(), choice("a", Some(BackendKind::Fake)));
    assert!(matches!(Choice::parse("a@torch"), Err(ModelError::InvalidInput(_))));
}

#[test]
fn the_library_is_looked_for_beside_the_repository() {
    let mut config = EngineConfig { onnxruntime: Some("/opt/ort.so".into()), threads: 3, ..EngineConfig::default() };
    assert_eq!(config.onnxruntime_library(Path::new("models/repository")), Path::new("/opt/ort.so"));
    assert_eq!(
        config.openvino_library(Path::new("models/repository")),
        Path::new("models/lib/openvino/libopenvino_c.so")
    );
    assert_eq!(config.threads_for(2), 3);
    config.threads = 0;
    assert_eq!(config.threads_for(1_000_000), 1);
}

/// Adds up counters and gauges by name and last label.
#[derive(Default)]
struct Tally(Mutex<HashMap<String, Arc<AtomicU64>>>);

impl Tally {
    fn cell(&self, key: &metrics::Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key.labels().filter(|label| label.key() != "model").map(metrics::Label::value).collect();
        let name = format!("{}{}{}", key.name(), if labels.is_empty() { "" } else { " " }, labels.join(" "));
        Arc::clone(self.0.lock().unwrap().entry(name).or_default())
    }

    fn get(&self, name: &str) -> u64 {
        self.0.lock().unwrap().get(name).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }
}

impl metrics::Recorder for Tally {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(self.cell(key))
    }
    fn register_gauge(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(self.cell(key))
    }
    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

#[test]
fn metrics_count_requests_failures_batches_and_their_ends() {
    let tally = Tally::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&tally, || {
        runtime.block_on(async {
            let engine = toxicity().await;
            let busy = occupy(&engine).await;
            let asked: Vec<_> = (0..8).map(|_| ask(&engine, "hello", Lane::Interactive)).collect();
            until(|| engine.models()[0].waiting == 8).await;
            for asked in asked.into_iter().chain([busy]) {
                asked.await.unwrap().unwrap();
            }
            for bad in ["", "fake:fail"] {
                engine.classify("toxicity", Input::Text(bad.into()), Lane::Interactive).await.unwrap_err();
            }
        });
    });
    let counted = |name: &str| tally.get(&format!("chaperone_model_{name}"));
    assert_eq!((counted("requests_total"), counted("inferences_total"), counted("executions_total")), (11, 9, 3));
    assert_eq!((counted("failures_total invalid"), counted("failures_total internal")), (1, 1));
    assert_eq!((counted("batches_total empty"), counted("batches_total max_inputs")), (3, 0));
    assert_eq!(f64::from_bits(counted("waiting")), 0.0);
}

/// A cascade whose first model is never sure: the small encoder decides below this cut.
async fn cascaded(cut: f32) -> Served {
    let text = format!(
        r#"
name = "judge"
version = "1"
summary = ""
task = "classify-text"
backend = "fake"
labels = ["threat", "insult"]

[files]
glance = "g.onnx"

[[artifact]]
path = "g.onnx"
sha256 = "{}"

[cascade]
first = "tiny"
screen = {{ insult = 0.0 }}

[cascade.stack]
threat = {{ encoder = 1.0, first = 0.0, offset = 0.0, slope = 1.0, shift = 0.0 }}
insult = {{ encoder = 1.0, first = 0.0, offset = 0.0, slope = 1.0, shift = 0.0 }}

[cascade.glance.screen]
insult = {cut}
threat = {cut}

[cascade.glance.stack]
threat = {{ glance = 0.5, first = 0.0, offset = 0.0, shift = 0.0 }}
insult = {{ glance = 0.5, first = 0.0, offset = 0.0, shift = 0.0 }}
"#,
        "0".repeat(64)
    );
    let spec = ModelSpec::parse(&text, Path::new("model.toml")).unwrap();
    let cascade = Cascade::new(crate::linear::tests::tiny(), &spec, spec.cascade.as_ref().unwrap()).unwrap();
    let folder = ModelFolder { path: PathBuf::new(), spec };
    let glance = glance_of(&folder, Some(&cascade)).unwrap();
    assert_eq!(&*glance.spec.name, "judge-glance");
    assert!(glance_of(&folder, None).is_none());
    let setup = |folder, cascade, glance| {
        let settings = BackendSettings::new(PathBuf::new(), None, 1);
        Setup { kind: BackendKind::Fake, folder, settings, wish: (Device::Auto, Precision::Auto), cascade, glance }
    };
    let glance = Box::new(Plan::new(setup(glance, None, None)).await.unwrap());
    let mut plan = Plan::new(setup(folder, Some(cascade), Some(glance))).await.unwrap();
    plan.settle(&Hardware::default()).await.unwrap();
    Served::start(plan).await.unwrap()
}

fn threat(output: Output) -> f32 {
    let Output::Scores(scores) = output else { panic!("scores are expected") };
    scores.scores[0].score
}

#[tokio::test]
async fn t1_a_small_encoder_answers_what_it_is_sure_of() {
    let served = cascaded(0.5).await;
    let clean = served.infer(Input::Text("fake:threat=0.2".into()), Lane::Bulk).await.unwrap();
    // Half of the logit of 0.2: only the small encoder's stack makes it.
    assert!((threat(clean) - 1.0 / 3.0).abs() < 1e-4);
    let doubt = served.infer(Input::Text("fake:threat=0.6".into()), Lane::Bulk).await.unwrap();
    assert!((threat(doubt) - 0.6).abs() < 1e-4, "the encoder has the word");
    let compared = served.compare("fake:threat=0.2".into(), Lane::Bulk).await.unwrap().unwrap();
    assert_eq!((compared.by, compared.whole.scores[0].score), (crate::cascade::Stage::Glance, 0.2));
    served.shutdown().await;
    assert!(matches!(
        served.infer(Input::Text("hello".into()), Lane::Bulk).await,
        Err(ModelError::Stopped(name)) if name == "judge"
    ));
}

#[tokio::test]
async fn t1_a_small_encoder_that_fails_leaves_the_text_to_the_large_one() {
    let served = cascaded(1.0).await;
    served.glance().unwrap().shutdown().await;
    let answer = served.infer(Input::Text("fake:threat=0.2".into()), Lane::Bulk).await.unwrap();
    assert!((threat(answer) - 0.2).abs() < 1e-4, "judged by the encoder");
    assert!(!served.state().ready, "the model is not whole");
    served.shutdown().await;
}
