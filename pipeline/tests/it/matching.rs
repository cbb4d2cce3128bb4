//! Matching through the whole pipeline: recommendations, answers, live pairing, and moderation that reaches all of them.

use std::sync::Arc;

use chrono::TimeDelta;
use pipeline::{
    Kind,
    config::PipelineConfig,
    item::{ActorId, ProfileId, TenantId},
    matching::{
        dice::Dice,
        filter::mutual,
        person::{About, Place as Spot, Seeks, Terms},
    },
    process::{
        Like, Pipeline, ProfileDraft,
        matching::{Feedback, Place, Search, StandingChange},
    },
    review::staff::{Role, Staff},
    store::Event,
};
use serde_json::json;

use crate::harness::{Harness, TENANT, start_of_time, text};

fn tenant() -> TenantId {
    TENANT.into()
}

fn terms(gender: &str, age: u8, seeks: Seeks) -> Terms {
    let about = About { gender: Some(gender.into()), age: Some(age), ..About::default() };
    Terms { about, seeks, ..Terms::default() }
}

async fn put(service: &Pipeline, id: &str, interests: &[&str], terms: Terms) {
    let draft = ProfileDraft {
        interests: interests.iter().map(|interest| (*interest).to_owned()).collect(),
        terms,
        ..ProfileDraft::default()
    };
    service.put_profile(&tenant(), id.into(), draft).await.unwrap();
}

/// Ten people who all like the same.
async fn crowd(service: &Harness) {
    for n in 0..10 {
        put(&service.pipeline, &format!("p{n}"), &["chess", "tea"], terms("x", 30 + n, Seeks::default())).await;
    }
}

async fn recommended(service: &Pipeline, id: &str) -> Vec<String> {
    let list = service.recommend(&tenant(), &id.into(), 100).await.unwrap();
    list.into_iter().map(|found| found.id.0).collect()
}

/// A moderation action as the pipeline writes it, for somebody of the test.
async fn act(service: &Harness, actor: &str, action: &str, more: serde_json::Value) -> String {
    let id = uuid_like();
    let mut data = json!({ "id": id, "action": action, "actor": actor, "decided_at": start_of_time() });
    data.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let event = Event {
        sequence: 0,
        kind: "moderation.action".into(),
        tenant: tenant(),
        key: id.clone(),
        at: start_of_time(),
        data,
    };
    service.store.put_change(&tenant(), Default::default(), (vec![event], vec![])).await.unwrap();
    id
}

fn uuid_like() -> String {
    pipeline::item::ItemId::new().to_string()
}

async fn follow(service: &Harness) {
    let mut after = 0;
    while let Some(last) = service.pipeline.follow_standings(after).await.unwrap() {
        after = last;
    }
}

async fn kinds(service: &Harness, prefix: &str) -> Vec<String> {
    let events = service.events().await.into_iter().map(|event| event.kind);
    events.filter(|kind| kind.starts_with(prefix)).collect()
}

#[tokio::test]
async fn x5_a_list_stands_for_the_day_and_changes_with_it() {
    let service = Harness::with(PipelineConfig {
        matching: pipeline::config::MatchingConfig { list_length: 3, ..Default::default() },
        ..PipelineConfig::default()
    })
    .await;
    crowd(&service).await;
    let first = recommended(&service.pipeline, "p0").await;
    assert_eq!(first.len(), 3);
    assert!(!first.contains(&"p0".to_owned()));
    put(&service.pipeline, "late", &["chess", "tea"], Terms::default()).await;
    assert_eq!(recommended(&service.pipeline, "p0").await, first, "the same all day");
    assert_eq!(recommended(&service.another_process(), "p0").await, first, "whoever is asked");
    // Who is answered leaves the list; nobody takes their place.
    let (p0, gone) = (ProfileId::from("p0"), ProfileId::from(first[1].as_str()));
    service.pipeline.answer(&tenant(), &p0, &gone, false).await.unwrap();
    assert_eq!(recommended(&service.pipeline, "p0").await, [first[0].clone(), first[2].clone()]);
    service.clock.advance(TimeDelta::days(1));
    assert_eq!(service.pipeline.refresh_lists().await.unwrap(), 1, "made before it is asked for");
    assert_eq!(service.pipeline.refresh_lists().await.unwrap(), 0);
    let next = recommended(&service.pipeline, "p0").await;
    assert!(next.len() == 3 && !next.contains(&first[1]), "{next:?}");
}

