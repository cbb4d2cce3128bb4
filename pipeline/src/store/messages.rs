//! Messages that can be searched: rows, who may find them, their words. One set of statements for both databases ([`super::link`]).

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Tables,
    link::{Link, Row, Value, json as json_value, values},
    row::{limit, vector, vector_bytes},
};
use crate::{
    error::PipelineError,
    item::TenantId,
    message::{Message, MessageSearch},
    record::WebhookInterest,
};

/// Words of a question that are looked for at most.
const MAX_WORDS: usize = 32;
/// What is read of a message.
const COLUMNS: &str = "m.tenant, m.id, m.conversation, m.author, m.at, m.access, m.body, m.text_sha256, m.vector";

/// A message with what was made of its text.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptMessage {
    /// Whose.
    pub tenant: TenantId,
    /// As it was written.
    pub message: Message,
    /// SHA-256 of model and text: unchanged texts are not embedded again.
    pub text_sha256: String,
    /// Unit length.
    pub vector: Arc<[f32]>,
}

/// The area. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Messages {
    tables: Tables,
    hooks: Arc<[WebhookInterest]>,
}

impl Messages {
    /// On these tables.
    pub fn new(tables: Tables) -> Self {
        Self { tables, hooks: Arc::default() }
    }

    /// Writes messages; one that is there is replaced.
    pub async fn put(&self, messages: Vec<KeptMessage>) -> Result<(), PipelineError> {
        self.tables
            .write("put_messages", &self.hooks, move |mut link| {
                Box::pin(async move {
                    for kept in &messages {
                        put(&mut link, kept).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// One message.
    pub async fn load(&self, tenant: &TenantId, id: &str) -> Result<Option<KeptMessage>, PipelineError> {
        let (tenant, id) = (tenant.clone(), id.to_owned());
        let row = self
            .tables
            .read("load_message", move |mut link| {
                Box::pin(async move {
                    let sql = format!("SELECT {COLUMNS} FROM messages m WHERE m.tenant = $1 AND m.id = $2");
                    link.row(sql, values![tenant.as_str(), id]).await
                })
            })
            .await?;
        row.as_ref().map(kept).transpose()
    }

    /// Of these messages those that `search` may find, in any order.
    pub async fn admitted(
        &self,
        tenant: &TenantId,
        ids: &[String],
        search: &MessageSearch,
    ) -> Result<Vec<KeptMessage>, PipelineError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = values![tenant.as_str()];
        let wanted = among(&mut values, ids);
        let limits = limits(search, &mut values);
        let sql = format!("SELECT {COLUMNS} FROM messages m WHERE m.tenant = $1 AND m.id IN {wanted}{limits}");
        let rows = self
            .tables
            .read("admitted_messages", move |mut link| Box::pin(async move { link.rows(sql, values).await }));
        rows.await?.iter().map(kept).collect()
    }

    /// Ids of messages that hold any of the question's words and that it may find, the best first.
    pub async fn by_words(
        &self,
        tenant: &TenantId,
        search: &MessageSearch,
        count: usize,
    ) -> Result<Vec<String>, PipelineError> {
        let words: Vec<String> = search.words(MAX_WORDS).into_iter().map(ToOwned::to_owned).collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let (tenant, search) = (tenant.clone(), search.clone());
        let rows = self
            .tables
            .read("messages_by_words", move |mut link| {
                Box::pin(async move {
                    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                    let asked = match link.choose("fts5", "websearch") {
                        "fts5" => quoted.join(" OR "),
                        _ => quoted.join(" or "),
                    };
                    let mut values = values![tenant.as_str(), asked, limit(count)];
                    let limits = limits(&search, &mut values);
                    let sql = match link.choose("fts5", "websearch") {
                        "fts5" => format!(
                            "SELECT m.id FROM message_words JOIN messages m ON m.number = message_words.rowid
                              WHERE message_words MATCH $2 AND m.tenant = $1{limits} ORDER BY message_words.rank, m.id LIMIT $3"
                        ),
                        _ => format!(
                            "SELECT m.id FROM messages m WHERE m.words @@ websearch_to_tsquery('simple', $2) AND m.tenant = $1{limits}
                              ORDER BY ts_rank(m.words, websearch_to_tsquery('simple', $2)) DESC, m.id LIMIT $3"
                        ),
                    };
                    link.rows(sql, values).await
                })
            })
            .await?;
        rows.iter().map(|row| row.string(0)).collect()
    }

    /// Removes messages; unknown ids are no error. Answers how many there were.
    pub async fn delete(&self, tenant: &TenantId, ids: Vec<String>) -> Result<u64, PipelineError> {
        let tenant = tenant.clone();
        self.tables
            .write("delete_messages", &self.hooks, move |mut link| {
                Box::pin(async move {
                    let mut gone = 0;
                    for id in &ids {
                        let row = || values![tenant.as_str(), id];
                        forget_words(&mut link, &tenant, id).await?;
                        link.run("DELETE FROM message_readers WHERE tenant = $1 AND id = $2", row()).await?;
                        gone += link.run("DELETE FROM messages WHERE tenant = $1 AND id = $2", row()).await?;
                    }
                    Ok(gone)
                })
            })
            .await
    }

    /// Ids of an author's messages.
    pub async fn of_author(&self, tenant: &TenantId, author: &str, count: usize) -> Result<Vec<String>, PipelineError> {
        let values = values![tenant.as_str(), author, limit(count)];
        let rows = self.tables.read("messages_of_author", move |mut link| {
            Box::pin(async move {
                let sql = "SELECT id FROM messages WHERE tenant = $1 AND author = $2 ORDER BY id LIMIT $3";
                link.rows(sql, values).await
            })
        });
        rows.await?.iter().map(|row| row.string(0)).collect()
    }

    /// Messages of all tenants that were written before `before`, oldest first; those of people on hold are left out.
    pub async fn older_than(
        &self,
        before: DateTime<Utc>,
        count: usize,
    ) -> Result<Vec<(TenantId, String)>, PipelineError> {
        let rows = self.tables.read("messages_older_than", move |mut link| {
            Box::pin(async move {
                let sql = "SELECT tenant, id FROM messages m WHERE at < $1
                               AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.tenant = m.tenant AND h.actor = m.author)
                           ORDER BY at LIMIT $2";
                link.rows(sql, values![before, limit(count)]).await
            })
        });
        rows.await?.iter().map(|row| Ok((TenantId(row.string(0)?), row.string(1)?))).collect()
    }

    /// How many, all tenants.
    pub async fn count(&self) -> Result<usize, PipelineError> {
        let row = self.tables.read("count_messages", |mut link| {
            Box::pin(async move { link.row("SELECT count(*) FROM messages", vec![]).await })
        });
        let count = row.await?.map_or(Ok(0), |row| row.count(0))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// All messages after `after`, in the order of tenant and id: to rebuild an index.
    pub async fn after(
        &self,
        after: Option<(&TenantId, &str)>,
        count: usize,
    ) -> Result<Vec<KeptMessage>, PipelineError> {
        let (tenant, id) = after.map_or(("", ""), |(tenant, id)| (tenant.as_str(), id));
        let values = values![tenant, id, limit(count)];
        let rows = self.tables.read("messages_after", move |mut link| {
            Box::pin(async move {
                let sql = format!(
                    "SELECT {COLUMNS} FROM messages m WHERE (m.tenant, m.id) > ($1, $2) ORDER BY m.tenant, m.id LIMIT $3"
                );
                link.rows(sql, values).await
            })
        });
        rows.await?.iter().map(kept).collect()
    }
}

/// `($4, $5, …)` for `names`, whose values are added.
fn among(values: &mut Vec<Value>, names: &[String]) -> String {
    let first = values.len() + 1;
    values.extend(names.iter().map(Value::from));
    let places: Vec<String> = (first..=values.len()).map(|place| format!("${place}")).collect();
    format!("({})", places.join(", "))
}

/// What a search asks beyond its words, as SQL; its values are added.
fn limits(search: &MessageSearch, values: &mut Vec<Value>) -> String {
    let readers = among(values, &search.admitted());
    let mut sql = format!(
        " AND EXISTS (SELECT 1 FROM message_readers r WHERE r.tenant = m.tenant AND r.id = m.id AND r.reader IN {readers})"
    );
    for (column, names) in [("conversation", &search.conversations), ("author", &search.authors)] {
        if !names.is_empty() {
            let names = among(values, names);
            sql += &format!(" AND m.{column} IN {names}");
        }
    }
    for (sign, at) in [(">=", search.since), ("<=", search.until)] {
        if let Some(at) = at {
            values.push(Value::from(at));
            sql += &format!(" AND m.at {sign} ${}", values.len());
        }
    }
    sql
}

fn kept(row: &Row) -> Result<KeptMessage, PipelineError> {
    Ok(KeptMessage {
        tenant: TenantId(row.string(0)?),
        message: Message {
            id: row.string(1)?,
            conversation: row.string(2)?,
            author: row.string(3)?,
            at: row.time(4)?,
            access: row.json(5)?,
            text: row.string(6)?,
        },
        text_sha256: row.string(7)?,
        vector: vector(row.bytes(8)?),
    })
}

async fn put(link: &mut Link<'_>, kept: &KeptMessage) -> Result<(), PipelineError> {
    let KeptMessage { tenant, message, text_sha256, vector } = kept;
    forget_words(link, tenant, &message.id).await?;
    let sql = "INSERT INTO messages (tenant, id, conversation, author, at, access, body, text_sha256, vector)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
               ON CONFLICT (tenant, id) DO UPDATE SET conversation = excluded.conversation, author = excluded.author, at = excluded.at,
                   access = excluded.access, body = excluded.body, text_sha256 = excluded.text_sha256, vector = excluded.vector";
    let row = values![
        tenant.as_str(),
        &message.id,
        &message.conversation,
        &message.author,
        message.at,
        json_value(&message.access)?,
        &message.text,
        text_sha256,
        vector_bytes(vector),
    ];
    link.run(sql, row).await?;
    if link.choose("fts5", "tsvector") == "fts5" {
        let sql =
            "INSERT INTO message_words (rowid, body) SELECT number, $3 FROM messages WHERE tenant = $1 AND id = $2";
        link.run(sql, values![tenant.as_str(), &message.id, &message.text]).await?;
    }
    let who = || values![tenant.as_str(), &message.id];
    link.run("DELETE FROM message_readers WHERE tenant = $1 AND id = $2", who()).await?;
    for reader in &message.access {
        let sql = "INSERT INTO message_readers (tenant, id, reader) VALUES ($1, $2, $3) ON CONFLICT (tenant, id, reader) DO NOTHING";
        link.run(sql, values![tenant.as_str(), &message.id, reader]).await?;
    }
    Ok(())
}

/// Takes a message's words out of FTS5; PostgreSQL keeps them in the row.
async fn forget_words(link: &mut Link<'_>, tenant: &TenantId, id: &str) -> Result<(), PipelineError> {
    if link.choose("fts5", "tsvector") == "fts5" {
        let sql =
            "DELETE FROM message_words WHERE rowid IN (SELECT number FROM messages WHERE tenant = $1 AND id = $2)";
        link.run(sql, values![tenant.as_str(), id]).await?;
    }
    Ok(())
}
