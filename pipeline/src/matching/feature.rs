//! A pair in numbers: what one person (the viewer) sees in another (the candidate).
//!
//! Every feature is 0 where nothing is known, so that what is missing says nothing. What belongs to one person alone is computed once per
//! person ([`Traits`]), so that ten thousand waiting people are scored in milliseconds.

use std::{collections::hash_map::DefaultHasher, hash::Hasher, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    behaviour::{Behaviour, Expected},
    person::{Terms, km_between},
};

/// The parts that a score is explained by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What both write about and like.
    Interests,
    /// Age, place, language, intent.
    Demographics,
    /// How active, choosy, sought after and polite they are.
    Behaviour,
    /// Strikes, reports, ratings, trust.
    Reputation,
    /// Likeness to those whom the viewer liked before.
    PastCompatibility,
}

impl Part {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] =
        [Self::Interests, Self::Demographics, Self::Behaviour, Self::Reputation, Self::PastCompatibility];

    /// Name for JSON and texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interests => "interests",
            Self::Demographics => "demographics",
            Self::Behaviour => "behaviour",
            Self::Reputation => "reputation",
            Self::PastCompatibility => "past_compatibility",
        }
    }
}

/// One feature: its name, its part (none for the constant), the weight that is believed before anybody was seen, and how firmly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feature {
    /// In the order of a row.
    pub name: &'static str,
    /// What it is counted under.
    pub part: Option<Part>,
    /// Weight before any answer, in log odds per unit.
    pub prior: f64,
    /// Precision of that belief.
    pub precision: f64,
}

/// Features of a row.
pub const COUNT: usize = 19;
/// One pair, one direction.
pub type Row = [f64; COUNT];

const fn feature(name: &'static str, part: Part, prior: f64, precision: f64) -> Feature {
    Feature { name, part: Some(part), prior, precision }
}

/// All features. The priors of behaviour (a person's own rate, in log odds, counts about once) are those that 3,700 decisions of the public
/// speed-dating evenings teach; of the others only the sign is believed: answers of the platform's own people overrule it soon.
pub const FEATURES: [Feature; COUNT] = [
    Feature { name: "constant", part: None, prior: -0.32, precision: 20.0 },
    feature("interest_similarity", Part::Interests, 1.0, 10.0),
    feature("shared_interests", Part::Interests, 0.5, 10.0),
    feature("age_gap", Part::Demographics, -0.4, 10.0),
    feature("distance", Part::Demographics, -0.2, 10.0),
    feature("shared_language", Part::Demographics, 0.3, 10.0),
    feature("same_region", Part::Demographics, 0.2, 10.0),
    feature("shared_intent", Part::Demographics, 0.4, 10.0),
    feature("viewer_leaning", Part::Behaviour, 1.0, 50.0),
    feature("candidate_appeal", Part::Behaviour, 1.0, 50.0),
    feature("candidate_leaning", Part::Behaviour, 0.0, 10.0),
    feature("viewer_appeal", Part::Behaviour, 0.0, 10.0),
    feature("candidate_activity", Part::Behaviour, 0.3, 10.0),
    feature("candidate_replies", Part::Behaviour, 0.3, 10.0),
    feature("candidate_ratings", Part::Reputation, 0.6, 10.0),
    feature("candidate_strikes", Part::Reputation, -1.0, 20.0),
    feature("candidate_reports", Part::Reputation, -0.6, 20.0),
    feature("candidate_distrust", Part::Reputation, -1.0, 20.0),
    feature("learned_taste", Part::PastCompatibility, 1.0, 10.0),
];

/// A share of yes as log odds: the slope of the logistic curve at a half.
const SHARE: f64 = 4.0;
/// Days after which activity counts half.
const ACTIVITY_HALF_LIFE_DAYS: f64 = 4.0;
/// Cosine of two profiles of strangers, about, with sentence embeddings.
const STRANGERS_COSINE: f64 = 0.2;

/// All that a score reads of one person.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Someone {
    /// What they say of themselves and seek.
    pub terms: Terms,
    /// Short phrases.
    pub interests: Vec<String>,
    /// Of their text, unit length; empty when there is none.
    pub vector: Arc<[f32]>,
    /// What they like beyond what everybody likes, as [`super::taste::learned`] finds it; empty when unknown.
    pub taste: Arc<[f32]>,
    /// What they did and had done to them.
    pub behaviour: Behaviour,
    /// Days since they were last seen.
    pub idle_days: Option<f64>,
    /// Strikes that count now.
    pub strikes: u32,
    /// 0 (none) to 1; `None` when nothing is known.
    pub trust: Option<f64>,
}

