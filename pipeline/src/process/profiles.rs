//! Profiles: check, embed when the text changed, store, index. And who is similar to whom.

use models::Lane;

use super::{Like, Pipeline, versioned};
use crate::{
    error::PipelineError,
    index::{Condition, Hit, Point, Query},
    item::{ProfileId, TenantId, check_name, check_text},
    profile::{Profile, ProfileDraft, check_search},
};

impl Pipeline {
    /// Embeds and stores a profile; unchanged text is not embedded again.
    pub async fn put_profile(
        &self,
        tenant: &TenantId,
        id: ProfileId,
        draft: ProfileDraft,
    ) -> Result<Profile, PipelineError> {
        check_name("tenant", tenant.as_str())?;
        check_name("id", id.as_str())?;
        let draft = draft.checked()?;
        let _turn = self.profiles.hold((tenant.clone(), id.clone())).await;
        let known = self.store.load_profile(tenant, &id).await?;
        let text = Profile::embedded_text(&draft.interests, &draft.bio);
        let model = &self.config.embedding_model;
        let text_sha256 = Profile::digest(&versioned(&self.engine, model), &text);
        let (version, vector) = match known {
            Some(known) if known.text_sha256 == text_sha256 => (known.version, known.vector),
            known => {
                let vector = self.engine.embed(model, &text, Lane::Interactive).await?;
                (known.map_or(1, |known| known.version.saturating_add(1)), vector)
            }
        };
        let ProfileDraft { interests, bio, attributes } = draft;
        let updated_at = self.clock.now();
        let tenant = tenant.clone();
        let profile = Profile { id, tenant, interests, bio, attributes, version, text_sha256, vector, updated_at };
        // The store first: what the index lacks after a crash is rebuilt from there, never the other way round.
        self.store.put_profile(&profile).await?;
        let Profile { tenant, id, vector, attributes, .. } = profile.clone();
        self.index.upsert(vec![Point { tenant, id, vector, attributes }]).await?;
        Ok(profile)
    }

    /// Removes a profile from store and index; `NotFound` when there was none.
    pub async fn delete_profile(&self, tenant: &TenantId, id: &ProfileId) -> Result<(), PipelineError> {
        let _turn = self.profiles.hold((tenant.clone(), id.clone())).await;
        let was_there = self.store.delete_profile(tenant, id).await?;
        // Also when the store had none: a crash between the two must not leave a vector behind.
        self.index.delete(tenant, vec![id.clone()]).await?;
        if was_there { Ok(()) } else { Err(PipelineError::NotFound { what: "profile", id: id.to_string() }) }
    }

    /// People near a text or a person.
    pub async fn similar(
        &self,
        tenant: &TenantId,
        like: Like,
        filter: Vec<Condition>,
        limit: usize,
    ) -> Result<Vec<Hit>, PipelineError> {
        check_search(&filter, limit)?;
        let (vector, exclude) = match like {
            Like::Text(text) => {
                check_text(&text, self.config.max_text_bytes)?;
                (self.engine.embed(&self.config.embedding_model, &text, Lane::Interactive).await?, Vec::new())
            }
            Like::Profile(id) => {
                let profile = self.store.load_profile(tenant, &id).await?;
                let profile = profile.ok_or_else(|| PipelineError::NotFound { what: "profile", id: id.to_string() })?;
                (profile.vector, vec![id])
            }
        };
        self.index.search(Query { tenant: tenant.clone(), vector, filter, exclude, limit }).await
    }
}
