//! The index is a copy of the profiles in the store: brought in line with it, while everybody goes on writing.
//!
//! A server's index is shared by many processes, so it is never emptied and rebuilt. Instead every profile is compared with its point by a
//! stamp (a digest of vector and attributes): what is missing or stale is written, what the store does not have is removed.
//!
//! When: after a write that the index missed (`pipeline::index::missed` notes it in the store, so that any process may repair it), when the
//! index is empty and the store is not, and else once an hour, for what nobody noticed (a crash between row and index). One process at a time.
//!
//! Why it harms no write that happens meanwhile: a writer commits its row before it writes to the index. A page is done only when a look at
//! it, rows first, finds nothing to write; and after a removal the row is looked for again.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chrono::TimeDelta;
use pipeline::{
    PipelineError,
    clock::Clock,
    index::{Point, VectorIndex, missed},
    item::{ProfileId, TenantId},
    profile::Profile,
    store::Store,
};

/// Profiles and points read at once.
const PAGE: usize = 512;
/// Looks at one page before it is left to the next turn: somebody writes it faster than we do.
const MAX_LOOKS: usize = 5;
/// Time after which everything is compared although nobody missed a write.
const PERIOD: TimeDelta = TimeDelta::hours(1);
/// A holder that did not renew for so long is dead. Longer than the calls of a page may take.
const LEASE: Duration = Duration::from_secs(60);
/// Name of the lease.
const DUTY: &str = "reconcile";
/// Position in the store: when everything was compared last, in seconds since 1970.
const COMPARED: &str = "index.compared";

/// What a turn found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Profiles in the store whose vectors fit the index.
    pub profiles: usize,
    /// Profiles whose vectors have another length: made by another embedding model. They are found again once they are put again.
    pub misfits: usize,
    /// Points written.
    pub written: usize,
    /// Points removed.
    pub removed: usize,
}

/// Brings the index in line with the store.
pub struct Reconciler {
    store: Arc<dyn Store>,
    index: Arc<dyn VectorIndex>,
    clock: Clock,
    /// Names this process in the lease.
    holder: String,
}

impl Reconciler {
    /// `holder`: unique among all processes.
    pub fn new(store: Arc<dyn Store>, index: Arc<dyn VectorIndex>, clock: Clock, holder: String) -> Self {
        Self { store, index, clock, holder }
    }

    /// One turn: looks whether there is a reason, and reconciles. `None`: there is none, or another process is at it.
    pub async fn turn(&self) -> Result<Option<Reconciled>, PipelineError> {
        let behind = missed::seen(&*self.store).await?;
        let count = behind.map_or(0, |behind| behind.count);
        metrics::gauge!("chaperone_index_missed_writes").set(count as f64);
        let compared = self.store.relay_position(COMPARED).await?.unwrap_or(0);
        let now = self.clock.now().timestamp();
        let due = behind.is_some() || now.saturating_sub(compared) >= PERIOD.num_seconds() || self.is_hollow().await?;
        if !due || !self.renew().await? {
            return Ok(None);
        }
        let report = self.reconcile().await?;
        // What was missed after the look at `behind` is behind it, and stays a reason for the next turn.
        if let Some(behind) = behind {
            missed::repaired(&*self.store, behind).await?;
            metrics::gauge!("chaperone_index_missed_writes").set(0.0);
        }
        self.store.move_relay(COMPARED, now).await?;
        Ok(Some(report))
    }

    /// The index lost everything: another disk, a deleted collection.
    async fn is_hollow(&self) -> Result<bool, PipelineError> {
        let (points, _) = self.index.held(None, 1).await?;
        Ok(points.is_empty() && !self.store.profiles_after(None, 1).await?.is_empty())
    }

    /// Takes or keeps the lease; `false`: another process has it.
    async fn renew(&self) -> Result<bool, PipelineError> {
        let now = self.clock.now();
        self.store.claim_duty(DUTY, &self.holder, now, now + LEASE).await
    }

    async fn keep(&self) -> Result<(), PipelineError> {
        if self.renew().await? {
            return Ok(());
        }
        let message = "the reconciliation was slower than its lease, and another process took it over".to_owned();
        Err(PipelineError::Unavailable { part: "index", message })
    }

