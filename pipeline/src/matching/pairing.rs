//! People who wait now: each tick pairs as many as fit, those who wait longest and those who fit best first.
//!
//! - Hard limits ([`filter::mutual`]) hold always. Soft ones ([`Wishes`], the least score) widen with the waiting time of each side, and
//!   are gone after [`Rules::patience`].
//! - A pair is worth its score and the waiting time of both. A better tier is a head start of some seconds, no more: whoever waits outgrows
//!   it, so nobody starves.
//! - A person looks at some of those who wait, spread evenly over all who fit by gender and age, others at every tick.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    assignment::{Edge, assign},
    dice::Dice,
    feature::{Someone, Traits},
    filter,
    person::{Terms, Wishes},
    score::ScoreModel,
};

/// Somebody who waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Who.
    pub person: Someone,
    /// 0 for everybody; higher ones have a head start.
    pub tier: u8,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// How people are paired.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// After so long soft limits are gone.
    pub patience: TimeDelta,
    /// Least score of two people who have just come.
    pub least_score: f64,
    /// Waiting so long is worth as much as the difference between the worst and the best score.
    pub aging: TimeDelta,
    /// Head start of each tier; tiers beyond the last have the last one's.
    pub head_starts: Vec<TimeDelta>,
    /// People that one person is compared with in a tick.
    pub compared: usize,
    /// People that one person looks at for it.
    pub looked_at: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            patience: TimeDelta::seconds(60),
            least_score: 0.2,
            aging: TimeDelta::seconds(60),
            head_starts: vec![TimeDelta::zero(), TimeDelta::seconds(30), TimeDelta::seconds(60)],
            compared: 12,
            looked_at: 400,
        }
    }
}

/// Two people who are to meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pairing {
    /// Place in the list of those who wait.
    pub a: usize,
    /// Another.
    pub b: usize,
    /// How well they fit, 0..=1.
    pub score: f64,
}

/// One person, prepared for many comparisons.
struct Seat {
    traits: Traits,
    /// 0 (just come) to 1 (patience is over).
    width: f64,
    /// In units of [`Rules::aging`], head start included.
    urgency: f64,
}

/// The hard limits as bits: whoever fits passes, and few others do.
#[derive(Clone, Copy)]
struct Quick {
    is: [u64; 4],
    seeks: [u64; 4],
    /// 0: unknown.
    age: u8,
    ages: (u8, u8),
}

impl Quick {
    fn of(Terms { about, seeks, .. }: &Terms) -> Self {
        let one = |word: &Option<String>| word.as_ref().map_or(0, |word| bit(word));
        let any = |words: &[String]| words.iter().fold(0, |bits, word| bits | bit(word));
        Self {
            is: [one(&about.gender), any(&about.languages), one(&about.region), any(&about.intents)],
            seeks: [any(&seeks.genders), any(&seeks.languages), any(&seeks.regions), any(&seeks.intents)],
            age: about.age.unwrap_or(0),
            ages: (seeks.min_age.unwrap_or(0), seeks.max_age.unwrap_or(u8::MAX)),
        }
    }

    fn accepts(&self, other: &Self) -> bool {
        let words = self.seeks.iter().zip(&other.is).all(|(seeks, is)| *seeks == 0 || seeks & is != 0);
        words && self.ages.0 <= other.age && other.age <= self.ages.1
    }
}

/// One of 64 bits for a word (FNV-1a).
fn bit(word: &str) -> u64 {
    let hash = word
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    1 << (hash >> 58)
}

/// Pairs some of those who wait. `avoid`: places (lower first) of two who must not meet: blocked, or met lately. `turn`: another number at
/// every tick.
pub fn tick(
    waiting: &[Waiting],
    avoid: &HashSet<(usize, usize)>,
    model: &ScoreModel,
    rules: &Rules,
    now: DateTime<Utc>,
    turn: u64,
) -> Vec<Pairing> {
    let seats: Vec<Seat> = waiting.iter().map(|waiting| seat(waiting, model, rules, now)).collect();
    // Apart from the seats: they are looked at far oftener, and so stay near the processor.
    let quick: Vec<Quick> = waiting.iter().map(|waiting| Quick::of(&waiting.person.terms)).collect();
    let halls = Halls::new(waiting);
    let mut dice = Dice::seeded(turn);
    let mut pairs = Vec::with_capacity(waiting.len() * rules.compared);
    for (a, own) in quick.iter().enumerate() {
        let fit = |b: usize| b != a && own.accepts(&quick[b]) && quick[b].accepts(own);
        halls.look(&waiting[a].person.terms, rules, &mut dice, fit, |b| pairs.push((a.min(b), a.max(b))));
    }
    // Two who found each other are compared once.
    pairs.sort_unstable();
    pairs.dedup();
    pairs.retain(|pair| !avoid.contains(pair));
    let edges = pairs.into_iter().filter_map(|pair| edge(waiting, &seats, model, rules, pair)).collect();
    let mut pairings: Vec<Pairing> = assign(waiting.len(), edges)
        .iter()
        .map(|edge| {
            let (a, b) = (edge.a as usize, edge.b as usize);
            Pairing { a, b, score: score(waiting, &seats, model, (a, b)) }
        })
        .collect();
    pairings.sort_by_key(|pairing| waiting[pairing.a].since.min(waiting[pairing.b].since));
    pairings
}

