//! What reviewers said of each item, and what their decisions leave behind.

use super::*;

pub(crate) async fn p4_what_reviewers_said_is_there_for_backtests(store: &Shared) {
    let (desk, _) = desk(store);
    let item = |found: &CaseDraft| found.exhibits[0].item().unwrap();
    let mut expected = Vec::new();
    for (subject, ruling) in [("ann", Ruling::Uphold), ("bob", Ruling::Dismiss)] {
        let found = find(subject);
        expected.push((item(&found), ruling == Ruling::Uphold));
        let id = desk.open_case(found).await.unwrap().0.id;
        take(&desk, &mia(), id).await;
        desk.decide(&mia(), id, draft(ruling), Following::default()).await.unwrap();
    }
    let said = async |from| {
        let verdicts = desk.verdicts_since(&tenant(), from, 9).await.unwrap();
        verdicts.into_iter().map(|said| (said.item.to_string(), said.violates)).collect::<BTreeSet<_>>()
    };
    assert_eq!(said(noon()).await, expected.iter().cloned().collect());
    assert!(said(noon() + TimeDelta::days(1)).await.is_empty());
    let ids: Vec<ItemId> = expected.iter().map(|(id, _)| id.parse().unwrap()).chain([ItemId::new()]).collect();
    let on = desk.verdicts_on(&tenant(), &ids).await.unwrap();
    assert_eq!((on.len(), on[&ids[0]], on[&ids[1]]), (2, true, false));
    assert!(desk.verdicts_on(&"b".into(), &ids).await.unwrap().is_empty(), "another tenant's");
    let decisions = desk.decisions(&tenant(), DecisionFilter::default(), false, None, 9).await.unwrap();
    desk.take_back(&mia(), decisions.items[0].id).await.unwrap();
    assert_eq!(said(noon()).await, expected[..1].iter().cloned().collect(), "what was taken back no longer counts");
}

pub(crate) async fn p4_of_a_case_with_many_items_only_what_is_known_is_said(store: &Shared) {
    let (desk, _) = desk(store);
    let mut found = find("ann");
    let mut flagged = exhibit("ann", "you fool", Some(ActionKind::Warn));
    if let Exhibit::Item(item) = &mut flagged {
        item.reasons.push(Reason {
            rule: "insult".into(),
            text: "Be kind.".into(),
            label: "insult".into(),
            score: 0.9,
            action: ActionKind::Warn,
        });
    }
    found.exhibits.push(flagged.clone());
    let (plain, flagged) = (found.exhibits[0].item().unwrap(), flagged.item().unwrap());
    let ids: Vec<ItemId> = [plain, flagged].iter().map(|id| id.to_string().parse().unwrap()).collect();
    let case = desk.open_case(found).await.unwrap().0;
    take(&desk, &mia(), case.id).await;
    let first = desk.decide(&mia(), case.id, draft(Ruling::Uphold), Following::default()).await.unwrap().decision;
    let on = desk.verdicts_on(&tenant(), &ids).await.unwrap();
    assert_eq!((on.get(&ids[0]), on.get(&ids[1])), (None, Some(&true)), "which of them it was is known by the rule");
    let rules = desk.verdicts_since(&tenant(), noon(), 9).await.unwrap();
    assert_eq!(rules[0].rule.as_deref(), Some("insult"));

    let appeal = Appeal {
        id: AppealId::new(),
        tenant: tenant(),
        actor: "ann".into(),
        decision: Some(first.id),
        item: None,
        text: "no".into(),
        at: noon(),
        state: AppealState::Open,
        case: None,
        resolved_at: None,
    };
    let (appeal, _) = desk.take_appeal(appeal, vec![]).await.unwrap();
    let id = appeal.case.unwrap();
    take(&desk, &lead(), id).await;
    desk.decide(&lead(), id, draft(Ruling::Dismiss), Following::default()).await.unwrap();
    let on = desk.verdicts_on(&tenant(), &ids).await.unwrap();
    assert_eq!((on.get(&ids[0]), on.get(&ids[1])), (Some(&false), Some(&false)), "an appeal has the last word");
}

