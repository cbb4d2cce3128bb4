//! Policies of tenants.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{Shared, envelope, event, noon, record};
use crate::{
    action::ActionKind,
    enforcement::entry::ActionEntry,
    item::{ActionId, ItemId, ItemKind},
    policy::{
        backtest::{Report, Run},
        rollout::{Hand, PolicyVersion, Rollout, Side, Tally},
    },
    store::{OutcomePlace, Recorded},
};

fn version(tenant: &str, text: &str) -> PolicyVersion {
    PolicyVersion {
        tenant: tenant.into(),
        number: 0,
        version: format!("p@{text}"),
        digest: crate::hash::sha256_hex(text.as_bytes()),
        author: "lea \\ \0".into(),
        note: "ünïcode".into(),
        created_at: noon(),
        text: text.into(),
    }
}

fn hand() -> Hand {
    Hand { by: "lea".into(), note: "why".into(), at: noon() }
}

pub(crate) async fn p2_a_policy_text_is_kept_once_under_the_next_number(store: &Shared) {
    let (one, fresh) = store.put_policy(version("a", "one")).await.unwrap();
    assert_eq!((one.number, fresh, &one.author[..]), (1, true, "lea \\ \0"));
    let (two, _) = store.put_policy(version("a", "two")).await.unwrap();
    let mut again = version("a", "one");
    again.note = "another".into();
    assert_eq!(store.put_policy(again).await.unwrap(), (one.clone(), false), "it is the version that it was");
    let (other, _) = store.put_policy(version("b", "one")).await.unwrap();
    assert_eq!((two.number, other.number), (2, 1), "every tenant counts for itself");
    assert_eq!(store.load_policy(&"a".into(), 2).await.unwrap(), Some(two.clone()));
    assert_eq!(store.load_policy(&"b".into(), 2).await.unwrap(), None);
    assert_eq!(store.load_policy(&"a".into(), 0).await.unwrap(), None);
    assert_eq!(store.policies_before(&"a".into(), u32::MAX, 9).await.unwrap(), [two, one.clone()]);
    assert_eq!(store.policies_before(&"a".into(), 2, 9).await.unwrap(), [one]);
}

pub(crate) async fn p2_twenty_drafts_at_once_get_twenty_numbers(store: &Shared) {
    let drafts = (0..20).map(|n| {
        let store = Shared::clone(store);
        tokio::spawn(async move { store.put_policy(version("a", &n.to_string())).await.unwrap().0.number })
    });
    let numbers: BTreeSet<u32> = futures::future::try_join_all(drafts).await.unwrap().into_iter().collect();
    assert_eq!(numbers, (1..=20).collect());
}

pub(crate) async fn p2_a_rollout_is_written_over_the_revision_it_was_made_from(store: &Shared) {
    let start = Rollout::initial("a".into());
    let one = start.go_live(1, 100, None, Tally::default(), hand()).unwrap();
    let rival = start.go_live(2, 100, None, Tally::default(), hand()).unwrap();
    let told = || vec![event("a", "policy.changed", "a:1")];
    assert_eq!(store.put_rollout(&one, told(), vec![(0, "hook".into())]).await.unwrap(), Recorded::New);
    assert_eq!(store.put_rollout(&rival, told(), vec![]).await.unwrap(), Recorded::Stale);
    let two = one.go_live(2, 10, None, Tally::default(), hand()).unwrap();
    assert_eq!(store.put_rollout(&two, vec![], vec![]).await.unwrap(), Recorded::New);
    let three = two.go_live(3, 100, None, Tally::default(), hand()).unwrap();
    let other = Rollout { tenant: "b".into(), ..start.go_live(9, 100, None, Tally::default(), hand()).unwrap() };
    assert_eq!(store.put_rollout(&other, vec![], vec![]).await.unwrap(), Recorded::New);
    assert_eq!(store.rollouts(&"a".into(), 9).await.unwrap(), [two.clone(), one.clone()]);
    assert_eq!(store.rollouts(&"a".into(), 1).await.unwrap(), std::slice::from_ref(&two));
    let mut heads = store.rollouts_in_force().await.unwrap();
    heads.sort_by(|a, b| a.tenant.as_str().cmp(b.tenant.as_str()));
    assert_eq!(heads, [two, other]);
    assert_eq!(store.put_rollout(&three, vec![], vec![]).await.unwrap(), Recorded::New);
    assert_eq!(store.events_after(None, 0, 10).await.unwrap().len(), 1, "what was not written told nobody");
    assert_eq!(store.open_deliveries(10).await.unwrap().len(), 1);
}

