//! Cases like this one: of those about others whose texts share words with it, the nearest in meaning, with what was decided.

use futures::future::try_join_all;
use models::Lane;

use super::Pipeline;
use crate::{
    error::PipelineError,
    item::{CaseId, TenantId},
    review::{
        case::{Case, Evidence, Exhibit},
        decision::Decision,
    },
    store::desk::{decide::DecisionFilter, search::Found},
};

/// Texts that share words and are compared in meaning.
const COMPARED: usize = 24;
/// Texts less alike than this (cosine) are not told.
const LEAST: f32 = 0.35;

/// A case like another.
#[derive(Debug, Clone, PartialEq)]
pub struct AlikeCase {
    /// The case.
    pub case: Case,
    /// The text in it that is like the other's.
    pub text: String,
    /// How much: cosine of the embeddings, -1 to 1.
    pub score: f32,
    /// What was decided, when it was.
    pub decision: Option<Decision>,
}

/// The text that a case is about: the last judged one that broke a rule, else the last at all.
fn text_of(evidence: &[Evidence]) -> Option<&str> {
    let texts = evidence.iter().filter_map(|evidence| match evidence.exhibit.as_ref()? {
        Exhibit::Item(item) => Some((item.text.as_deref()?, !item.reasons.is_empty())),
        Exhibit::Report { note, .. } => Some((note.as_deref()?, false)),
        Exhibit::Appeal { .. } | Exhibit::Note { .. } => None,
    });
    // Of equals `max_by_key` answers the last.
    texts.max_by_key(|(_, broke)| *broke).map(|(text, _)| text)
}

/// Of each case about somebody else the text that shares most, in that order.
fn of_others(found: Vec<Found>, case: &Case) -> Vec<Found> {
    let mut kept: Vec<Found> = Vec::new();
    for one in found {
        let same = one.case == case.id || case.facts.origin == Some(one.case) || one.subject == case.subject;
        if !same && !kept.iter().any(|known| known.case == one.case) {
            kept.push(one);
        }
    }
    kept
}

impl Pipeline {
    /// Cases like this one, the most alike first. None, when it has no text.
    pub async fn cases_like(
        &self,
        tenant: &TenantId,
        id: CaseId,
        count: usize,
    ) -> Result<Vec<AlikeCase>, PipelineError> {
        let case = self.desk.case(tenant, id).await?;
        let evidence = self.desk.evidence(tenant, id).await?;
        let Some(text) = text_of(&evidence) else { return Ok(Vec::new()) };
        let others = of_others(self.desk.sharing_words(tenant, text, COMPARED).await?, &case);
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let model = &self.config.embedding_model;
        let texts = std::iter::once(text).chain(others.iter().map(|other| other.text.as_str()));
        let vectors = try_join_all(texts.map(|text| self.engine.embed(model, text, Lane::Bulk))).await?;
        let Some((asked, vectors)) = vectors.split_first() else { return Ok(Vec::new()) };
        let cosine = |vector: &[f32]| asked.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>();
        let mut scored: Vec<(Found, f32)> =
            others.into_iter().zip(vectors.iter().map(|vector| cosine(vector))).collect();
        scored.retain(|(_, score)| *score >= LEAST);
        scored.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        scored.truncate(count);
        let load = |(found, score): (Found, f32)| async move {
            let case = self.desk.case(tenant, found.case).await?;
            let of_case = DecisionFilter { case: Some(found.case), ..DecisionFilter::default() };
            let decision = self.desk.decisions(tenant, of_case, false, None, 1).await?.items.into_iter().next();
            Ok::<_, PipelineError>(AlikeCase { case, text: found.text, score, decision })
        };
        try_join_all(scored.into_iter().map(load)).await
    }
}
