//! The suite of the desk, on every database. `desk_contract!` makes the tests; its argument is an async function that opens an empty store.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{
    Desk,
    audit::AuditFilter,
    cases::{CASE_CHANGED, CASE_DECIDED, CASE_OPENED, CaseFilter, CaseOpening},
    claims::{Claim, Step},
    decide::DecisionFilter,
    reports::ReportFilter,
};
use crate::{
    action::{Action, ActionKind},
    clock::Clock,
    error::PipelineError,
    item::{ActionId, ActorId, AppealId, CaseId, ItemKind, ReportId, TenantId},
    report::Report,
    review::{
        appeal::{Appeal, AppealState},
        case::{Case, CaseDraft, CaseState, Exhibit, ItemExhibit, Media, Priority, Source},
        decision::{DecisionDraft, Ruling},
        reporter::ReportState,
        routing::ReviewSettings,
        staff::{Profile, Role, Staff},
    },
    store::{
        Recorded, Store,
        contract::{envelope, noon, record},
    },
};

/// Makes one test of each case of the suite.
macro_rules! desk_contract {
    ($open:path) => {
        $crate::store::desk::contract::desk_contract!($open;
            c2_finds_about_one_person_merge_while_the_case_is_open, c2_twenty_claimants_never_share_a_case,
            c2_a_lease_ends_and_the_case_goes_to_somebody_else, c2_claims_follow_priority_skill_language_and_capacity,
            c2_cases_are_released_skipped_held_escalated_and_assigned, c1_a_decision_acts_once_through_the_outbox,
            c1_a_dismissed_case_undoes_what_was_done, c1_an_outcome_and_its_case_are_one_transaction,
            c5_reports_become_cases_and_their_reporters_are_credited, c5_an_appeal_never_goes_to_who_decided,
            c7_second_reviews_and_golden_items_are_measured, c7_the_audit_is_one_chain_however_many_write,
            c7_a_changed_audit_is_found, c6_a_person_is_exported_and_erased_with_a_receipt, c6_a_hold_beats_erasure_and_retention,
            c1_words_of_the_evidence_are_found, c3_accounts_sessions_and_failures, c1_pages_have_no_gap_and_no_repeat,
            c4_counts_add_up, c2_settings_are_versioned);
    };
    ($open:path; $($name:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let opened = $open().await;
            $crate::store::desk::contract::$name(&opened.0).await;
        })+
    };
}
pub(crate) use desk_contract;

type Shared = Arc<dyn Store>;

fn desk(store: &Shared) -> (Desk, Clock) {
    let clock = Clock::fixed(noon());
    (Desk::new(store.tables(), clock.clone(), Arc::default()), clock)
}

fn tenant() -> TenantId {
    "a".into()
}

fn staff(name: &str, role: Role) -> Staff {
    Staff { tenant: tenant(), name: name.into(), role, profile: Profile::default() }
}

fn mia() -> Staff {
    staff("mia", Role::Reviewer)
}

fn tom() -> Staff {
    staff("tom", Role::Reviewer)
}

fn lead() -> Staff {
    staff("lea", Role::Lead)
}

/// A message of `subject` on which `action` was taken.
fn exhibit(subject: &str, text: &str, action: Option<ActionKind>) -> Exhibit {
    let mut envelope = envelope("a", ItemKind::Text);
    envelope.actor = Some(subject.into());
    let action = action.map(|kind| Action {
        id: ActionId::new(),
        kind,
        subject: envelope.clone(),
        rule: "insult".into(),
        reason: "No.".into(),
        confidence: 0.9,
        policy: "p@1".into(),
        violations: 0,
        decided_at: noon(),
    });
    Exhibit::Item(Box::new(ItemExhibit {
        content_sha256: "00".into(),
        text: Some(text.into()),
        spans: vec![],
        before: vec![],
        signals: vec![],
        reasons: vec![],
        actions: action.into_iter().collect(),
        policy: "p@1".into(),
        thresholds: Default::default(),
        media: vec![],
        envelope,
    }))
}

fn find(subject: &str) -> CaseDraft {
    let mut draft = CaseDraft::new(tenant(), subject, Source::Rule, noon());
    draft.kind = "text".into();
    draft.facts.rules = vec!["insult".into()];
    draft.exhibits = vec![exhibit(subject, "you fool \\ \"quoted\" \0", Some(ActionKind::Warn))];
    draft
}

fn draft(ruling: Ruling) -> DecisionDraft {
    DecisionDraft {
        key: CaseId::new().to_string(),
        ruling,
        action: (ruling == Ruling::Act).then_some(ActionKind::Suspend),
        seconds: (ruling == Ruling::Act).then_some(3600),
        rule: Some("insult".into()),
        reason: Some("Be kind.".into()),
        note: None,
        seen: None,
        looked_seconds: 5,
        all_reports: false,
    }
}

async fn take(desk: &Desk, staff: &Staff, id: CaseId) -> Case {
    desk.claim(staff, Claim { case: Some(id), ..Claim::default() }).await.unwrap().unwrap()
}

async fn next(desk: &Desk, staff: &Staff) -> Option<Case> {
    desk.claim(staff, Claim { draw: 1.0, ..Claim::default() }).await.unwrap()
}

async fn kinds(store: &Shared) -> Vec<String> {
    store.events_after(None, 0, 1000).await.unwrap().into_iter().map(|event| event.kind).collect()
}

