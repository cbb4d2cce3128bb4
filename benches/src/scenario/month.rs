//! A simulated month: people with hidden tastes come, go, are shown a list a day, like and pass. What do rankers make of it?
//!
//! Every person has a hidden taste (a direction in the space of profiles), a hidden appeal that everybody sees alike, and a leaning to say
//! yes. Profiles say part of the truth: the vector is what a person is, blurred. No ranker sees what is hidden.

use std::sync::Arc;

use pipeline::matching::{
    behaviour::observe,
    dice::Dice,
    exploration::explored,
    exposure::{self, Candidate, attention, gini},
    feature::{Someone, Traits, cosine},
    learner::logistic,
    score::ScoreModel,
};

use crate::report::Report;

/// Length of vectors: small, for a month must not take an hour.
const DIMENSIONS: usize = 16;
/// People on a list.
const LENGTH: usize = 10;
/// Candidates that an index would give.
const CANDIDATES: usize = 80;
/// Share of people who leave on a day; others come in their place.
const CHURN: f64 = 0.01;
/// Likes and passes that a taste is made of, as far back as they go.
const MEMORY: usize = 60;

/// How lists are made.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ranker {
    Ours(f64),
    Cosine,
    Random,
    Popularity,
}

struct Person {
    someone: Someone,
    /// What they are.
    truth: Vec<f32>,
    /// What they like.
    taste: Vec<f32>,
    appeal: f64,
    leaning: f64,
    answered: std::collections::HashSet<usize>,
    liked: std::collections::HashSet<usize>,
    newest: std::collections::VecDeque<(Arc<[f32]>, bool)>,
    matches: u32,
    shown: f64,
}

fn unit(mut values: Vec<f32>) -> Vec<f32> {
    let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-6);
    values.iter_mut().for_each(|value| *value /= norm);
    values
}

fn newcomer(dice: &mut Dice) -> Person {
    let draw = |dice: &mut Dice| -> Vec<f32> { (0..DIMENSIONS).map(|_| dice.normal() as f32).collect() };
    let truth = unit(draw(dice));
    // People like, by half, who is as they are.
    let own = draw(dice);
    let taste = unit(truth.iter().zip(unit(own)).map(|(truth, own)| truth + own).collect());
    let blur = unit(draw(dice));
    let vector: Arc<[f32]> = unit(truth.iter().zip(blur).map(|(truth, blur)| truth + 0.5 * blur).collect()).into();
    Person {
        someone: Someone { vector, ..Someone::default() },
        truth,
        taste,
        appeal: dice.normal() * 0.8,
        leaning: dice.normal() * 0.8,
        answered: Default::default(),
        liked: Default::default(),
        newest: Default::default(),
        matches: 0,
        shown: 0.0,
    }
}

/// Plays the month for every ranker with `people`, the same ones.
pub fn run(people: usize, days: usize) -> Report {
    let mut report = Report::new("month");
    let rankers = [
        ("ours", Ranker::Ours(0.5)),
        ("ours without fairness", Ranker::Ours(0.0)),
        ("cosine only", Ranker::Cosine),
        ("random", Ranker::Random),
        ("popularity", Ranker::Popularity),
    ];
    for (name, ranker) in rankers {
        let Month { matches, gini, without } = play(ranker, people, days);
        report.figure(&format!("{name}: mutual matches per person"), vec![matches]);
        report.figure(&format!("{name}: Gini of exposure"), vec![gini]);
        report.figure(&format!("{name}: people without a match, %"), vec![without * 100.0]);
    }
    report
}

struct Month {
    matches: f64,
    gini: f64,
    without: f64,
}

fn play(ranker: Ranker, count: usize, days: usize) -> Month {
    // Nature and rankers throw dice of their own: everybody meets the same people.
    let (mut nature, mut dice) = (Dice::seeded(5), Dice::seeded(6));
    let mut people: Vec<Person> = (0..count).map(|_| newcomer(&mut nature)).collect();
    let mut model = ScoreModel::default();
    let (mut done, mut total) = (Vec::new(), 0_u32);
    let mut order: Vec<usize> = (0..count).collect();
    for _ in 0..days {
        for slot in 0..count {
            if nature.chance(CHURN) {
                let gone = std::mem::replace(&mut people[slot], newcomer(&mut nature));
                done.push((gone.matches, gone.shown));
                for person in &mut people {
                    person.answered.remove(&slot);
                    person.liked.remove(&slot);
                }
            }
        }
        nature.shuffle(&mut order);
        for viewer in order.clone() {
            let list = list(ranker, &people, viewer, &model, &mut dice);
            for (place, candidate) in list.into_iter().enumerate() {
                people[candidate].shown += attention(place);
                let chance = likes(&people[viewer], &people[candidate]);
                let yes = nature.chance(chance);
                total += answer(&mut people, viewer, candidate, yes, &mut model);
            }
        }
    }
    done.extend(people.iter().map(|person| (person.matches, person.shown)));
    let shown: Vec<f64> = done.iter().map(|(_, shown)| *shown).collect();
    let without = done.iter().filter(|(matches, _)| *matches == 0).count() as f64 / done.len() as f64;
    Month { matches: f64::from(total) * 2.0 / done.len() as f64, gini: gini(&shown), without }
}