#[tokio::test]
async fn x5_who_likes_somebody_comes_early_on_their_list() {
    let service = Harness::new().await;
    crowd(&service).await;
    for n in 10..200 {
        put(&service.pipeline, &format!("p{n}"), &["chess", "tea"], Terms::default()).await;
    }
    service.pipeline.answer(&tenant(), &"p177".into(), &"p0".into(), true).await.unwrap();
    let list = recommended(&service.pipeline, "p0").await;
    assert!(list[..3].contains(&"p177".to_owned()), "one of two hundred who are all alike: {list:?}");
    // Whoever passed is not shown again, whatever the other said.
    service.pipeline.answer(&tenant(), &"p0".into(), &"p177".into(), false).await.unwrap();
    service.clock.advance(TimeDelta::days(1));
    assert!(!recommended(&service.pipeline, "p0").await.contains(&"p177".to_owned()));
}

#[tokio::test]
async fn x2_an_answer_does_not_tell_the_model_what_it_is_to_learn() {
    let service = Harness::new().await;
    crowd(&service).await;
    let weight = async || {
        let model = service.pipeline.learned(&tenant()).await.unwrap();
        let place = model.features.iter().position(|name| name == "learned_taste").unwrap();
        (model.learner.mean[place], model.version())
    };
    let (prior, _) = weight().await;
    service.pipeline.answer(&tenant(), &"p0".into(), &"p1".into(), true).await.unwrap();
    assert_eq!(weight().await, (prior, 1), "before the first answer nobody has a taste");
    service.pipeline.answer(&tenant(), &"p0".into(), &"p2".into(), true).await.unwrap();
    assert!(weight().await.0 != prior, "after it they have");
}

#[tokio::test]
async fn x3_recommendations_hold_the_limits_of_both_sides() {
    let service = Harness::new().await;
    let seeks = |genders: &[&str], max_age| Seeks {
        genders: genders.iter().map(|gender| (*gender).to_owned()).collect(),
        max_age,
        ..Seeks::default()
    };
    put(&service.pipeline, "ann", &["chess"], terms("f", 35, seeks(&["m"], None))).await;
    put(&service.pipeline, "bob", &["chess"], terms("m", 30, seeks(&["f"], None))).await;
    put(&service.pipeline, "too-strict", &["chess"], terms("m", 30, seeks(&["f"], Some(34)))).await;
    put(&service.pipeline, "not-sought", &["chess"], terms("f", 30, seeks(&[], None))).await;
    put(&service.pipeline, "unknown", &["chess"], Terms::default()).await;
    put(&service.pipeline, "blocker", &["chess"], terms("m", 30, Seeks::default())).await;
    put(&service.pipeline, "passer", &["chess"], terms("m", 30, Seeks::default())).await;
    service.pipeline.block(&tenant(), &"blocker".into(), &"ann".into()).await.unwrap();
    service.pipeline.answer(&tenant(), &"passer".into(), &"ann".into(), false).await.unwrap();
    assert_eq!(recommended(&service.pipeline, "ann").await, ["bob"]);
    // The same limits in a search.
    let search =
        Search { like: vec![Like::Text("chess".into())], fits: Some("ann".into()), limit: 10, ..Search::default() };
    let found = service.pipeline.search(&tenant(), search).await.unwrap();
    assert_eq!(found.iter().map(|found| found.hit.id.as_str()).collect::<Vec<_>>(), ["bob"]);
    let compared = service.pipeline.compare(&tenant(), &"ann".into(), &"too-strict".into()).await.unwrap();
    assert_eq!(serde_json::to_value(compared.compatibility.refused_by_other).unwrap(), "age");
    assert!(!compared.apart);
    assert!(service.pipeline.compare(&tenant(), &"ann".into(), &"blocker".into()).await.unwrap().apart);
}