/// Keeps the action that a find shows, as the policy's outcome would have. Answers its id.
pub(super) async fn done_before(store: &Shared, found: &CaseDraft) -> ActionId {
    let Exhibit::Item(item) = &found.exhibits[0] else { unreachable!("a find is an item") };
    let terms = Terms { window: Some(TimeDelta::days(30)), acknowledge: None };
    let (entry, _) = staff_action(&item.actions[0], "policy", None, &terms);
    let id = entry.id;
    store.put_actions(vec![entry], None, (vec![], vec![])).await.unwrap();
    id
}

pub(crate) async fn p3_strikes_by_hand_lead_where_the_policys_lead(store: &Shared) {
    let (desk, _) = desk(store);
    let rules = StrikeRules {
        window: TimeDelta::days(30),
        weights: Weights::default(),
        steps: vec![StrikeStep { strikes: 4, action: ActionKind::Ban, lasts: Some(TimeDelta::hours(9)) }],
        reason: "Too often.".into(),
    };
    let terms = Terms { window: Some(rules.window), acknowledge: None };
    let following = Following { terms, strikes: 2, rules: Some(rules), copies: vec![] };
    let person = async || store.load_person(&tenant(), &"ann".into(), noon()).await.unwrap();
    let mut last = None;
    for (strikes, restrictions) in [(2, 1), (4, 3)] {
        let id = desk.open_case(find("ann")).await.unwrap().0.id;
        take(&desk, &mia(), id).await;
        let seen = person().await.version;
        last = Some(desk.decide(&mia(), id, draft(Ruling::Act), following.clone()).await.unwrap().decision);
        let person = person().await;
        assert_eq!((person.strikes, person.restrictions.len()), (strikes, restrictions), "the second one bans, too");
        assert!(person.version > seen, "whoever has looked at them before must look again");
    }
    let ban = person().await.restrictions.into_iter().find(|known| known.kind == ActionKind::Ban).unwrap();
    assert_eq!(ban.until, Some(noon() + TimeDelta::hours(9)));
    desk.take_back(&mia(), last.unwrap().id).await.unwrap();
    let person = person().await;
    assert_eq!((person.strikes, person.restrictions.len()), (2, 1), "what it led to falls with it");
}

pub(crate) async fn p5_a_decision_that_falls_gives_its_strikes_back(store: &Shared) {
    let (desk, _) = desk(store);
    let id = desk.open_case(find("ann")).await.unwrap().0.id;
    take(&desk, &mia(), id).await;
    let following = Following {
        terms: Terms { window: Some(TimeDelta::days(30)), acknowledge: None },
        strikes: 3,
        rules: None,
        copies: vec![],
    };
    let done = desk.decide(&mia(), id, draft(Ruling::Act), following).await.unwrap().decision;
    let person = store.load_person(&tenant(), &"ann".into(), noon()).await.unwrap();
    assert_eq!((person.strikes, person.restrictions.len()), (3, 1), "a suspension by hand keeps out like any other");
    let undone = desk.take_back(&mia(), done.id).await.unwrap();
    assert!(undone.overturned_at.is_some());
    let person = store.load_person(&tenant(), &"ann".into(), noon()).await.unwrap();
    assert_eq!((person.strikes, person.restrictions.len()), (0, 0));
    let actions = store.actions_of(&tenant(), &"ann".into(), noon() + TimeDelta::hours(1), 9).await.unwrap();
    let mut kinds: Vec<&str> = actions.iter().map(|known| known.entry.kind.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["suspend", "unsuspend"]);
    assert_eq!(desk.case(&tenant(), id).await.unwrap().state, CaseState::Open, "the case waits again");
    assert_eq!(code(desk.take_back(&mia(), done.id).await), "decision_over");
}
