//! A whole pipeline with models that do what the input says.

use std::{io::Cursor, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use models::{Engine, EngineConfig, Lane, Repository};
use pipeline::{
    PipelineError,
    clock::Clock,
    config::{IndexConfig, PipelineConfig},
    index::VectorIndex,
    item::{Content, Envelope, Item, ItemId, ItemKind, TenantId},
    policy::{Policy, PolicySet},
    process::{Mode, Pipeline, Processed, WebhookInterest},
    store::{Event, Store},
};

pub(crate) const TENANT: &str = "acme";

/// Labels as the real models spell them.
const MODELS: [(&str, &str, &str); 6] = [
    (
        "toxicity",
        "classify-text",
        "labels = [\"toxic\", \"severe_toxic\", \"obscene\", \"threat\", \"insult\", \"identity_hate\"]\nlanguages = [\"en\"]",
    ),
    ("spam", "classify-text", "labels = [\"spam\"]\nlanguages = [\"en\"]"),
    (
        "nsfw-mobilenet",
        "classify-image",
        "labels = [\"Drawing\", \"Hentai\", \"Neutral\", \"Porn\", \"Sexy\"]\nimage_size = 8",
    ),
    (
        "nsfw-inception",
        "classify-image",
        // One label more than the first model has: red 8 is porn to that one, and neutral to this one.
        "labels = [\"Drawing\", \"Hentai\", \"Neutral\", \"Porn\", \"Sexy\", \"Other\"]\nimage_size = 8\n\
         [batching]\nmax_inputs = 1\nmax_waiting = 4",
    ),
    ("embed-minilm", "embed-text", "dimensions = 32\nmax_tokens = 256"),
    ("embed-next", "embed-text", "dimensions = 48\nmax_tokens = 256"),
];

pub(crate) struct Harness {
    pub(crate) pipeline: Pipeline,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) index: Arc<dyn VectorIndex>,
    pub(crate) policies: Arc<PolicySet>,
    pub(crate) clock: Clock,
    engine: Engine,
    config: PipelineConfig,
    messages: IndexConfig,
    _folder: tempfile::TempDir,
}

pub(crate) fn start_of_time() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn write_models(root: &Path) {
    for (name, task, rest) in MODELS {
        let folder = root.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let spec = format!(
            "name = \"{name}\"\nversion = \"1\"\nsummary = \"test\"\ntask = \"{task}\"\nbackend = \"fake\"\n{rest}\n"
        );
        std::fs::write(folder.join("model.toml"), spec).unwrap();
    }
}

impl Harness {
    /// Without reuse of frames' scores: the fake models tell colours apart that nobody sees.
    pub(crate) async fn new() -> Self {
        Self::with(PipelineConfig { frame_reuse_bits: 0, ..PipelineConfig::default() }).await
    }

    pub(crate) async fn with(pipeline_config: PipelineConfig) -> Self {
        let text_models = ["toxicity", "spam"].map(String::from).to_vec();
        let pipeline_config = PipelineConfig { text_models, ..pipeline_config };
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        write_models(&models);
        let repository = Repository::open(&models).unwrap();
        let load = MODELS.iter().map(|(name, ..)| format!("fake:{name}")).collect();
        let config = EngineConfig { repository: models, load, threads: 1, ..EngineConfig::default() };
        let engine = Engine::start(&config, &repository).await.unwrap();
        let store = pipeline::store::connect("sqlite::memory:").await.unwrap();
        let url = format!("edge:{}", folder.path().join("index").display());
        let messages = IndexConfig { url, ..IndexConfig::default() };
        let index = pipeline::index::connect(&messages, 32).await.unwrap();
        let (policies, clock) = (Arc::new(PolicySet::builtin()), Clock::fixed(start_of_time()));
        let pipeline =
            wire(&engine, &policies, &store, &index, &clock, pipeline_config.clone()).with_messages(&messages);
        Self { pipeline, store, index, policies, clock, engine, config: pipeline_config, messages, _folder: folder }
    }