/// Somebody of a small world, so that people often fit and often do not.
fn drawn(dice: &mut Dice) -> Terms {
    let some = |dice: &mut Dice, words: &[&str], chance: f64| -> Vec<String> {
        words.iter().filter(|_| dice.chance(chance)).map(|word| (*word).to_owned()).collect()
    };
    let one = |dice: &mut Dice, words: &[&str]| dice.chance(0.8).then(|| words[dice.below(words.len())].to_owned());
    let place = Spot { lat: 46.5 + dice.unit(), lon: 7.0 + dice.unit() * 2.0 };
    let about = About {
        age: dice.chance(0.8).then(|| 18 + dice.below(40) as u8),
        gender: one(dice, &["f", "m", "x"]),
        place: dice.chance(0.7).then_some(place),
        region: one(dice, &["eu", "us"]),
        languages: some(dice, &["de", "en", "fr"], 0.6),
        intents: some(dice, &["dating", "friends"], 0.7),
    };
    let seeks = Seeks {
        genders: some(dice, &["f", "m", "x"], 0.4),
        min_age: dice.chance(0.3).then(|| 18 + dice.below(15) as u8),
        max_age: dice.chance(0.3).then(|| 35 + dice.below(25) as u8),
        max_km: dice.chance(0.3).then(|| 20.0 + dice.unit() * 150.0),
        languages: some(dice, &["de", "en", "fr"], 0.2),
        regions: some(dice, &["eu", "us"], 0.2),
        intents: some(dice, &["dating", "friends"], 0.2),
    };
    Terms { about, seeks, ..Terms::default() }
}

#[tokio::test]
async fn x3_no_answer_ever_breaks_a_limit_of_either_side() {
    const PEOPLE: usize = 60;
    let matching = pipeline::config::MatchingConfig { list_length: PEOPLE, ..Default::default() };
    let service = Harness::with(PipelineConfig { matching, ..PipelineConfig::default() }).await;
    let mut dice = Dice::seeded(3);
    let world: Vec<Terms> = (0..PEOPLE).map(|_| drawn(&mut dice)).collect();
    for (n, terms) in world.iter().enumerate() {
        put(&service.pipeline, &format!("p{n}"), &["chess"], terms.clone()).await;
    }
    let fits = |one: usize, other: usize| mutual(&world[one], &world[other]).is_ok();
    let number = |id: &str| id[1..].parse::<usize>().unwrap();
    let mut met = 0;
    for (viewer, terms) in world.iter().enumerate() {
        let id = format!("p{viewer}");
        let expected: Vec<usize> = (0..PEOPLE).filter(|other| *other != viewer && fits(viewer, *other)).collect();
        met += expected.len();
        let mut listed: Vec<usize> = recommended(&service.pipeline, &id).await.iter().map(|id| number(id)).collect();
        listed.sort_unstable();
        assert_eq!(listed, expected, "{terms:?}");
        let fitting = Some(ProfileId::from(id.as_str()));
        let search =
            Search { like: vec![Like::Text("chess".into())], fits: fitting, limit: PEOPLE, ..Search::default() };
        let found = service.pipeline.search(&tenant(), search).await.unwrap();
        let mut found: Vec<usize> = found.iter().map(|found| number(found.hit.id.as_str())).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{terms:?}");
        service.pipeline.wait(&tenant(), &id.as_str().into(), 0).await.unwrap();
    }
    assert!(met > PEOPLE, "a world in which nobody fits shows nothing: {met}");
    service.clock.advance(TimeDelta::seconds(5));
    let made = service.pipeline.pair().await.unwrap();
    assert!(made > 5, "{made}");
    for event in service.events().await.iter().filter(|event| event.kind == "match.created") {
        let pair: Vec<usize> =
            event.data["participants"].as_array().unwrap().iter().map(|id| number(id.as_str().unwrap())).collect();
        assert!(fits(pair[0], pair[1]), "{pair:?}");
    }
}