    async fn reconcile(&self) -> Result<Reconciled, PipelineError> {
        let mut report = Reconciled::default();
        // About 100 bytes each: 100 MB for a million profiles, while it runs.
        let mut wanted = HashSet::new();
        let mut after: Option<Profile> = None;
        loop {
            self.keep().await?;
            let page = self.settle_page(after.as_ref(), &mut report).await?;
            for profile in &page {
                if self.fits(profile) {
                    report.profiles += 1;
                    wanted.insert((profile.tenant.clone(), profile.id.clone()));
                } else {
                    report.misfits += 1;
                }
            }
            match page.into_iter().last() {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        let mut from = None;
        loop {
            self.keep().await?;
            let (points, next) = self.index.held(from, PAGE).await?;
            for point in points {
                let key = (point.tenant, point.id);
                if !wanted.contains(&key) {
                    report.removed += usize::from(self.remove(&key.0, &key.1).await?);
                }
            }
            match next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        self.index.flush().await?;
        Ok(report)
    }

    fn fits(&self, profile: &Profile) -> bool {
        profile.vector.len() == self.index.dimensions()
    }

    /// Writes what is missing or stale of the page after `after`, and looks again until nothing is. Answers the page as it was at the last look.
    async fn settle_page(
        &self,
        after: Option<&Profile>,
        report: &mut Reconciled,
    ) -> Result<Vec<Profile>, PipelineError> {
        let mut looks = 0;
        loop {
            let page = self.store.profiles_after(after.map(|profile| (&profile.tenant, &profile.id)), PAGE).await?;
            let points: Vec<Point> = page.iter().filter(|profile| self.fits(profile)).map(Profile::point).collect();
            let keys: Vec<_> = points.iter().map(|point| (point.tenant.clone(), point.id.clone())).collect();
            let stamps = self.index.stamps(&keys).await?;
            let stale = points.into_iter().zip(stamps).filter(|(point, stamp)| stamp.as_ref() != Some(&point.stamp()));
            let stale: Vec<Point> = stale.map(|(point, _)| point).collect();
            looks += 1;
            if stale.is_empty() || looks > MAX_LOOKS {
                return Ok(page);
            }
            report.written += stale.len();
            self.index.upsert(stale).await?;
        }
    }

    /// Removes a point that was not among the profiles, unless it is there by now.
    async fn remove(&self, tenant: &TenantId, id: &ProfileId) -> Result<bool, PipelineError> {
        let row = async || -> Result<Option<Profile>, PipelineError> {
            let row = self.store.load_profile(tenant, id).await?;
            Ok(row.filter(|profile| self.fits(profile)))
        };
        if row().await?.is_some() {
            return Ok(false);
        }
        self.index.delete(tenant, vec![id.clone()]).await?;
        match row().await? {
            // Put between the look and the removal, which took its point away.
            Some(profile) => self.index.upsert(vec![profile.point()]).await.map(|()| false),
            None => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use pipeline::clock::Clock;

    use super::*;
    use crate::fixtures::{StillIndex, empty_store};

    fn profile(number: usize, dimensions: usize) -> Profile {
        Profile {
            id: ProfileId(format!("p{number:05}")),
            tenant: TenantId::from("a"),
            interests: vec!["chess".into()],
            bio: String::new(),
            attributes: Default::default(),
            version: 1,
            text_sha256: format!("{number}"),
            vector: Arc::from(vec![1.0 + number as f32; dimensions]),
            updated_at: chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            terms: Default::default(),
        }
    }

    struct Case {
        store: Arc<dyn Store>,
        index: Arc<StillIndex>,
        now: chrono::DateTime<chrono::Utc>,
    }

    impl Case {
        async fn with(profiles: usize) -> Self {
            let store = empty_store().await;
            for number in 0..profiles {
                store.put_profile(&profile(number, 1)).await.unwrap();
            }
            let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
            Self { store, index: Arc::default(), now }
        }

        async fn turn_of(&self, holder: &str) -> Option<Reconciled> {
            let clock = Clock::fixed(self.now);
            Reconciler::new(self.store.clone(), self.index.clone(), clock, holder.into()).turn().await.unwrap()
        }

        async fn turn(&self) -> Option<Reconciled> {
            self.turn_of("us").await
        }
    }

    #[tokio::test]
    async fn x1_what_is_missing_stale_or_too_much_is_put_right_without_emptying_the_index() {
        let mut case = Case::with(PAGE + 3).await;
        let all = PAGE + 3;
        let filled = Reconciled { profiles: all, written: all, ..Reconciled::default() };
        assert_eq!(case.turn().await, Some(filled), "an empty index is filled");
        assert_eq!(case.turn().await, None, "nothing to do");
        {
            let mut points = case.index.points.lock().unwrap();
            points.retain(|point| point.id.0 != "p00002");
            points.iter_mut().find(|point| point.id.0 == "p00004").unwrap().vector = Arc::from([9.0]);
            points.push(Profile { id: ProfileId("gone".into()), ..profile(1, 1) }.point());
        }
        assert_eq!(case.turn().await, None, "nobody noticed, and the hour is not over");
        case.now += PERIOD;
        let put_right = Reconciled { profiles: all, written: 2, removed: 1, ..Reconciled::default() };
        assert_eq!(case.turn().await, Some(put_right));
        assert_eq!(case.index.points.lock().unwrap().len(), all);
        assert_eq!(case.index.clears.load(std::sync::atomic::Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn i7_a_missed_write_is_repaired_at_the_next_turn_by_whoever_has_it() {
        let case = Case::with(2).await;
        case.turn().await.unwrap();
        case.store.put_profile(&profile(7, 1)).await.unwrap();
        assert_eq!(case.turn().await, None);
        missed::note(&*case.store).await.unwrap();
        // The one that held the lease before is at it, as far as anybody knows.
        assert_eq!(case.turn_of("another process").await, None);
        assert_eq!(case.turn().await.map(|report| report.written), Some(1));
        assert_eq!(case.turn().await, None);
    }

    #[tokio::test]
    async fn i7_a_dead_process_does_not_keep_the_others_from_it() {
        let mut case = Case::with(2).await;
        case.turn_of("dead").await.unwrap();
        missed::note(&*case.store).await.unwrap();
        assert_eq!(case.turn().await, None);
        case.now += LEASE + Duration::from_secs(1);
        assert!(case.turn().await.is_some());
    }

    #[tokio::test]
    async fn vectors_of_another_model_are_left_out() {
        let case = Case::with(1).await;
        case.store.put_profile(&profile(5, 3)).await.unwrap();
        let report = Reconciled { profiles: 1, misfits: 1, written: 1, removed: 0 };
        assert_eq!(case.turn().await, Some(report));
    }
}