async fn change_settings(desk: &Desk, change: impl FnOnce(&mut ReviewSettings)) {
    let kept = desk.kept_settings(&tenant()).await.unwrap();
    let mut settings = kept.settings;
    change(&mut settings);
    desk.put_settings(&lead(), settings, kept.version).await.unwrap();
}

#[track_caller]
fn code<T: std::fmt::Debug>(result: Result<T, PipelineError>) -> &'static str {
    match result {
        Err(PipelineError::Conflict { code, .. } | PipelineError::Invalid { code, .. }) => code,
        Err(PipelineError::NotFound { .. }) => "not_found",
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn c2_finds_about_one_person_merge_while_the_case_is_open(store: &Shared) {
    let (desk, clock) = desk(store);
    let (first, new) = desk.open_case(find("ann")).await.unwrap();
    assert!(new && first.state == CaseState::Open && first.priority == Priority::Normal);
    let mut more = find("ann");
    more.facts.rules = vec!["threat".into()];
    more.facts.labels = vec!["threat".into()];
    more.at = noon() + TimeDelta::seconds(9);
    let (second, new) = desk.open_case(more).await.unwrap();
    assert!(!new && second.id == first.id && second.version > first.version);
    assert_eq!((second.priority, second.queue.as_str(), second.facts.evidence), (Priority::High, "threats", 2));
    assert_eq!(second.facts.rules, ["insult", "threat"]);
    assert_eq!(desk.evidence(&tenant(), first.id).await.unwrap().len(), 2);
    let (other, new) = desk.open_case(find("bob")).await.unwrap();
    assert!(new && other.id != first.id);
    let mut sample = find("ann");
    sample.source = Source::Sample;
    assert!(desk.open_case(sample).await.unwrap().1, "a sample is a question of its own");

    take(&desk, &mia(), first.id).await;
    desk.decide(&mia(), first.id, draft(Ruling::Uphold)).await.unwrap();
    clock.advance(TimeDelta::seconds(1));
    let (later, new) = desk.open_case(find("ann")).await.unwrap();
    assert!(new && later.id != first.id, "after the decision there is a new one");
    let all = kinds(store).await;
    let count = |kind: &str| all.iter().filter(|one| *one == kind).count();
    assert_eq!((count(CASE_OPENED), count(CASE_DECIDED)), (4, 1));
    // Other tenants see nothing.
    assert_eq!(code(desk.case(&"b".into(), first.id).await), "not_found");
}

pub(crate) async fn c2_twenty_claimants_never_share_a_case(store: &Shared) {
    let (desk, _) = desk(store);
    for n in 0..60 {
        desk.open_case(find(&format!("p{n}"))).await.unwrap();
    }
    let claimants = (0..20).map(|n| {
        let (desk, who) = (desk.clone(), staff(&format!("r{n}"), Role::Reviewer));
        tokio::spawn(async move {
            let mut got = Vec::new();
            // The last cases may be locked by those who are about to get them, or not.
            for _ in 0..100 {
                match next(&desk, &who).await {
                    Some(case) => got.push(case.id),
                    None => tokio::task::yield_now().await,
                }
                if got.len() == 3 {
                    break;
                }
            }
            got
        })
    });
    let got: Vec<CaseId> = futures::future::try_join_all(claimants).await.unwrap().into_iter().flatten().collect();
    let distinct: BTreeSet<CaseId> = got.iter().copied().collect();
    assert_eq!(distinct.len(), got.len(), "a case was given to two people");
    assert_eq!(got.len(), 60, "every case was given to somebody");
    assert_eq!(next(&desk, &mia()).await, None);
}

pub(crate) async fn c2_a_lease_ends_and_the_case_goes_to_somebody_else(store: &Shared) {
    let (desk, clock) = desk(store);
    let (case, _) = desk.open_case(find("ann")).await.unwrap();
    let lease = TimeDelta::seconds(desk.settings(&tenant()).await.unwrap().lease_seconds.into());
    let mine = next(&desk, &mia()).await.unwrap();
    assert_eq!((mine.id, mine.lease.as_ref().unwrap().until), (case.id, noon() + lease));
    assert_eq!(next(&desk, &tom()).await, None);
    assert_eq!(code(desk.claim(&tom(), Claim { case: Some(case.id), ..Claim::default() }).await), "case_not_yours");
    clock.advance(lease - TimeDelta::seconds(1));
    let beat = desk.step(&mia(), case.id, Step::Heartbeat).await.unwrap();
    assert_eq!(beat.version, mine.version, "a heartbeat changes nothing that is judged");
    clock.advance(lease - TimeDelta::seconds(1));
    assert_eq!(next(&desk, &tom()).await, None, "the heartbeat kept it");
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(next(&desk, &tom()).await.unwrap().id, case.id);
    assert_eq!(code(desk.step(&mia(), case.id, Step::Heartbeat).await), "case_not_yours");
    assert_eq!(code(desk.decide(&mia(), case.id, draft(Ruling::Uphold)).await), "case_not_yours");
    desk.decide(&tom(), case.id, draft(Ruling::Uphold)).await.unwrap();
    assert_eq!(code(desk.step(&tom(), case.id, Step::Heartbeat).await), "case_decided");
}

pub(crate) async fn c2_claims_follow_priority_skill_language_and_capacity(store: &Shared) {
    let (desk, _) = desk(store);
    change_settings(&desk, |settings| {
        settings.capacity = 2;
        settings.queues.insert(0, crate::review::routing::QueueRule {
            name: "graphic".into(),
            kinds: vec!["image".into()],
            skill: Some("graphic".into()),
            ..Default::default()
        });
    })
    .await;
    let put = async |subject: &str, change: &dyn Fn(&mut CaseDraft)| {
        let mut draft = find(subject);
        change(&mut draft);
        desk.open_case(draft).await.unwrap().0.id
    };
    let low = put("low", &|draft| draft.at_most = Some(Priority::Low)).await;
    let german = put("german", &|draft| draft.language = Some("de".into())).await;
    let graphic = put("graphic", &|draft| draft.kind = "image".into()).await;
    let urgent = put("urgent", &|draft| draft.at_least = Some(Priority::Urgent)).await;
    let mut english = mia();
    english.profile.languages = vec!["en".into()];
    assert_eq!(next(&desk, &english).await.unwrap().id, urgent);
    assert_eq!(next(&desk, &english).await.unwrap().id, low, "neither German nor graphic cases are for her");
    assert_eq!(code(desk.claim(&english, Claim::default()).await), "capacity_reached");
    let mut skilled = tom();
    skilled.profile.skills = vec!["graphic".into()];
    let mine = [next(&desk, &skilled).await.unwrap().id, next(&desk, &skilled).await.unwrap().id];
    assert_eq!(BTreeSet::from(mine), BTreeSet::from([german, graphic]));
}

pub(crate) async fn c2_cases_are_released_skipped_held_escalated_and_assigned(store: &Shared) {
    let (desk, clock) = desk(store);
    let id = desk.open_case(find("ann")).await.unwrap().0.id;
    take(&desk, &mia(), id).await;
    desk.step(&mia(), id, Step::Release).await.unwrap();
    take(&desk, &tom(), id).await;
    desk.step(&tom(), id, Step::Skip).await.unwrap();
    assert_eq!(next(&desk, &tom()).await, None, "they passed it over");
    take(&desk, &mia(), id).await;
    let until = clock.now() + TimeDelta::hours(1);
    assert_eq!(code(desk.step(&mia(), id, Step::Hold(clock.now())).await), "hold_until");
    let held = desk.step(&mia(), id, Step::Hold(until)).await.unwrap();
    assert_eq!((held.state, held.held_until), (CaseState::Held, Some(until)));
    assert_eq!(next(&desk, &mia()).await, None);
    clock.advance(TimeDelta::hours(1));
    let back = next(&desk, &mia()).await.unwrap();
    assert_eq!((back.id, back.state), (id, CaseState::Open));
    let up = desk.step(&mia(), id, Step::Escalate("too hard".into())).await.unwrap();
    assert!(up.escalated && up.queue == "escalated");
    assert_eq!(next(&desk, &mia()).await, None, "for leads");
    assert_eq!(code(desk.claim(&mia(), Claim { case: Some(id), ..Claim::default() }).await), "case_escalated");
    assert_eq!(code(desk.step(&lead(), id, Step::Assign(Some("tom".into()))).await), "case_barred");
    desk.step(&lead(), id, Step::Move("nowhere".into())).await.unwrap_err();
    desk.step(&lead(), id, Step::Move("general".into())).await.unwrap();
    desk.step(&lead(), id, Step::Assign(Some("mia".into()))).await.unwrap();
    assert_eq!(next(&desk, &staff("eve", Role::Reviewer)).await, None, "it was handed to mia");
    assert_eq!(next(&desk, &mia()).await.unwrap().id, id);
    let kinds: Vec<String> = desk
        .audit_page(&tenant(), AuditFilter { subject: Some(format!("case:{id}")), ..Default::default() }, None, 50)
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|entry| entry.draft.kind)
        .collect();
    for kind in ["case.claimed", "case.released", "case.skipped", "case.held", "case.escalated", "case.moved", "case.assigned"] {
        assert!(kinds.iter().any(|known| known == kind), "{kind} is not in {kinds:?}");
    }
}