#[tokio::test]
async fn x5_two_likes_make_one_match_even_at_the_same_moment() {
    let service = Harness::new().await;
    crowd(&service).await;
    let answer = |from: &str, to: &str| {
        let (pipeline, from, to) = (service.pipeline.clone(), ProfileId::from(from), ProfileId::from(to));
        tokio::spawn(async move { pipeline.answer(&tenant(), &from, &to, true).await.unwrap() })
    };
    let both = futures::future::try_join_all([answer("p0", "p1"), answer("p1", "p0")]).await.unwrap();
    assert_eq!(both.iter().filter(|answered| answered.matched.is_some()).count(), 1, "the later one sees the other");
    assert_eq!(kinds(&service, "match").await, ["match.created"]);
    let again = answer("p0", "p1").await.unwrap();
    assert!(again.repeated && again.matched.is_some());
    let made = again.matched.unwrap();
    assert_eq!(made.participants, ["p0".into(), "p1".into()]);
    assert!(made.reasons.contains(&"shared_interests".to_owned()) && made.score > 0.0);

    // What was answered taught the model and the people.
    let (_, version) = service.store.load_score_model(&tenant()).await.unwrap().unwrap();
    assert_eq!(version, 2);
    let rate = async |rating| {
        let feedback = Feedback { rating, replied: None };
        service.pipeline.rate_match(&tenant(), made.id, &made.participants[0], feedback).await
    };
    rate(Some(5)).await.unwrap();
    rate(Some(4)).await.unwrap();
    assert_eq!(rate(Some(6)).await.unwrap_err().kind(), Kind::Invalid);
    let other = service.store.load_remembered(&tenant(), &["p1".into()]).await.unwrap().remove(0).record.behaviour;
    assert_eq!((other.rating_sum, other.ratings, other.received.yes, other.given.yes), (4.0, 1.0, 1.0, 1.0));

    let end = async |by: &str| service.pipeline.end_match(&tenant(), made.id, Some(&by.into()), "skipped").await;
    assert_eq!(end("p9").await.unwrap_err().kind(), Kind::Invalid, "not in it");
    let over = service.pipeline.end_match(&tenant(), made.id, Some(&"p0".into()), "skipped").await.unwrap();
    assert_eq!(over.ended.unwrap().by, Some("p0".into()));
    service.pipeline.end_match(&tenant(), made.id, None, "left").await.unwrap();
    assert_eq!(kinds(&service, "match").await, ["match.created", "match.ended"], "it ends once");
}

#[tokio::test]
async fn x4_those_who_wait_are_paired_once_whoever_ticks() {
    let service = Harness::new().await;
    crowd(&service).await;
    for n in 0..5 {
        let place = service.pipeline.wait(&tenant(), &format!("p{n}").as_str().into(), 0).await.unwrap();
        assert!(matches!(place, Place::Waiting(_)));
    }
    service.clock.advance(TimeDelta::seconds(1));
    // Two processes tick at the same moment.
    let ticks = [service.pipeline.clone(), service.another_process()].map(|pipeline| {
        let pipeline = Arc::new(pipeline);
        tokio::spawn(async move { pipeline.pair().await.unwrap() })
    });
    let made: usize = futures::future::try_join_all(ticks).await.unwrap().into_iter().sum();
    assert_eq!((made, kinds(&service, "match").await.len()), (2, 2));
    let mut matched = Vec::new();
    for n in 0..5 {
        match service.pipeline.place(&tenant(), &format!("p{n}").as_str().into()).await.unwrap() {
            Place::Matched(found) => matched.push(found.id),
            Place::Waiting(_) => {}
        }
    }
    matched.sort();
    matched.dedup();
    assert_eq!(matched.len(), 2, "four people in two matches");
    // The two of a match do not meet again until the cool-down is over.
    let first = service.pipeline.load_match(&tenant(), matched[0]).await.unwrap();
    for made in &matched {
        service.pipeline.end_match(&tenant(), *made, None, "skipped").await.unwrap();
    }
    for n in 0..5 {
        service.pipeline.leave(&tenant(), &format!("p{n}").as_str().into()).await.unwrap();
    }
    for person in &first.participants {
        service.pipeline.wait(&tenant(), person, 0).await.unwrap();
    }
    service.clock.advance(TimeDelta::seconds(30));
    assert_eq!(service.pipeline.pair().await.unwrap(), 0);
    service.clock.advance(TimeDelta::days(1));
    assert_eq!(service.pipeline.pair().await.unwrap(), 0, "their tickets are over");
    for person in &first.participants {
        service.pipeline.wait(&tenant(), person, 0).await.unwrap();
    }
    assert_eq!(service.pipeline.pair().await.unwrap(), 1);
}

