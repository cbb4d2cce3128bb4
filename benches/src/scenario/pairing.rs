//! Live pairing without a service: a tick with 10,000 people who wait, on one core; and a simulated evening against first come, first served.
//! And what exploration and fair exposure gain and cost, in their simulations.

use std::{collections::HashSet, sync::Arc, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};
use pipeline::matching::{
    dice::Dice,
    exploration::{Market, Strategy, simulate},
    exposure::trade_off,
    feature::Someone,
    filter::mutual,
    pairing::{Rules, Waiting, tick},
    person::{About, Place, Seeks, Terms, Wishes},
    score::ScoreModel,
};

use crate::report::{Report, median};

/// People who wait at once.
const CROWD: usize = 10_000;
/// Length of their vectors.
const DIMENSIONS: usize = 384;
/// Arrivals per second of the evening.
const ARRIVALS: f64 = 10.0;
/// Its length, in seconds.
const EVENING: i64 = 1_200;

/// Measures.
pub fn run(rounds: usize) -> Report {
    let mut report = Report::new("pairing");
    crowd(&mut report, rounds.max(3));
    evening(&mut report);
    exploration(&mut report);
    fairness(&mut report);
    report
}

/// A person of a city: half look for the other gender, everybody for an age near theirs, one in five within 30 km only, two languages.
fn person(dice: &mut Dice, topics: &[Arc<[f32]>]) -> Someone {
    let age = 18 + dice.below(42) as u8;
    let gender = if dice.chance(0.5) { "f" } else { "m" };
    let other = if gender == "f" { "m" } else { "f" };
    let genders = match dice.below(4) {
        0 => vec![],
        1 => vec![gender.to_owned()],
        _ => vec![other.to_owned()],
    };
    let languages: Vec<String> =
        ["de", "fr", "en"].iter().filter(|_| dice.chance(0.6)).map(|word| (*word).to_owned()).collect();
    let languages = if languages.is_empty() { vec!["en".to_owned()] } else { languages };
    let topic = &topics[dice.below(topics.len())];
    let raw: Vec<f32> = topic.iter().map(|value| value + 0.05 * dice.normal() as f32).collect();
    let norm = raw.iter().map(|value| value * value).sum::<f32>().sqrt();
    let mut someone = Someone {
        terms: Terms {
            about: About {
                age: Some(age),
                gender: Some(gender.to_owned()),
                place: Some(Place { lat: 47.0 + dice.normal() * 0.2, lon: 8.0 + dice.normal() * 0.3 }),
                region: Some("ch".to_owned()),
                languages: languages.clone(),
                intents: vec!["dating".to_owned()],
            },
            seeks: Seeks {
                genders,
                min_age: Some(age.saturating_sub(10).max(18)),
                max_age: Some(age + 10),
                max_km: dice.chance(0.2).then_some(30.0),
                languages,
                ..Seeks::default()
            },
            wishes: Wishes { min_age: Some(age.saturating_sub(4)), max_age: Some(age + 4), max_km: Some(20.0) },
        },
        interests: (0..3).map(|_| format!("interest {}", dice.below(60))).collect(),
        vector: raw.iter().map(|value| value / norm).collect(),
        idle_days: Some(0.0),
        ..Someone::default()
    };
    someone.behaviour.leaning = (dice.normal() * 0.15).clamp(-0.4, 0.5);
    someone.behaviour.appeal = (dice.normal() * 0.15).clamp(-0.4, 0.5);
    someone
}

fn topics(dice: &mut Dice) -> Vec<Arc<[f32]>> {
    let topic = |dice: &mut Dice| {
        let raw: Vec<f32> = (0..DIMENSIONS).map(|_| dice.normal() as f32).collect();
        let norm = raw.iter().map(|value| value * value).sum::<f32>().sqrt();
        raw.iter().map(|value| value / norm).collect()
    };
    (0..40).map(|_| topic(dice)).collect()
}

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn crowd(report: &mut Report, rounds: usize) {
    let mut dice = Dice::seeded(1);
    let topics = topics(&mut dice);
    let waiting: Vec<Waiting> = (0..CROWD)
        .map(|_| Waiting {
            person: person(&mut dice, &topics),
            tier: dice.below(3) as u8,
            since: start() - TimeDelta::milliseconds(dice.below(90_000) as i64),
        })
        .collect();
    let (model, rules, nobody) = (ScoreModel::default(), Rules::default(), HashSet::new());
    let (mut times, mut paired) = (Vec::new(), Vec::new());
    for turn in 0..=rounds {
        let started = Instant::now();
        let pairings = tick(&waiting, &nobody, &model, &rules, start(), turn as u64);
        let took = started.elapsed().as_secs_f64() * 1e3;
        // The first one warms caches.
        if turn > 0 {
            times.push(took);
            paired.push(pairings.len() as f64 * 2.0);
        }
    }
    let took = report.figure("tick with 10,000 people waiting, one core: ms", times);
    report.figure("people paired by it", paired);
    report.goal("tick with 10,000 people waiting under 200 ms", took, took < 200.0);
}

