//! Messages that can be searched: embedded, kept, indexed; found by meaning and by words, by those who may.
//!
//! The rows have the last word: whatever the index says, only messages are found that are there and that the reader may find now.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use models::Lane;
use tokio::sync::OnceCell;

use super::{Pipeline, switch::versioned};
use crate::{
    config::IndexConfig,
    error::PipelineError,
    index::{self, Point, Query, VectorIndex},
    item::{ProfileId, TenantId, check_name},
    message::{By, Message, MessageSearch, fuse},
    profile::Profile,
    store::messages::{KeptMessage, Messages},
};

/// Candidates of each ranking, for each hit that is asked for: some may not be found any more, and two rankings are made into one.
const CANDIDATES: usize = 4;
/// Candidates at least.
const LEAST: usize = 50;
/// Messages that one step of a duty or a rebuild handles.
const STEP: usize = 500;

/// A message that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundMessage {
    /// As it was written.
    pub message: Message,
    /// Of the ranks by meaning and by words; compares hits of one answer only.
    pub score: f64,
    /// Cosine of its text and the question, when it was found by meaning.
    pub similarity: Option<f32>,
    /// It holds words of the question.
    pub has_words: bool,
}

/// The area: its rows, and its index, which is opened when it is first needed.
pub(super) struct MessageArea {
    rows: Messages,
    config: IndexConfig,
    index: OnceCell<Arc<dyn VectorIndex>>,
}

impl MessageArea {
    pub(super) fn new(rows: Messages, config: IndexConfig) -> Self {
        Self { rows, config, index: OnceCell::new() }
    }
}

fn point(kept: &KeptMessage) -> Point {
    Point {
        tenant: kept.tenant.clone(),
        id: ProfileId(kept.message.id.clone()),
        vector: kept.vector.clone(),
        attributes: kept.message.payload(),
    }
}

impl Pipeline {
    /// Keeps vectors of messages in the index that `config` names, beside the one of profiles.
    #[must_use]
    pub fn with_messages(self, config: &IndexConfig) -> Self {
        let rows = Messages::new(self.store.tables());
        Self { messages: Some(Arc::new(MessageArea::new(rows, config.of_messages()))), ..self }
    }

    fn message_area(&self) -> Result<&MessageArea, PipelineError> {
        self.messages.as_deref().ok_or_else(|| PipelineError::Unavailable {
            part: "index",
            message: "this process has no index of messages".into(),
        })
    }

    /// The index, made whole from the rows when it is embedded and differs.
    async fn message_index(&self) -> Result<Arc<dyn VectorIndex>, PipelineError> {
        let area = self.message_area()?;
        let open = || async {
            let dimensions = self.index.dimensions();
            let index = index::connect(&area.config, dimensions).await?;
            if area.config.is_embedded() && index.count().await? != area.rows.count().await? {
                rebuild(&area.rows, &*index).await?;
            }
            Ok::<_, PipelineError>(index)
        };
        area.index.get_or_try_init(open).await.cloned()
    }

    /// Keeps a message; one of the same id is replaced, unchanged texts are not embedded again. When the index is down the call fails and
    /// has to be repeated. Errors: `Invalid`, `Unavailable`.
    pub async fn put_message(&self, tenant: &TenantId, message: Message) -> Result<(), PipelineError> {
        check_name("tenant", tenant.as_str())?;
        message.check(self.config.max_text_bytes)?;
        let (area, index) = (self.message_area()?, self.message_index().await?);
        let model = &self.config.embedding_model;
        let text_sha256 = Profile::digest(&versioned(&self.engine, model), &message.text);
        let vector = match area.rows.load(tenant, &message.id).await? {
            Some(known) if known.text_sha256 == text_sha256 => known.vector,
            _ => self.engine.embed(model, &message.text, Lane::Bulk).await?,
        };
        let kept = KeptMessage { tenant: tenant.clone(), message, text_sha256, vector };
        let point = point(&kept);
        area.rows.put(vec![kept]).await?;
        index.upsert(vec![point]).await
    }

    /// Forgets a message. `false`: there was none.
    pub async fn delete_message(&self, tenant: &TenantId, id: &str) -> Result<bool, PipelineError> {
        check_name("id", id)?;
        Ok(self.drop_messages(tenant, vec![id.to_owned()]).await? > 0)
    }