/// What of a row belongs to one person alone.
#[derive(Debug, Clone)]
pub struct Traits {
    /// Their share of a row in which they view.
    viewing: Row,
    /// Their share of a row in which they are the candidate.
    viewed: Row,
    /// Digests of their interests, in order.
    interests: Vec<u64>,
    /// Where they are, on a ball of radius 1.
    point: Option<[f64; 3]>,
}

const fn at(name: &str) -> usize {
    let mut index = 0;
    while index < COUNT {
        if same(FEATURES[index].name.as_bytes(), name.as_bytes()) {
            return index;
        }
        index += 1;
    }
    panic!("no such feature")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

const SIMILARITY: usize = at("interest_similarity");
const SHARED_INTERESTS: usize = at("shared_interests");
const AGE_GAP: usize = at("age_gap");
const DISTANCE: usize = at("distance");
const LANGUAGE: usize = at("shared_language");
const REGION: usize = at("same_region");
const INTENT: usize = at("shared_intent");
const TASTE: usize = at("learned_taste");

impl Traits {
    /// Computes what belongs to one person.
    pub fn of(person: &Someone, expected: &Expected) -> Self {
        let Someone { behaviour, .. } = person;
        let (mut viewing, mut viewed) = ([0.0; COUNT], [0.0; COUNT]);
        viewing[const { at("constant") }] = 1.0;
        viewing[const { at("viewer_leaning") }] = behaviour.leaning * SHARE;
        viewing[const { at("viewer_appeal") }] = behaviour.appeal * SHARE;
        viewed[const { at("candidate_leaning") }] = behaviour.leaning * SHARE;
        viewed[const { at("candidate_appeal") }] = behaviour.appeal * SHARE;
        viewed[const { at("candidate_activity") }] =
            person.idle_days.map_or(0.0, |days| 2.0 * (-days.max(0.0) / ACTIVITY_HALF_LIFE_DAYS).exp2() - 1.0);
        viewed[const { at("candidate_replies") }] = behaviour.replies.lift(expected.replies, expected.weight);
        viewed[const { at("candidate_ratings") }] = behaviour.rating_lift(expected);
        viewed[const { at("candidate_strikes") }] = f64::from(person.strikes.min(3)) / 3.0;
        viewed[const { at("candidate_reports") }] = behaviour.reports.clamp(0.0, 5.0) / 5.0;
        viewed[const { at("candidate_distrust") }] = person.trust.map_or(0.0, |trust| 1.0 - trust.clamp(0.0, 1.0));
        let mut interests: Vec<u64> = person.interests.iter().map(|interest| digest(interest)).collect();
        interests.sort_unstable();
        interests.dedup();
        let point = person.terms.about.place.map(|place| place.point());
        Self { viewing, viewed, interests, point }
    }

    /// The same person with another appeal: one that is tried out.
    #[must_use]
    pub fn appealing(mut self, appeal: f64) -> Self {
        self.viewing[const { at("viewer_appeal") }] = appeal * SHARE;
        self.viewed[const { at("candidate_appeal") }] = appeal * SHARE;
        self
    }

    /// Kilometres between two people; `None` when it is not known.
    pub fn km_to(&self, other: &Self) -> Option<f64> {
        self.point.zip(other.point).map(|(one, other)| km_between(one, other))
    }
}

fn digest(interest: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(interest.trim().to_lowercase().as_bytes());
    hasher.finish()
}

/// A person with what was computed of them.
pub type Known<'a> = (&'a Someone, &'a Traits);

/// What both directions of a pair have in common.
fn between((one, first): Known<'_>, (other, second): Known<'_>) -> Row {
    let mut row = [0.0; COUNT];
    let (a, b) = (&one.terms.about, &other.terms.about);
    if !one.vector.is_empty() && one.vector.len() == other.vector.len() {
        row[SIMILARITY] = (f64::from(cosine(&one.vector, &other.vector)) - STRANGERS_COSINE) / (1.0 - STRANGERS_COSINE);
    }
    row[SHARED_INTERESTS] = shared(&first.interests, &second.interests).min(3) as f64 / 3.0;
    if let Some((a, b)) = a.age.zip(b.age) {
        row[AGE_GAP] = (f64::from(a.abs_diff(b)) / 10.0).min(3.0);
    }
    if let Some(km) = first.km_to(second) {
        // 0 next door, 1 at 17 km, 3 at 190 km.
        row[DISTANCE] = (km / 10.0).ln_1p().min(6.0);
    }
    let both = |a: &[String], b: &[String]| match a.is_empty() || b.is_empty() {
        true => 0.0,
        false => f64::from(u8::from(a.iter().any(|word| b.contains(word)))),
    };
    row[LANGUAGE] = both(&a.languages, &b.languages);
    row[INTENT] = both(&a.intents, &b.intents);
    row[REGION] = f64::from(u8::from(a.region.is_some() && a.region == b.region));
    row
}

/// Both rows of a pair: what the first sees in the second, and the other way round.
pub fn rows(one: Known<'_>, other: Known<'_>) -> [Row; 2] {
    let between = between(one, other);
    let direction = |viewer: Known<'_>, candidate: Known<'_>| {
        let mut row = between;
        for (value, (own, theirs)) in row.iter_mut().zip(viewer.1.viewing.iter().zip(&candidate.1.viewed)) {
            *value += own + theirs;
        }
        if !viewer.0.taste.is_empty() && viewer.0.taste.len() == candidate.0.vector.len() {
            row[TASTE] = f64::from(cosine(&viewer.0.taste, &candidate.0.vector)) * SHARE;
        }
        row
    };
    [direction(one, other), direction(other, one)]
}

/// Interests that both have, of two ordered lists.
fn shared(a: &[u64], b: &[u64]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, count) = (i + 1, j + 1, count + 1),
        }
    }
    count
}

