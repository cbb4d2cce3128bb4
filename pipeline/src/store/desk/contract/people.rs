//! Reports and appeals.

use super::*;

pub(super) fn report(reporter: &str, subject: &str, reason: &str) -> Report {
    Report {
        id: ReportId::new(),
        tenant: tenant(),
        reporter: reporter.into(),
        subject: subject.into(),
        conversation: None,
        call: None,
        item: None,
        message: None,
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
    desk.decide(&mia(), case, draft(Ruling::Dismiss), Following::default()).await.unwrap();
    let filter = ReportFilter { state: Some(ReportState::Closed), ..Default::default() };
    let closed = desk.reports(&tenant(), filter, None, 10).await.unwrap();
    assert_eq!(closed.items.len(), 2);
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
    let decision = desk.decide(&mia(), id, draft(Ruling::Act), Following::default()).await.unwrap().decision;
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
    let answer = desk.decide(&tom(), case, draft(Ruling::Dismiss), Following::default()).await.unwrap().decision;
    assert_eq!(answer.undone, decision.actions);
    assert_eq!(desk.appeal(&tenant(), appeal.id).await.unwrap().state, AppealState::Overturned);
    assert!(desk.decision(&tenant(), decision.id).await.unwrap().overturned_at.is_some());
    let actions = store.actions_of(&tenant(), &"ann".into(), noon() + TimeDelta::hours(1), 9).await.unwrap();
    assert_eq!(actions.iter().filter(|known| known.entry.reverses.is_some()).count(), 1, "taken back once");
    let all = kinds(store).await;
    for kind in ["appeal.submitted", "appeal.resolved"] {
        assert_eq!(all.iter().filter(|one| *one == kind).count(), 1, "{kind}");
    }
}