#[tokio::test]
async fn x4_who_is_in_a_call_disconnected_or_gone_is_not_paired() {
    let service = Harness::new().await;
    crowd(&service).await;
    let wait = async |id: &str| service.pipeline.wait(&tenant(), &id.into(), 0).await;
    service.pipeline.start_call(&tenant(), "c".into(), vec![ActorId::from("p0")]).await.unwrap();
    assert_eq!(wait("p0").await.unwrap_err().kind(), Kind::Conflict, "in a call");
    act(&service, "p1", "disconnect", json!({})).await;
    act(&service, "p2", "ban", json!({})).await;
    follow(&service).await;
    for id in ["p1", "p2"] {
        assert_eq!(wait(id).await.unwrap_err().kind(), Kind::Conflict, "{id}");
    }
    assert_eq!(wait("nobody").await.unwrap_err().kind(), Kind::NotFound);
    // Those who wait already.
    for id in ["p3", "p4", "p5", "p6"] {
        wait(id).await.unwrap();
    }
    service.clock.advance(TimeDelta::seconds(1));
    service.pipeline.start_call(&tenant(), "d".into(), vec![ActorId::from("p3")]).await.unwrap();
    act(&service, "p4", "disconnect", json!({})).await;
    follow(&service).await;
    service.store.put_presence(&tenant(), &"p5".into(), false, service.clock.now()).await.unwrap();
    for _ in 0..5 {
        assert_eq!(service.pipeline.pair().await.unwrap(), 0);
        service.clock.advance(TimeDelta::seconds(1));
    }
    let waits = service.store.waiting(9).await.unwrap().into_iter().map(|ticket| ticket.person.0);
    assert_eq!(waits.collect::<Vec<_>>(), ["p6"], "the others' tickets are over");
}

