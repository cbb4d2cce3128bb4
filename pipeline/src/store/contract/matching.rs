//! Matching: what is remembered, ties, matches, tickets, lists, models.

use chrono::{Days, TimeDelta};
use uuid::Uuid;

use super::{Shared, event, noon, profile};
use crate::{
    item::{MatchId, ProfileId, TenantId},
    matching::meeting::{Change, DailyList, Ended, Match, Origin, Record, Ticket, Tie, TieKind},
    pdq::Pdq,
    store::{News, Recorded},
};

fn ids(names: &[&str]) -> Vec<ProfileId> {
    names.iter().map(|name| ProfileId::from(*name)).collect()
}

fn tie(from: &str, to: &str, kind: TieKind, second: i64) -> Tie {
    Tie { from: from.into(), to: to.into(), kind, at: noon() + TimeDelta::seconds(second) }
}

fn made(tenant: &str, one: &str, other: &str, origin: Origin) -> Match {
    Match {
        id: MatchId::new(),
        tenant: tenant.into(),
        participants: [one.into(), other.into()],
        origin,
        score: 0.5,
        reasons: vec!["near".into()],
        created_at: noon(),
        ended: None,
        ratings: Default::default(),
    }
}

fn ticket(tenant: &str, person: &str, second: i64) -> Ticket {
    let since = noon() + TimeDelta::seconds(second);
    let until = since + TimeDelta::seconds(60);
    Ticket { id: Uuid::now_v7(), tenant: tenant.into(), person: person.into(), tier: 2, since, until }
}

async fn put(store: &Shared, tenant: &str, change: Change) -> Recorded {
    store.put_change(&tenant.into(), change, News::default()).await.unwrap()
}

pub(crate) async fn x1_profiles_are_loaded_by_their_ids(store: &Shared) {
    let tenant = TenantId::from("a");
    for id in ["p", "q\\", "ü"] {
        store.put_profile(&profile("a", id, "chess")).await.unwrap();
    }
    store.put_profile(&profile("b", "p", "go")).await.unwrap();
    let mut found = store.load_profiles(&tenant, &ids(&["ü", "q\\", "nobody"])).await.unwrap();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(found, [profile("a", "q\\", "chess"), profile("a", "ü", "chess")]);
    assert!(store.load_profiles(&tenant, &[]).await.unwrap().is_empty());
}

pub(crate) async fn x2_records_are_written_over_what_was_read_only(store: &Shared) {
    let tenant = TenantId::from("a");
    let record = |reports: f64| {
        let mut record = Record { active_at: Some(noon()), ..Record::default() };
        record.behaviour.reports = reports;
        record
    };
    let write =
        |reports: f64, seen: u64| Change { people: vec![("ann".into(), record(reports), seen)], ..Change::default() };
    assert_eq!(put(store, "a", write(1.0, 0)).await, Recorded::New);
    for seen in [0, 2, 7] {
        assert_eq!(put(store, "a", write(9.0, seen)).await, Recorded::Stale);
    }
    assert_eq!(put(store, "a", write(2.0, 1)).await, Recorded::New);
    let found = store.load_remembered(&tenant, &ids(&["bob", "ann"])).await.unwrap();
    assert_eq!((found[0].version, found[0].record.clone()), (0, Record::default()));
    assert_eq!((found[1].version, found[1].record.clone()), (2, record(2.0)));
    assert_eq!(store.load_remembered(&"b".into(), &ids(&["ann"])).await.unwrap()[0].version, 0, "another tenant's");
}

