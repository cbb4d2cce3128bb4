//! What a person says of themselves, and whom they seek.

use serde::{Deserialize, Serialize};

use crate::error::PipelineError;

/// Most values of a list of [`About`] or [`Seeks`].
pub const MAX_VALUES: usize = 30;
/// Longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 64;
/// Ages that are taken.
pub const AGES: std::ops::RangeInclusive<u8> = 13..=120;

/// A place on Earth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Degrees north, −90..=90.
    pub lat: f64,
    /// Degrees east, −180..=180.
    pub lon: f64,
}

/// Radius of the Earth in kilometres (mean, IUGG).
const EARTH_KM: f64 = 6_371.0;

impl Place {
    /// Kilometres along the surface (haversine).
    pub fn km_to(&self, other: &Self) -> f64 {
        let (a, b) = (self.lat.to_radians(), other.lat.to_radians());
        let (lat, lon) = ((b - a) / 2.0, (other.lon - self.lon).to_radians() / 2.0);
        let h = lat.sin().powi(2) + a.cos() * b.cos() * lon.sin().powi(2);
        2.0 * EARTH_KM * h.sqrt().min(1.0).asin()
    }
}

impl Place {
    /// The same on a ball of radius 1: distances of many pairs without angles.
    pub fn point(&self) -> [f64; 3] {
        let (lat, lon) = (self.lat.to_radians(), self.lon.to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    }
}

/// Kilometres along the surface between two of [`Place::point`].
pub fn km_between(one: [f64; 3], other: [f64; 3]) -> f64 {
    let square: f64 = one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum();
    2.0 * EARTH_KM * (square.sqrt() / 2.0).min(1.0).asin()
}

/// What a person says of themselves. What is missing is not known: whoever asks for it is refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct About {
    /// Years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<u8>,
    /// In the platform's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    /// Where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Country, city, server region: the platform's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Languages they speak.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// What they are here for: `friends`, `dating`, `practice`, …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub intents: Vec<String>,
}

/// Whom a person seeks: hard limits, which nothing ever widens. What is empty limits nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seeks {
    /// One of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub genders: Vec<String>,
    /// At least so old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_age: Option<u8>,
    /// At most so old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u8>,
    /// At most so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_km: Option<f64>,
    /// Speaks one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Is in one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// Is here for one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub intents: Vec<String>,
}

/// What a person would like best: soft limits of live pairing, which waiting widens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wishes {
    /// Preferably at least so old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_age: Option<u8>,
    /// Preferably at most so old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u8>,
    /// Preferably at most so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_km: Option<f64>,
}

/// The part of a profile that matching reads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// The person.
    #[serde(skip_serializing_if = "is_default")]
    pub about: About,
    /// Hard limits.
    #[serde(skip_serializing_if = "is_default")]
    pub seeks: Seeks,
    /// Soft limits.
    #[serde(skip_serializing_if = "is_default")]
    pub wishes: Wishes,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Terms {
    /// Takes blanks off, puts words into small letters, and checks. Errors, all `Invalid`: `matching_invalid`.
    pub fn checked(mut self) -> Result<Self, PipelineError> {
        let Self { about, seeks, wishes } = &mut self;
        about.gender = about.gender.take().map(|word| tidy(&word));
        about.region = about.region.take().map(|word| tidy(&word));
        for list in [
            &mut about.languages,
            &mut about.intents,
            &mut seeks.genders,
            &mut seeks.languages,
            &mut seeks.regions,
            &mut seeks.intents,
        ] {
            *list = list.iter().map(|word| tidy(word)).collect();
            list.sort();
            list.dedup();
            if list.len() > MAX_VALUES {
                return invalid(format!("a list of `about` or `seeks` has at most {MAX_VALUES} values: send fewer"));
            }
        }
        let words = about.gender.iter().chain(&about.region).chain(&about.languages).chain(&about.intents);
        let words = words.chain(&seeks.genders).chain(&seeks.languages).chain(&seeks.regions).chain(&seeks.intents);
        if words.clone().any(|word| word.is_empty() || word.len() > MAX_VALUE_BYTES) {
            return invalid(format!("words of `about` and `seeks` have 1 to {MAX_VALUE_BYTES} bytes"));
        }
        if about.age.is_some_and(|age| !AGES.contains(&age)) {
            return invalid(format!("`about.age` is {} to {}", AGES.start(), AGES.end()));
        }
        if about
            .place
            .is_some_and(|place| !(-90.0..=90.0).contains(&place.lat) || !(-180.0..=180.0).contains(&place.lon))
        {
            return invalid("`about.place` has `lat` −90 to 90 and `lon` −180 to 180".to_owned());
        }
        for (min, max, km) in
            [(seeks.min_age, seeks.max_age, seeks.max_km), (wishes.min_age, wishes.max_age, wishes.max_km)]
        {
            if min.zip(max).is_some_and(|(min, max)| min > max) {
                return invalid("`min_age` must not be above `max_age`".to_owned());
            }
            if km.is_some_and(|km| !(km > 0.0 && km <= 20_038.0)) {
                return invalid("`max_km` is above 0, at most 20038 (half around the Earth)".to_owned());
            }
        }
        Ok(self)
    }
}

