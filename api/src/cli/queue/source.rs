//! Where `chaperone queue` reads from: the queue itself, or a running service.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use pipeline::{
    clock::Clock,
    item::ItemId,
    queue::{self, Queue},
    store,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Reach;
use crate::{
    cli::{Global, service::Service},
    config::{Config, show::redact_url},
    role::scheme_of,
    routes::{
        health::LaneView,
        queue::{DeadLetterView, ShownDeadLetter},
    },
};

/// Dead letters that are changed at once.
const PAGE: u32 = 1000;

/// The queue, or a service that has one.
pub(super) enum Source {
    /// The queue itself: sees every tenant.
    Direct(Arc<dyn Queue>),
    /// A service: sees the tenant of the key.
    Service(Box<Service>),
}

impl Source {
    pub(super) async fn open(reach: &Reach, global: &Global) -> Result<Self> {
        match &reach.url {
            Some(url) => Ok(Self::Service(Box::new(Service::new(url, reach.key.clone())?))),
            None => Ok(Self::Direct(direct(&global.config()?).await?)),
        }
    }

    pub(super) async fn close(&self) {
        if let Self::Direct(queue) = self {
            queue.close().await;
        }
    }

    pub(super) async fn stats(&self) -> Result<Value> {
        match self {
            Self::Direct(queue) => {
                let lanes: Vec<LaneView> = queue.depth().await?.into_iter().map(LaneView::from).collect();
                Ok(json!({ "lanes": lanes }))
            }
            Self::Service(service) => service.get("/v1/queue").await,
        }
    }

    pub(super) async fn list(&self, limit: u32) -> Result<Value> {
        match self {
            Self::Direct(queue) => {
                let letters = queue.dead_letters(limit as usize).await?;
                let letters: Vec<DeadLetterView> = letters.into_iter().map(DeadLetterView::from).collect();
                Ok(json!({ "dead_letters": letters }))
            }
            Self::Service(service) => service.get(&format!("/v1/queue/dead-letters?limit={limit}")).await,
        }
    }

    /// The first of all dead letters.
    pub(super) async fn ids(&self) -> Result<Vec<ItemId>> {
        let list = self.list(PAGE).await?;
        let letters = list["dead_letters"].as_array().into_iter().flatten();
        letters
            .map(|letter| {
                let id = letter["id"].as_str().context("a dead letter without an id")?;
                Ok(ItemId(id.parse().context("a dead letter whose id is none")?))
            })
            .collect()
    }

    pub(super) async fn show(&self, id: ItemId, content: bool) -> Result<Value> {
        match self {
            Self::Direct(queue) => {
                let Some((letter, item)) = queue.dead_letter(id).await? else {
                    bail!("there is no dead letter `{id}`")
                };
                let tenant = letter.tenant.to_string();
                let mut shown = serde_json::to_value(ShownDeadLetter::new(letter, item, content))?;
                shown["item"]["tenant"] = tenant.into();
                Ok(shown)
            }
            Self::Service(service) => service.get(&format!("/v1/queue/dead-letters/{id}?content={content}")).await,
        }
    }

    /// How many wait again.
    pub(super) async fn replay(&self, ids: Vec<ItemId>) -> Result<usize> {
        match self {
            Self::Direct(queue) => Ok(queue.replay(ids).await?),
            Self::Service(service) => each(service, Method::POST, ids, "/replay").await,
        }
    }

    /// How many are gone.
    pub(super) async fn discard(&self, ids: Vec<ItemId>) -> Result<usize> {
        match self {
            Self::Direct(queue) => Ok(queue.discard(ids).await?),
            Self::Service(service) => each(service, Method::DELETE, ids, "").await,
        }
    }
}

/// The queue of `queue.url`. An embedded one is its journal in the store, which only one process may have open.
async fn direct(config: &Config) -> Result<Arc<dyn Queue>> {
    let url = redact_url(&config.queue.url);
    let embedded = scheme_of(&config.queue.url) == "memory";
    if embedded && scheme_of(&config.store.url) != "sqlite" {
        bail!("queue.url is `{url}`, inside a service that runs: ask that service with --url http://ADDRESS");
    }
    // A broker keeps its dead letters itself.
    let store_url = if embedded { config.store.url.as_str() } else { "sqlite::memory:" };
    let store = store::connect(store_url).await.with_context(|| {
        let url = redact_url(&config.store.url);
        format!("cannot open store.url `{url}`, where the queue's journal is: while a service runs on it, ask that service with --url http://ADDRESS")
    })?;
    queue::connect(&config.queue, &[], store, Clock::system())
        .await
        .with_context(|| format!("cannot open queue.url `{url}`: is the server running, and may this user in?"))
}

/// One after the other; those that are not there are left out.
async fn each(service: &Service, method: Method, ids: Vec<ItemId>, verb: &str) -> Result<usize> {
    let mut done = 0;
    for id in ids {
        let path = format!("/v1/queue/dead-letters/{id}{verb}");
        match service.send(method.clone(), &path, None).await? {
            (StatusCode::NOT_FOUND, _) => {}
            (status, _) if status.is_success() => done += 1,
            (status, body) => return Err(service.refusal(status, &body)),
        }
    }
    Ok(done)
}