    /// The index first: a vector must not outlive its row.
    async fn drop_messages(&self, tenant: &TenantId, ids: Vec<String>) -> Result<u64, PipelineError> {
        let index = self.message_index().await?;
        index.delete(tenant, ids.iter().cloned().map(ProfileId).collect()).await?;
        self.message_area()?.rows.delete(tenant, ids).await
    }

    /// Finds messages that one of the readers may find, best first. Errors: `Invalid`.
    pub async fn search_messages(
        &self,
        tenant: &TenantId,
        search: MessageSearch,
    ) -> Result<Vec<FoundMessage>, PipelineError> {
        search.check(self.config.max_text_bytes)?;
        let count = (search.limit * CANDIDATES).max(LEAST);
        let mut similarities = HashMap::new();
        let mut by_meaning = Vec::new();
        if search.by != By::Words {
            let model = &self.config.embedding_model;
            let vector = self.engine.embed(model, &search.question, Lane::Interactive).await?;
            let (tenant, filter) = (tenant.clone(), search.conditions());
            let query = Query { tenant, vector, filter, exclude: Vec::new(), limit: count };
            for hit in self.message_index().await?.search(query).await? {
                similarities.insert(hit.id.0.clone(), hit.score);
                by_meaning.push(hit.id.0);
            }
        }
        let by_words = match search.by {
            By::Meaning => Vec::new(),
            By::Both | By::Words => self.message_area()?.rows.by_words(tenant, &search, count).await?,
        };
        let fused = fuse(&[&by_meaning, &by_words]);
        let ids: Vec<String> = fused.iter().map(|(id, _)| id.clone()).collect();
        let rows = self.message_area()?.rows.admitted(tenant, &ids, &search).await?;
        let mut rows: HashMap<String, Message> =
            rows.into_iter().map(|kept| (kept.message.id.clone(), kept.message)).collect();
        let found = fused.into_iter().filter_map(|(id, score)| {
            let similarity = similarities.get(&id).copied();
            let has_words = by_words.contains(&id);
            Some(FoundMessage { message: rows.remove(&id)?, score, similarity, has_words })
        });
        Ok(found.take(search.limit).collect())
    }

    /// All messages of an author go.
    pub(super) async fn forget_messages(&self, tenant: &TenantId, author: &str) -> Result<(), PipelineError> {
        let Some(area) = self.messages.as_deref() else { return Ok(()) };
        loop {
            let ids = area.rows.of_author(tenant, author, STEP).await?;
            if ids.is_empty() {
                return Ok(());
            }
            self.drop_messages(tenant, ids).await?;
        }
    }

    /// Messages that were written before `before` go, and the index makes its writes durable and merges. Answers how many went.
    pub async fn tend_messages(&self, before: DateTime<Utc>) -> Result<u64, PipelineError> {
        let Some(area) = self.messages.as_deref() else { return Ok(0) };
        let mut gone = 0;
        loop {
            let old = area.rows.older_than(before, STEP).await?;
            if old.is_empty() {
                break;
            }
            let mut tenants: HashMap<TenantId, Vec<String>> = HashMap::new();
            for (tenant, id) in old {
                tenants.entry(tenant).or_default().push(id);
            }
            for (tenant, ids) in tenants {
                gone += self.drop_messages(&tenant, ids).await?;
            }
        }
        if let Some(index) = area.index.get() {
            index.optimise().await?;
            index.flush().await?;
        }
        Ok(gone)
    }
}

/// Writes every row's point into an empty index. Vectors of another model, of another length, are left out until their message is sent again.
async fn rebuild(rows: &Messages, index: &dyn VectorIndex) -> Result<(), PipelineError> {
    index.clear().await?;
    let mut last: Option<(TenantId, String)> = None;
    loop {
        let page = rows.after(last.as_ref().map(|(tenant, id)| (tenant, id.as_str())), STEP).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = Some((end.tenant.clone(), end.message.id.clone()));
        let fitting = page.iter().filter(|kept| kept.vector.len() == index.dimensions());
        index.upsert(fitting.map(point).collect()).await?;
    }
}
