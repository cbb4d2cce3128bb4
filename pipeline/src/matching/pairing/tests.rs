use proptest::prelude::*;

use super::*;
use crate::matching::{
    filter::{mutual, tests::terms},
    person::{About, Place, Seeks},
};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000 + second, 0).unwrap()
}

fn waiting(terms: Terms, tier: u8, since: i64) -> Waiting {
    Waiting { person: Someone { terms, ..Someone::default() }, tier, since: at(since) }
}

fn anybody(tier: u8, since: i64) -> Waiting {
    waiting(Terms::default(), tier, since)
}

fn run(waiting: &[Waiting], avoid: &[(usize, usize)], now: i64) -> Vec<Pairing> {
    tick(waiting, &avoid.iter().copied().collect(), &ScoreModel::default(), &Rules::default(), at(now), 1)
}

fn people(pairings: &[Pairing]) -> Vec<usize> {
    let mut people: Vec<usize> = pairings.iter().flat_map(|pairing| [pairing.a, pairing.b]).collect();
    people.sort_unstable();
    people
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn x4_no_pairing_ever_breaks_a_hard_limit(
        pool in proptest::collection::vec((terms(), 0..4_u8, 0..200_i64), 0..40),
        avoid in proptest::collection::vec((0..40_usize, 0..40_usize), 0..40),
        now in 0..400_i64,
    ) {
        let pool: Vec<Waiting> = pool.into_iter().map(|(terms, tier, since)| waiting(terms, tier, since)).collect();
        let avoid: Vec<_> = avoid.into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
        let pairings = run(&pool, &avoid, now);
        let mut once = people(&pairings);
        once.dedup();
        prop_assert_eq!(once.len(), pairings.len() * 2, "nobody is in two pairs");
        for Pairing { a, b, score } in pairings {
            prop_assert!(mutual(&pool[a].person.terms, &pool[b].person.terms).is_ok());
            prop_assert!(!avoid.contains(&(a.min(b), a.max(b))));
            prop_assert!((0.0..=1.0).contains(&score));
        }
    }

    #[test]
    fn x4_the_quick_look_never_refuses_who_fits(one in terms(), other in terms()) {
        if mutual(&one, &other).is_ok() {
            let (one, other) = (Quick::of(&one), Quick::of(&other));
            prop_assert!(one.accepts(&other) && other.accepts(&one));
        }
    }
}

#[test]
fn x4_better_tiers_go_first_among_those_who_have_just_come() {
    let pool = [anybody(0, 0), anybody(0, 0), anybody(2, 0), anybody(0, 0), anybody(1, 0)];
    // Of five one is left over: never the better ones.
    let left: Vec<usize> = (0..5).filter(|who| !people(&run(&pool, &[], 60)).contains(who)).collect();
    assert!(left.len() == 1 && pool[left[0]].tier == 0, "{left:?}");
}

#[test]
fn x4_nobody_starves_however_many_of_a_better_tier_come() {
    // At every tick two of the best tier come, and one of the three who then wait is left over.
    let mut pool = vec![anybody(0, 0)];
    for second in 0..600 {
        pool.extend([anybody(2, second), anybody(2, second)]);
        let paired = people(&run(&pool, &[], second + 1));
        if paired.contains(&0) {
            assert!(second <= 61, "waited {second} s: longer than the head start");
            return;
        }
        let mut place = 0;
        pool.retain(|_| (!paired.contains(&place), place += 1).0);
    }
    panic!("starved");
}

#[test]
fn x4_waiting_widens_soft_limits_and_never_hard_ones() {
    let aged = |age, wishes: Wishes, seeks: Seeks| Terms {
        about: About { age: Some(age), ..About::default() },
        seeks,
        wishes,
    };
    let wishes = Wishes { max_age: Some(30), ..Wishes::default() };
    let soft = [
        waiting(aged(25, wishes.clone(), Seeks::default()), 0, 0),
        waiting(aged(40, Wishes::default(), Seeks::default()), 0, 0),
    ];
    assert!(run(&soft, &[], 10).is_empty(), "ten years too old, at once");
    assert_eq!(run(&soft, &[], 40).len(), 1, "after a while that is near enough");
    let seeks = Seeks { max_age: Some(30), ..Seeks::default() };
    let hard = [waiting(aged(25, wishes, seeks), 0, 0), waiting(aged(31, Wishes::default(), Seeks::default()), 0, 0)];
    assert!(run(&hard, &[], 1_000_000).is_empty());
    // Distances widen from their own size to the whole Earth.
    let there = |lat, km: Option<f64>| Terms {
        about: About { place: Some(Place { lat, lon: 0.0 }), ..About::default() },
        wishes: Wishes { max_km: km, ..Wishes::default() },
        ..Terms::default()
    };
    let far = [waiting(there(0.0, Some(10.0)), 0, 0), waiting(there(3.0, None), 0, 0)];
    assert!(run(&far, &[], 5).is_empty());
    assert_eq!(run(&far, &[], 45).len(), 1);
}

#[test]
fn x4_a_bad_fit_needs_patience_of_both() {
    let mut suspect = anybody(0, 0);
    (suspect.person.strikes, suspect.person.trust) = (3, Some(0.0));
    suspect.person.behaviour.reports = 5.0;
    let pool = [suspect, anybody(0, 100)];
    assert!(run(&pool, &[], 110).is_empty(), "one of them has just come");
    assert_eq!(run(&pool, &[], 160).len(), 1);
}

#[test]
fn x4_who_met_lately_does_not_meet_again() {
    let pool = [anybody(0, 0), anybody(0, 0)];
    assert!(run(&pool, &[(0, 1)], 100).is_empty());
    assert_eq!(run(&pool, &[], 100).len(), 1);
    assert!(run(&[], &[], 0).is_empty() && run(&pool[..1], &[], 0).is_empty());
}

#[test]
fn x4_of_many_every_one_is_looked_at_sooner_or_later() {
    // One of 2,000 speaks the language that the first seeks.
    let mut pool: Vec<Waiting> = (0..2_000)
        .map(|_| {
            waiting(
                Terms { seeks: Seeks { languages: vec!["xx".into()], ..Seeks::default() }, ..Terms::default() },
                0,
                0,
            )
        })
        .collect();
    pool[0].person.terms.about.languages = vec!["xx".into()];
    pool[1_234].person.terms.about.languages = vec!["xx".into()];
    let ticks = (0..60).take_while(|turn| {
        tick(&pool, &HashSet::new(), &ScoreModel::default(), &Rules::default(), at(60), *turn).is_empty()
    });
    assert!(ticks.count() < 60);
}