pub(crate) async fn x7_who_is_marked_is_listed_in_pages(store: &Shared) {
    let tenant = TenantId::from("a");
    let people = ["ann", "bob", "cec", "dan"].map(|name| {
        let mut record = Record::default();
        record.standing.trust = (name != "bob").then_some(0.5);
        (ProfileId::from(name), record, 0)
    });
    put(store, "a", Change { people: people.to_vec(), ..Change::default() }).await;
    let page = async |after: Option<&str>, limit| {
        let after = after.map(ProfileId::from);
        let found = store.marked_people(&tenant, after.as_ref(), limit).await.unwrap();
        found.into_iter().map(|(person, _)| person.0).collect::<Vec<_>>()
    };
    assert_eq!(
        (page(None, 2).await, page(Some("cec"), 9).await),
        (vec!["ann".into(), "cec".into()], vec!["dan".into()])
    );
    // What is taken back leaves the list.
    let clean = Change { people: vec![("cec".into(), Record::default(), 1)], ..Change::default() };
    put(store, "a", clean).await;
    assert_eq!(page(None, 9).await, ["ann", "dan"]);
    assert!(store.marked_people(&"b".into(), None, 9).await.unwrap().is_empty());
}

pub(crate) async fn x5_a_change_is_written_whole_or_not_at_all(store: &Shared) {
    let tenant = TenantId::from("a");
    let met = made("a", "ann", "bob", Origin::Mutual);
    let change = Change {
        people: vec![("ann".into(), Record::default(), 0)],
        ties: vec![tie("ann", "bob", TieKind::Like, 0)],
        matches: vec![met.clone()],
        taken: vec![Uuid::now_v7()],
        ..Change::default()
    };
    let news = || (vec![event("a", "match.created", met.id)], vec![(0, "hook".to_owned())]);
    assert_eq!(store.put_change(&tenant, change.clone(), news()).await.unwrap(), Recorded::Stale, "no such ticket");
    assert!(store.ties_of(&tenant, &"ann".into(), 9).await.unwrap().is_empty());
    assert_eq!(store.load_match(&tenant, met.id).await.unwrap(), None);
    assert_eq!(store.load_remembered(&tenant, &ids(&["ann"])).await.unwrap()[0].version, 0);
    assert_eq!(store.last_sequence().await.unwrap(), 0);
    let change = Change { taken: vec![], ..change };
    assert_eq!(store.put_change(&tenant, change, news()).await.unwrap(), Recorded::New);
    assert_eq!(store.events_after(Some(&tenant), 0, 9).await.unwrap().len(), 1);
    assert_eq!(store.load_match(&tenant, met.id).await.unwrap(), Some(met.clone()));
    assert_eq!(store.load_match(&"b".into(), met.id).await.unwrap(), None);
    // Of two who end it, one does.
    let ended = Ended { at: noon(), reason: "left".into(), by: Some("bob".into()) };
    let over = Match { ended: Some(ended), ..met.clone() };
    for expected in [Recorded::New, Recorded::Stale] {
        let change = Change { changed: vec![(over.clone(), true)], ..Change::default() };
        assert_eq!(put(store, "a", change).await, expected);
    }
    for person in ["ann", "bob"] {
        assert_eq!(store.matches_of(&tenant, &person.into(), 9).await.unwrap(), std::slice::from_ref(&over));
    }
}

pub(crate) async fn x3_ties_are_the_newest_each_way_with_blocks_beside(store: &Shared) {
    let tenant = TenantId::from("a");
    let ties = vec![
        tie("ann", "bob", TieKind::Pass, 0),
        tie("ann", "bob", TieKind::Like, 1),
        tie("ann", "bob", TieKind::Block, 2),
        tie("bob", "ann", TieKind::Like, 3),
        tie("ann", "cec", TieKind::Pass, 4),
        tie("dan", "ann", TieKind::Block, 5),
    ];
    put(store, "a", Change { ties: ties.clone(), ..Change::default() }).await;
    assert_eq!(store.ties_of(&tenant, &"ann".into(), 9).await.unwrap(), [4, 2, 1].map(|n: usize| ties[n].clone()));
    assert_eq!(store.ties_of(&tenant, &"ann".into(), 1).await.unwrap().len(), 1);
    let mut with = store.ties_with(&tenant, &"ann".into(), &ids(&["bob", "dan", "eve"])).await.unwrap();
    with.sort_by_key(|tie| tie.at);
    assert_eq!(with, [1, 2, 3, 5].map(|n: usize| ties[n].clone()));
    assert!(store.ties_with(&"b".into(), &"ann".into(), &ids(&["bob"])).await.unwrap().is_empty());
    put(store, "a", Change { unblocked: vec![("ann".into(), "bob".into())], ..Change::default() }).await;
    assert_eq!(store.ties_with(&tenant, &"ann".into(), &ids(&["bob"])).await.unwrap().len(), 2);
}