pub(crate) async fn c1_a_decision_acts_once_through_the_outbox(store: &Shared) {
    let (desk, clock) = desk(store);
    let id = desk.open_case(find("ann")).await.unwrap().0.id;
    let mine = take(&desk, &mia(), id).await;
    clock.advance(TimeDelta::seconds(7));
    desk.open_case(find("ann")).await.unwrap();
    let mut decision = draft(Ruling::Act);
    decision.seen = Some(mine.version);
    decision.looked_seconds = 999;
    assert_eq!(code(desk.decide(&mia(), id, decision.clone()).await), "case_changed");
    decision.seen = Some(mine.version + 1);
    let done = desk.decide(&mia(), id, decision.clone()).await.unwrap();
    assert!(done.fresh && done.case.state == CaseState::Decided && done.case.lease.is_none());
    assert_eq!((done.decision.looked_seconds, done.decision.actions.len(), done.decision.policy.as_str()), (7, 1, "p@1"));
    let again = desk.decide(&mia(), id, decision.clone()).await.unwrap();
    assert!(!again.fresh && again.decision == done.decision);
    decision.ruling = Ruling::Dismiss;
    decision.action = None;
    decision.seconds = None;
    assert_eq!(code(desk.decide(&mia(), id, decision).await), "decision_key_taken");
    let events = store.events_after(None, 0, 100).await.unwrap();
    let actions: Vec<_> = events.iter().filter(|event| event.kind == "moderation.action").collect();
    assert_eq!(actions.len(), 1);
    let data = &actions[0].data;
    assert_eq!((&data["action"], &data["actor"], &data["seconds"]), (&json!("suspend"), &json!("ann"), &json!(3600)));
    assert_eq!((&data["decision"], &data["rule"]), (&json!(done.decision.id), &json!("insult")));
    assert!(!actions[0].data.to_string().contains("mia"), "reviewers have a pseudonym outside");
    assert_eq!(desk.decision(&tenant(), done.decision.id).await.unwrap(), done.decision);
}