/// Who waits in the evening, whoever pairs them.
struct Evening {
    waiting: Vec<Waiting>,
    waits: Vec<f64>,
    scores: Vec<f64>,
}

impl Evening {
    fn leave(&mut self, pairs: &[(usize, usize)], model: &ScoreModel, now: DateTime<Utc>) {
        let mut gone = HashSet::new();
        for (a, b) in pairs {
            let (one, other) = (&self.waiting[*a], &self.waiting[*b]);
            self.scores.push(model.score(&one.person, &other.person).total);
            for waiting in [one, other] {
                self.waits.push((now - waiting.since).num_milliseconds() as f64 / 1e3);
            }
            gone.extend([*a, *b]);
        }
        let mut place = 0;
        self.waiting.retain(|_| {
            place += 1;
            !gone.contains(&(place - 1))
        });
    }
}

fn evening(report: &mut Report) {
    let (model, rules) = (ScoreModel::default(), Rules::default());
    let ours = play(&model, |waiting, now, turn| {
        let pairs = tick(waiting, &HashSet::new(), &model, &rules, now, turn);
        pairs.into_iter().map(|pair| (pair.a, pair.b)).collect()
    });
    let first = play(&model, |waiting, _, _| first_come(waiting));
    for (name, evening) in [("ours", &ours), ("first come, first served", &first)] {
        let mut waits = evening.waits.clone();
        waits.sort_by(f64::total_cmp);
        let late = waits.get(waits.len() * 95 / 100).copied().unwrap_or(f64::NAN);
        let mean = evening.scores.iter().sum::<f64>() / evening.scores.len().max(1) as f64;
        report.figure(&format!("evening, {name}: median wait, s"), vec![median(&waits)]);
        report.figure(&format!("evening, {name}: 95 % waited less than, s"), vec![late]);
        report.figure(&format!("evening, {name}: mean score of a pair, %"), vec![mean * 100.0]);
        report.figure(&format!("evening, {name}: people left waiting at the end"), vec![evening.waiting.len() as f64]);
    }
}

/// An evening of Poisson arrivals, one tick a second. The same people come at the same times, whoever pairs them.
fn play(model: &ScoreModel, mut pair: impl FnMut(&[Waiting], DateTime<Utc>, u64) -> Vec<(usize, usize)>) -> Evening {
    let mut dice = Dice::seeded(2);
    let topics = topics(&mut dice);
    let mut evening = Evening { waiting: Vec::new(), waits: Vec::new(), scores: Vec::new() };
    let mut next = 0.0;
    for second in 0..EVENING {
        while next < second as f64 {
            let since = start() + TimeDelta::milliseconds((next * 1e3) as i64);
            let tier = u8::from(dice.chance(0.1));
            evening.waiting.push(Waiting { person: person(&mut dice, &topics), tier, since });
            next -= (1.0 - dice.unit()).ln() / ARRIVALS;
        }
        let now = start() + TimeDelta::seconds(second);
        let pairs = pair(&evening.waiting, now, second as u64);
        evening.leave(&pairs, model, now);
    }
    evening
}

/// Each in the order of arrival gets the first of the others whom both sides' hard limits allow.
fn first_come(waiting: &[Waiting]) -> Vec<(usize, usize)> {
    let mut free = vec![true; waiting.len()];
    let mut pairs = Vec::new();
    for a in 0..waiting.len() {
        if !free[a] {
            continue;
        }
        let fits = |b: &usize| free[*b] && mutual(&waiting[a].person.terms, &waiting[*b].person.terms).is_ok();
        if let Some(b) = (a + 1..waiting.len()).find(fits) {
            (free[a], free[b]) = (false, false);
            pairs.push((a, b));
        }
    }
    pairs
}

fn exploration(report: &mut Report) {
    const RUNS: u64 = 40;
    let market = Market { candidates: 100, churn: 100, rounds: 10_000 };
    let mut regrets = Vec::new();
    for (name, strategy) in [
        ("Thompson sampling", Strategy::Thompson),
        ("epsilon-greedy, 10 %", Strategy::EpsilonGreedy(0.1)),
        ("pure exploitation", Strategy::Exploit),
    ] {
        let runs: Vec<f64> = (0..RUNS).map(|seed| simulate(strategy, market, seed).regret).collect();
        regrets.push(median(&runs));
        report.figure(&format!("likes missed in 10,000 showings, {name}"), vec![median(&runs)]);
    }
    let least = regrets[1].min(regrets[2]);
    report.goal("Thompson sampling misses less than both others (share)", regrets[0] / least, regrets[0] < least);
}

fn fairness(report: &mut Report) {
    for line in trade_off(&[0.0, 0.5, 1.0, 2.0], 150, 10, 7, 3) {
        let alpha = line.alpha;
        report.figure(&format!("fairness {alpha}: expected matches kept, %"), vec![line.matches_kept * 100.0]);
        report.figure(&format!("fairness {alpha}: Gini of exposure"), vec![line.gini]);
        report.figure(&format!("fairness {alpha}: never shown, %"), vec![line.never_shown * 100.0]);
        report.figure(&format!("fairness {alpha}: can expect no match, %"), vec![line.without_match * 100.0]);
    }
}
