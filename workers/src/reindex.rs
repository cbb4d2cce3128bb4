//! The index is a copy of the profiles in the store: made whole when it is behind.

use pipeline::{
    PipelineError,
    index::{Point, VectorIndex},
    profile::Profile,
    store::Store,
};

/// Profiles read at once.
const PAGE: usize = 512;

/// What [`reindex`] found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reindexed {
    /// Profiles in the store whose vectors fit the index.
    pub profiles: usize,
    /// Profiles whose vectors have another length: made by another embedding model. They are found again once they are put again.
    pub misfits: usize,
    /// Points that the index had.
    pub before: usize,
    /// Points written; 0 when nothing was missing.
    pub written: usize,
}

/// Writes every profile of `store` into `index` when the index holds another number of points. `dimensions`: length of the index's
/// vectors. Meant for the start of a service, before anything writes.
pub async fn reindex(
    store: &dyn Store,
    index: &dyn VectorIndex,
    dimensions: usize,
) -> Result<Reindexed, PipelineError> {
    let mut report = Reindexed { before: index.count().await?, ..Reindexed::default() };
    let mut after: Option<Profile> = None;
    loop {
        let page = page(store, after.as_ref()).await?;
        report.profiles += page.iter().filter(|profile| profile.vector.len() == dimensions).count();
        report.misfits += page.iter().filter(|profile| profile.vector.len() != dimensions).count();
        match page.into_iter().last() {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    if report.profiles == report.before {
        return Ok(report);
    }
    if report.before > report.profiles {
        // Someone was deleted from the store and not from the index: must not be found any more.
        index.clear().await?;
    }
    let mut after: Option<Profile> = None;
    loop {
        let page = page(store, after.as_ref()).await?;
        let points: Vec<Point> =
            page.iter().filter(|profile| profile.vector.len() == dimensions).map(Profile::point).collect();
        report.written += points.len();
        if !points.is_empty() {
            index.upsert(points).await?;
        }
        match page.into_iter().last() {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    index.flush().await?;
    Ok(report)
}

async fn page(store: &dyn Store, after: Option<&Profile>) -> Result<Vec<Profile>, PipelineError> {
    store.profiles_after(after.map(|profile| (&profile.tenant, &profile.id)), PAGE).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pipeline::item::{ProfileId, TenantId};

    use super::*;
    use crate::fixtures::{StillIndex, empty_store};

    fn profile(tenant: &str, number: usize, dimensions: usize) -> Profile {
        Profile {
            id: ProfileId(format!("p{number:05}")),
            tenant: TenantId::from(tenant),
            interests: vec!["chess".into()],
            bio: String::new(),
            attributes: Default::default(),
            version: 1,
            text_sha256: format!("{number}"),
            vector: Arc::from(vec![1.0; dimensions]),
            updated_at: chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            terms: Default::default(),
        }
    }

    #[tokio::test]
    async fn x1_an_index_that_is_behind_is_rebuilt_from_the_store() {
        let (store, index) = (empty_store().await, StillIndex::default());
        for number in 0..PAGE {
            store.put_profile(&profile("a", number, 1)).await.unwrap();
        }
        for number in 0..3 {
            store.put_profile(&profile("b", number, 1)).await.unwrap();
        }
        store.put_profile(&profile("b", 99, 2)).await.unwrap();

        let all = PAGE + 3;
        let first = reindex(&*store, &index, 1).await.unwrap();
        assert_eq!(first, Reindexed { profiles: all, misfits: 1, before: 0, written: all });
        let second = reindex(&*store, &index, 1).await.unwrap();
        assert_eq!(second, Reindexed { profiles: all, misfits: 1, before: all, written: 0 });

        index.points.lock().unwrap().truncate(7);
        let third = reindex(&*store, &index, 1).await.unwrap();
        assert_eq!(third, Reindexed { profiles: all, misfits: 1, before: 7, written: all });
        assert_eq!(index.count().await.unwrap(), all);
    }

    #[tokio::test]
    async fn an_empty_store_needs_no_work() {
        let (store, index) = (empty_store().await, StillIndex::default());
        assert_eq!(reindex(&*store, &index, 1).await.unwrap(), Reindexed::default());
    }
}