pub(crate) async fn c1_a_dismissed_case_undoes_what_was_done(store: &Shared) {
    let (desk, _) = desk(store);
    let id = desk.open_case(find("ann")).await.unwrap().0.id;
    take(&desk, &mia(), id).await;
    let done = desk.decide(&mia(), id, draft(Ruling::Dismiss)).await.unwrap().decision;
    let events = store.events_after(None, 0, 100).await.unwrap();
    let undone: Vec<_> = events.iter().filter(|event| event.kind == "moderation.undone").collect();
    assert_eq!((undone.len(), done.undone.len()), (1, 1));
    assert_eq!((&undone[0].data["action"], &undone[0].data["actor"]), (&json!("warn"), &json!("ann")));
    assert_eq!(undone[0].data["action_id"], json!(done.undone[0]));
}

pub(crate) async fn c1_an_outcome_and_its_case_are_one_transaction(store: &Shared) {
    let (desk, _) = desk(store);
    let opening = |subject: &str| {
        let draft = find(subject);
        let route = ReviewSettings::builtin().route(&draft);
        Some(Box::new(CaseOpening { draft, route, hooks: Arc::default() }))
    };
    let mut judged = record(envelope("a", ItemKind::Text), ActionKind::Review);
    judged.case = opening("ann");
    assert_eq!(store.record_outcome(judged.clone()).await.unwrap(), Recorded::New);
    assert_eq!(store.record_outcome(judged).await.unwrap(), Recorded::Already);
    let mut broken = record(envelope("a", ItemKind::Text), ActionKind::Review);
    broken.case = opening("bob");
    broken.webhooks = vec![(7, "hook".into())];
    store.record_outcome(broken).await.unwrap_err();
    let writers = (0..20).map(|_| {
        let (store, case) = (Arc::clone(store), opening("cid"));
        tokio::spawn(async move {
            let mut judged = record(envelope("a", ItemKind::Text), ActionKind::Review);
            judged.case = case;
            store.record_outcome(judged).await.unwrap()
        })
    });
    futures::future::try_join_all(writers).await.unwrap();
    let open = CaseFilter { state: Some(CaseState::Open), ..Default::default() };
    let page = desk.cases(&lead(), open, None, 50).await.unwrap();
    let mut found: Vec<_> = page.items.iter().map(|case| (case.subject.as_str(), case.facts.evidence)).collect();
    found.sort_unstable();
    assert_eq!(found, [("ann", 1), ("cid", 20)]);
    assert_eq!(desk.verify_audit(&tenant()).await.unwrap().broken, None);
    assert_eq!(desk.verify_audit(&tenant()).await.unwrap().entries, 21);
}

fn report(reporter: &str, subject: &str, reason: &str) -> Report {
    Report {
        id: ReportId::new(),
        tenant: tenant(),
        reporter: reporter.into(),
        subject: subject.into(),
        conversation: None,
        call: None,
        item: None,
        reason: reason.into(),
        note: Some("they said \\ things\0".into()),
        at: noon(),
    }
}

pub(crate) async fn c5_reports_become_cases_and_their_reporters_are_credited(store: &Shared) {
    let (desk, clock) = desk(store);
    let first = report("bob", "ann", "harassment");
    assert_eq!(desk.take_report(&first).await.unwrap(), Recorded::New);
    assert_eq!(desk.take_report(&first).await.unwrap(), Recorded::Already);
    assert_eq!(store.load_report(&tenant(), first.id).await.unwrap(), Some(first.clone()));
    desk.take_report(&report("cid", "ann", "spam")).await.unwrap();
    let page = desk.reports(&tenant(), ReportFilter::default(), None, 10).await.unwrap();
    let case = page.items[0].case.unwrap();
    assert!(page.items.iter().all(|kept| kept.state == ReportState::Queued && kept.case == Some(case)));
    let found = desk.case(&tenant(), case).await.unwrap();
    assert_eq!((found.facts.reports, found.queue.as_str()), (2, "reports"));

    take(&desk, &mia(), case).await;
    desk.decide(&mia(), case, draft(Ruling::Dismiss)).await.unwrap();
    let closed = desk.reports(&tenant(), ReportFilter { state: Some(ReportState::Closed), ..Default::default() }, None, 10);
    assert_eq!(closed.await.unwrap().items.len(), 2);
    assert!((desk.reporter(&tenant(), "bob").await.unwrap().credibility - 1.0 / 3.0).abs() < 1e-3);
    let told = kinds(store).await.iter().filter(|kind| *kind == "report.resolved").count();
    assert_eq!(told, 2, "each reporter is told");

    // Somebody who is wrong again and again waits behind others, and can be muted; not about intimate pictures.
    for n in 0..4 {
        clock.advance(TimeDelta::seconds(1));
        desk.take_report(&report("bob", &format!("p{n}"), "spam")).await.unwrap();
        let open = ReportFilter { state: Some(ReportState::Queued), ..Default::default() };
        let id = desk.reports(&tenant(), open, None, 10).await.unwrap().items[0].report.id;
        assert_eq!(code(desk.move_report(&lead(), id, ReportState::Closed, None).await), "report_outcome_missing");
        desk.move_report(&lead(), id, ReportState::Closed, Some(false)).await.unwrap();
        assert_eq!(code(desk.move_report(&lead(), id, ReportState::Escalated, None).await), "report_state");
    }
    desk.take_report(&report("bob", "dan", "spam")).await.unwrap();
    assert_eq!(desk.cases_of(&tenant(), "dan", 9).await.unwrap()[0].priority, Priority::Low);
    desk.mute_reporter(&lead(), "bob", Some(clock.now() + TimeDelta::days(1))).await.unwrap();
    desk.take_report(&report("bob", "eve", "spam")).await.unwrap();
    assert!(desk.cases_of(&tenant(), "eve", 9).await.unwrap().is_empty());
    desk.take_report(&report("bob", "eve", "ncii")).await.unwrap();
    let urgent = &desk.cases_of(&tenant(), "eve", 9).await.unwrap()[0];
    assert_eq!((urgent.priority, urgent.queue.as_str()), (Priority::Urgent, "intimate"));
    assert!(urgent.facts.clock.is_some() && urgent.due_at <= urgent.opened_at + TimeDelta::hours(48));
}

