//! Objections: taken in as a case that whoever decided before never gets.

use serde_json::json;

use super::{Desk, Page, cases, decide, event, not_found};
use crate::{
    error::PipelineError,
    item::{AppealId, TenantId},
    review::{
        appeal::{Appeal, AppealState},
        case::{CaseDraft, CaseFacts, Exhibit, Source},
    },
    store::{
        Recorded,
        link::{Link, Row, Value, json as json_value, values},
        row::limit,
    },
};

/// Event kind: somebody objects.
pub const APPEAL_SUBMITTED: &str = "appeal.submitted";

fn appeal(row: &Row) -> Result<Appeal, PipelineError> {
    row.json(0)
}

pub(super) async fn lock(link: &mut Link<'_>, tenant: &TenantId, id: AppealId) -> Result<Appeal, PipelineError> {
    let sql = format!("SELECT body FROM appeals WHERE tenant = $1 AND id = $2{}", link.lock());
    let row = link.row(sql, values![tenant.as_str(), id.to_string()]).await?;
    appeal(&row.ok_or_else(|| not_found("appeal", id))?)
}

impl Desk {
    /// Takes an appeal in and opens its case. `exhibits`: what the appeal is about, when it is about an item. The same appeal again changes nothing; a second
    /// one about the same thing is a `Conflict`.
    pub async fn take_appeal(
        &self,
        appeal: Appeal,
        exhibits: Vec<Exhibit>,
    ) -> Result<(Appeal, Recorded), PipelineError> {
        appeal.check()?;
        let settings = self.settings(&appeal.tenant).await?;
        let mut appeal = appeal;
        self.write("take_appeal", move |mut link| {
            Box::pin(async move {
                let tenant = appeal.tenant.clone();
                let known = "SELECT body FROM appeals WHERE tenant = $1 AND id = $2";
                if let Some(row) = link.row(known, values![tenant.as_str(), appeal.id.to_string()]).await? {
                    let known: Appeal = row.json(0)?;
                    let same = known.actor == appeal.actor && known.decision == appeal.decision && known.item == appeal.item;
                    if same && known.text == appeal.text {
                        return Ok((known, Recorded::Already));
                    }
                    let message = format!("the id `{}` belongs to another appeal: give every appeal its own id", appeal.id);
                    return Err(PipelineError::Conflict { code: "appeal_id_taken", message });
                }
                let draft = case_of(&mut link, &appeal, exhibits).await?;
                let about = about(&appeal);
                let twice = "SELECT 1 FROM appeals WHERE tenant = $1 AND about = $2";
                if link.row(twice, values![tenant.as_str(), &about]).await?.is_some() {
                    return Err(twice_appealed());
                }
                let route = settings.route(&draft);
                let (case, _) = cases::open(&mut link, draft, route).await?;
                appeal.case = Some(case.id);
                let sql = "INSERT INTO appeals (tenant, id, actor, at, state, case_id, about, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                           ON CONFLICT (tenant, about) DO NOTHING";
                let row = values![
                    tenant.as_str(),
                    appeal.id.to_string(),
                    &appeal.actor,
                    appeal.at,
                    appeal.state.as_str(),
                    case.id.to_string(),
                    about,
                    json_value(&appeal)?,
                ];
                if link.run(sql, row).await? == 0 {
                    return Err(twice_appealed());
                }
                let data = json!({
                    "appeal": appeal.id, "actor": appeal.actor, "decision": appeal.decision, "item": appeal.item,
                });
                link.tell(event(&tenant, APPEAL_SUBMITTED, appeal.id.to_string(), appeal.at, data));
                Ok((appeal, Recorded::New))
            })
        })
        .await
    }

    /// One appeal.
    pub async fn appeal(&self, tenant: &TenantId, id: AppealId) -> Result<Appeal, PipelineError> {
        let tenant = tenant.clone();
        let row = self
            .read("load_appeal", move |mut link| {
                Box::pin(async move {
                    let sql = "SELECT body FROM appeals WHERE tenant = $1 AND id = $2";
                    link.row(sql, values![tenant.as_str(), id.to_string()]).await
                })
            })
            .await?;
        appeal(&row.ok_or_else(|| not_found("appeal", id))?)
    }

