//! Profiles: check, embed when the text changed, store, index. And who is similar to whom.

use models::Lane;

use super::{Pipeline, matching::Search, switch::versioned};
use crate::{
    error::PipelineError,
    index::{Condition, Hit, missed},
    item::{ProfileId, TenantId, check_name},
    profile::{Profile, ProfileDraft},
};

/// What to look for.
#[derive(Debug, Clone, PartialEq)]
pub enum Like {
    /// People like this text.
    Text(String),
    /// People like this person (who is left out of the answer).
    Profile(ProfileId),
}

/// A profile that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// As it is stored.
    pub profile: Profile,
    /// `false`: the index was down. The row is stored; searches find it when the reconciliation has repaired the index.
    pub indexed: bool,
    /// Banned people whose profiles are nearly the same, and how near: reviewers are told.
    pub resembles: Vec<(ProfileId, f32)>,
}

impl Pipeline {
    /// Embeds and stores a profile; unchanged text is not embedded again. An index that is down does not undo it: see [`Written::indexed`].
    pub async fn put_profile(
        &self,
        tenant: &TenantId,
        id: ProfileId,
        draft: ProfileDraft,
    ) -> Result<Written, PipelineError> {
        check_name("tenant", tenant.as_str())?;
        check_name("id", id.as_str())?;
        let draft = draft.checked()?;
        let _turn = self.profiles.hold((tenant.clone(), id.clone())).await;
        let known = self.store.load_profile(tenant, &id).await?;
        let text = Profile::embedded_text(&draft.interests, &draft.bio);
        let model = &self.config.embedding_model;
        let text_sha256 = Profile::digest(&versioned(&self.engine, model), &text);
        let (changed, version, vector) = match known {
            Some(known) if known.text_sha256 == text_sha256 => (false, known.version, known.vector),
            known => {
                let vector = self.engine.embed(model, &text, Lane::Interactive).await?;
                (true, known.map_or(1, |known| known.version.saturating_add(1)), vector)
            }
        };
        let ProfileDraft { interests, bio, attributes, terms } = draft;
        let updated_at = self.clock.now();
        let tenant = tenant.clone();
        let profile =
            Profile { id, tenant, interests, bio, attributes, version, text_sha256, vector, updated_at, terms };
        // The store first: what the index lacks after a crash is rebuilt from there, never the other way round.
        self.store.put_profile(&profile).await?;
        let upsert = self.index.upsert(vec![profile.point()]).await;
        let indexed = self.followed(upsert).await? & self.write_next(&profile).await;
        // A hint for reviewers must not keep a person from changing their profile.
        let resembles = if indexed && changed { self.resembles_banned(&profile).await } else { Ok(Vec::new()) };
        let resembles = resembles.unwrap_or_else(|error| {
            tracing::warn!(%error, "a profile could not be compared with those of the banned");
            Vec::new()
        });
        Ok(Written { profile, indexed, resembles })
    }

    /// Did the index follow a change of the row? If not, that is noted for the reconciliation, whatever the reason: the row stands.
    async fn followed(&self, write: Result<(), PipelineError>) -> Result<bool, PipelineError> {
        let Err(error) = write else { return Ok(true) };
        tracing::warn!(%error, "the index missed a write; the reconciliation repeats it");
        // When the store fails too, the caller has to repeat the call.
        missed::note(&*self.store).await?;
        Ok(false)
    }

    /// Removes a profile from store and index; `NotFound` when there was none. `false`: the index was down, and the profile can be found from
    /// when it is back until it is repaired, some seconds later.
    pub async fn delete_profile(&self, tenant: &TenantId, id: &ProfileId) -> Result<bool, PipelineError> {
        let _turn = self.profiles.hold((tenant.clone(), id.clone())).await;
        let was_there = self.store.delete_profile(tenant, id).await?;
        self.forget_person(tenant, id).await?;
        // Also when the store had none: a crash between the two must not leave a vector behind.
        let delete = self.index.delete(tenant, vec![id.clone()]).await;
        let indexed = self.followed(delete).await? & self.delete_next(tenant, id).await;
        if was_there { Ok(indexed) } else { Err(PipelineError::NotFound { what: "profile", id: id.to_string() }) }
    }

    /// People near a text or a person.
    pub async fn similar(
        &self,
        tenant: &TenantId,
        like: Like,
        filter: Vec<Condition>,
        limit: usize,
    ) -> Result<Vec<Hit>, PipelineError> {
        let search = Search { like: vec![like], filter, limit, ..Search::default() };
        Ok(self.search(tenant, search).await?.into_iter().map(|found| found.hit).collect())
    }
}
