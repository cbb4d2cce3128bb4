//! Transactions of [`crate::store::link`] on SQLite.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{SqliteStore, events};
use crate::{
    error::PipelineError,
    record::WebhookInterest,
    store::link::{Link, Told},
};

impl SqliteStore {
    /// Runs `work` in a transaction, with the events that it wants told.
    pub(in crate::store) async fn write_told<T, F>(
        &self,
        operation: &'static str,
        hooks: Arc<[WebhookInterest]>,
        work: F,
    ) -> Result<T, PipelineError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(Link<'c>) -> BoxFuture<'c, Result<T, PipelineError>> + Send + 'static,
    {
        self.writer
            .write(operation, move |scope| {
                Box::pin(async move {
                    let mut told = Told::default();
                    let answer = work(Link::sqlite(&mut scope.connection, &mut told)).await?;
                    let (events, webhooks) = told.split(&hooks);
                    events::append(scope, &events, &webhooks).await?;
                    Ok(answer)
                })
            })
            .await
    }
}
