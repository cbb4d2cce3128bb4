//! Why two people fit, or may not meet: the score with its parts, and reasons that a person can read.

use serde::Serialize;

use super::{
    feature::Someone,
    filter::{Refusal, accepts},
    icebreaker::shared,
    score::{MatchScore, ScoreModel},
};

/// Something that both can check.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    /// Both list these.
    SharedInterests {
        /// As the first spells them.
        interests: Vec<String>,
    },
    /// Their texts are about similar things.
    SimilarTexts {
        /// Cosine of the embeddings.
        similarity: f32,
    },
    /// Both speak these.
    SharedLanguages {
        /// The languages.
        languages: Vec<String>,
    },
    /// Both are here for this.
    SharedIntents {
        /// The intents.
        intents: Vec<String>,
    },
    /// Both are in this region.
    SameRegion {
        /// The region.
        region: String,
    },
    /// They live near each other.
    Near {
        /// Rounded up to 5, so that nobody is found by three questions.
        km: u32,
    },
    /// They are of about the same age.
    SameAge {
        /// Years apart.
        years: u8,
    },
}

impl Reason {
    /// For events and lists.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SharedInterests { .. } => "shared_interests",
            Self::SimilarTexts { .. } => "similar_texts",
            Self::SharedLanguages { .. } => "shared_languages",
            Self::SharedIntents { .. } => "shared_intents",
            Self::SameRegion { .. } => "same_region",
            Self::Near { .. } => "near",
            Self::SameAge { .. } => "same_age",
        }
    }
}

/// What can be said of two people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compatibility {
    /// The score with its parts.
    pub score: MatchScore,
    /// What speaks for them.
    pub reasons: Vec<Reason>,
    /// What the first seeks and the second is not.
    pub refused: Option<Refusal>,
    /// What the second seeks and the first is not.
    pub refused_by_other: Option<Refusal>,
}

/// Cosine from which texts count as similar: of all-MiniLM-L6-v2, pairs that people call related lie above.
const SIMILAR: f32 = 0.4;
/// Within so many kilometres.
const NEAR_KM: f64 = 30.0;
/// At most so many years apart.
const SAME_AGE: u8 = 3;

/// Compares two people.
pub fn compare(model: &ScoreModel, one: &Someone, other: &Someone) -> Compatibility {
    let (first, second) = (&one.terms, &other.terms);
    Compatibility {
        score: model.score(one, other),
        reasons: reasons(one, other),
        refused: accepts(&first.seeks, &first.about, &second.about).err(),
        refused_by_other: accepts(&second.seeks, &second.about, &first.about).err(),
    }
}

/// What speaks for two people, most telling first.
pub fn reasons(one: &Someone, other: &Someone) -> Vec<Reason> {
    let (a, b) = (&one.terms.about, &other.terms.about);
    let mut reasons = Vec::new();
    let some = |words: Vec<String>| (!words.is_empty()).then_some(words);
    reasons
        .extend(some(shared(&one.interests, &other.interests)).map(|interests| Reason::SharedInterests { interests }));
    if !one.vector.is_empty() && one.vector.len() == other.vector.len() {
        let similarity = super::feature::cosine(&one.vector, &other.vector);
        reasons.extend((similarity >= SIMILAR).then_some(Reason::SimilarTexts { similarity }));
    }
    reasons.extend(some(shared(&a.intents, &b.intents)).map(|intents| Reason::SharedIntents { intents }));
    reasons.extend(some(shared(&a.languages, &b.languages)).map(|languages| Reason::SharedLanguages { languages }));
    if let Some((here, there)) = a.place.zip(b.place) {
        let km = here.km_to(&there);
        let rounded = ((km / 5.0).ceil().max(1.0) * 5.0) as u32;
        reasons.extend((km <= NEAR_KM).then_some(Reason::Near { km: rounded }));
    }
    if let Some((a, b)) = a.age.zip(b.age) {
        let years = a.abs_diff(b);
        reasons.extend((years <= SAME_AGE).then_some(Reason::SameAge { years }));
    }
    if let Some(region) = a.region.as_ref().filter(|region| b.region.as_ref() == Some(region)) {
        reasons.push(Reason::SameRegion { region: region.clone() });
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::person::{About, Place, Seeks, Terms};

    #[test]
    fn x5_reasons_and_refusals_say_what_is_so() {
        let about = About {
            age: Some(30),
            place: Some(Place { lat: 46.95, lon: 7.45 }),
            region: Some("ch".into()),
            languages: vec!["de".into(), "fr".into()],
            ..About::default()
        };
        let one = Someone {
            interests: vec!["chess".into()],
            vector: vec![1.0, 0.0].into(),
            terms: Terms {
                about: about.clone(),
                seeks: Seeks { genders: vec!["f".into()], ..Seeks::default() },
                ..Terms::default()
            },
            ..Someone::default()
        };
        let mut other = Someone { vector: vec![0.8, 0.6].into(), ..one.clone() };
        other.terms.about.place = Some(Place { lat: 47.0, lon: 7.5 });
        other.terms.about.gender = Some("f".into());
        let found = compare(&ScoreModel::default(), &one, &other);
        let codes: Vec<_> = found.reasons.iter().map(Reason::code).collect();
        assert_eq!(codes, ["shared_interests", "similar_texts", "shared_languages", "near", "same_age", "same_region"]);
        assert!(found.reasons.contains(&Reason::Near { km: 10 }), "{:?}", found.reasons);
        assert_eq!((found.refused, found.refused_by_other), (None, Some(Refusal::Gender)));
        assert!(reasons(&Someone::default(), &Someone::default()).is_empty());
    }
}