#[tokio::test]
async fn x7_a_ban_reaches_every_answer_and_its_end_too() {
    let service = Harness::new().await;
    crowd(&service).await;
    let (p0, p1) = (ProfileId::from("p0"), ProfileId::from("p1"));
    let similar = async || {
        let hits = service.pipeline.similar(&tenant(), Like::Text("chess".into()), vec![], 100).await.unwrap();
        hits.iter().any(|hit| hit.id == p1)
    };
    for (from, to) in [(&p0, &p1), (&p1, &p0)] {
        service.pipeline.answer(&tenant(), from, to, true).await.unwrap();
    }
    assert!(recommended(&service.pipeline, "p2").await.contains(&"p1".to_owned()) && similar().await);
    let ban = act(&service, "p1", "ban", json!({ "strikes": 2 })).await;
    follow(&service).await;
    follow(&service).await;
    assert!(!recommended(&service.pipeline, "p2").await.contains(&"p1".to_owned()), "of the list of this morning");
    assert!(!similar().await);
    assert!(recommended(&service.pipeline, "p1").await.is_empty(), "nobody is shown to them");
    assert_eq!(service.pipeline.answer(&tenant(), &p1, &"p3".into(), true).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(service.pipeline.answer(&tenant(), &"p3".into(), &p1, true).await.unwrap_err().kind(), Kind::NotFound);
    assert!(service.pipeline.compare(&tenant(), &p0, &p1).await.unwrap().apart);
    let ended = service.events().await.into_iter().find(|event| event.kind == "match.ended").unwrap();
    assert_eq!(ended.data["reason"], "moderation");
    act(&service, "p1", "unban", json!({ "reverses": ban })).await;
    follow(&service).await;
    assert!(recommended(&service.pipeline, "p2").await.contains(&"p1".to_owned()) && similar().await);

    // A suspension ends by itself, a shadow limit does not.
    act(&service, "p1", "suspend", json!({ "expires_at": start_of_time() + TimeDelta::hours(1) })).await;
    follow(&service).await;
    assert!(!similar().await);
    service.clock.advance(TimeDelta::hours(2));
    assert!(similar().await);
    let limited = StandingChange { shadow_limited: Some(true), trust: None };
    service.pipeline.set_standing(&tenant(), &p1, limited).await.unwrap();
    assert!(!similar().await && !recommended(&service.pipeline, "p2").await.contains(&"p1".to_owned()));
}

#[tokio::test]
async fn x7_strikes_and_trust_lower_scores_at_once() {
    let service = Harness::new().await;
    crowd(&service).await;
    let score = async || {
        let compared = service.pipeline.compare(&tenant(), &"p0".into(), &"p1".into()).await.unwrap();
        compared.compatibility.score.total
    };
    let clean = score().await;
    act(&service, "p1", "warn", json!({ "strikes": 1 })).await;
    follow(&service).await;
    let struck = score().await;
    let trust = StandingChange { trust: Some(Some(0.2)), shadow_limited: None };
    service.pipeline.set_standing(&tenant(), &"p1".into(), trust).await.unwrap();
    let distrusted = score().await;
    assert!(clean > struck && struck > distrusted, "{clean} {struck} {distrusted}");
}

#[tokio::test]
async fn x7_a_real_verdict_reaches_matching() {
    let service = Harness::new().await;
    let rule = "[[rule]]\nname = \"out\"\nkinds = [\"text\"]\nwhen = \"score.spam > 0.9\"\naction = \"ban\"\nreason = \"No.\"\n";
    service.set_policy(&format!("name = \"strict\"\n{rule}"));
    crowd(&service).await;
    put(&service.pipeline, "ann", &["chess", "tea"], Terms::default()).await;
    assert!(recommended(&service.pipeline, "p0").await.contains(&"ann".to_owned()));
    let judged = service.record(&text("buy fake:spam=0.99", start_of_time())).await.unwrap();
    assert_eq!(judged.outcome.actions.len(), 1, "{:?}", judged.outcome.verdict);
    follow(&service).await;
    assert!(!recommended(&service.pipeline, "p0").await.contains(&"ann".to_owned()));
}

#[tokio::test]
async fn x7_a_profile_like_that_of_a_banned_person_is_told_to_reviewers() {
    let service = Harness::new().await;
    let draft = |bio: &str| ProfileDraft { bio: bio.into(), ..ProfileDraft::default() };
    let bio = "I collect stamps, brew stout, and climb every rock between here and the sea.";
    service.pipeline.put_profile(&tenant(), "bob".into(), draft(bio)).await.unwrap();
    act(&service, "bob", "ban", json!({})).await;
    follow(&service).await;
    let other = service
        .pipeline
        .put_profile(&tenant(), "ann".into(), draft("Opera, mostly, and long walks on my own in the rain."))
        .await;
    assert!(other.unwrap().resembles.is_empty());
    let again = service.pipeline.put_profile(&tenant(), "bob-2".into(), draft(bio)).await.unwrap();
    assert_eq!(again.resembles.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["bob"]);
    let told: Vec<_> = service.events().await.into_iter().filter(|event| event.kind == "evasion.suspected").collect();
    assert_eq!(
        (told.len(), &told[0].data["actor"], &told[0].data["resembles"][0]["actor"]),
        (1, &json!("bob-2"), &json!("bob"))
    );
    let cases = service.pipeline.desk().cases_of(&tenant(), "bob-2", 9).await.unwrap();
    assert_eq!((cases.len(), cases[0].facts.rules.as_slice()), (1, ["evasion_suspected".to_owned()].as_slice()));
    assert!(service.pipeline.standing(&tenant(), &"bob-2".into()).await.unwrap().standing.is_clean(), "only a hint");
}

fn photo(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../datasets/photos/{name}.jpg", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[tokio::test]
async fn x7_the_picture_of_a_banned_person_is_known_again_and_told_to_reviewers() {
    let service = Harness::new().await;
    crowd(&service).await;
    let show = async |id: &str, bytes: Vec<u8>| {
        let found = service.pipeline.put_avatar(&tenant(), &id.into(), bytes.into()).await;
        found.map(|found| found.map(|banned| banned.into_iter().map(|(id, _)| id.0).collect::<Vec<_>>()))
    };
    assert_eq!(show("p1", photo("p001")).await.unwrap(), Some(vec![]));
    assert_eq!(show("p2", photo("p002")).await.unwrap(), Some(vec![]));
    // Only of somebody who is banned: p2 has strikes.
    act(&service, "p1", "ban", json!({})).await;
    act(&service, "p2", "warn", json!({ "strikes": 1 })).await;
    follow(&service).await;
    assert_eq!(show("p3", photo("p002")).await.unwrap(), Some(vec![]));
    assert_eq!(show("p4", photo("p003")).await.unwrap(), Some(vec![]));
    assert_eq!(show("p5", photo("p001")).await.unwrap(), Some(vec!["p1".to_owned()]));
    assert_eq!(show("p1", photo("p001")).await.unwrap(), Some(vec![]), "nobody resembles themselves");
    let told: Vec<_> = service.events().await.into_iter().filter(|event| event.kind == "evasion.suspected").collect();
    assert_eq!(
        (told.len(), &told[0].data["actor"], &told[0].data["signal"]),
        (1, &json!("p5"), &json!("profile_picture"))
    );
    let cases = service.pipeline.desk().cases_of(&tenant(), "p5", 9).await.unwrap();
    assert_eq!((cases.len(), cases[0].facts.rules.as_slice()), (1, ["evasion_suspected".to_owned()].as_slice()));
    assert!(service.pipeline.standing(&tenant(), &"p5".into()).await.unwrap().standing.is_clean(), "only a hint");

    // A plain colour is not remembered, and takes the place of what was.
    assert_eq!(show("p5", crate::harness::picture_bytes(2, 0.1)).await.unwrap(), None);
    let p5 = ProfileId::from("p5");
    assert_eq!(service.pipeline.delete_avatar(&tenant(), &p5).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(show("nobody", photo("p001")).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(show("p6", b"no picture".to_vec()).await.unwrap_err().kind(), Kind::Invalid);
    // A ban that was taken back is none, and what was forgotten is like nothing.
    service.pipeline.delete_avatar(&tenant(), &"p1".into()).await.unwrap();
    assert_eq!(show("p7", photo("p001")).await.unwrap(), Some(vec![]));
}

#[tokio::test]
async fn x7_who_is_erased_leaves_nothing_in_matching() {
    let service = Harness::new().await;
    crowd(&service).await;
    let (p0, p1) = (ProfileId::from("p0"), ProfileId::from("p1"));
    for (from, to) in [(&p0, &p1), (&p1, &p0)] {
        service.pipeline.answer(&tenant(), from, to, true).await.unwrap();
    }
    service.pipeline.wait(&tenant(), &p1, 0).await.unwrap();
    service.pipeline.put_avatar(&tenant(), &p1, photo("p001").into()).await.unwrap();
    recommended(&service.pipeline, "p1").await;
    let staff = Staff { tenant: tenant(), name: "ada".into(), role: Role::Admin, profile: Default::default() };
    let receipt = service.pipeline.erase_person(&staff, "p1").await.unwrap();
    for name in ["profiles", "match_people", "ties", "tickets", "daily_lists", "tastes", "avatars"] {
        assert!(receipt.rows[name] > 0, "{name}: {:?}", receipt.rows);
    }
    assert_eq!(service.index.count().await.unwrap(), 9, "the vector is gone");
    let ended = service.events().await.into_iter().find(|event| event.kind == "match.ended").unwrap();
    assert_eq!(ended.data["reason"], "erased", "the other one is told");
    assert!(service.pipeline.matches(&tenant(), &p0, false, 9).await.unwrap().is_empty());
    assert_eq!(service.store.load_remembered(&tenant(), &[p1]).await.unwrap()[0].version, 0);
    let hits = service.pipeline.similar(&tenant(), Like::Text("chess".into()), vec![], 100).await.unwrap();
    assert!(hits.len() == 9 && hits.iter().all(|hit| hit.id.as_str() != "p1"));
}

#[tokio::test]
async fn x7_reports_lower_scores_until_they_are_dismissed() {
    let service = Harness::new().await;
    crowd(&service).await;
    let reputation = async || service.pipeline.standing(&tenant(), &"p1".into()).await.unwrap().reputation;
    let report = async |kind: &str, outcome: &str| {
        let data = json!({ "report": "7", "reporter": "p2", "subject": "p1", "reason": "spam", "outcome": outcome });
        let (kind, key, at) = (kind.to_owned(), uuid_like(), start_of_time());
        let event = Event { sequence: 0, kind, tenant: tenant(), key, at, data };
        service.store.put_change(&tenant(), Default::default(), (vec![event], vec![])).await.unwrap();
        follow(&service).await;
    };
    assert_eq!(reputation().await, 0.0);
    report("report.submitted", "").await;
    assert!(reputation().await < 0.0);
    let marked = service.pipeline.marked_people(&tenant(), None, 9).await.unwrap();
    assert_eq!(marked.iter().map(|stand| stand.person.as_str()).collect::<Vec<_>>(), ["p1"]);
    report("report.resolved", "dismissed").await;
    assert_eq!(reputation().await, 0.0);
}

#[tokio::test]
async fn x7_who_is_deleted_is_in_no_answer_and_stays_banned() {
    let service = Harness::new().await;
    crowd(&service).await;
    let (p0, p1) = (ProfileId::from("p0"), ProfileId::from("p1"));
    for (from, to) in [(&p0, &p1), (&p1, &p0)] {
        service.pipeline.answer(&tenant(), from, to, true).await.unwrap();
    }
    service.pipeline.wait(&tenant(), &p1, 0).await.unwrap();
    act(&service, "p1", "ban", json!({})).await;
    follow(&service).await;
    service.pipeline.delete_profile(&tenant(), &p1).await.unwrap();
    assert_eq!(service.index.count().await.unwrap(), 9, "the vector is gone");
    assert!(service.store.waiting(9).await.unwrap().is_empty());
    assert!(service.pipeline.matches(&tenant(), &p0, false, 9).await.unwrap().is_empty());
    put(&service.pipeline, "p1", &["chess", "tea"], Terms::default()).await;
    assert!(
        !recommended(&service.pipeline, "p0").await.contains(&"p1".to_owned()),
        "a new profile is no way out of a ban"
    );
}

#[tokio::test]
async fn x1_examples_for_and_against_pages_and_diversity() {
    let service = Harness::new().await;
    for (id, interests) in
        [("a", ["chess", "tea"]), ("b", ["chess", "tea"]), ("c", ["chess", "rugby"]), ("d", ["opera", "knitting"])]
    {
        put(&service.pipeline, id, &interests, Terms::default()).await;
    }
    let search = async |change: &dyn Fn(&mut Search)| {
        let mut search = Search { like: vec![Like::Text("chess tea".into())], limit: 4, ..Search::default() };
        change(&mut search);
        let found = service.pipeline.search(&tenant(), search).await.unwrap();
        found.into_iter().map(|found| (found.hit.id.0, found.shared_interests)).collect::<Vec<_>>()
    };
    let ids = |found: &[(String, Vec<String>)]| found.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    let all = search(&|_| {}).await;
    assert_eq!((all.len(), ids(&all)[3].as_str()), (4, "d"));
    let mut paged = Vec::new();
    for offset in 0..4 {
        paged.extend(search(&|search| (search.offset, search.limit) = (offset, 1)).await);
    }
    assert_eq!(paged, all, "pages make the whole");
    let against = search(&|search| search.unlike = vec![Like::Profile("d".into())]).await;
    assert!(!ids(&against).contains(&"d".to_owned()), "examples are left out");
    let spread = search(&|search| (search.diversity, search.limit) = (0.7, 2)).await;
    assert_ne!(ids(&spread), ["a", "b"], "not the twins");
    let like_a = search(&|search| search.like = vec![Like::Profile("a".into())]).await;
    assert_eq!(like_a[0], ("b".to_owned(), vec!["chess".to_owned(), "tea".to_owned()]));
    for wrong in [
        Search { limit: 5, ..Search::default() },
        Search { like: vec![Like::Text("x".into())], limit: 5, diversity: 2.0, ..Search::default() },
        Search { like: vec![Like::Text("x".into())], limit: 5, offset: 5_000, ..Search::default() },
        Search { like: vec![Like::Text("x".into()); 30], limit: 5, ..Search::default() },
    ] {
        assert_eq!(service.pipeline.search(&tenant(), wrong).await.unwrap_err().kind(), Kind::Invalid);
    }
}