pub(crate) async fn p4_tallies_add_up(store: &Shared) {
    let tally = |judged, passed| Tally { judged, passed };
    let counted = |tenant: &str, side, tally| vec![(tenant.into(), 3, side, tally)];
    store.add_tallies(counted("a", Side::Live, tally(10, 9))).await.unwrap();
    store.add_tallies(counted("a", Side::Live, tally(5, 1))).await.unwrap();
    store
        .add_tallies([counted("a", Side::Canary, tally(2, 2)), counted("b", Side::Live, tally(1, 0))].concat())
        .await
        .unwrap();
    store.add_tallies(Vec::new()).await.unwrap();
    assert_eq!(store.tallies(&"a".into(), 3).await.unwrap(), (tally(15, 10), tally(2, 2)));
    assert_eq!(store.tallies(&"b".into(), 3).await.unwrap(), (tally(1, 0), tally(0, 0)));
    assert_eq!(store.tallies(&"a".into(), 4).await.unwrap(), (tally(0, 0), tally(0, 0)));
}

pub(crate) async fn p4_outcomes_of_a_period_are_read_in_pages(store: &Shared) {
    let mut expected = Vec::new();
    for n in 0..7 {
        let mut record = record(envelope("a", ItemKind::Text), ActionKind::Warn);
        record.outcome.decided_at = noon() + TimeDelta::seconds(n);
        if (1..6).contains(&n) {
            expected.push(record.outcome.envelope.id);
        }
        store.record_outcome(record).await.unwrap();
    }
    store.record_outcome(record(envelope("b", ItemKind::Text), ActionKind::Warn)).await.unwrap();
    let (from, to) = (noon() + TimeDelta::seconds(1), noon() + TimeDelta::seconds(6));
    let (mut place, mut found) = (OutcomePlace::default(), Vec::new());
    loop {
        let (page, next) = store.outcomes_between(&"a".into(), from, to, place, 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        place = next;
        found.extend(page.into_iter().map(|outcome| outcome.envelope.id));
    }
    assert_eq!(found, expected);
}

pub(crate) async fn p4_what_was_taken_back_is_known_by_its_item(store: &Shared) {
    let [undone, expired, stands] = [(); 3].map(|()| ItemId::new());
    for (item, over) in [(undone, Some(false)), (expired, Some(true)), (stands, None)] {
        let entry = ActionEntry { item: Some(item), ..super::enforcement::entry("a", "ann", "ban") };
        store.put_actions(vec![entry.clone()], None, (vec![], vec![])).await.unwrap();
        if let Some(over) = over {
            let inverse = ActionEntry { id: ActionId::new(), reverses: Some(entry.id), ..entry };
            store.reverse_action(inverse, over, (vec![], vec![])).await.unwrap();
        }
    }
    let asked = vec![undone, expired, stands, ItemId::new()];
    assert_eq!(store.overturned_items(&"a".into(), asked.clone()).await.unwrap(), [undone]);
    assert!(store.overturned_items(&"b".into(), asked).await.unwrap().is_empty());
    assert!(store.overturned_items(&"a".into(), vec![]).await.unwrap().is_empty());
}

pub(crate) async fn p4_backtests_are_kept_while_they_run_and_after(store: &Shared) {
    let mut run = Run {
        id: uuid::Uuid::now_v7(),
        tenant: "a".into(),
        number: Some(3),
        digest: "d".into(),
        from: noon(),
        to: noon(),
        by: "lea".into(),
        started_at: noon(),
        heard_at: noon(),
        items: 0,
        report: None,
        error: None,
    };
    store.put_backtest(&run).await.unwrap();
    assert!(!store.is_backtested(&"a".into(), "d").await.unwrap(), "it runs");
    (run.items, run.report) = (5, Some(Report { items: 5, ..Report::default() }));
    store.put_backtest(&run).await.unwrap();
    assert_eq!(store.load_backtest(&"a".into(), run.id).await.unwrap(), Some(run.clone()));
    assert_eq!(store.load_backtest(&"b".into(), run.id).await.unwrap(), None);
    assert!(store.is_backtested(&"a".into(), "d").await.unwrap());
    assert!(
        !store.is_backtested(&"a".into(), "e").await.unwrap() && !store.is_backtested(&"b".into(), "d").await.unwrap()
    );
    assert_eq!(store.backtests(&"a".into(), 9).await.unwrap(), [run]);
}