pub(crate) async fn x4_a_ticket_is_taken_once(store: &Shared) {
    let tenant = TenantId::from("a");
    let tickets = [ticket("a", "bob", 5), ticket("a", "ann", 0), ticket("b", "ann", 9)];
    for ticket in &tickets {
        put(store, ticket.tenant.as_str(), Change { waiting: vec![ticket.clone()], ..Change::default() }).await;
    }
    assert_eq!(store.waiting(9).await.unwrap(), [1, 0, 2].map(|n: usize| tickets[n].clone()), "longest first");
    // Asking again keeps the place and lengthens the time.
    let again = ticket("a", "bob", 30);
    put(store, "a", Change { waiting: vec![again.clone()], ..Change::default() }).await;
    let kept = store.load_ticket(&tenant, &"bob".into()).await.unwrap().unwrap();
    assert_eq!((kept.id, kept.since, kept.until), (tickets[0].id, tickets[0].since, again.until));
    // Twenty processes pair the same two: one does.
    let claims = (0..20).map(|_| {
        let (store, taken) = (store.clone(), vec![tickets[0].id, tickets[1].id]);
        tokio::spawn(async move {
            let change = Change { taken, matches: vec![made("a", "ann", "bob", Origin::Live)], ..Change::default() };
            put(&store, "a", change).await
        })
    });
    let won = futures::future::try_join_all(claims).await.unwrap();
    assert_eq!(won.iter().filter(|recorded| **recorded == Recorded::New).count(), 1);
    assert_eq!(store.matches_of(&tenant, &"ann".into(), 9).await.unwrap().len(), 1);
    let before = noon() - TimeDelta::seconds(1);
    assert_eq!(store.live_pairs(&tenant, before, 9).await.unwrap(), [["ann".into(), "bob".into()]]);
    assert!(store.live_pairs(&tenant, noon(), 9).await.unwrap().is_empty());
    assert_eq!(store.drop_tickets(noon() + TimeDelta::seconds(100)).await.unwrap(), 1);
    assert!(store.waiting(9).await.unwrap().is_empty());
}

pub(crate) async fn x5_a_list_stands_for_its_day(store: &Shared) {
    let (tenant, ann, today) = (TenantId::from("a"), ProfileId::from("ann"), noon().date_naive());
    let list = |day, people: &[&str]| DailyList { day, people: ids(people) };
    let (bob, cec): (&[_], &[_]) = (&[("bob".into(), 1.0)], &[("cec".into(), 1.0)]);
    assert!(store.put_list(&tenant, &ann, &list(today, &["bob"]), bob, 7).await.unwrap());
    assert!(
        !store.put_list(&tenant, &ann, &list(today, &["cec"]), cec, 7).await.unwrap(),
        "the first of the day stands"
    );
    assert_eq!(
        store.exposures(&tenant, &ids(&["bob", "cec"]), 7).await.unwrap(),
        [1.0, 0.0],
        "and what is not shown is not seen"
    );
    assert_eq!(store.load_list(&tenant, &ann).await.unwrap(), Some(list(today, &["bob"])));
    let (tomorrow, next_week) = (today + Days::new(1), today + Days::new(7));
    assert_eq!(store.stale_lists(tomorrow, today, 9).await.unwrap(), [(tenant.clone(), ann.clone())]);
    assert!(store.stale_lists(today, today - Days::new(9), 9).await.unwrap().is_empty());
    assert!(store.stale_lists(next_week, tomorrow, 9).await.unwrap().is_empty(), "nobody has asked for long");
    assert!(store.put_list(&tenant, &ann, &list(tomorrow, &["cec"]), &[], 7).await.unwrap());
}

