//! The desk as years of work leave it: 50,000 cases. For measuring, in tests and over HTTP (`api/tests/it/measure.rs`).
//!
//! The tests below hold database calls against the limit of requirement I6: 50 ms at the 95th percentile; a page, 200 ms.

use chrono::{DateTime, TimeDelta, Utc};

use super::Desk;
use crate::{
    error::PipelineError,
    item::{CaseId, EvidenceId, TenantId},
    review::case::{CaseFacts, Exhibit},
    store::link::{Value, json, values},
};

/// Cases of a filled desk.
pub const CASES: usize = 50_000;
/// Queues that they are in.
pub const QUEUES: [&str; 5] = ["general", "reports", "threats", "live", "samples"];

async fn insert(desk: &Desk, table: &'static str, columns: usize, rows: Vec<Vec<Value>>) -> Result<(), PipelineError> {
    for chunk in rows.chunks(500) {
        let place = |row: usize| {
            let places: Vec<String> = (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
            format!("({})", places.join(", "))
        };
        let places: Vec<String> = (0..chunk.len()).map(place).collect();
        let sql = format!("INSERT INTO {table} VALUES {}", places.join(", "));
        let values: Vec<Value> = chunk.iter().flatten().cloned().collect();
        desk.write("fill", move |mut link| Box::pin(async move { link.run(sql, values).await })).await?;
    }
    Ok(())
}

/// 20,000 open cases over five queues, the others decided; one comes a second after the other from `first` on.
pub async fn fill(desk: &Desk, tenant: &TenantId, first: DateTime<Utc>) -> Result<Vec<CaseId>, PipelineError> {
    let facts =
        CaseFacts { rules: vec!["insult".into()], labels: vec!["insult".into()], evidence: 1, ..CaseFacts::default() };
    let (mut ids, mut cases, mut evidence, mut words) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for n in 0..CASES {
        let (id, subject) = (CaseId::new(), format!("person-{}", n % 17_000));
        let open = n % 5 < 2;
        let at = first + TimeDelta::seconds(n as i64);
        let rank = (n * 7 % 4) as i64;
        cases.push(values![
            tenant.as_str(),
            id.to_string(),
            &subject,
            "rule",
            QUEUES[n % 5],
            rank,
            if open { "open" } else { "decided" },
            false,
            at,
            at,
            at + TimeDelta::minutes(480),
            json(&facts)?,
        ]);
        let text = text_of(n);
        let note = Exhibit::Note { by: "x".into(), text: text.clone() };
        let piece = EvidenceId::new().to_string();
        words.push(values![tenant.as_str(), &piece, id.to_string(), &subject, text]);
        evidence.push(values![tenant.as_str(), piece, id.to_string(), &subject, at, "note", json(&note)?,]);
        ids.push(id);
    }
    let table =
        "cases (tenant, id, subject, source, queue, rank, state, escalated, opened_at, changed_at, due_at, facts)";
    insert(desk, table, 12, cases).await?;
    insert(desk, "evidence (tenant, id, case_id, subject, at, kind, body)", 7, evidence).await?;
    insert(desk, "evidence_words (tenant, id, case_id, subject, body)", 5, words).await?;
    Ok(ids)
}

/// Words as texts have them: one that is in all, some that are in many, one that is rare.
pub fn text_of(n: usize) -> String {
    format!("words common{} often{} seldom{}", n % 40, n % 700, n % 16_000)
}

#[cfg(test)]
pub(crate) use tests::c1_fifty_thousand_cases_answer_in_time;

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use super::{
        super::{cases::CaseFilter, claims::Claim, decide::DecisionFilter},
        *,
    };
    use crate::{
        clock::Clock,
        review::{
            case::CaseState,
            staff::{Profile, Role, Staff},
        },
        store::{Store, contract::noon},
    };

    const ROUNDS: usize = 60;
    const SERIES: usize = 3;

    /// The 95th percentile of `ROUNDS` runs; of three series the best, because whatever else the machine does only ever makes it slower.
    async fn p95<F: Future<Output = ()>>(name: &str, what: &str, run: impl Fn(usize) -> F) -> Duration {
        let mut best = Duration::MAX;
        for series in 0..SERIES {
            let mut times = Vec::with_capacity(ROUNDS);
            for round in 0..ROUNDS {
                let started = Instant::now();
                run(series * ROUNDS + round).await;
                times.push(started.elapsed());
            }
            times.sort();
            let p95 = times[ROUNDS * 95 / 100];
            println!("{name}: {what}: p50 {:?}, p95 {p95:?}, max {:?}", times[ROUNDS / 2], times[ROUNDS - 1]);
            best = best.min(p95);
        }
        best
    }

    pub(crate) async fn c1_fifty_thousand_cases_answer_in_time(name: &str, store: &Arc<dyn Store>) {
        let desk = Desk::new(store.tables(), Clock::fixed(noon() + TimeDelta::days(1)), Arc::default());
        let tenant = TenantId::from("a");
        let ids = fill(&desk, &tenant, noon()).await.unwrap();
        let lead = Staff { tenant: tenant.clone(), name: "lea".into(), role: Role::Lead, profile: Profile::default() };
        let (desk, ids, tenant, lead) = (&desk, &ids, &tenant, &lead);
        let open = CaseFilter { state: Some(CaseState::Open), ..CaseFilter::default() };
        let (calls, pages) = (Duration::from_millis(50), Duration::from_millis(200));
        let list = p95(name, "first page of open cases", |_| async {
            assert_eq!(desk.cases(lead, open.clone(), None, 50).await.unwrap().items.len(), 50);
        });
        assert!(list.await < calls);
        let queue = p95(name, "page of one queue", |round| {
            let filter = CaseFilter { queue: Some(QUEUES[round % 2].into()), ..open.clone() };
            async move { assert_eq!(desk.cases(lead, filter, None, 50).await.unwrap().items.len(), 50) }
        });
        assert!(queue.await < calls);
        let claim = p95(name, "claim of the next case", |round| async move {
            let who = Staff { name: format!("r{round}"), ..lead.clone() };
            desk.claim(&who, Claim { draw: 1.0, ..Claim::default() }).await.unwrap().unwrap();
        });
        assert!(claim.await < calls);
        let page = p95(name, "queue page (counts and first page)", |_| async {
            let (counts, page) =
                tokio::try_join!(desk.queue_counts(lead), desk.cases(lead, open.clone(), None, 50)).unwrap();
            assert!(counts.len() >= 5 && page.items.len() == 50);
        });
        assert!(page.await < pages);
        let case = p95(name, "case page", |round| async move {
            let id = ids[round * 797 % CASES];
            let subject = desk.case(tenant, id).await.unwrap().subject;
            let of_person = DecisionFilter { subject: Some(subject.clone()), ..DecisionFilter::default() };
            let (evidence, history, ..) = tokio::try_join!(
                desk.evidence(tenant, id),
                desk.cases_of(tenant, &subject, 20),
                desk.decisions(tenant, of_person, false, None, 20),
                desk.reporter(tenant, &subject),
                desk.held(tenant, &subject),
            )
            .unwrap();
            assert!(evidence.len() == 1 && !history.is_empty());
        });
        assert!(case.await < pages);
        let alike = p95(name, "texts that share words", |round| async move {
            let found = desk.sharing_words(tenant, &text_of(round * 797), 24).await.unwrap();
            assert_eq!(found.len(), 24);
        });
        assert!(alike.await < calls);
    }
}
