//! A profile or a picture that is nearly the same as that of somebody who is banned: a hint for reviewers, never a reason to act.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{EVASION_SUSPECTED, Pipeline, event};
use crate::{
    decode::{Detail, Limits, Picture, decode_on_pool_and},
    error::PipelineError,
    index::Query,
    item::{ProfileId, TenantId, check_name},
    matching::{
        avatar::{Seen, likeness},
        meeting::Change,
        standing::Out,
    },
    profile::Profile,
    review::case::{CaseDraft, CaseFacts, Exhibit, Source},
};

/// Neighbours that are looked at.
const NEIGHBOURS: usize = 8;
/// Cosine from which on two texts are nearly the same.
const NEARLY_SAME: f32 = 0.95;
/// Texts that are shorter are alike by chance: a hobby or two.
const LEAST_BYTES: usize = 40;
/// Pictures that are read at once.
const PAGE: usize = 5_000;
/// What asked for a human, where others name a rule.
const RULE: &str = "evasion_suspected";

impl Pipeline {
    /// Banned people whose profiles are nearly the same as this one, and how near. When there are any, reviewers get a case, and whoever
    /// reads events is told.
    pub(in crate::process) async fn resembles_banned(
        &self,
        profile: &Profile,
    ) -> Result<Vec<(ProfileId, f32)>, PipelineError> {
        let text = Profile::embedded_text(&profile.interests, &profile.bio);
        if text.len() < LEAST_BYTES {
            return Ok(Vec::new());
        }
        let query = Query {
            tenant: profile.tenant.clone(),
            vector: profile.vector.clone(),
            filter: Vec::new(),
            exclude: vec![profile.id.clone()],
            limit: NEIGHBOURS,
        };
        let mut hits = self.index.search(query).await?;
        hits.retain(|hit| hit.score >= NEARLY_SAME);
        let banned = self.banned_of(&profile.tenant, hits.into_iter().map(|hit| (hit.id, hit.score)).collect()).await?;
        self.tell_of(&profile.tenant, &profile.id, Signal::Text(&text), &banned).await?;
        Ok(banned)
    }

    /// Remembers a person's picture, so that it is known again, and answers banned people with nearly the same one, and how alike they are;
    /// reviewers are told as of texts. `None`: there is too little in the picture to know it again. Errors: `NotFound` without a profile, and
    /// those of a picture that cannot be read.
    pub async fn put_avatar(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        picture: Bytes,
    ) -> Result<Option<Vec<(ProfileId, f32)>>, PipelineError> {
        check_name("id", person.as_str())?;
        if self.store.load_profile(tenant, person).await?.is_none() {
            return Err(PipelineError::NotFound { what: "profile", id: person.to_string() });
        }
        let limits = Limits { bytes: self.config.max_picture_bytes, pixels: self.config.max_pixels };
        let look = |picture: Picture| Seen::of(&picture.pixels);
        let Some(seen) = decode_on_pool_and(picture, limits, Detail::Whole, look).await? else {
            // What was remembered is of a picture that is shown no more.
            self.store.delete_avatar(tenant, person).await?;
            return Ok(None);
        };
        self.store.put_avatar(tenant, person, &seen.avatar).await?;
        let (mut near, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.marked_avatars(tenant, after.as_ref(), PAGE).await?;
            after = page.last().map(|(last, _)| last.clone());
            let full = page.len() == PAGE;
            let alike = page.into_iter().filter(|(other, _)| other != person);
            near.extend(alike.filter_map(|(other, avatar)| Some((other, likeness(seen.resembles(&avatar)?)))));
            if !full {
                break;
            }
        }
        near.sort_by(|one, other| other.1.total_cmp(&one.1));
        near.truncate(NEIGHBOURS);
        let banned = self.banned_of(tenant, near).await?;
        self.tell_of(tenant, person, Signal::Picture, &banned).await?;
        Ok(Some(banned))
    }

    /// Forgets a person's picture. Errors: `NotFound` when none is remembered.
    pub async fn delete_avatar(&self, tenant: &TenantId, person: &ProfileId) -> Result<(), PipelineError> {
        check_name("id", person.as_str())?;
        match self.store.delete_avatar(tenant, person).await? {
            true => Ok(()),
            false => Err(PipelineError::NotFound { what: "avatar", id: person.to_string() }),
        }
    }

    /// Those of them who are banned now.
    async fn banned_of(
        &self,
        tenant: &TenantId,
        near: Vec<(ProfileId, f32)>,
    ) -> Result<Vec<(ProfileId, f32)>, PipelineError> {
        if near.is_empty() {
            return Ok(near);
        }
        let now = self.clock.now();
        let ids: Vec<ProfileId> = near.iter().map(|(id, _)| id.clone()).collect();
        let remembered = self.store.load_remembered(tenant, &ids).await?;
        let known = near.into_iter().zip(remembered);
        let banned = known.filter(|(_, known)| known.record.standing.out(now) == Some(Out::Banned));
        Ok(banned.map(|(near, _)| near).collect())
    }

    /// Tells whoever reads events, and reviewers by a case.
    async fn tell_of(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        signal: Signal<'_>,
        banned: &[(ProfileId, f32)],
    ) -> Result<(), PipelineError> {
        if banned.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let near: Vec<_> = banned
            .iter()
            .map(|(id, score)| json!({ "actor": id, "similarity": (f64::from(*score) * 1e4).round() / 1e4 }))
            .collect();
        let data = json!({ "actor": person, "signal": signal.code(), "resembles": near });
        let suspected = event(EVASION_SUSPECTED, tenant, Uuid::now_v7().to_string(), now, data);
        self.store.put_change(tenant, Change::default(), self.news(vec![suspected])).await?;
        self.desk.open_case(case(tenant, person, signal, banned, now)).await.map(drop)
    }
}

/// What is alike.
#[derive(Debug, Clone, Copy)]
enum Signal<'a> {
    /// Interests and bio.
    Text(&'a str),
    /// The profile's picture, of which nothing is kept that could be shown.
    Picture,
}

impl Signal<'_> {
    fn code(self) -> &'static str {
        match self {
            Self::Text(_) => "profile_text",
            Self::Picture => "profile_picture",
        }
    }
}

/// What reviewers see: what is like whose. It joins the person's open case if there is one.
fn case(
    tenant: &TenantId,
    person: &ProfileId,
    signal: Signal<'_>,
    banned: &[(ProfileId, f32)],
    at: DateTime<Utc>,
) -> CaseDraft {
    let mut draft = CaseDraft::new(tenant.clone(), person.as_str(), Source::Rule, at);
    draft.kind = "profile".into();
    let names: Vec<String> = banned.iter().map(|(id, score)| format!("{id} ({score:.2})")).collect();
    let (what, note) = match signal {
        Signal::Text(text) => ("profile", format!("Like the profile of {}:\n\n{text}", names.join(", "))),
        Signal::Picture => ("profile's picture", format!("The picture is like that of {}", names.join(", "))),
    };
    draft.facts = CaseFacts {
        rules: vec![RULE.into()],
        labels: vec!["ban_evasion".into()],
        summary: format!("The {what} is nearly the same as that of somebody who is banned"),
        score: banned.iter().map(|(_, score)| *score).fold(0.0, f32::max),
        ..CaseFacts::default()
    };
    draft.exhibits = vec![Exhibit::Note { by: "matching".into(), text: note }];
    draft
}