pub(crate) async fn c5_an_appeal_never_goes_to_who_decided(store: &Shared) {
    let (desk, _) = desk(store);
    let id = desk.open_case(find("ann")).await.unwrap().0.id;
    take(&desk, &mia(), id).await;
    let decision = desk.decide(&mia(), id, draft(Ruling::Act)).await.unwrap().decision;
    let appeal = Appeal {
        id: AppealId::new(),
        tenant: tenant(),
        actor: "ann".into(),
        decision: Some(decision.id),
        item: None,
        text: "I did not".into(),
        at: noon(),
        state: AppealState::Open,
        case: None,
        resolved_at: None,
    };
    let stranger = Appeal { actor: "bob".into(), id: AppealId::new(), ..appeal.clone() };
    assert_eq!(code(desk.take_appeal(stranger, vec![]).await), "not_found");
    let (kept, recorded) = desk.take_appeal(appeal.clone(), vec![]).await.unwrap();
    assert_eq!(recorded, Recorded::New);
    assert_eq!(desk.take_appeal(appeal.clone(), vec![]).await.unwrap().1, Recorded::Already);
    let twice = Appeal { id: AppealId::new(), ..appeal.clone() };
    assert_eq!(code(desk.take_appeal(twice, vec![]).await), "appealed_already");
    let case = kept.case.unwrap();
    assert_eq!(desk.evidence(&tenant(), case).await.unwrap().len(), 2, "the objection, and what it is about");

    assert_eq!(next(&desk, &mia()).await, None, "she decided it");
    assert_eq!(code(desk.claim(&mia(), Claim { case: Some(case), ..Claim::default() }).await), "case_barred");
    assert_eq!(code(desk.step(&lead(), case, Step::Assign(Some("mia".into()))).await), "case_barred");
    take(&desk, &tom(), case).await;
    let answer = desk.decide(&tom(), case, draft(Ruling::Dismiss)).await.unwrap().decision;
    assert_eq!(answer.undone, decision.actions);
    assert_eq!(desk.appeal(&tenant(), appeal.id).await.unwrap().state, AppealState::Overturned);
    assert!(desk.decision(&tenant(), decision.id).await.unwrap().overturned_at.is_some());
    let all = kinds(store).await;
    for kind in ["appeal.submitted", "appeal.resolved", "moderation.undone"] {
        assert_eq!(all.iter().filter(|one| *one == kind).count(), 1, "{kind}");
    }
}

pub(crate) async fn c7_second_reviews_and_golden_items_are_measured(store: &Shared) {
    let (desk, _) = desk(store);
    change_settings(&desk, |settings| {
        settings.second_share = 1.0;
        settings.golden_share = 0.5;
    })
    .await;
    let id = desk.open_case(find("ann")).await.unwrap().0.id;
    take(&desk, &mia(), id).await;
    desk.decide(&mia(), id, draft(Ruling::Uphold)).await.unwrap();
    assert_eq!(next(&desk, &mia()).await, None, "nobody reviews themselves");
    let second = next(&desk, &tom()).await.unwrap();
    assert_eq!((second.source, second.disguised_source()), (Source::Second, Source::Rule));
    assert_eq!(desk.evidence(&tenant(), second.id).await.unwrap().len(), 1);
    let before = kinds(store).await.len();
    let measured = desk.decide(&tom(), second.id, draft(Ruling::Dismiss)).await.unwrap().decision;
    assert!(measured.undone.is_empty() && measured.actions.is_empty(), "a measurement changes nothing");
    assert!(!kinds(store).await[before..].iter().any(|kind| kind.starts_with("moderation.")));
    let differ = next(&desk, &lead()).await.unwrap();
    assert!(differ.queue == "escalated" && differ.facts.summary.contains("differ"));

    desk.put_golden(&lead(), id, Ruling::Uphold, "clear").await.unwrap();
    let eve = staff("eve", Role::Reviewer);
    let draw = |draw| Claim { draw, ..Claim::default() };
    assert_eq!(desk.claim(&eve, draw(0.9)).await.unwrap(), None);
    let golden = desk.claim(&eve, draw(0.1)).await.unwrap().unwrap();
    assert_eq!((golden.source, golden.subject.as_str()), (Source::Golden, "ann"));
    desk.decide(&eve, golden.id, draft(Ruling::Dismiss)).await.unwrap();
    assert_eq!(desk.claim(&eve, draw(0.1)).await.unwrap(), None, "once each");
    assert_eq!(desk.claim(&mia(), draw(0.1)).await.unwrap(), None, "she decided it");
    let quality = desk.quality(&tenant(), noon() - TimeDelta::days(1)).await.unwrap();
    assert_eq!((quality.pairs, quality.agreement), (1, Some(0.0)));
    let of = |name: &str| quality.reviewers.iter().find(|one| one.reviewer == name).unwrap();
    assert_eq!((of("mia").second, of("mia").second_same, of("mia").decisions), (1, 0, 1));
    assert_eq!((of("eve").golden, of("eve").golden_right, of("eve").decisions), (1, 0, 0));
    assert_eq!(desk.golden(&tenant()).await.unwrap().len(), 1);
    desk.remove_golden(&lead(), id).await.unwrap();
}

