//! Deciding: the decision, what it does, who is told, and the audit, in one transaction.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Desk, Page, audit, cases,
    effects::{self, Following},
    not_found, quality, statements, verdicts,
};
use crate::{
    error::PipelineError,
    item::{CaseId, DecisionId, TenantId},
    review::{
        case::{Case, CaseDraft, CaseFacts, CaseState, Evidence, Exhibit, Source},
        decision::{Decision, DecisionDraft, Ruling, pseudonym},
        routing::{ReviewSettings, drawn},
        staff::Staff,
    },
    store::{
        link::{Link, Row, Value, json as json_value, values},
        row::limit,
    },
};

/// A decision, whether it was made just now, and its case after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// As it is kept.
    pub decision: Decision,
    /// `false`: this key had decided before; nothing was done again.
    pub fresh: bool,
    /// After it.
    pub case: Case,
}

/// Which decisions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DecisionFilter {
    /// About this case.
    pub case: Option<CaseId>,
    /// About this person.
    pub subject: Option<String>,
    /// By this member of staff.
    pub reviewer: Option<String>,
    /// With this answer.
    pub ruling: Option<Ruling>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
}

impl Desk {
    /// Decides a case that `staff` has. The same key again answers what was decided, and does nothing.
    pub(crate) async fn decide(
        &self,
        staff: &Staff,
        id: CaseId,
        draft: DecisionDraft,
        following: Following,
    ) -> Result<Decided, PipelineError> {
        let settings = self.settings(&staff.tenant).await?;
        draft.check(&settings)?;
        let (now, staff) = (self.now(), staff.clone());
        self.write("decide_case", move |mut link| {
            Box::pin(async move {
                if let Some(known) = by_key(&mut link, &staff.tenant, &draft.key).await? {
                    if known.case != id || known.reviewer != staff.name || known.ruling != draft.ruling {
                        let message = "this `key` belongs to another decision: send a new one with each".to_owned();
                        return Err(PipelineError::Conflict { code: "decision_key_taken", message });
                    }
                    let case = cases::load(&mut link, &staff.tenant, id).await?.ok_or_else(|| not_found("case", id))?;
                    return Ok(Decided { decision: known, fresh: false, case });
                }
                if following.strikes > 0 && draft.ruling == Ruling::Act {
                    // People are locked before cases, here as when an item is judged.
                    let known =
                        cases::load(&mut link, &staff.tenant, id).await?.ok_or_else(|| not_found("case", id))?;
                    link.hold_person(&staff.tenant, &known.subject, now).await?;
                }
                let case = cases::lock(&mut link, &staff.tenant, id).await?;
                case.held_by(&staff.name, now)?;
                if draft.seen.is_some_and(|seen| seen != case.version) {
                    let message = "the case got more evidence meanwhile: look at it again, then decide".to_owned();
                    return Err(PipelineError::Conflict { code: "case_changed", message });
                }
                decide(&mut link, &staff, &settings, case, (draft, following), now).await
            })
        })
        .await
    }

    /// One decision with its case.
    pub async fn decision(&self, tenant: &TenantId, id: DecisionId) -> Result<Decision, PipelineError> {
        let tenant = tenant.clone();
        let found = self
            .read("load_decision", move |mut link| Box::pin(async move { load(&mut link, &tenant, id).await }))
            .await?;
        found.ok_or_else(|| not_found("decision", id))
    }

    /// Decisions, newest first. Measurements (second reviews, golden items) are among them only when `measured`.
    pub async fn decisions(
        &self,
        tenant: &TenantId,
        filter: DecisionFilter,
        measured: bool,
        before: Option<DecisionId>,
        count: usize,
    ) -> Result<Page<Decision>, PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("decision_page", move |mut link| {
                Box::pin(async move {
                    let mut sql = "SELECT body, overturned_at FROM decisions WHERE tenant = $1".to_owned();
                    let mut values = values![tenant.as_str()];
                    let mut and = |condition: &str, value: Value| {
                        values.push(value);
                        sql.push_str(&format!(" AND {condition} ${}", values.len()));
                    };
                    if let Some(case) = filter.case {
                        and("case_id =", case.to_string().into());
                    }
                    if let Some(subject) = filter.subject {
                        and("subject =", subject.into());
                    }
                    if let Some(reviewer) = filter.reviewer {
                        and("reviewer =", reviewer.into());
                    }
                    if let Some(ruling) = filter.ruling {
                        and("ruling =", ruling.as_str().into());
                    }
                    if let Some(from) = filter.from {
                        and("at >=", from.into());
                    }
                    if let Some(to) = filter.to {
                        and("at <", to.into());
                    }
                    if let Some(before) = before {
                        and("id <", before.to_string().into());
                    }
                    if !measured {
                        and("source <>", Source::Golden.as_str().into());
                        and("source <>", Source::Second.as_str().into());
                    }
                    values.push(limit(count + 1).into());
                    sql.push_str(&format!(" ORDER BY id DESC LIMIT ${}", values.len()));
                    link.rows(sql, values).await
                })
            })
            .await?;
        let decisions = rows.iter().map(decision).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(decisions, count, |decision| decision.id.to_string()))
    }
}

