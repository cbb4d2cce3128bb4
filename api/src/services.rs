//! The only place where implementations are chosen.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use models::{Engine, Repository};
use pipeline::{
    Kind, PipelineError,
    clock::Clock,
    index::{self, VectorIndex},
    policy::PolicySet,
    process::Pipeline,
    queue::{self, Queue},
    record::WebhookInterest,
    store::{self, Store, vectors::NextVectors},
};

use workers::backoff::{Backoff, Jitter};

use crate::{
    auth::{KeyRing, refuse_open},
    config::{Config, show::redact_url},
    desk::DeskState,
    role::{Role, is_embedded, scheme_of},
};

/// Waits between two tries to reach a server at start.
const KNOCKING: Backoff = Backoff { first: Duration::from_millis(250), most: Duration::from_secs(5) };

/// Profiles that get their new vectors in one statement.
const PROMOTED: usize = 500;

/// Everything long-lived. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Merged configuration.
    pub config: Arc<Config>,
    /// What this process does.
    pub role: Role,
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
    /// Who may call.
    pub keys: Arc<KeyRing>,
    /// Time.
    pub clock: Clock,
    /// What the desk's routes share.
    pub desk: Arc<DeskState>,
}

impl Services {
    /// Opens store, queue and index, loads the models and the policy, as far as the role needs them. A store or queue server that does not
    /// answer yet is waited for, up to `server.connect_seconds`. Fails with a sentence that says what to do.
    pub async fn connect(mut config: Config, clock: Clock, role: Role) -> Result<Self> {
        let refused = role.refuse_embedded(&config);
        if !refused.is_empty() {
            bail!("{}", refused.join("\n"));
        }
        config.models.load = role.models(&config);
        let policies = PolicySet::load(config.pipeline.policy.as_deref()).context("the policy cannot be used")?;
        let policies = Arc::new(policies);

        let url = redact_url(&config.store.url);
        let patience = Duration::from_secs(config.server.connect_seconds);
        let store = until_there("store.url", &config.store.url, patience, || store::connect(&config.store.url))
            .await
            .with_context(|| match scheme_of(&config.store.url) {
            "sqlite" => {
                format!("cannot open store.url `{url}`: the folder must be writable, and no other chaperone may use it")
            }
            _ => format!("cannot open store.url `{url}`: is the server running, and may this user in?"),
        })?;
        let keys = KeyRing::load(&config.auth, &config.limits, store.clone(), clock.clone()).await?;
        let (section, address) = role.listens(&config);
        if let Some(refused) = refuse_open(&keys, section, address) {
            bail!("{refused}");
        }
        let url = redact_url(&config.queue.url);
        let connect = || queue::connect(&config.queue, role.lanes(), store.clone(), clock.clone());
        let queue = until_there("queue.url", &config.queue.url, patience, connect)
            .await
            .with_context(|| format!("cannot open queue.url `{url}`: is the server running, and may this user in?"))?;

        if queue.has_bus() {
            // Before anything can be accepted: from here on no event is left out.
            workers::relay::anchor(&*store).await.context("the place of the event relay cannot be written")?;
        }

        let (engine, dimensions) = load_models(&config).await?;
        promote_vectors(&config, &*store, &engine).await?;
        let index = open_index(&config, &*store, dimensions).await?;
        let next = open_next_index(&config).await?;

        let webhooks = config.webhooks.iter().map(interest).collect();
        let pipeline = Pipeline::new(
            engine.clone(),
            policies.clone(),
            store.clone(),
            index.clone(),
            clock.clone(),
            config.pipeline.clone(),
            webhooks,
        )
        .with_live_max_age(config.queue.live_wait())
        .with_messages(&config.index);
        let pipeline = match next {
            Some((name, index)) => with_next(pipeline, &config, &name, index).await?,
            None => pipeline,
        };
        pipeline.load_policies().await.context("the policies of the tenants cannot be read")?;
        Ok(Self {
            config: Arc::new(config),
            role,
            engine,
            policies,
            store,
            index,
            queue,
            pipeline,
            keys: Arc::new(keys),
            clock,
            desk: Arc::default(),
        })
    }
}

