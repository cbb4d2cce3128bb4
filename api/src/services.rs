//! The only place where implementations are chosen.

use std::sync::Arc;

use anyhow::{Context, Result};
use models::{Engine, Lane, Repository};
use pipeline::{
    clock::Clock,
    index::{self, VectorIndex},
    policy::PolicySet,
    process::Pipeline,
    queue::{self, Queue},
    record::WebhookInterest,
    store::{self, Store},
};

use crate::config::{Config, show::redact_url};

/// Everything long-lived. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Merged configuration.
    pub config: Arc<Config>,
    /// Loaded models.
    pub engine: Engine,
    /// Policies in force.
    pub policies: Arc<PolicySet>,
    /// Rows.
    pub store: Arc<dyn Store>,
    /// Vectors.
    pub index: Arc<dyn VectorIndex>,
    /// Accepted items.
    pub queue: Arc<dyn Queue>,
    /// The stages.
    pub pipeline: Pipeline,
    /// Time.
    pub clock: Clock,
}

impl Services {
    /// Opens store, queue and index, loads the models and the policy. Fails with a sentence that says what to do.
    pub async fn connect(config: Config, clock: Clock) -> Result<Self> {
        let policies = PolicySet::load(config.pipeline.policy.as_deref()).context("the policy cannot be used")?;
        let policies = Arc::new(policies);

        let url = redact_url(&config.store.url);
        let store = store::connect(&config.store.url).await.with_context(|| {
            format!("cannot open store.url `{url}`: the folder must be writable, and no other chaperone may use it")
        })?;
        let url = redact_url(&config.queue.url);
        let queue = queue::connect(&config.queue, &Lane::ALL, store.clone(), clock.clone())
            .await
            .with_context(|| format!("cannot open queue.url `{url}`"))?;

        let (engine, dimensions) = load_models(&config).await?;
        let index = open_index(&config, &*store, dimensions).await?;

        let webhooks = config.webhooks.iter().map(interest).collect();
        let pipeline = Pipeline::new(
            engine.clone(),
            policies.clone(),
            store.clone(),
            index.clone(),
            clock.clone(),
            config.pipeline.clone(),
            webhooks,
        );
        Ok(Self { config: Arc::new(config), engine, policies, store, index, queue, pipeline, clock })
    }
}

/// Which events a webhook is told of.
fn interest(webhook: &workers::WebhookConfig) -> WebhookInterest {
    WebhookInterest { name: webhook.name.clone(), kinds: webhook.events.clone() }
}

/// The running engine, and the length of the embedding model's vectors.
async fn load_models(config: &Config) -> Result<(Engine, usize)> {
    let folder = config.models.repository.display();
    let repository = Repository::open(&config.models.repository).with_context(|| {
        format!("there is no model repository at {folder}: start in the checkout's folder, or set models.repository")
    })?;
    let embedder = &config.pipeline.embedding_model;
    let spec = repository.spec(embedder).with_context(|| {
        format!("pipeline.embedding_model `{embedder}` is not in {folder}: `chaperone models list` shows what is there")
    })?;
    let engine = Engine::start(&config.models, &repository).await.with_context(|| {
        format!(
            "the models in {folder} cannot be loaded: run `make models` in a checkout, else `chaperone models fetch`"
        )
    })?;
    Ok((engine, spec.dimensions))
}

/// The index, made whole from the store when it is behind.
async fn open_index(config: &Config, store: &dyn Store, dimensions: usize) -> Result<Arc<dyn VectorIndex>> {
    let url = redact_url(&config.index.url);
    let cure = "stop every chaperone that uses it; when it is broken, delete the folder: it is rebuilt from the store at start";
    let index = index::connect(&config.index.url, dimensions)
        .await
        .with_context(|| format!("cannot open index.url `{url}`: {cure}"))?;
    let report = workers::reindex(store, &*index, dimensions)
        .await
        .with_context(|| format!("cannot bring index.url `{url}` up to date with the store: {cure}"))?;
    let workers::Reindexed { profiles, misfits, before, written } = report;
    if written > 0 || before > profiles {
        tracing::info!(profiles, before, written, "the index differed from the store: rebuilt");
    }
    if misfits > 0 {
        tracing::warn!(misfits, "profiles were embedded by another model: send them again to have them found");
    }
    Ok(index)
}