fn decision(row: &Row) -> Result<Decision, PipelineError> {
    Ok(Decision { overturned_at: row.maybe_time(1)?, ..row.json(0)? })
}

pub(super) async fn load(
    link: &mut Link<'_>,
    tenant: &TenantId,
    id: DecisionId,
) -> Result<Option<Decision>, PipelineError> {
    let sql = "SELECT body, overturned_at FROM decisions WHERE tenant = $1 AND id = $2";
    link.row(sql, values![tenant.as_str(), id.to_string()]).await?.as_ref().map(decision).transpose()
}

async fn by_key(link: &mut Link<'_>, tenant: &TenantId, key: &str) -> Result<Option<Decision>, PipelineError> {
    let sql = "SELECT body, overturned_at FROM decisions WHERE tenant = $1 AND key = $2";
    link.row(sql, values![tenant.as_str(), key]).await?.as_ref().map(decision).transpose()
}

/// Policy version and models that the evidence names.
fn judges(evidence: &[Evidence]) -> (String, Vec<String>) {
    let items = || {
        evidence.iter().filter_map(|evidence| match &evidence.exhibit {
            Some(Exhibit::Item(item)) => Some(item),
            _ => None,
        })
    };
    let policy = items().next_back().map_or_else(|| "none".to_owned(), |item| item.policy.clone());
    let models: BTreeSet<String> =
        items().flat_map(|item| &item.signals).map(|signal| format!("{}@{}", signal.model, signal.version)).collect();
    (policy, models.into_iter().collect())
}

async fn decide(
    link: &mut Link<'_>,
    staff: &Staff,
    settings: &ReviewSettings,
    case: Case,
    (draft, following): (DecisionDraft, Following),
    now: DateTime<Utc>,
) -> Result<Decided, PipelineError> {
    let mut evidence = cases::evidence_of(link, &staff.tenant, case.id).await?;
    if let Some(origin) = case.facts.origin {
        evidence.extend(cases::evidence_of(link, &staff.tenant, origin).await?);
    }
    let (policy, models) = judges(&evidence);
    let had = case.lease.as_ref().map_or(0, |lease| (now - lease.since).num_seconds());
    let mut decision = Decision {
        id: DecisionId::new(),
        case: case.id,
        at: now,
        reviewer: staff.name.clone(),
        subject: case.subject.clone(),
        queue: case.queue.clone(),
        source: case.source.as_str().to_owned(),
        ruling: draft.ruling,
        action: draft.action,
        seconds: draft.seconds,
        rule: draft.rule.clone(),
        reason: draft.reason.clone(),
        note: draft.note.clone(),
        policy,
        models,
        // Nobody looked longer than they had it.
        looked_seconds: draft.looked_seconds.min(u32::try_from(had).unwrap_or(u32::MAX)),
        actions: Vec::new(),
        undone: Vec::new(),
        overturned_at: None,
    };
    let expected = quality::expected(link, &case).await?;
    let decided = cases::save(
        link,
        Case {
            state: CaseState::Decided,
            lease: None,
            held_until: None,
            decided_at: Some(now),
            changed_at: now,
            ..case.clone()
        },
    )
    .await?;
    if case.source.acts() {
        effects::act(link, staff, &case, &mut decision, &evidence, &following).await?;
        effects::close_reports(link, staff, settings, &decision, draft.all_reports).await?;
        verdicts::keep(link, &staff.tenant, &decision, &evidence).await?;
        if settings.statements {
            statements::expect(link, &staff.tenant, &decision).await?;
        }
        match (case.facts.appeal, case.facts.about) {
            (Some(appeal), _) => effects::answer_appeal(link, staff, appeal, &mut decision).await?,
            // Two reviewers differed, and a lead agrees with the second.
            (None, Some(first)) if decision.ruling != Ruling::Uphold => {
                effects::overturn(link, staff, first, &mut decision).await?;
            }
            _ => {}
        }
    }
    insert(link, &staff.tenant, &case, &decision, &draft.key, expected.as_deref()).await?;
    if case.facts.graphic {
        quality::expose(link, staff, now, decision.looked_seconds).await?;
    }
    follow_up(link, staff, settings, &case, &decision).await?;
    link.tell(cases::told(cases::CASE_DECIDED, &decided, decision.ruling.as_str(), now));
    let detail = json!({
        "decision": decision.id, "ruling": decision.ruling, "action": decision.action, "seconds": decision.seconds, "rule": decision.rule,
        "policy": decision.policy, "models": decision.models, "actions": decision.actions, "undone": decision.undone,
        "source": case.source, "queue": case.queue, "seen_version": case.version,
    });
    audit::append(link, &staff.tenant, staff.entry(now, "case.decided", format!("case:{}", case.id), detail)).await?;
    Ok(Decided { decision, fresh: true, case: decided })
}