pub(crate) async fn c7_the_audit_is_one_chain_however_many_write(store: &Shared) {
    let (desk, _) = desk(store);
    let writers = (0..10).map(|n| {
        let (desk, store, who) = (desk.clone(), Arc::clone(store), staff(&format!("r{n}"), Role::Reviewer));
        tokio::spawn(async move {
            for m in 0..10 {
                desk.note(&who, "case.viewed", format!("case:{m}"), json!({ "b": 1, "a": "\\ \0" })).await.unwrap();
                store.record_outcome(record(envelope("a", ItemKind::Text), ActionKind::Warn)).await.unwrap();
            }
        })
    });
    futures::future::try_join_all(writers).await.unwrap();
    let verified = desk.verify_audit(&tenant()).await.unwrap();
    assert_eq!((verified.entries, verified.broken), (200, None));
    let page = desk.audit_page(&tenant(), AuditFilter { actor: Some("r3".into()), ..Default::default() }, None, 4).await.unwrap();
    assert_eq!((page.items.len(), page.next.is_some()), (4, true));
    assert!(page.items.windows(2).all(|pair| pair[0].number > pair[1].number));
    let from = AuditFilter { from: Some(noon()), to: Some(noon() + TimeDelta::seconds(1)), ..Default::default() };
    assert_eq!(desk.audit_page(&tenant(), from, None, 500).await.unwrap().items.len(), 200);
    assert!(desk.audit_page(&"b".into(), AuditFilter::default(), None, 9).await.unwrap().items.is_empty());
    assert_eq!(desk.audited_tenants().await.unwrap(), [tenant()]);
}

pub(crate) async fn c7_a_changed_audit_is_found(store: &Shared) {
    let (desk, _) = desk(store);
    for n in 0..5 {
        desk.note(&mia(), "case.viewed", format!("case:{n}"), json!({})).await.unwrap();
    }
    let tamper = async |sql: &'static str| {
        desk.write("test", move |mut link| Box::pin(async move { link.run(sql, vec![]).await })).await.unwrap();
        let broken = desk.verify_audit(&tenant()).await.unwrap().broken;
        broken.map(|broken| broken.number)
    };
    assert_eq!(tamper("UPDATE audit_entries SET actor = 'tom' WHERE number = 3").await, Some(3));
    assert_eq!(tamper("UPDATE audit_entries SET actor = 'mia' WHERE number = 3").await, None);
    assert_eq!(tamper("DELETE FROM audit_entries WHERE number = 5").await, Some(5), "the end was cut off");
    assert_eq!(tamper("DELETE FROM audit_entries WHERE number = 2").await, Some(3));
}

pub(crate) async fn c6_a_person_is_exported_and_erased_with_a_receipt(store: &Shared) {
    let (desk, _) = desk(store);
    let admin = staff("ada", Role::Admin);
    let mut judged = record(envelope("a", ItemKind::Text), ActionKind::Warn);
    judged.outcome.verdict.sanitized_text = Some("secret words".into());
    judged.context_text = Some("secret context".into());
    let item = judged.outcome.envelope.id;
    store.record_outcome(judged).await.unwrap();
    let mut draft_case = find("ann");
    draft_case.media = vec![Media { id: "m".into(), media_type: "image/jpeg".into(), bytes: vec![1, 2, 3].into() }];
    let case = desk.open_case(draft_case).await.unwrap().0;
    assert_eq!(&desk.media(&tenant(), case.id, "m").await.unwrap().bytes[..], [1, 2, 3]);
    take(&desk, &mia(), case.id).await;
    desk.decide(&mia(), case.id, draft(Ruling::Uphold)).await.unwrap();
    desk.take_report(&report("ann", "bob", "spam")).await.unwrap();
    desk.take_report(&report("bob", "ann", "spam")).await.unwrap();

    let export = desk.export_person(&admin, "ann").await.unwrap();
    for (name, count) in [("items", 1), ("evidence", 2), ("decisions", 1), ("reports_made", 1), ("reports_about", 1), ("messages", 1)] {
        assert_eq!(export[name].as_array().map(Vec::len), Some(count), "{name}");
    }
    assert!(!export["reports_about"].to_string().contains("bob"), "who reported is not theirs to know");

    let receipt = desk.erase_person(&admin, "ann").await.unwrap();
    assert!(!serde_json::to_string(&receipt).unwrap().contains("ann\""));
    assert_eq!((receipt.rows["items"], receipt.rows["cases"], receipt.rows["evidence_media"]), (1, 2, 1));
    assert_eq!(desk.receipt(&tenant(), receipt.id).await.unwrap(), receipt);
    let gone = desk.export_person(&admin, "ann").await.unwrap();
    for name in ["items", "evidence", "decisions", "reports_made", "reports_about", "messages", "appeals"] {
        assert_eq!(gone[name].as_array().map(Vec::len), Some(0), "{name}");
    }
    assert!(desk.search(&tenant(), "fool", 9).await.unwrap().is_empty());
    assert!(desk.evidence(&tenant(), case.id).await.unwrap().iter().all(|evidence| evidence.exhibit.is_none()));
    assert_eq!(code(desk.media(&tenant(), case.id, "m").await), "not_found");
    assert!(store.is_judged(item).await.unwrap(), "nothing is judged twice");
    let kept = format!("{:?}", store.load_item(&tenant(), item).await.unwrap());
    assert!(!kept.contains("secret") && !kept.contains("ann"), "{kept}");
    let others = format!("{:?}", desk.reports(&tenant(), ReportFilter::default(), None, 9).await.unwrap());
    assert!(!others.contains("\"ann\"") && others.contains("erased"), "{others}");
    assert_eq!(desk.verify_audit(&tenant()).await.unwrap().broken, None, "the audit stands");
}

