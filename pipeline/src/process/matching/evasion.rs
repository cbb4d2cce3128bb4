//! A profile that is nearly the same as that of somebody who is banned: a hint for reviewers, never a reason to act.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{EVASION_SUSPECTED, Pipeline, event};
use crate::{
    error::PipelineError,
    index::Query,
    item::ProfileId,
    matching::{meeting::Change, standing::Out},
    profile::Profile,
    review::case::{CaseDraft, CaseFacts, Exhibit, Source},
};

/// Neighbours that are looked at.
const NEIGHBOURS: usize = 8;
/// Cosine from which on two texts are nearly the same.
const NEARLY_SAME: f32 = 0.95;
/// Texts that are shorter are alike by chance: a hobby or two.
const LEAST_BYTES: usize = 40;
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
        let ids: Vec<ProfileId> = hits.iter().map(|hit| hit.id.clone()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let remembered = self.store.load_remembered(&profile.tenant, &ids).await?;
        let banned = hits.into_iter().zip(remembered);
        let banned: Vec<(ProfileId, f32)> = banned
            .filter(|(_, known)| known.record.standing.out(now) == Some(Out::Banned))
            .map(|(hit, _)| (hit.id, hit.score))
            .collect();
        if !banned.is_empty() {
            let near: Vec<_> = banned
                .iter()
                .map(|(id, score)| json!({ "actor": id, "similarity": (f64::from(*score) * 1e4).round() / 1e4 }))
                .collect();
            let data = json!({ "actor": profile.id, "signal": "profile_text", "resembles": near });
            let suspected = event(EVASION_SUSPECTED, &profile.tenant, Uuid::now_v7().to_string(), now, data);
            self.store.put_change(&profile.tenant, Change::default(), self.news(vec![suspected])).await?;
            self.desk.open_case(case(profile, &text, &banned, now)).await?;
        }
        Ok(banned)
    }
}

/// What reviewers see: the text, and whose it is like. It joins the person's open case if there is one.
fn case(profile: &Profile, text: &str, banned: &[(ProfileId, f32)], at: DateTime<Utc>) -> CaseDraft {
    let mut draft = CaseDraft::new(profile.tenant.clone(), profile.id.as_str(), Source::Rule, at);
    draft.kind = "profile".into();
    let names: Vec<String> = banned.iter().map(|(id, score)| format!("{id} ({score:.2})")).collect();
    draft.facts = CaseFacts {
        rules: vec![RULE.into()],
        labels: vec!["ban_evasion".into()],
        summary: "The profile is nearly the same as that of somebody who is banned".into(),
        score: banned.iter().map(|(_, score)| *score).fold(0.0, f32::max),
        ..CaseFacts::default()
    };
    let text = format!("Like the profile of {}:\n\n{text}", names.join(", "));
    draft.exhibits = vec![Exhibit::Note { by: "matching".into(), text }];
    draft
}
