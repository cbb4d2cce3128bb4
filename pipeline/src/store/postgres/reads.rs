//! Reads that every item needs, many callers' in one statement: the context window and the participants' states.

use chrono::{DateTime, Utc};
use sqlx::{Row, postgres::PgRow};

use super::{
    Database,
    text::{escape, unescape},
};
use crate::{
    error::PipelineError,
    item::{ActorId, CallId, ConversationId, TenantId},
    store::row::{decode, limit, stamp, time},
    stream::call::ParticipantState,
};

/// Asks for the last texts of an author in a conversation.
pub(super) struct TextsOf {
    tenant: String,
    conversation: String,
    actor: String,
    before: i64,
    count: usize,
}

impl TextsOf {
    pub(super) fn new(
        tenant: &TenantId,
        conversation: &ConversationId,
        actor: &ActorId,
        before: DateTime<Utc>,
        count: usize,
    ) -> Self {
        let [tenant, conversation, actor] =
            [tenant.as_str(), conversation.as_str(), actor.as_str()].map(|name| escape(name).into_owned());
        Self { tenant, conversation, actor, before: stamp(before), count }
    }
}

type Texts = Vec<(DateTime<Utc>, String)>;

pub(super) async fn recent_texts(database: &Database, asked: Vec<TextsOf>) -> Vec<Result<Texts, PipelineError>> {
    let most = asked.iter().map(|of| of.count).max().unwrap_or_default();
    let texts = |column: fn(&TextsOf) -> &str| asked.iter().map(column).collect::<Vec<&str>>();
    let read = || {
        let sql = "SELECT g.position, c.at, c.body_text
                   FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
                       WITH ORDINALITY AS g (tenant, conversation, actor, before, position)
                   CROSS JOIN LATERAL (
                       SELECT at, sequence, body_text FROM context
                       WHERE tenant = g.tenant AND conversation = g.conversation AND actor = g.actor AND at < g.before
                       ORDER BY at DESC, sequence DESC LIMIT $5) c
                   ORDER BY g.position, c.at DESC, c.sequence DESC";
        sqlx::query(sql)
            .bind(texts(|of| &of.tenant))
            .bind(texts(|of| &of.conversation))
            .bind(texts(|of| &of.actor))
            .bind(asked.iter().map(|of| of.before).collect::<Vec<i64>>())
            .bind(limit(most))
            .fetch_all(&database.pool)
    };
    let rows = match database.again("recent_texts", read).await {
        Ok(rows) => rows,
        Err(error) => return asked.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut answers: Vec<Result<Texts, PipelineError>> = asked.iter().map(|_| Ok(Vec::new())).collect();
    for row in &rows {
        let Some((index, text)) = placed(row, text_of) else { continue };
        match (answers.get_mut(index), text) {
            (Some(Ok(texts)), Ok(text)) if texts.len() < asked[index].count => texts.push(text),
            (Some(answer @ Ok(_)), Err(error)) => *answer = Err(error),
            _ => {}
        }
    }
    for texts in answers.iter_mut().flatten() {
        texts.reverse();
    }
    answers
}

fn text_of(row: &PgRow) -> Result<(DateTime<Utc>, String), PipelineError> {
    Ok((time(row.try_get(1)?), unescape(row.try_get(2)?)?))
}

/// The index of the question that a row answers, and what it says.
fn placed<T>(row: &PgRow, read: fn(&PgRow) -> Result<T, PipelineError>) -> Option<(usize, Result<T, PipelineError>)> {
    let position: i64 = row.try_get(0).ok()?;
    Some((usize::try_from(position - 1).ok()?, read(row)))
}

/// Asks for the state of a participant.
pub(super) struct StateOf {
    tenant: String,
    call: String,
    actor: String,
}

impl StateOf {
    pub(super) fn new(tenant: &TenantId, call: &CallId, actor: &ActorId) -> Self {
        let [tenant, call, actor] =
            [tenant.as_str(), call.as_str(), actor.as_str()].map(|name| escape(name).into_owned());
        Self { tenant, call, actor }
    }
}

type Known = Option<(ParticipantState, u64)>;

pub(super) async fn load_participants(database: &Database, asked: Vec<StateOf>) -> Vec<Result<Known, PipelineError>> {
    let texts = |column: fn(&StateOf) -> &str| asked.iter().map(column).collect::<Vec<&str>>();
    let read = || {
        let sql = "SELECT g.position, p.version, p.state
                   FROM unnest($1::text[], $2::text[], $3::text[])
                       WITH ORDINALITY AS g (tenant, call_id, actor, position)
                   JOIN participants p ON p.tenant = g.tenant AND p.call_id = g.call_id AND p.actor = g.actor";
        sqlx::query(sql)
            .bind(texts(|of| &of.tenant))
            .bind(texts(|of| &of.call))
            .bind(texts(|of| &of.actor))
            .fetch_all(&database.pool)
    };
    let rows = match database.again("load_participant", read).await {
        Ok(rows) => rows,
        Err(error) => return asked.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut answers: Vec<Result<Known, PipelineError>> = asked.iter().map(|_| Ok(None)).collect();
    for row in &rows {
        if let Some((index, state)) = placed(row, state_of)
            && let Some(answer) = answers.get_mut(index)
        {
            *answer = state.map(Some);
        }
    }
    answers
}

fn state_of(row: &PgRow) -> Result<(ParticipantState, u64), PipelineError> {
    let version: i64 = row.try_get(1)?;
    Ok((decode(row.try_get(2)?)?, u64::try_from(version).unwrap_or_default()))
}