pub(crate) async fn c6_a_hold_beats_erasure_and_retention(store: &Shared) {
    let (desk, clock) = desk(store);
    let admin = staff("ada", Role::Admin);
    let mut cases = Vec::new();
    for subject in ["ann", "bob"] {
        let id = desk.open_case(find(subject)).await.unwrap().0.id;
        take(&desk, &mia(), id).await;
        desk.decide(&mia(), id, draft(Ruling::Uphold)).await.unwrap();
        cases.push(id);
    }
    desk.hold(&admin, "ann", Some("file 7")).await.unwrap();
    assert_eq!(desk.held(&tenant(), "ann").await.unwrap().unwrap().reason, "file 7");
    assert_eq!(code(desk.erase_person(&admin, "ann").await), "preservation_hold");
    let there = async |id| desk.evidence(&tenant(), id).await.unwrap()[0].exhibit.is_some();
    clock.advance(TimeDelta::days(179));
    assert_eq!(desk.expire_evidence().await.unwrap(), 0);
    clock.advance(TimeDelta::days(2));
    assert_eq!(desk.expire_evidence().await.unwrap(), 1);
    assert!(there(cases[0]).await && !there(cases[1]).await);
    desk.hold(&admin, "ann", None).await.unwrap();
    assert_eq!(code(desk.hold(&admin, "ann", None).await), "not_found");
    assert_eq!(desk.expire_evidence().await.unwrap(), 1);
    desk.erase_person(&admin, "ann").await.unwrap();
}

pub(crate) async fn c1_words_of_the_evidence_are_found(store: &Shared) {
    let (desk, _) = desk(store);
    for (subject, text) in [("ann", "Grüße from Köln, you \"fool\""), ("bob", "nothing; DROP TABLE cases --"), ("cid", "fool me twice")] {
        let mut draft = find(subject);
        draft.exhibits = vec![exhibit(subject, text, None)];
        desk.open_case(draft).await.unwrap();
    }
    let found = async |question: &str| {
        let found = desk.search(&tenant(), question, 9).await.unwrap();
        found.into_iter().map(|found| found.subject).collect::<Vec<_>>()
    };
    assert_eq!(found("FOOL").await, ["cid", "ann"]);
    assert_eq!(found("fool köln").await, ["ann"]);
    assert_eq!(found("drop* \"table").await, ["bob"]);
    assert!(found("absent").await.is_empty());
    assert_eq!(code(desk.search(&tenant(), " \" * ", 9).await), "search_empty");
    assert!(desk.search(&"b".into(), "fool", 9).await.unwrap().is_empty());
}

pub(crate) async fn c3_accounts_sessions_and_failures(store: &Shared) {
    let (desk, clock) = desk(store);
    assert!(!desk.any_user().await.unwrap());
    let user = desk.new_user(tenant(), "ada".into(), Role::Admin);
    desk.create_user(user.clone(), "hash".into(), "cli").await.unwrap();
    let twin = desk.new_user("b".into(), "ada".into(), Role::Reviewer);
    assert_eq!(code(desk.create_user(twin, "hash".into(), "cli").await), "login_taken");
    assert!(desk.any_user().await.unwrap());
    let account = desk.account("ada").await.unwrap().unwrap();
    assert_eq!((account.user, account.password.as_str(), account.totp), (user.clone(), "hash", None));
    assert!(desk.account("nobody").await.unwrap().is_none());

    let until = clock.now() + TimeDelta::hours(1);
    desk.open_session(&user, "digest".into(), "csrf".into(), until).await.unwrap();
    assert_eq!(desk.session("digest").await.unwrap().unwrap().csrf, "csrf");
    assert!(desk.session("other").await.unwrap().is_none());
    clock.advance(TimeDelta::hours(1));
    assert!(desk.session("digest").await.unwrap().is_none(), "it ends by itself");

    let change = |change: super::accounts::UserChange| desk.change_user(&user.tenant, "ada", change, "ada");
    use super::accounts::UserChange;
    assert_eq!(code(change(UserChange { role: Some(Role::Lead), ..Default::default() }).await), "last_admin");
    assert_eq!(code(change(UserChange { disabled: Some(true), ..Default::default() }).await), "last_admin");
    let secret = Some(Some("JBSW".to_owned()));
    assert!(change(UserChange { totp: secret, ..Default::default() }).await.unwrap().totp);
    assert!(desk.use_totp("ada", 5).await.unwrap());
    assert!(!desk.use_totp("ada", 5).await.unwrap() && !desk.use_totp("ada", 4).await.unwrap(), "a code works once");
    desk.open_session(&user, "digest".into(), "csrf".into(), clock.now() + TimeDelta::hours(1)).await.unwrap();
    change(UserChange { password: Some("other".into()), ..Default::default() }).await.unwrap();
    assert!(desk.session("digest").await.unwrap().is_none(), "a new password ends every session");

    let names = || vec!["login:ada".to_owned(), "address:1".to_owned()];
    for _ in 0..super::accounts::FAILURES {
        assert_eq!(desk.may_sign_in(names()).await.unwrap(), None);
        desk.signed_in(names(), false).await.unwrap();
    }
    let wait = desk.may_sign_in(names()).await.unwrap().unwrap();
    assert_eq!(wait, clock.now() + super::accounts::WAIT);
    assert_eq!(desk.may_sign_in(vec!["login:bob".into()]).await.unwrap(), None);
    clock.advance(super::accounts::WAIT);
    assert_eq!(desk.may_sign_in(names()).await.unwrap(), None);
    let secret = desk.secret("urls", vec![1; 32]).await.unwrap();
    assert_eq!(desk.secret("urls", vec![2; 32]).await.unwrap(), secret, "one secret for every process");
}

