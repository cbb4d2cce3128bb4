//! Actions inside a transaction of [`Link`]: the statements of enforcement, on whichever connection it is.

use super::{Link, Wire};
use crate::{
    enforcement::entry::{ActionEntry, Enforced},
    error::PipelineError,
    item::{ActionId, TenantId},
    store::{postgres, sqlite},
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