pub(crate) async fn x7_exposure_adds_up_within_a_week(store: &Shared) {
    let tenant = TenantId::from("a");
    let people = ids(&["ann", "bob", "cec"]);
    let show = async |viewer: &str, shown: &[(ProfileId, f64)], week| {
        let list = DailyList { day: noon().date_naive(), people: vec![] };
        assert!(store.put_list(&tenant, &viewer.into(), &list, shown, week).await.unwrap());
    };
    show("dan", &[("bob".into(), 1.0), ("ann".into(), 0.5)], 7).await;
    show("eve", &[("ann".into(), 0.25)], 7).await;
    assert_eq!(store.exposures(&tenant, &people, 7).await.unwrap(), [0.75, 1.0, 0.0]);
    show("fay", &[("ann".into(), 0.25)], 8).await;
    assert_eq!(store.exposures(&tenant, &people, 8).await.unwrap(), [0.25, 0.0, 0.0], "a new week");
    assert_eq!(store.all_exposures(&tenant, 7, 9).await.unwrap(), [1.0]);
}

pub(crate) async fn x2_a_model_is_written_over_what_was_read_only(store: &Shared) {
    let (a, b) = (TenantId::from("a"), TenantId::from("b"));
    assert_eq!(store.load_score_model(&a).await.unwrap(), None);
    assert!(store.put_score_model(&a, "{}", 0).await.unwrap());
    assert!(!store.put_score_model(&a, "[]", 0).await.unwrap());
    assert!(store.put_score_model(&a, "[1]", 1).await.unwrap());
    assert!(!store.put_score_model(&a, "[2]", 1).await.unwrap());
    assert_eq!(store.load_score_model(&a).await.unwrap(), Some(("[1]".into(), 2)));
    assert_eq!(store.load_score_model(&b).await.unwrap(), None);
}

pub(crate) async fn x7_pictures_of_the_marked_are_listed_in_pages(store: &Shared) {
    let tenant = TenantId::from("a");
    let avatar = |byte: u8| Pdq::from_bytes(&[byte; 32]).unwrap();
    let people = ["ann", "bob", "cec"].map(|name| {
        let mut record = Record::default();
        record.standing.trust = (name != "bob").then_some(0.5);
        (ProfileId::from(name), record, 0)
    });
    put(store, "a", Change { people: people.to_vec(), ..Change::default() }).await;
    for (person, byte) in [("ann", 1), ("bob", 2), ("cec", 3), ("dan", 4), ("cec", 5)] {
        store.put_avatar(&tenant, &person.into(), &avatar(byte)).await.unwrap();
    }
    let page = async |after: Option<&str>, limit| {
        store.marked_avatars(&tenant, after.map(ProfileId::from).as_ref(), limit).await.unwrap()
    };
    assert_eq!(page(None, 9).await, [("ann".into(), avatar(1)), ("cec".into(), avatar(5))], "the newest stays");
    assert_eq!((page(None, 1).await.len(), page(Some("ann"), 9).await), (1, vec![("cec".into(), avatar(5))]));
    assert!(store.marked_avatars(&"b".into(), None, 9).await.unwrap().is_empty());
    assert!(store.delete_avatar(&tenant, &"cec".into()).await.unwrap());
    assert!(!store.delete_avatar(&tenant, &"cec".into()).await.unwrap());
    assert_eq!(page(None, 9).await, [("ann".into(), avatar(1))]);
}

pub(crate) async fn x2_a_taste_is_of_one_model(store: &Shared) {
    let (tenant, people) = (TenantId::from("a"), ids(&["bob", "q\\", "ann"]));
    store.put_taste(&tenant, &"ann".into(), "m@1", &[0.25, -1.0]).await.unwrap();
    store.put_taste(&tenant, &"q\\".into(), "m@1", &[1.0]).await.unwrap();
    let found = store.load_tastes(&tenant, &people, "m@1").await.unwrap();
    let found: Vec<&[f32]> = found.iter().map(|taste| &**taste).collect();
    assert_eq!(found, [&[][..], &[1.0], &[0.25, -1.0]]);
    // The newest stays, of another model it is of no use, and another tenant has none.
    store.put_taste(&tenant, &"ann".into(), "m@2", &[0.5]).await.unwrap();
    assert!(store.load_tastes(&tenant, &people, "m@1").await.unwrap()[2].is_empty());
    assert_eq!(*store.load_tastes(&tenant, &people, "m@2").await.unwrap()[2], [0.5]);
    assert!(store.load_tastes(&"b".into(), &people, "m@2").await.unwrap()[2].is_empty());
}

