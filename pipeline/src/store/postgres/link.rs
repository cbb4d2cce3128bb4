//! Transactions of [`crate::store::link`] on PostgreSQL.

use std::{sync::Arc, time::Instant};

use futures::future::BoxFuture;

pub(in crate::store) use super::text::{escape, unescape};
use super::{Database, database::lost, events::Appended};
use crate::{
    error::PipelineError,
    record::WebhookInterest,
    store::link::{LIMIT, Link, Told, measure},
};

/// The database, for work that is written once for both kinds.
#[derive(Clone)]
pub(in crate::store) struct PostgresLink(Arc<Database>);

impl PostgresLink {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self(database)
    }

    pub(in crate::store) async fn read<T, F>(&self, operation: &'static str, work: F) -> Result<T, PipelineError>
    where
        F: for<'c> FnOnce(Link<'c>) -> BoxFuture<'c, Result<T, PipelineError>> + Send,
    {
        let (started, mut told) = (Instant::now(), Told::default());
        let answer = within(async {
            let mut connection = self.0.pool.acquire().await?;
            work(Link::postgres(&mut connection, &mut told)).await
        })
        .await;
        self.finish(operation, started, told.failure.as_ref().is_some_and(lost));
        answer
    }

    pub(in crate::store) async fn write<T, F>(
        &self,
        operation: &'static str,
        hooks: &[WebhookInterest],
        work: F,
    ) -> Result<T, PipelineError>
    where
        F: for<'c> FnOnce(Link<'c>) -> BoxFuture<'c, Result<T, PipelineError>> + Send,
    {
        let (started, mut gone) = (Instant::now(), false);
        let answer = within(async {
            let mut told = Told::default();
            let mut transaction = self.0.pool.begin().await?;
            let answer = work(Link::postgres(&mut transaction, &mut told)).await;
            gone = told.failure.as_ref().is_some_and(lost);
            let answer = answer?;
            let (events, webhooks) = told.split(hooks);
            let events = Appended::new(&events, &webhooks)?;
            let sequence = Appended::write(&[&events], &mut transaction).await?;
            transaction.commit().await?;
            if let Some(sequence) = sequence {
                self.0.raise(sequence);
            }
            Ok(answer)
        })
        .await;
        self.finish(operation, started, gone);
        answer
    }

    fn finish(&self, operation: &'static str, started: Instant, lost: bool) {
        if lost {
            self.0.doubt();
        }
        measure(operation, started);
    }
}

async fn within<T>(work: impl Future<Output = Result<T, PipelineError>>) -> Result<T, PipelineError> {
    tokio::time::timeout(LIMIT, work).await.unwrap_or_else(|_| {
        let message = format!("no answer within {} s", LIMIT.as_secs());
        Err(PipelineError::Unavailable { part: "store", message })
    })
}
