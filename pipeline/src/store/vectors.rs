//! Vectors by the embedding model that is to come, beside those of the profiles, and whether it answers. One set of statements for both
//! databases ([`super::link`]).

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Tables,
    link::values,
    row::{limit, vector, vector_bytes},
};
use crate::{
    error::PipelineError,
    item::{ProfileId, TenantId},
    record::WebhookInterest,
};

/// A profile's vector by the model to come.
#[derive(Debug, Clone, PartialEq)]
pub struct NextVector {
    /// Whose.
    pub tenant: TenantId,
    /// Which profile.
    pub id: ProfileId,
    /// The profile's `text_sha256` that it was made of.
    pub source: String,
    /// What the profile's `text_sha256` becomes when the model has taken over.
    pub digest: String,
    /// Unit length.
    pub vector: Arc<[f32]>,
}

/// The area. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NextVectors {
    tables: Tables,
    hooks: Arc<[WebhookInterest]>,
    /// The model to come, `name@version`.
    model: String,
}

impl NextVectors {
    /// Of `model` (`name@version`) on these tables.
    pub fn new(tables: Tables, model: String) -> Self {
        Self { tables, hooks: Arc::default(), model }
    }

    /// `name@version`.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Writes vectors; those that are there are replaced.
    pub async fn put(&self, vectors: Vec<NextVector>) -> Result<(), PipelineError> {
        let model = self.model.clone();
        self.tables
            .write("put_next_vectors", &self.hooks, move |mut link| {
                Box::pin(async move {
                    for next in &vectors {
                        let sql = "INSERT INTO next_vectors (tenant, id, model, source, digest, vector) VALUES ($1, $2, $3, $4, $5, $6)
                                   ON CONFLICT (tenant, id) DO UPDATE SET model = excluded.model, source = excluded.source,
                                       digest = excluded.digest, vector = excluded.vector";
                        let row = values![
                            next.tenant.as_str(),
                            next.id.as_str(),
                            &model,
                            &next.source,
                            &next.digest,
                            vector_bytes(&next.vector),
                        ];
                        link.run(sql, row).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The vectors of these profiles, in any order; who has none is left out.
    pub async fn load(&self, tenant: &TenantId, ids: &[ProfileId]) -> Result<Vec<NextVector>, PipelineError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = values![tenant.as_str(), &self.model];
        values.extend(ids.iter().map(|id| id.as_str().into()));
        let places: Vec<String> = (3..=values.len()).map(|place| format!("${place}")).collect();
        let sql = format!(
            "SELECT id, source, digest, vector FROM next_vectors WHERE tenant = $1 AND model = $2 AND id IN ({})",
            places.join(", ")
        );
        let read = self
            .tables
            .read("load_next_vectors", move |mut link| Box::pin(async move { link.rows(sql, values).await }));
        let rows = read.await?;
        let one = |row: &super::link::Row| {
            Ok(NextVector {
                tenant: tenant.clone(),
                id: ProfileId(row.string(0)?),
                source: row.string(1)?,
                digest: row.string(2)?,
                vector: vector(row.bytes(3)?),
            })
        };
        rows.iter().map(one).collect()
    }

    /// Profiles without a vector of their present text, of all tenants.
    pub async fn missing(&self, count: usize) -> Result<Vec<(TenantId, ProfileId)>, PipelineError> {
        let model = self.model.clone();
        let read = self.tables.read("missing_next_vectors", move |mut link| {
            Box::pin(async move {
                let sql = "SELECT p.tenant, p.id FROM profiles p
                           LEFT JOIN next_vectors n ON n.tenant = p.tenant AND n.id = p.id AND n.model = $1 AND n.source = p.text_sha256
                           WHERE n.id IS NULL ORDER BY p.tenant, p.id LIMIT $2";
                link.rows(sql, values![model, limit(count)]).await
            })
        });
        read.await?.iter().map(|row| Ok((TenantId(row.string(0)?), ProfileId(row.string(1)?)))).collect()
    }

    /// How many profiles there are, and how many have a vector of their present text.
    pub async fn progress(&self) -> Result<(u64, u64), PipelineError> {
        let model = self.model.clone();
        let read = self.tables.read("next_vectors_progress", move |mut link| {
            Box::pin(async move {
                let sql = "SELECT count(*), count(n.id) FROM profiles p
                           LEFT JOIN next_vectors n ON n.tenant = p.tenant AND n.id = p.id AND n.model = $1 AND n.source = p.text_sha256";
                link.row(sql, values![model]).await
            })
        });
        read.await?.map_or(Ok((0, 0)), |row| Ok((row.count(0)?, row.count(1)?)))
    }

    /// Profiles that have a vector of this model, after `after` in the order of tenant and id: to rebuild an index.
    pub async fn after(
        &self,
        after: Option<(&TenantId, &ProfileId)>,
        count: usize,
    ) -> Result<Vec<(TenantId, ProfileId)>, PipelineError> {
        let (tenant, id) = after.map_or(("", ""), |(tenant, id)| (tenant.as_str(), id.as_str()));
        let values = values![&self.model, tenant, id, limit(count)];
        let read = self.tables.read("next_vectors_after", move |mut link| {
            Box::pin(async move {
                let sql = "SELECT tenant, id FROM next_vectors WHERE model = $1 AND (tenant, id) > ($2, $3)
                           ORDER BY tenant, id LIMIT $4";
                link.rows(sql, values).await
            })
        });
        read.await?.iter().map(|row| Ok((TenantId(row.string(0)?), ProfileId(row.string(1)?)))).collect()
    }

    /// Removes a profile's vector.
    pub async fn delete(&self, tenant: &TenantId, id: &ProfileId) -> Result<(), PipelineError> {
        let row = values![tenant.as_str(), id.as_str()];
        let write = self.tables.write("delete_next_vector", &self.hooks, move |mut link| {
            Box::pin(async move { link.run("DELETE FROM next_vectors WHERE tenant = $1 AND id = $2", row).await })
        });
        write.await.map(drop)
    }

    /// Does the model answer?
    pub async fn serving(&self) -> Result<bool, PipelineError> {
        let model = self.model.clone();
        let read = self.tables.read("embedding_switch", move |mut link| {
            Box::pin(
                async move { link.row("SELECT serving FROM embedding_switch WHERE model = $1", values![model]).await },
            )
        });
        read.await?.map_or(Ok(false), |row| row.flag(0))
    }

    /// Cuts over to the model, or rolls back to the one before. `by`: the key's name.
    pub async fn serve(&self, serving: bool, by: &str, at: DateTime<Utc>) -> Result<(), PipelineError> {
        let row = values![&self.model, serving, at, by];
        let write = self.tables.write("serve_embedding", &self.hooks, move |mut link| {
            Box::pin(async move {
                let sql = "INSERT INTO embedding_switch (model, serving, at, by_key) VALUES ($1, $2, $3, $4)
                           ON CONFLICT (model) DO UPDATE SET serving = excluded.serving, at = excluded.at, by_key = excluded.by_key";
                link.run(sql, row).await
            })
        });
        write.await.map(drop)
    }

    /// For the time when this model is the one that is configured: its vectors move into the profiles, at most `count` of them. Vectors of
    /// other texts than the profile has now are left out. Answers how many moved; doing it again moves what is left.
    pub async fn promote(&self, count: usize) -> Result<u64, PipelineError> {
        let row = values![&self.model, limit(count)];
        let write = self.tables.write("promote_next_vectors", &self.hooks, move |mut link| {
            Box::pin(async move {
                let of = "n.tenant = profiles.tenant AND n.id = profiles.id";
                let sql = format!(
                    "UPDATE profiles SET vector = (SELECT n.vector FROM next_vectors n WHERE {of}),
                         text_sha256 = (SELECT n.digest FROM next_vectors n WHERE {of})
                      WHERE (tenant, id) IN (SELECT n.tenant, n.id FROM next_vectors n JOIN profiles p ON p.tenant = n.tenant AND p.id = n.id
                          WHERE n.model = $1 AND n.source = p.text_sha256 AND n.digest <> p.text_sha256 LIMIT $2)"
                );
                link.run(sql, row).await
            })
        });
        write.await
    }
}