pub(crate) async fn x5_who_likes_somebody_waits_for_an_answer(store: &Shared) {
    let (tenant, ann) = (TenantId::from("a"), ProfileId::from("ann"));
    let ties = vec![
        tie("bob", "ann", TieKind::Like, 0),
        tie("cec", "ann", TieKind::Like, 1),
        tie("dan", "ann", TieKind::Like, 2),
        tie("eve", "ann", TieKind::Pass, 3),
        tie("fay", "bob", TieKind::Like, 4),
        tie("ann", "cec", TieKind::Pass, 5),
    ];
    put(store, "a", Change { ties, ..Change::default() }).await;
    let names = async |limit| {
        let found = store.likes_to(&tenant, &ann, limit).await.unwrap();
        found.into_iter().map(|tie| tie.from.0).collect::<Vec<_>>()
    };
    assert_eq!((names(9).await, names(1).await), (vec!["dan".into(), "bob".into()], vec!["dan".to_owned()]));
    // A block is an answer.
    put(store, "a", Change { ties: vec![tie("ann", "dan", TieKind::Block, 6)], ..Change::default() }).await;
    assert_eq!(names(9).await, ["bob"]);
    assert!(store.likes_to(&"b".into(), &ann, 9).await.unwrap().is_empty());
}

pub(crate) async fn x7_who_is_forgotten_leaves_their_standing_alone(store: &Shared) {
    let (tenant, ann) = (TenantId::from("a"), ProfileId::from("ann"));
    let change = Change {
        people: vec![(ann.clone(), Record::default(), 0)],
        ties: vec![
            tie("ann", "bob", TieKind::Like, 0),
            tie("bob", "ann", TieKind::Like, 1),
            tie("bob", "cec", TieKind::Pass, 1),
        ],
        matches: vec![made("a", "ann", "bob", Origin::Mutual)],
        waiting: vec![ticket("a", "ann", 0)],
        ..Change::default()
    };
    put(store, "a", change).await;
    let empty = DailyList { day: noon().date_naive(), people: vec![] };
    store.put_list(&tenant, &ann, &empty, &[(ann.clone(), 1.0)], 7).await.unwrap();
    store.put_taste(&tenant, &ann, "m@1", &[1.0]).await.unwrap();
    store.put_avatar(&tenant, &ann, &Pdq::from_bytes(&[0; 32]).unwrap()).await.unwrap();
    assert_eq!(store.forget_person(&tenant, &ann).await.unwrap(), 8);
    assert_eq!(store.ties_of(&tenant, &"bob".into(), 9).await.unwrap().len(), 1);
    assert_eq!(store.load_remembered(&tenant, &[ann]).await.unwrap()[0].version, 1, "a ban outlives the profile");
}

pub(crate) async fn x5_old_matches_and_lists_expire(store: &Shared) {
    let tenant = TenantId::from("a");
    let old = Ended { at: noon(), reason: "left".into(), by: None };
    let (over, open) = (made("a", "ann", "bob", Origin::Live), made("a", "ann", "cec", Origin::Live));
    put(store, "a", Change { matches: vec![over.clone(), open.clone()], ..Change::default() }).await;
    put(store, "a", Change { changed: vec![(Match { ended: Some(old), ..over }, true)], ..Change::default() }).await;
    let empty = DailyList { day: noon().date_naive(), people: vec![] };
    store.put_list(&tenant, &"ann".into(), &empty, &[], 7).await.unwrap();
    assert_eq!(store.expire(noon() + TimeDelta::days(2)).await.unwrap(), 2);
    assert_eq!(store.matches_of(&tenant, &"ann".into(), 9).await.unwrap(), [open]);
    assert_eq!(store.load_list(&tenant, &"ann".into()).await.unwrap(), None);
}