    /// The same service after a restart: memory is gone, the store is not.
    pub(crate) fn restart(&mut self) {
        // The index of messages is a folder, which one process at a time may open.
        self.pipeline = wire(&self.engine, &self.policies, &self.store, &self.index, &self.clock, self.config.clone());
        self.pipeline = self.pipeline.clone().with_messages(&self.messages);
    }

    /// The service with a second embedding model that is to take over.
    pub(crate) async fn with_next_model(&mut self) -> Arc<dyn VectorIndex> {
        let next = pipeline::index::connect(&self.messages.of_next(), 48).await.unwrap();
        self.pipeline = self.pipeline.clone().with_next_model("embed-next", next.clone());
        next
    }

    /// Another process on the same store: it remembers nothing of what this one remembers.
    pub(crate) fn another_process(&self) -> Pipeline {
        wire(&self.engine, &self.policies, &self.store, &self.index, &self.clock, self.config.clone())
    }

    pub(crate) fn set_policy(&self, text: &str) {
        self.policies.replace_default(Arc::new(Policy::parse("test.toml", text).unwrap()));
    }

    pub(crate) async fn record(&self, item: &Item) -> Result<Processed, PipelineError> {
        self.pipeline.process(item, Lane::Interactive, Mode::Record).await
    }

    pub(crate) async fn dry_run(&self, item: &Item) -> Result<Processed, PipelineError> {
        self.pipeline.process(item, Lane::Interactive, Mode::DryRun).await
    }

    pub(crate) async fn events(&self) -> Vec<Event> {
        self.store.events_after(Some(&TenantId::from(TENANT)), 0, 10_000).await.unwrap()
    }

    /// Now plus so many seconds.
    pub(crate) fn at(&self, seconds: i64) -> DateTime<Utc> {
        start_of_time() + TimeDelta::seconds(seconds)
    }
}

fn wire(
    engine: &Engine,
    policies: &Arc<PolicySet>,
    store: &Arc<dyn Store>,
    index: &Arc<dyn VectorIndex>,
    clock: &Clock,
    config: PipelineConfig,
) -> Pipeline {
    let hooks = vec![WebhookInterest { name: "actions".into(), tenant: None, kinds: vec!["moderation.action".into()] }];
    let (store, index) = (Arc::clone(store), Arc::clone(index));
    Pipeline::new(engine.clone(), Arc::clone(policies), store, index, clock.clone(), config, hooks)
        .with_live_max_age(std::time::Duration::from_secs(2))
}

fn envelope(kind: ItemKind, at: DateTime<Utc>) -> Envelope {
    Envelope {
        id: ItemId::new(),
        tenant: TENANT.into(),
        kind,
        actor: Some("ann".into()),
        conversation: (kind == ItemKind::Text).then(|| "chat".into()),
        call: (kind == ItemKind::Frame).then(|| "room".into()),
        reference: None,
        message: None,
        occurred_at: at,
        received_at: at,
    }
}

pub(crate) fn text(text: &str, at: DateTime<Utc>) -> Item {
    Item { envelope: envelope(ItemKind::Text, at), content: Content::Text(text.into()) }
}

/// A picture of one colour. The fake classifier reads the label from red and the score from green.
pub(crate) fn picture_bytes(label: u8, score: f32) -> Vec<u8> {
    slow_picture_bytes(label, score, 0)
}

/// The same; each model takes `milliseconds` for it, which it reads from blue.
pub(crate) fn slow_picture_bytes(label: u8, score: f32, milliseconds: u8) -> Vec<u8> {
    let green = (score * 255.0).round() as u8;
    let picture = DynamicImage::ImageRgb8(RgbImage::from_pixel(8, 8, Rgb([label, green, milliseconds])));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

pub(crate) const NEUTRAL: u8 = 2;
pub(crate) const PORN: u8 = 3;
/// Porn to the first model, neutral to the second opinion.
pub(crate) const DISPUTED: u8 = 8;

pub(crate) fn picture(kind: ItemKind, bytes: Vec<u8>, at: DateTime<Utc>) -> Item {
    Item { envelope: envelope(kind, at), content: Content::Picture(bytes.into()) }
}

pub(crate) fn frame(label: u8, score: f32, at: DateTime<Utc>) -> Item {
    picture(ItemKind::Frame, picture_bytes(label, score), at)
}