fn tidy(word: &str) -> String {
    word.trim().to_lowercase()
}

fn invalid<T>(message: String) -> Result<T, PipelineError> {
    Err(PipelineError::invalid("matching_invalid", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x1_words_are_tidied_and_limits_checked() {
        let about =
            About { gender: Some(" F ".into()), languages: vec!["DE".into(), "de ".into()], ..About::default() };
        let checked = Terms { about, ..Terms::default() }.checked().unwrap();
        assert_eq!((checked.about.gender.as_deref(), checked.about.languages.len()), (Some("f"), 1));
        let wrong = [
            Terms { about: About { age: Some(9), ..About::default() }, ..Terms::default() },
            Terms { about: About { gender: Some(" ".into()), ..About::default() }, ..Terms::default() },
            Terms {
                about: About { place: Some(Place { lat: 91.0, lon: 0.0 }), ..About::default() },
                ..Terms::default()
            },
            Terms {
                about: About { place: Some(Place { lat: f64::NAN, lon: 0.0 }), ..About::default() },
                ..Terms::default()
            },
            Terms {
                about: About { languages: (0..31).map(|n| n.to_string()).collect(), ..About::default() },
                ..Terms::default()
            },
            Terms { seeks: Seeks { min_age: Some(40), max_age: Some(30), ..Seeks::default() }, ..Terms::default() },
            Terms { seeks: Seeks { max_km: Some(0.0), ..Seeks::default() }, ..Terms::default() },
            Terms { wishes: Wishes { max_km: Some(f64::NAN), ..Wishes::default() }, ..Terms::default() },
        ];
        for terms in wrong {
            let error = terms.clone().checked().unwrap_err();
            assert!(matches!(error, PipelineError::Invalid { code: "matching_invalid", .. }), "{terms:?}");
        }
    }

    #[test]
    fn x3_distances_are_those_of_the_atlas() {
        let (bern, zurich) = (Place { lat: 46.948, lon: 7.4474 }, Place { lat: 47.3769, lon: 8.5417 });
        assert!((bern.km_to(&zurich) - 95.0).abs() < 2.0, "{}", bern.km_to(&zurich));
        let (fiji, samoa) = (Place { lat: -17.7, lon: 178.1 }, Place { lat: -13.8, lon: -171.8 });
        assert!((1_100.0..1_250.0).contains(&fiji.km_to(&samoa)), "over the date line");
        assert!(bern.km_to(&bern) < 1e-9);
        for (one, other) in [(bern, zurich), (fiji, samoa)] {
            assert!((one.km_to(&other) - km_between(one.point(), other.point())).abs() < 1e-6);
        }
    }
}