/// Connects again and again while a server does not answer. What is embedded is never waited for: another process holds it.
async fn until_there<T, F>(
    key: &str,
    url: &str,
    patience: Duration,
    connect: impl Fn() -> F,
) -> Result<T, PipelineError>
where
    F: Future<Output = Result<T, PipelineError>>,
{
    let (started, jitter) = (tokio::time::Instant::now(), Jitter::random());
    let patience = if is_embedded(url) { Duration::ZERO } else { patience };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let error = match connect().await {
            Ok(there) => return Ok(there),
            Err(error) => error,
        };
        let wait = KNOCKING.wait(attempt, jitter.draw());
        let waited = started.elapsed();
        if error.kind() != Kind::Unavailable || waited + wait > patience {
            return Err(error);
        }
        let url = redact_url(url);
        tracing::warn!(key, url, %error, ?waited, ?patience, "the server is not there yet: trying again");
        tokio::time::sleep(wait).await;
    }
}

/// Which events a webhook is told of.
fn interest(webhook: &workers::WebhookConfig) -> WebhookInterest {
    WebhookInterest { name: webhook.name.clone(), tenant: webhook.tenant.clone(), kinds: webhook.events.clone() }
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

/// Vectors of a model that was to take over, and now is the configured one, move into the profiles.
async fn promote_vectors(config: &Config, store: &dyn Store, engine: &Engine) -> Result<()> {
    // A worker without the model moves nothing: another process does.
    let Ok(spec) = engine.spec(&config.pipeline.embedding_model) else { return Ok(()) };
    let model = format!("{}@{}", config.pipeline.embedding_model, spec.version);
    let vectors = NextVectors::new(store.tables(), model.clone());
    let mut moved = 0;
    loop {
        match vectors.promote(PROMOTED).await.context("the vectors of the new embedding model cannot be taken over")? {
            0 => break,
            more => moved += more,
        }
    }
    if moved > 0 {
        tracing::info!(model, moved, "profiles have the vectors of the new embedding model");
    }
    Ok(())
}

/// The index of the embedding model that is to take over, if one is configured.
async fn open_next_index(config: &Config) -> Result<Option<(String, Arc<dyn VectorIndex>)>> {
    let Some(name) = &config.pipeline.next_embedding_model else { return Ok(None) };
    let repository = Repository::open(&config.models.repository)?;
    let spec = repository
        .spec(name)
        .with_context(|| format!("pipeline.next_embedding_model `{name}` is not in the model repository"))?;
    let place = config.index.of_next();
    let index = index::connect(&place, spec.dimensions)
        .await
        .with_context(|| format!("cannot open the index of the next model, `{}`", redact_url(&place.url)))?;
    Ok(Some((name.clone(), index)))
}

async fn with_next(pipeline: Pipeline, config: &Config, name: &str, index: Arc<dyn VectorIndex>) -> Result<Pipeline> {
    let pipeline = pipeline.with_next_model(name, index);
    if config.index.of_next().is_embedded() {
        pipeline.mend_next().await.context("the index of the next model cannot be made whole")?;
    }
    Ok(pipeline)
}

/// The index. An embedded one is made whole from the store when it is behind; a server's, which other processes share, is left to the duty
/// `reconcile`, and need not even answer: moderation does not need it.
async fn open_index(config: &Config, store: &dyn Store, dimensions: usize) -> Result<Arc<dyn VectorIndex>> {
    let url = redact_url(&config.index.url);
    let cure = match config.index.is_embedded() {
        true => {
            "stop every chaperone that uses it; when it is broken, delete the folder: it is rebuilt from the store at start"
        }
        false => "correct the section [index]",
    };
    let index = index::connect(&config.index, dimensions)
        .await
        .with_context(|| format!("cannot open index.url `{url}`: {cure}"))?;
    if !config.index.is_embedded() {
        match index.health().await {
            Err(error) if error.kind() == Kind::Conflict => return Err(error).context("the vector index does not fit"),
            Err(error) => {
                tracing::warn!(url, %error, "the index does not answer: started without it; moderation goes on");
            }
            Ok(()) => {}
        }
        return Ok(index);
    }
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