/// The hidden chance that one likes the other.
fn likes(viewer: &Person, candidate: &Person) -> f64 {
    let fit = f64::from(cosine(&viewer.taste, &candidate.truth));
    logistic(-1.2 + 2.5 * fit + candidate.appeal + viewer.leaning)
}

/// 1 when it makes a match.
fn answer(people: &mut [Person], viewer: usize, candidate: usize, yes: bool, model: &mut ScoreModel) -> u32 {
    let seen = people[candidate].someone.clone();
    let own = people[viewer].someone.clone();
    model.learn(&own, &seen, yes);
    let (mut a, mut b) = (own.behaviour, seen.behaviour);
    observe(&mut a, &mut b, yes, &model.expected);
    people[candidate].someone.behaviour = b;
    let person = &mut people[viewer];
    person.someone.behaviour = a;
    person.answered.insert(candidate);
    person.newest.push_back((seen.vector, yes));
    if person.newest.len() > MEMORY {
        person.newest.pop_front();
    }
    person.someone.taste = taste(&person.newest);
    if !yes {
        return 0;
    }
    person.liked.insert(candidate);
    if !people[candidate].liked.contains(&viewer) {
        return 0;
    }
    people[viewer].matches += 1;
    people[candidate].matches += 1;
    1
}

/// As the product makes it.
fn taste(newest: &std::collections::VecDeque<(Arc<[f32]>, bool)>) -> Arc<[f32]> {
    let mean = |yes: bool, place: usize| {
        let of = newest.iter().filter(|(_, said)| *said == yes);
        let (sum, count) = of.fold((0.0, 0.0), |(sum, count), (vector, _)| (sum + vector[place], count + 1.0));
        sum / (count + 2.0)
    };
    match newest.iter().any(|(_, said)| *said) {
        true => (0..DIMENSIONS).map(|place| mean(true, place) - mean(false, place)).collect(),
        false => [].into(),
    }
}

fn list(ranker: Ranker, people: &[Person], viewer: usize, model: &ScoreModel, dice: &mut Dice) -> Vec<usize> {
    let own = &people[viewer];
    let mut candidates: Vec<usize> = Vec::with_capacity(CANDIDATES);
    // An index gives near people; for the others anybody will do. Ours takes half of each, so that tastes can be found out.
    let near = |candidates: &mut Vec<usize>, wanted: usize, dice: &mut Dice| {
        let mut pool: Vec<usize> = (0..wanted * 6).map(|_| dice.below(people.len())).collect();
        pool.sort_unstable();
        pool.dedup();
        pool.retain(|other| *other != viewer && !own.answered.contains(other));
        let likeness = |other: &usize| cosine(&own.someone.vector, &people[*other].someone.vector);
        pool.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
        candidates.extend(pool.into_iter().take(wanted));
    };
    let anybody = |candidates: &mut Vec<usize>, wanted: usize, dice: &mut Dice| {
        for _ in 0..wanted * 2 {
            let other = dice.below(people.len());
            if other != viewer && !own.answered.contains(&other) && !candidates.contains(&other) {
                candidates.push(other);
            }
            if candidates.len() >= wanted {
                break;
            }
        }
    };
    match ranker {
        Ranker::Ours(_) => {
            near(&mut candidates, CANDIDATES / 2, dice);
            anybody(&mut candidates, CANDIDATES, dice);
        }
        Ranker::Cosine => near(&mut candidates, CANDIDATES, dice),
        Ranker::Random | Ranker::Popularity => anybody(&mut candidates, CANDIDATES, dice),
    }
    let worth: Vec<f64> = match ranker {
        Ranker::Ours(_) => {
            let traits = Traits::of(&own.someone, &model.expected);
            let score = |other: &usize, dice: &mut Dice| {
                let behaviour = explored(&people[*other].someone.behaviour, &model.expected, dice);
                let someone = Someone { behaviour, ..people[*other].someone.clone() };
                let theirs = Traits::of(&someone, &model.expected);
                model.score_known((&own.someone, &traits), (&someone, &theirs)).total
            };
            candidates.iter().map(|other| score(other, dice)).collect()
        }
        Ranker::Cosine => candidates
            .iter()
            .map(|other| f64::from(cosine(&own.someone.vector, &people[*other].someone.vector)) + 2.0)
            .collect(),
        Ranker::Random => candidates.iter().map(|_| dice.unit()).collect(),
        Ranker::Popularity => {
            let rate = |other: &usize| people[*other].someone.behaviour.received.shrunk(0.4, 4.0);
            candidates.iter().map(rate).collect()
        }
    };
    let shown: Vec<Candidate> =
        candidates.iter().zip(worth).map(|(other, score)| Candidate { score, shown: people[*other].shown }).collect();
    let mean = shown.iter().map(|candidate| candidate.shown).sum::<f64>() / shown.len().max(1) as f64;
    let alpha = if let Ranker::Ours(alpha) = ranker { alpha } else { 0.0 };
    exposure::order(&shown, mean, alpha).into_iter().take(LENGTH).map(|place| candidates[place]).collect()
}
