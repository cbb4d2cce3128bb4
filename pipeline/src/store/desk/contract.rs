//! The suite of the desk, on every database. `desk_contract!` makes the tests; its argument is an async function that opens an empty store.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{
    Desk,
    audit::AuditFilter,
    cases::{CASE_DECIDED, CASE_OPENED, CaseFilter, CaseOpening},
    claims::{Claim, Step},
    decide::DecisionFilter,
    effects::Following,
    reports::ReportFilter,
    stats::DayCount,
};
use crate::{
    action::{Action, ActionKind},
    clock::Clock,
    enforcement::strikes::{StrikeRules, StrikeStep, Weights},
    error::PipelineError,
    item::{ActionId, ActorId, AppealId, CaseId, ItemId, ItemKind, ReportId, TenantId},
    record::{Terms, staff_action},
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
    verdict::Reason,
};

/// Makes one test of each case of the suite.
macro_rules! desk_contract {
    ($open:path) => {
        $crate::store::desk::contract::desk_contract!($open;
            c2_finds_about_one_person_merge_while_the_case_is_open, c2_twenty_claimants_never_share_a_case,
            c2_a_lease_ends_and_the_case_goes_to_somebody_else, c2_claims_follow_priority_skill_language_and_capacity,
            c2_cases_are_released_skipped_held_escalated_and_assigned, c1_a_decision_acts_once_through_the_outbox,
            c1_a_dismissed_case_undoes_what_was_done, p5_a_decision_that_falls_gives_its_strikes_back,
            p4_what_reviewers_said_is_there_for_backtests, p3_strikes_by_hand_lead_where_the_policys_lead, p4_of_a_case_with_many_items_only_what_is_known_is_said, c1_an_outcome_and_its_case_are_one_transaction,
            c5_reports_become_cases_and_their_reporters_are_credited, c5_an_appeal_never_goes_to_who_decided,
            c7_second_reviews_and_golden_items_are_measured, c7_the_audit_is_one_chain_however_many_write,
            c7_a_changed_audit_is_found, c6_a_person_is_exported_and_erased_with_a_receipt, c6_a_hold_beats_erasure_and_retention,
            c1_words_of_the_evidence_are_found, c3_accounts_sessions_and_failures, c1_pages_have_no_gap_and_no_repeat,
            c4_counts_add_up, c2_settings_are_versioned,
            c5_every_version_of_a_message_is_kept_and_a_report_pins_what_was_seen, c6_versions_go_with_their_time_and_their_author,
            m4_banks_are_kept_and_every_change_raises_their_version, c7_copies_of_a_cases_pictures_are_found_and_go_with_their_person,
            c7_a_removal_takes_the_copies_down_and_undoing_brings_them_back,
            c3_an_admin_goes_only_where_somebody_let_them_in, c7_statements_go_from_draft_to_sent_and_are_let_go_by_a_person,
            c4_what_holds_in_a_call_is_known_whoever_did_it);
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

mod banks;
mod people;
mod records;
mod statements;
mod tenants;
mod verdicts;
mod versions;
mod wall;

pub(crate) use banks::*;
pub(crate) use people::*;
pub(crate) use records::*;
pub(crate) use statements::*;
pub(crate) use tenants::*;
pub(crate) use verdicts::*;
pub(crate) use versions::*;
pub(crate) use wall::*;

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
        expires_at: None,
        strikes: 2,
        instead_of: None,
        cause: None,
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
        copies: false,
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
    desk.decide(&mia(), first.id, draft(Ruling::Uphold), Following::default()).await.unwrap();
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
    assert_eq!(code(desk.decide(&mia(), case.id, draft(Ruling::Uphold), Following::default()).await), "case_not_yours");
    desk.decide(&tom(), case.id, draft(Ruling::Uphold), Following::default()).await.unwrap();
    assert_eq!(code(desk.step(&tom(), case.id, Step::Heartbeat).await), "case_decided");
}

pub(crate) async fn c2_claims_follow_priority_skill_language_and_capacity(store: &Shared) {
    let (desk, _) = desk(store);
    change_settings(&desk, |settings| {
        settings.capacity = 2;
        settings.queues.insert(
            0,
            crate::review::routing::QueueRule {
                name: "graphic".into(),
                kinds: vec!["image".into()],
                skill: Some("graphic".into()),
                ..Default::default()
            },
        );
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
    for kind in
        ["case.claimed", "case.released", "case.skipped", "case.held", "case.escalated", "case.moved", "case.assigned"]
    {
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
    assert_eq!(code(desk.decide(&mia(), id, decision.clone(), Following::default()).await), "case_changed");
    decision.seen = Some(mine.version + 1);
    let done = desk.decide(&mia(), id, decision.clone(), Following::default()).await.unwrap();
    assert!(done.fresh && done.case.state == CaseState::Decided && done.case.lease.is_none());
    assert_eq!(
        (done.decision.looked_seconds, done.decision.actions.len(), done.decision.policy.as_str()),
        (7, 1, "p@1")
    );
    let again = desk.decide(&mia(), id, decision.clone(), Following::default()).await.unwrap();
    assert!(!again.fresh && again.decision == done.decision);
    decision.ruling = Ruling::Dismiss;
    decision.action = None;
    decision.seconds = None;
    assert_eq!(code(desk.decide(&mia(), id, decision, Following::default()).await), "decision_key_taken");
    let events = store.events_after(None, 0, 100).await.unwrap();
    let actions: Vec<_> = events.iter().filter(|event| event.kind == "moderation.action").collect();
    assert_eq!(actions.len(), 1);
    let data = &actions[0].data;
    assert_eq!(
        (&data["action"], &data["actor"], &data["expires_at"]),
        (&json!("suspend"), &json!("ann"), &json!(done.decision.at + TimeDelta::hours(1)))
    );
    assert_eq!((&data["decision"], &data["rule"]), (&json!(done.decision.id), &json!("insult")));
    assert!(!actions[0].data.to_string().contains("mia"), "reviewers have a pseudonym outside");
    assert_eq!(desk.decision(&tenant(), done.decision.id).await.unwrap(), done.decision);
}

pub(crate) async fn c1_a_dismissed_case_undoes_what_was_done(store: &Shared) {
    let (desk, _) = desk(store);
    let found = find("ann");
    let warned = done_before(store, &found).await;
    assert_eq!(store.load_person(&tenant(), &"ann".into(), noon()).await.unwrap().strikes, 2);
    let id = desk.open_case(found).await.unwrap().0.id;
    take(&desk, &mia(), id).await;
    let done = desk.decide(&mia(), id, draft(Ruling::Dismiss), Following::default()).await.unwrap().decision;
    let events = store.events_after(None, 0, 100).await.unwrap();
    let undone: Vec<_> = events.iter().filter(|event| event.data["reverses"].is_string()).collect();
    assert_eq!(undone.len(), 1);
    assert_eq!((&undone[0].data["action"], &undone[0].data["strikes_returned"]), (&json!("unwarn"), &json!(2)));
    assert_eq!((&undone[0].data["reverses"], &done.undone), (&json!(warned), &vec![warned.to_string()]));
    assert!(!undone[0].data.to_string().contains("mia"), "reviewers have a pseudonym outside");
    let known = store.load_action(&tenant(), warned).await.unwrap().unwrap();
    assert_eq!(known.fate.reversed_by.map(|id| id.to_string()).as_deref(), undone[0].data["id"].as_str());
    assert_eq!(store.load_person(&tenant(), &"ann".into(), noon()).await.unwrap().strikes, 0, "strikes come back");
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
    desk.decide(&tom(), case.id, draft(Ruling::Uphold), Following::default()).await.unwrap();
    let mut removed = record(envelope("a", ItemKind::Text), ActionKind::Remove);
    let reason = |rule: &str, label: &str| Reason {
        rule: rule.into(),
        text: "No.".into(),
        label: label.into(),
        score: 0.9,
        action: ActionKind::Remove,
    };
    removed.outcome.verdict.reasons = vec![reason("threats", "threat"), reason("toxicity", "toxic")];
    store.record_outcome(removed).await.unwrap();
    let counts = desk.queue_counts(&mia()).await.unwrap();
    let general = counts.iter().find(|count| count.queue == "general").unwrap();
    assert_eq!((general.open, general.claimed, general.mine, general.by_priority), (4, 1, 1, [0, 0, 4, 0]));
    let (from, to): (DateTime<Utc>, DateTime<Utc>) = (noon() - TimeDelta::days(1), noon() + TimeDelta::days(1));
    let stats = desk.stats(&tenant(), from, to).await.unwrap();
    assert_eq!((stats.decided, stats.overturned, stats.overturn_rate), (1, 0, Some(0.0)));
    assert_eq!((stats.actions[0].name.as_str(), stats.actions[0].count), ("remove", 1));
    let names = |counts: &[DayCount]| counts.iter().map(|one| (one.name.clone(), one.count)).collect::<Vec<_>>();
    assert_eq!(names(&stats.actions_by_rule), [("threats".to_owned(), 1)], "the severest");
    assert_eq!(names(&stats.actions_by_label), [("threat".to_owned(), 1)]);
    assert!(stats.measures.is_empty(), "it was upheld: nothing was done");
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