fn seat(waiting: &Waiting, model: &ScoreModel, rules: &Rules, now: DateTime<Utc>) -> Seat {
    let seconds = |delta: TimeDelta| delta.num_milliseconds().max(0) as f64 / 1e3;
    let waited = seconds(now - waiting.since);
    let tier = usize::from(waiting.tier).min(rules.head_starts.len().saturating_sub(1));
    let head_start = rules.head_starts.get(tier).map_or(0.0, |start| seconds(*start));
    Seat {
        traits: Traits::of(&waiting.person, &model.expected),
        width: (waited / seconds(rules.patience).max(1e-3)).min(1.0),
        urgency: (waited + head_start) / seconds(rules.aging).max(1e-3),
    }
}

fn score(waiting: &[Waiting], seats: &[Seat], model: &ScoreModel, (a, b): (usize, usize)) -> f64 {
    let (one, other) = ((&waiting[a].person, &seats[a].traits), (&waiting[b].person, &seats[b].traits));
    ScoreModel::total_with(&model.learner.mean, one, other)
}

/// What a pair is worth; `None` when it is not allowed, or not yet.
fn edge(
    waiting: &[Waiting],
    seats: &[Seat],
    model: &ScoreModel,
    rules: &Rules,
    (a, b): (usize, usize),
) -> Option<Edge> {
    let (one, other) = (&waiting[a].person, &waiting[b].person);
    filter::mutual(&one.terms, &other.terms).ok()?;
    let km = seats[a].traits.km_to(&seats[b].traits);
    let wished = |terms, other, seat: &Seat| wished(terms, other, km, seat.width);
    if !wished(&one.terms, &other.terms, &seats[a]) || !wished(&other.terms, &one.terms, &seats[b]) {
        return None;
    }
    let score = score(waiting, seats, model, (a, b));
    // Both must have waited for a pair that fits badly.
    let least = rules.least_score * (1.0 - seats[a].width.min(seats[b].width));
    let weight = (score + seats[a].urgency + seats[b].urgency) as f32;
    (score >= least).then_some(Edge { a: a as u32, b: b as u32, weight: weight.max(f32::MIN_POSITIVE) })
}

/// Is the other, so far away, within the soft limits, widened by `width`? With 1 everybody is.
fn wished(terms: &Terms, other: &Terms, km: Option<f64>, width: f64) -> bool {
    let Wishes { min_age, max_age, max_km } = terms.wishes;
    if width >= 1.0 {
        return true;
    }
    // Twenty years, and the Earth, are what the widest limits reach.
    let years = width * 20.0;
    let age = other.about.age.map(f64::from);
    let young = min_age.is_none_or(|min| age.is_some_and(|age| age >= f64::from(min) - years));
    let old = max_age.is_none_or(|max| age.is_some_and(|age| age <= f64::from(max) + years));
    let near = max_km.is_none_or(|most| km.is_some_and(|km| km <= most * (20_038.0 / most).powf(width)));
    young && old && near
}

/// Those who wait by gender, in each hall by age.
struct Halls {
    /// Gender → (age, place), ordered; unknown ages are 0.
    halls: BTreeMap<Option<String>, Vec<(u8, usize)>>,
}

impl Halls {
    fn new(waiting: &[Waiting]) -> Self {
        let mut halls: BTreeMap<Option<String>, Vec<(u8, usize)>> = BTreeMap::new();
        for (place, waiting) in waiting.iter().enumerate() {
            let about = &waiting.person.terms.about;
            halls.entry(about.gender.clone()).or_default().push((about.age.unwrap_or(0), place));
        }
        for hall in halls.values_mut() {
            hall.sort_unstable();
        }
        Self { halls }
    }

    /// Tells `found` of people whom `terms` seeks by gender and age and who `fit`, up to [`Rules::compared`], of at most
    /// [`Rules::looked_at`] that are looked at.
    fn look(
        &self,
        terms: &Terms,
        rules: &Rules,
        dice: &mut Dice,
        fit: impl Fn(usize) -> bool,
        mut found: impl FnMut(usize),
    ) {
        let seeks = &terms.seeks;
        let wanted = |gender: &Option<String>| {
            seeks.genders.is_empty() || gender.as_ref().is_some_and(|gender| seeks.genders.contains(gender))
        };
        let limited = seeks.min_age.is_some() || seeks.max_age.is_some();
        let (min, max) =
            if limited { (seeks.min_age.unwrap_or(1).max(1), seeks.max_age.unwrap_or(u8::MAX)) } else { (0, u8::MAX) };
        let slices: Vec<&[(u8, usize)]> = self
            .halls
            .iter()
            .filter(|(gender, _)| wanted(gender))
            .map(|(_, hall)| {
                let first = hall.partition_point(|(age, _)| *age < min);
                let end = hall.partition_point(|(age, _)| *age <= max);
                &hall[first..end.max(first)]
            })
            .collect();
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        if total == 0 || rules.compared == 0 {
            return;
        }
        // From another place each time, in leaps of the golden section: wherever the walk stops, it was everywhere a little, and a whole
        // one meets everybody once.
        let mut leap = (total as f64 * 0.618_033_988_75) as usize;
        while common(leap, total) != 1 {
            leap += 1;
        }
        let (mut at, mut left) = (dice.below(total), rules.compared);
        for _ in 0..total.min(rules.looked_at) {
            let mut place = at;
            for slice in &slices {
                let Some((_, person)) = slice.get(place) else {
                    place -= slice.len();
                    continue;
                };
                if fit(*person) {
                    found(*person);
                    left -= 1;
                }
                break;
            }
            if left == 0 {
                return;
            }
            at = (at + leap) % total;
        }
    }
}

/// Greatest common divisor (Euclid).
fn common(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common(b, a % b) }
}

#[cfg(test)]
mod tests;