    /// Appeals, newest first.
    pub async fn appeals(
        &self,
        tenant: &TenantId,
        state: Option<AppealState>,
        actor: Option<String>,
        before: Option<AppealId>,
        count: usize,
    ) -> Result<Page<Appeal>, PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("appeal_page", move |mut link| {
                Box::pin(async move {
                    let mut sql = "SELECT body FROM appeals WHERE tenant = $1".to_owned();
                    let mut values = values![tenant.as_str()];
                    let mut and = |condition: &str, value: Value| {
                        values.push(value);
                        sql.push_str(&format!(" AND {condition} ${}", values.len()));
                    };
                    if let Some(state) = state {
                        and("state =", state.as_str().into());
                    }
                    if let Some(actor) = actor {
                        and("actor =", actor.into());
                    }
                    if let Some(before) = before {
                        and("id <", before.to_string().into());
                    }
                    values.push(limit(count + 1).into());
                    sql.push_str(&format!(" ORDER BY id DESC LIMIT ${}", values.len()));
                    link.rows(sql, values).await
                })
            })
            .await?;
        let appeals = rows.iter().map(appeal).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(appeals, count, |appeal| appeal.id.to_string()))
    }
}

fn about(appeal: &Appeal) -> String {
    match (&appeal.decision, &appeal.item) {
        (Some(decision), _) => format!("decision:{decision}"),
        (None, Some(item)) => format!("item:{item}"),
        (None, None) => String::new(),
    }
}

fn twice_appealed() -> PipelineError {
    let message = "there is an appeal about this already: read its outcome".to_owned();
    PipelineError::Conflict { code: "appealed_already", message }
}

/// The case of an appeal. Whoever decided is barred from it: the one who made the decision, and whoever decided cases about the item.
async fn case_of(link: &mut Link<'_>, appeal: &Appeal, exhibits: Vec<Exhibit>) -> Result<CaseDraft, PipelineError> {
    let mut draft = CaseDraft::new(appeal.tenant.clone(), appeal.actor.clone(), Source::Appeal, appeal.at);
    draft.facts =
        CaseFacts { summary: "Objects to a decision".into(), appeal: Some(appeal.id), ..CaseFacts::default() };
    draft.exhibits = vec![Exhibit::Appeal { appeal: appeal.id, text: appeal.text.clone() }];
    draft.exhibits.extend(exhibits);
    if let Some(id) = appeal.decision {
        let decision = decide::load(link, &appeal.tenant, id).await?.ok_or_else(|| not_found("decision", id))?;
        if decision.subject != appeal.actor {
            return Err(not_found("decision", id));
        }
        let first = cases::load(link, &appeal.tenant, decision.case).await?;
        draft.facts.origin = first.as_ref().map(|case| case.facts.origin.unwrap_or(case.id));
        draft.facts.graphic = first.as_ref().is_some_and(|case| case.facts.graphic);
        draft.facts.labels = first.as_ref().map(|case| case.facts.labels.clone()).unwrap_or_default();
        draft.language = first.and_then(|case| case.language);
        draft.facts.rules = decision.rule.clone().into_iter().collect();
        draft.facts.about = Some(id);
        draft.barred = vec![decision.reviewer];
    }
    if let Some(item) = appeal.item {
        let sql = "SELECT DISTINCT d.reviewer FROM decisions d WHERE d.tenant = $1 AND d.subject = $2 AND d.case_id IN
                       (SELECT case_id FROM evidence WHERE tenant = $1 AND subject = $2 AND item = $3)";
        let rows = link.rows(sql, values![appeal.tenant.as_str(), &appeal.actor, item.to_string()]).await?;
        for row in rows {
            draft.barred.push(row.string(0)?);
        }
    }
    Ok(draft)
}
