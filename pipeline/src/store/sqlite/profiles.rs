//! Profiles with their vectors.

use sqlx::{Row, sqlite::SqliteRow};

use super::SqliteStore;
use crate::store::row::{decode, encode, limit, stamp, time, vector, vector_bytes};
use crate::{
    error::PipelineError,
    item::{ProfileId, TenantId},
    profile::Profile,
};

pub(super) async fn put(store: &SqliteStore, profile: &Profile) -> Result<(), PipelineError> {
    let profile = profile.clone();
    store
        .writer
        .write("put_profile", move |scope| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO profiles
                         (tenant, id, version, text_sha256, interests, bio, attributes, vector, updated_at, terms)
                     VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?)
                     ON CONFLICT (tenant, id) DO UPDATE SET
                         version = version + (text_sha256 <> excluded.text_sha256),
                         text_sha256 = excluded.text_sha256, interests = excluded.interests, bio = excluded.bio,
                         attributes = excluded.attributes, vector = excluded.vector, updated_at = excluded.updated_at, terms = excluded.terms",
                )
                .bind(&profile.tenant.0)
                .bind(&profile.id.0)
                .bind(&profile.text_sha256)
                .bind(encode(&profile.interests)?)
                .bind(&profile.bio)
                .bind(encode(&profile.attributes)?)
                .bind(vector_bytes(&profile.vector))
                .bind(stamp(profile.updated_at))
                .bind(encode(&profile.terms)?)
                .execute(&mut scope.connection)
                .await?;
                Ok(())
            })
        })
        .await
}

pub(super) fn profile(row: &SqliteRow) -> Result<Profile, PipelineError> {
    Ok(Profile {
        tenant: TenantId(row.try_get(0)?),
        id: ProfileId(row.try_get(1)?),
        version: row.try_get(2)?,
        text_sha256: row.try_get(3)?,
        interests: decode(row.try_get(4)?)?,
        bio: row.try_get(5)?,
        attributes: decode(row.try_get(6)?)?,
        vector: vector(row.try_get(7)?),
        updated_at: time(row.try_get(8)?),
        terms: decode(row.try_get(9)?)?,
    })
}

pub(super) async fn load(
    store: &SqliteStore,
    tenant: &TenantId,
    id: &ProfileId,
) -> Result<Option<Profile>, PipelineError> {
    let (tenant, id) = (tenant.clone(), id.clone());
    let row = store
        .read("load_profile", move |connection| {
            Box::pin(async move {
                let sql =
                    "SELECT tenant, id, version, text_sha256, interests, bio, attributes, vector, updated_at, terms
                           FROM profiles WHERE tenant = ? AND id = ?";
                Ok(sqlx::query(sql).bind(tenant.0).bind(id.0).fetch_optional(connection).await?)
            })
        })
        .await?;
    row.as_ref().map(profile).transpose()
}

pub(super) async fn delete(store: &SqliteStore, tenant: &TenantId, id: &ProfileId) -> Result<bool, PipelineError> {
    let (tenant, id) = (tenant.clone(), id.clone());
    store
        .writer
        .write("delete_profile", move |scope| {
            Box::pin(async move {
                let query = sqlx::query("DELETE FROM profiles WHERE tenant = ? AND id = ?").bind(tenant.0).bind(id.0);
                Ok(query.execute(&mut scope.connection).await?.rows_affected() > 0)
            })
        })
        .await
}

pub(super) async fn after(
    store: &SqliteStore,
    after: Option<(&TenantId, &ProfileId)>,
    count: usize,
) -> Result<Vec<Profile>, PipelineError> {
    // Both empty: before the first, since no name is empty.
    let (tenant, id) = after.map(|(tenant, id)| (tenant.0.clone(), id.0.clone())).unwrap_or_default();
    let rows = store
        .read("profiles_after", move |connection| {
            Box::pin(async move {
                let sql =
                    "SELECT tenant, id, version, text_sha256, interests, bio, attributes, vector, updated_at, terms
                           FROM profiles WHERE (tenant, id) > (?, ?) ORDER BY tenant, id LIMIT ?";
                Ok(sqlx::query(sql).bind(tenant).bind(id).bind(limit(count)).fetch_all(connection).await?)
            })
        })
        .await?;
    rows.iter().map(profile).collect()
}