async fn insert(
    link: &mut Link<'_>,
    tenant: &TenantId,
    case: &Case,
    decision: &Decision,
    key: &str,
    expected: Option<&str>,
) -> Result<(), PipelineError> {
    let sql = "INSERT INTO decisions (tenant, id, key, case_id, subject, at, reviewer, queue, source, ruling, action, rule, waited_ms, looked_s,
                   about, expected, body)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    let row = values![
        tenant.as_str(),
        decision.id.to_string(),
        key,
        case.id.to_string(),
        &case.subject,
        decision.at,
        &decision.reviewer,
        &case.queue,
        case.source.as_str(),
        decision.ruling.as_str(),
        decision.action.map(crate::action::ActionKind::as_str),
        decision.rule.clone(),
        (decision.at - case.opened_at).num_milliseconds().max(0),
        i64::from(decision.looked_seconds),
        case.facts.about.map(|about| about.to_string()),
        expected,
        json_value(decision)?,
    ];
    link.run(sql, row).await.map(drop)
}

/// A second review by chance; and a lead's case when two reviewers saw it differently.
async fn follow_up(
    link: &mut Link<'_>,
    staff: &Staff,
    settings: &ReviewSettings,
    case: &Case,
    decision: &Decision,
) -> Result<(), PipelineError> {
    let origin = case.facts.origin.or(Some(case.id));
    let mut draft = CaseDraft::new(staff.tenant.clone(), case.subject.clone(), Source::Second, decision.at);
    draft.kind = case.source.as_str().to_owned();
    draft.language.clone_from(&case.language);
    draft.at_least = Some(case.priority);
    draft.barred = vec![staff.name.clone()];
    draft.facts = CaseFacts { origin, about: Some(decision.id), appeal: None, ..case.facts.clone() };
    match case.source {
        Source::Rule | Source::Report | Source::Sample | Source::Manual
            if drawn(decision.id.0.as_bytes(), settings.second_share) =>
        {
            draft.queue = Some(case.queue.clone());
        }
        Source::Second => {
            let Some(first) = case.facts.about else { return Ok(()) };
            let Some(first) = load(link, &staff.tenant, first).await? else { return Ok(()) };
            if first.ruling.is_violation() == decision.ruling.is_violation() {
                return Ok(());
            }
            draft.source = Source::Appeal;
            draft.queue = Some(super::claims::ESCALATED.into());
            draft.barred.push(first.reviewer.clone());
            draft.facts.about = Some(first.id);
            draft.facts.summary = format!(
                "Two reviewers differ: {} said {}, {} said {}.",
                pseudonym(staff.tenant.as_str(), &first.reviewer),
                first.ruling.as_str(),
                pseudonym(staff.tenant.as_str(), &decision.reviewer),
                decision.ruling.as_str()
            );
        }
        _ => return Ok(()),
    }
    let route = settings.route(&draft);
    cases::open(link, draft, route).await.map(drop)
}
