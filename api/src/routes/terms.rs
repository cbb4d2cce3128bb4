//! What people say of themselves and seek, as the API has it.

use pipeline::matching::person;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A place on Earth.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Degrees north, −90 to 90.
    lat: f64,
    /// Degrees east, −180 to 180.
    lon: f64,
}

/// What a person says of themselves. What is missing is not known, and whoever asks for it is refused.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "age": 31, "gender": "f", "languages": ["de", "en"], "intents": ["friends"] }))]
pub struct About {
    /// Years, 13 to 120.
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<u8>,
    /// In your words.
    #[serde(skip_serializing_if = "Option::is_none")]
    gender: Option<String>,
    /// Where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
    /// Country, city, server region: your words.
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// Languages they speak.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    languages: Vec<String>,
    /// What they are here for, in your words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    intents: Vec<String>,
}

/// Whom a person seeks: hard limits of both sides, which nothing widens. What is empty limits nothing.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "genders": ["m", "f"], "min_age": 25, "max_age": 40, "max_km": 50 }))]
pub struct Seeks {
    /// One of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    genders: Vec<String>,
    /// At least so old.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_age: Option<u8>,
    /// At most so old.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u8>,
    /// At most so far, in kilometres.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_km: Option<f64>,
    /// Speaks one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    languages: Vec<String>,
    /// Is in one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    regions: Vec<String>,
    /// Is here for one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    intents: Vec<String>,
}

/// What a person would like best: soft limits of live pairing, which waiting widens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Wishes {
    /// Preferably at least so old.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_age: Option<u8>,
    /// Preferably at most so old.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u8>,
    /// Preferably at most so far, in kilometres.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_km: Option<f64>,
}

/// The three as the pipeline has them.
pub(super) fn terms(about: About, seeks: Seeks, wishes: Wishes) -> person::Terms {
    let About { age, gender, place, region, languages, intents } = about;
    let place = place.map(|Place { lat, lon }| person::Place { lat, lon });
    let about = person::About { age, gender, place, region, languages, intents };
    let Seeks { genders, min_age, max_age, max_km, languages, regions, intents } = seeks;
    let seeks = person::Seeks { genders, min_age, max_age, max_km, languages, regions, intents };
    let wishes = person::Wishes { min_age: wishes.min_age, max_age: wishes.max_age, max_km: wishes.max_km };
    person::Terms { about, seeks, wishes }
}

/// The three as the API has them.
pub(super) fn views(terms: person::Terms) -> (About, Seeks, Wishes) {
    let person::Terms { about, seeks, wishes } = terms;
    let person::About { age, gender, place, region, languages, intents } = about;
    let place = place.map(|person::Place { lat, lon }| Place { lat, lon });
    let about = About { age, gender, place, region, languages, intents };
    let person::Seeks { genders, min_age, max_age, max_km, languages, regions, intents } = seeks;
    let seeks = Seeks { genders, min_age, max_age, max_km, languages, regions, intents };
    (about, seeks, Wishes { min_age: wishes.min_age, max_age: wishes.max_age, max_km: wishes.max_km })
}

/// Nothing said?
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
