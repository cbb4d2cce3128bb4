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
use uuid::Uuid;

use super::Reach;
use crate::{
    cli::{Global, service::Service},
    config::{Config, show::redact_url},
    role::scheme_of,
    routes::{
        health::LaneView,
        queue::{DeadLetterView, ShownDeadLetter},
        rejected::RejectedView,
    },
};

/// Those that are changed at once.
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

    /// The oldest that were given up.
    pub(super) async fn list(&self, kept: Kept, limit: u32) -> Result<Value> {
        match (self, kept) {
            (Self::Direct(queue), Kept::Items) => {
                let letters = queue.dead_letters(limit as usize).await?;
                let letters: Vec<DeadLetterView> = letters.into_iter().map(DeadLetterView::from).collect();
                Ok(json!({ "dead_letters": letters }))
            }
            (Self::Direct(queue), Kept::Notices) => {
                let notices = queue.rejected_notices(limit as usize).await?;
                let notices: Vec<RejectedView> = notices.into_iter().map(RejectedView::from).collect();
                Ok(json!({ "notices": notices }))
            }
            (Self::Service(service), _) => service.get(&format!("{}?limit={limit}", kept.path())).await,
        }
    }

    /// The first of all that were given up.
    pub(super) async fn ids(&self, kept: Kept) -> Result<Vec<Uuid>> {
        let list = self.list(kept, PAGE).await?;
        let all = list[kept.member()].as_array().into_iter().flatten();
        all.map(|one| one["id"].as_str().context("one without an id")?.parse().context("one whose id is none"))
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
    pub(super) async fn replay(&self, kept: Kept, ids: Vec<Uuid>) -> Result<usize> {
        match (self, kept) {
            (Self::Direct(queue), Kept::Items) => Ok(queue.replay(ids.into_iter().map(ItemId).collect()).await?),
            (Self::Direct(queue), Kept::Notices) => Ok(queue.replay_notices(ids).await?),
            (Self::Service(service), _) => each(service, Method::POST, kept, ids, "/replay").await,
        }
    }

    /// How many are gone.
    pub(super) async fn discard(&self, kept: Kept, ids: Vec<Uuid>) -> Result<usize> {
        match (self, kept) {
            (Self::Direct(queue), Kept::Items) => Ok(queue.discard(ids.into_iter().map(ItemId).collect()).await?),
            (Self::Direct(queue), Kept::Notices) => Ok(queue.discard_notices(ids).await?),
            (Self::Service(service), _) => each(service, Method::DELETE, kept, ids, "").await,
        }
    }
}

/// What is kept when it was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Items.
    Items,
    /// Events of the platform.
    Notices,
}

impl Kept {
    /// As the service's routes call it.
    fn path(self) -> &'static str {
        match self {
            Self::Items => "/v1/queue/dead-letters",
            Self::Notices => "/v1/queue/notices",
        }
    }

    /// The member of a list's answer.
    fn member(self) -> &'static str {
        match self {
            Self::Items => "dead_letters",
            Self::Notices => "notices",
        }
    }

    /// For people.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Notices => "notices",
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
async fn each(service: &Service, method: Method, kept: Kept, ids: Vec<Uuid>, verb: &str) -> Result<usize> {
    let mut done = 0;
    for id in ids {
        let path = format!("{}/{id}{verb}", kept.path());
        match service.send(method.clone(), &path, None).await? {
            (StatusCode::NOT_FOUND, _) => {}
            (status, _) if status.is_success() => done += 1,
            (status, body) => return Err(service.refusal(status, &body)),
        }
    }
    Ok(done)
}