pub(crate) async fn c1_pages_have_no_gap_and_no_repeat(store: &Shared) {
    let (desk, _) = desk(store);
    for n in 0..23 {
        let mut draft = find(&format!("p{n}"));
        draft.at_least = (n % 3 == 0).then_some(Priority::High);
        desk.open_case(draft).await.unwrap();
    }
    for state in [Some(CaseState::Open), None] {
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let filter = CaseFilter { state, ..Default::default() };
            let page = desk.cases(&mia(), filter, cursor, 5).await.unwrap();
            seen.extend(page.items.into_iter().map(|case| (case.priority, case.id)));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let distinct: BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (23, 23), "{state:?}");
        assert_eq!(state.is_some(), seen.is_sorted_by_key(|(priority, _)| *priority), "in the order of work");
    }
    let wrong = desk.cases(&mia(), CaseFilter::default(), Some("x".into()), 5).await;
    assert_eq!(code(wrong), "cursor_invalid");
    let high = CaseFilter { state: Some(CaseState::Open), priority: Some(Priority::High), ..Default::default() };
    assert_eq!(desk.cases(&mia(), high, None, 50).await.unwrap().items.len(), 8);
}

pub(crate) async fn c4_counts_add_up(store: &Shared) {
    let (desk, clock) = desk(store);
    for n in 0..5 {
        desk.open_case(find(&format!("p{n}"))).await.unwrap();
    }
    next(&desk, &mia()).await.unwrap();
    let case = next(&desk, &tom()).await.unwrap();
    clock.advance(TimeDelta::seconds(10));
    desk.decide(&tom(), case.id, draft(Ruling::Uphold)).await.unwrap();
    store.record_outcome(record(envelope("a", ItemKind::Text), ActionKind::Remove)).await.unwrap();
    let counts = desk.queue_counts(&mia()).await.unwrap();
    let general = counts.iter().find(|count| count.queue == "general").unwrap();
    assert_eq!((general.open, general.claimed, general.mine, general.by_priority), (4, 1, 1, [0, 0, 4, 0]));
    let (from, to): (DateTime<Utc>, DateTime<Utc>) = (noon() - TimeDelta::days(1), noon() + TimeDelta::days(1));
    let stats = desk.stats(&tenant(), from, to).await.unwrap();
    assert_eq!((stats.decided, stats.overturned, stats.overturn_rate), (1, 0, Some(0.0)));
    assert_eq!((stats.actions[0].name.as_str(), stats.actions[0].count), ("remove", 1));
    assert_eq!((stats.decisions[0].name.as_str(), stats.rules[0].name.as_str()), ("uphold", "insult"));
    assert!((stats.mean_waited_seconds - 10.0).abs() < 0.5 && (stats.mean_looked_seconds - 5.0).abs() < 1e-9);
    assert_eq!(code(desk.stats(&tenant(), to, from).await), "stats_range");
    let filter = DecisionFilter { reviewer: Some("tom".into()), ..Default::default() };
    assert_eq!(desk.decisions(&tenant(), filter, false, None, 9).await.unwrap().items.len(), 1);
}

pub(crate) async fn c2_settings_are_versioned(store: &Shared) {
    let (desk, _) = desk(store);
    let kept = desk.kept_settings(&tenant()).await.unwrap();
    assert_eq!((kept.version, kept.settings), (0, ReviewSettings::builtin()));
    let settings = ReviewSettings { capacity: 7, ..ReviewSettings::builtin() };
    assert_eq!(desk.put_settings(&lead(), settings.clone(), 0).await.unwrap().version, 1);
    assert_eq!(code(desk.put_settings(&lead(), settings.clone(), 0).await), "settings_changed");
    assert_eq!(desk.put_settings(&lead(), settings.clone(), 1).await.unwrap().version, 2);
    assert_eq!(desk.settings(&tenant()).await.unwrap().capacity, 7);
    let wrong = ReviewSettings { capacity: 0, ..settings };
    assert_eq!(code(desk.put_settings(&lead(), wrong, 2).await), "review_settings");
    let _: ActorId = "x".into();
}

impl Case {
    /// What a reviewer is told that it is.
    fn disguised_source(&self) -> Source {
        self.clone().disguised().source
    }
}
