//! What is known of pictures before any model sees them: their hash, and the banks that know it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use moka::sync::Cache;

use super::{Pipeline, Work};
use crate::{
    bank::{BankSet, SeenPicture},
    decode::{self, Detail, decode_on_pool_and},
    error::PipelineError,
    item::{CaseId, Envelope, ItemKind, TenantId},
    pdq::{Hashed, LEAST_QUALITY, Pdq},
    store::ItemRecord,
    verdict::Outcome,
};

/// Time after which another process's change of the banks is seen.
const AGE: Duration = Duration::from_secs(5);
/// Tenants whose banks are remembered.
const TENANTS: u64 = 1000;

/// The banks of the tenants that sent pictures lately.
pub(super) struct Banks {
    /// Asked for lately: they are used as they are.
    fresh: Cache<TenantId, Arc<BankSet>>,
    /// As they were when they were read last.
    known: Cache<TenantId, Arc<BankSet>>,
}

impl Default for Banks {
    fn default() -> Self {
        let fresh = Cache::builder().max_capacity(TENANTS).time_to_live(AGE).build();
        Self { fresh, known: Cache::new(TENANTS) }
    }
}

impl Pipeline {
    /// A tenant's banks; a change by another process is seen within seconds, at the price of one small read.
    pub(super) async fn banks_of(&self, tenant: &TenantId) -> Result<Arc<BankSet>, PipelineError> {
        if let Some(set) = self.banks.fresh.get(tenant) {
            return Ok(set);
        }
        let version = self.desk.bank_version(tenant).await?;
        let known = self.banks.known.get(tenant).filter(|set| set.version() == version);
        let set = match known {
            Some(set) => set,
            None if version == 0 => Arc::default(),
            None => Arc::new(self.desk.bank_set(tenant).await?),
        };
        self.banks.known.insert(tenant.clone(), Arc::clone(&set));
        self.banks.fresh.insert(tenant.clone(), Arc::clone(&set));
        Ok(set)
    }

    /// The banks of `tenant` were changed in this process.
    pub fn banks_changed(&self, tenant: &TenantId) {
        self.banks.fresh.invalidate(tenant);
    }

    /// The hash of a picture that is to come into a bank. What has too little in it is refused: it would meet everything.
    pub async fn hash_picture(&self, bytes: Bytes) -> Result<Pdq, PipelineError> {
        let limits = decode::Limits { bytes: self.config.max_picture_bytes, pixels: self.config.max_pixels };
        let Hashed { hash, quality } =
            decode_on_pool_and(bytes, limits, Detail::Whole, |picture| Pdq::of(&picture.pixels)).await?;
        if quality < LEAST_QUALITY {
            let message = format!(
                "the picture has too little in it to be told from others (quality {quality} of {LEAST_QUALITY}): a bank cannot know it"
            );
            return Err(PipelineError::invalid("picture_says_nothing", message));
        }
        Ok(hash)
    }

    /// The hash of a picture that a case keeps.
    pub async fn hash_evidence(&self, tenant: &TenantId, case: CaseId, media: &str) -> Result<Pdq, PipelineError> {
        let picture = self.desk.media(tenant, case, media).await?;
        self.hash_picture(picture.bytes).await
    }

    /// Are a frame's hash and the banks worth their time? Uploads are always hashed, so that their copies are found.
    pub(super) fn hashes(envelope: &Envelope, banks: &BankSet) -> bool {
        envelope.kind == ItemKind::Image || !banks.is_empty()
    }

    /// The picture as its copies are found by later: every upload, and of frames those that were flagged.
    pub(super) async fn picture_for(
        &self,
        work: &Work<'_>,
        outcome: &Outcome,
    ) -> Result<Option<Box<SeenPicture>>, PipelineError> {
        let Some(hashed) = work.hashed.filter(Hashed::counts) else { return Ok(None) };
        let kept = outcome.envelope.kind == ItemKind::Image || outcome.verdict.flagged;
        if !kept || self.desk.settings(&work.envelope.tenant).await?.copy_days == 0 {
            return Ok(None);
        }
        let (envelope, at) = (work.envelope.clone(), outcome.decided_at);
        Ok(Some(Box::new(SeenPicture { envelope, hash: hashed.hash, at })))
    }

    /// Whom and what an action on the copies of a case's pictures is about.
    pub(super) async fn copies_of(&self, tenant: &TenantId, case: CaseId) -> Result<Vec<Envelope>, PipelineError> {
        let mut envelopes = Vec::new();
        for copy in self.desk.copies(tenant, case).await?.copies {
            if let Some(ItemRecord::Judged(outcome)) = self.store.load_item(tenant, copy.item).await? {
                envelopes.push(outcome.envelope);
            }
        }
        Ok(envelopes)
    }
}
