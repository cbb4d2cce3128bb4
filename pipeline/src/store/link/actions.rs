//! Actions inside a transaction of [`Link`]: the statements of enforcement, on whichever connection it is.

use chrono::{DateTime, Utc};

use super::{Link, Wire};
use crate::{
    enforcement::{
        entry::{ActionEntry, Enforced},
        person::{Person, PersonState},
    },
    error::PipelineError,
    item::{ActionId, ActorId, TenantId},
    store::{
        link::{json, values},
        postgres, sqlite,
    },
};

macro_rules! on_either {
    ($link:expr, $statement:ident($($value:expr),*)) => {
        match &mut $link.wire {
            Wire::Sqlite(connection) => Ok(sqlite::enforcement::$statement(connection, $($value),*).await?),
            Wire::Postgres(connection) => {
                let done = postgres::enforcement::$statement(connection, $($value),*).await;
                done.map_err(|error| $link.told.failed(error))
            }
        }
    };
}

impl Link<'_> {
    /// One action with what became of it.
    pub(crate) async fn action(&mut self, tenant: &TenantId, id: ActionId) -> Result<Option<Enforced>, PipelineError> {
        on_either!(self, read_action(tenant, id))
    }

    /// What an action led to by its strikes.
    pub(crate) async fn actions_caused_by(
        &mut self,
        tenant: &TenantId,
        id: ActionId,
    ) -> Result<Vec<Enforced>, PipelineError> {
        on_either!(self, read_caused_by(tenant, id))
    }

    /// From here to the commit nobody else gives this person strikes, and whoever has looked at them before must look again.
    pub(crate) async fn hold_person(
        &mut self,
        tenant: &TenantId,
        actor: &str,
        at: DateTime<Utc>,
    ) -> Result<(), PipelineError> {
        let sql = "INSERT INTO persons (tenant, actor, version, updated_at, state) VALUES ($1, $2, 1, $3, $4)
                   ON CONFLICT (tenant, actor) DO UPDATE SET version = persons.version + 1, updated_at = excluded.updated_at";
        let row = values![tenant.as_str(), actor, at, json(&PersonState::default())?];
        self.run(sql, row).await.map(drop)
    }

    /// A person as they are at `now`.
    pub(crate) async fn person(
        &mut self,
        tenant: &TenantId,
        actor: &ActorId,
        now: DateTime<Utc>,
    ) -> Result<Person, PipelineError> {
        on_either!(self, read_person(tenant, actor, now))
    }

    /// Keeps an action. `false`: it was there before.
    pub(crate) async fn put_action(&mut self, entry: &ActionEntry) -> Result<bool, PipelineError> {
        on_either!(self, insert_action(entry))
    }

    /// Takes an action back by `inverse`, whose `reverses` names it; its strikes are given back. `false`: it was taken back before.
    pub(crate) async fn reverse_action(&mut self, inverse: &ActionEntry) -> Result<bool, PipelineError> {
        let reversed: Result<bool, PipelineError> = on_either!(self, mark_reversed(inverse, false));
        if reversed? { self.put_action(inverse).await } else { Ok(false) }
    }
}