/// Product of two vectors, the cosine when both have unit length. Eight sums at once, so that the compiler uses vector units.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::person::{About, Place};

    fn row(viewer: &Someone, candidate: &Someone) -> Row {
        let expected = Expected::default();
        let (a, b) = (Traits::of(viewer, &expected), Traits::of(candidate, &expected));
        rows((viewer, &a), (candidate, &b))[0]
    }

    #[test]
    fn x2_what_is_not_known_says_nothing() {
        let mut row = row(&Someone::default(), &Someone::default());
        row[at("constant")] = 0.0;
        assert_eq!(row, [0.0; COUNT]);
    }

    #[test]
    fn x2_features_see_what_they_are_named_after() {
        let unit = |angle: f32| -> Arc<[f32]> { vec![angle.cos(), angle.sin()].into() };
        let viewer = Someone {
            interests: vec!["Chess".into(), "go".into(), "tea".into()],
            vector: unit(0.0),
            taste: vec![0.0, 0.5].into(),
            behaviour: Behaviour { leaning: -0.3, ..Behaviour::default() },
            terms: Terms {
                about: About {
                    age: Some(30),
                    place: Some(Place { lat: 47.0, lon: 8.0 }),
                    languages: vec!["de".into(), "en".into()],
                    ..About::default()
                },
                ..Terms::default()
            },
            ..Someone::default()
        };
        let mut candidate =
            Someone { interests: vec![" chess".into(), "rugby".into()], vector: unit(1.0), ..viewer.clone() };
        candidate.terms.about.age = Some(45);
        candidate.behaviour = Behaviour { appeal: 0.25, reports: 9.0, ..Behaviour::default() };
        (candidate.strikes, candidate.trust, candidate.idle_days) = (2, Some(0.25), Some(4.0));
        let row = row(&viewer, &candidate);
        let close = |name: &str, value: f64| assert!((row[at(name)] - value).abs() < 1e-6, "{name}: {}", row[at(name)]);
        close("shared_interests", 1.0 / 3.0);
        close("age_gap", 1.5);
        close("distance", 0.0);
        close("shared_language", 1.0);
        close("candidate_strikes", 2.0 / 3.0);
        close("candidate_reports", 1.0);
        close("candidate_distrust", 0.75);
        close("candidate_activity", 0.0);
        close("learned_taste", 2.0 * f64::from(1.0_f32.sin()));
        close("viewer_leaning", -1.2);
        close("candidate_appeal", 1.0);
    }

    #[test]
    fn x2_every_feature_has_a_name_of_its_own_and_every_part_a_feature() {
        let names: std::collections::BTreeSet<_> = FEATURES.iter().map(|feature| feature.name).collect();
        assert_eq!(names.len(), COUNT);
        assert!(Part::ALL.iter().all(|part| FEATURES.iter().any(|feature| feature.part == Some(*part))));
    }

    #[test]
    fn x2_products_are_right_whatever_the_length() {
        for length in [0, 1, 7, 8, 9, 384] {
            let vector: Vec<f32> = (0..length).map(|n| n as f32).collect();
            let expected: f32 = vector.iter().map(|value| value * value).sum();
            assert!((cosine(&vector, &vector) - expected).abs() <= expected * 1e-6);
        }
    }
}
