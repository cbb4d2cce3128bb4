//! Profiles with their vectors.

use sqlx::{Row, postgres::PgRow};

use super::{
    Database,
    text::{escape, unescape},
};
use crate::{
    error::PipelineError,
    item::{ProfileId, TenantId},
    profile::Profile,
    store::row::{decode, encode, limit, stamp, time, vector, vector_bytes},
};

pub(super) async fn put(database: &Database, profile: &Profile) -> Result<(), PipelineError> {
    let (interests, attributes) = (encode(&profile.interests)?, encode(&profile.attributes)?);
    let (vector, terms) = (vector_bytes(&profile.vector), encode(&profile.terms)?);
    let write = || {
        let sql = "INSERT INTO profiles
                       (tenant, id, version, text_sha256, interests, bio, attributes, vector, updated_at, terms)
                   VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9)
                   ON CONFLICT (tenant, id) DO UPDATE SET
                       version = profiles.version + (profiles.text_sha256 <> excluded.text_sha256)::integer,
                       text_sha256 = excluded.text_sha256, interests = excluded.interests, bio = excluded.bio,
                       attributes = excluded.attributes, vector = excluded.vector, updated_at = excluded.updated_at, terms = excluded.terms";
        sqlx::query(sql)
            .bind(escape(profile.tenant.as_str()))
            .bind(escape(profile.id.as_str()))
            .bind(escape(&profile.text_sha256))
            .bind(&interests)
            .bind(escape(&profile.bio))
            .bind(&attributes)
            .bind(&vector)
            .bind(stamp(profile.updated_at))
            .bind(&terms)
            .execute(&database.pool)
    };
    database.again("put_profile", write).await.map(drop)
}

pub(super) fn profile(row: &PgRow) -> Result<Profile, PipelineError> {
    let version: i64 = row.try_get(2)?;
    Ok(Profile {
        tenant: TenantId(unescape(row.try_get(0)?)?),
        id: ProfileId(unescape(row.try_get(1)?)?),
        version: u32::try_from(version).unwrap_or(u32::MAX),
        text_sha256: unescape(row.try_get(3)?)?,
        interests: decode(row.try_get(4)?)?,
        bio: unescape(row.try_get(5)?)?,
        attributes: decode(row.try_get(6)?)?,
        vector: vector(row.try_get(7)?),
        updated_at: time(row.try_get(8)?),
        terms: decode(row.try_get(9)?)?,
    })
}

pub(super) async fn load(
    database: &Database,
    tenant: &TenantId,
    id: &ProfileId,
) -> Result<Option<Profile>, PipelineError> {
    let (tenant, id) = (escape(tenant.as_str()), escape(id.as_str()));
    let read = || {
        let sql = "SELECT tenant, id, version, text_sha256, interests, bio, attributes, vector, updated_at, terms
                   FROM profiles WHERE tenant = $1 AND id = $2";
        sqlx::query(sql).bind(&*tenant).bind(&*id).fetch_optional(&database.pool)
    };
    database.again("load_profile", read).await?.as_ref().map(profile).transpose()
}

/// Once: after a lost answer a second time would find nothing and say so.
pub(super) async fn delete(database: &Database, tenant: &TenantId, id: &ProfileId) -> Result<bool, PipelineError> {
    let sql = "DELETE FROM profiles WHERE tenant = $1 AND id = $2";
    let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(escape(id.as_str()));
    Ok(database.once("delete_profile", query.execute(&database.pool)).await?.rows_affected() > 0)
}

pub(super) async fn after(
    database: &Database,
    after: Option<(&TenantId, &ProfileId)>,
    count: usize,
) -> Result<Vec<Profile>, PipelineError> {
    // Both empty: before the first, since no name is empty.
    let (tenant, id) = after.map_or(("", ""), |(tenant, id)| (tenant.as_str(), id.as_str()));
    let (tenant, id) = (escape(tenant), escape(id));
    let read = || {
        let sql = "SELECT tenant, id, version, text_sha256, interests, bio, attributes, vector, updated_at, terms
                   FROM profiles WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id LIMIT $3";
        sqlx::query(sql).bind(&*tenant).bind(&*id).bind(limit(count)).fetch_all(&database.pool)
    };
    database.again("profiles_after", read).await?.iter().map(profile).collect()
}
