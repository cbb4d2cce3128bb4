//! Hard limits: two people meet only if each is what the other seeks. The same limits as conditions of the vector index, so that it leaves
//! out most of those who do not fit; [`mutual`] has the last word.

use serde::Serialize;
use serde_json::{Value, json};

use super::person::{About, Seeks, Terms};
use crate::index::{Attributes, Condition};

/// Before the names of what matching writes into the index: no attribute of a caller can begin like this.
pub const PREFIX: &str = "m:";
/// In a list of what somebody seeks: everything. No word of a person is empty.
const ANYTHING: &str = "";
/// No upper limit of age.
const ANY_AGE: u8 = u8::MAX;

/// What somebody is not that the other side seeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Of another gender, or of none that is known.
    Gender,
    /// Too young, too old, or of unknown age.
    Age,
    /// Too far away, or nobody knows where.
    Distance,
    /// Speaks none of the languages.
    Language,
    /// In none of the regions.
    Region,
    /// Here for something else.
    Intent,
}

/// Is `about` what `seeks` asks for? `from`: where the seeker is.
pub fn accepts(seeks: &Seeks, from: &About, about: &About) -> Result<(), Refusal> {
    let one = |wanted: &[String], is: Option<&String>| wanted.is_empty() || is.is_some_and(|is| wanted.contains(is));
    let any = |wanted: &[String], has: &[String]| wanted.is_empty() || has.iter().any(|word| wanted.contains(word));
    if !one(&seeks.genders, about.gender.as_ref()) {
        return Err(Refusal::Gender);
    }
    if seeks.min_age.is_some() || seeks.max_age.is_some() {
        let ages = seeks.min_age.unwrap_or(0)..=seeks.max_age.unwrap_or(ANY_AGE);
        if !about.age.is_some_and(|age| ages.contains(&age)) {
            return Err(Refusal::Age);
        }
    }
    if !any(&seeks.languages, &about.languages) {
        return Err(Refusal::Language);
    }
    if !one(&seeks.regions, about.region.as_ref()) {
        return Err(Refusal::Region);
    }
    if !any(&seeks.intents, &about.intents) {
        return Err(Refusal::Intent);
    }
    // Last: the only one that costs.
    if let Some(most) = seeks.max_km
        && !from.place.zip(about.place).is_some_and(|(here, there)| here.km_to(&there) <= most)
    {
        return Err(Refusal::Distance);
    }
    Ok(())
}

/// May these two meet, as far as they say themselves? The first refusal, whoever's it is.
pub fn mutual(one: &Terms, other: &Terms) -> Result<(), Refusal> {
    accepts(&one.seeks, &one.about, &other.about)?;
    accepts(&other.seeks, &other.about, &one.about)
}

/// What the index keeps of a person, beside the caller's attributes. Whom moderation keeps out is not there: that is asked of the store for
/// every answer, so that it holds at once.
pub fn payload(terms: &Terms) -> Attributes {
    let Terms { about, seeks, .. } = terms;
    let sought = |words: &[String]| if words.is_empty() { json!([ANYTHING]) } else { json!(words) };
    let mut payload = Attributes::from([
        ("m:seeks_genders".to_owned(), sought(&seeks.genders)),
        ("m:seeks_languages".to_owned(), sought(&seeks.languages)),
        ("m:seeks_regions".to_owned(), sought(&seeks.regions)),
        ("m:seeks_intents".to_owned(), sought(&seeks.intents)),
        ("m:min_age".to_owned(), json!(f64::from(seeks.min_age.unwrap_or(0)))),
        ("m:max_age".to_owned(), json!(f64::from(seeks.max_age.unwrap_or(ANY_AGE)))),
        ("m:near".to_owned(), json!(seeks.max_km.is_some())),
    ]);
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            payload.insert(name.to_owned(), value);
        }
    };
    put("m:age", about.age.map(|age| json!(f64::from(age))));
    put("m:gender", about.gender.as_ref().map(|word| json!(word)));
    put("m:region", about.region.as_ref().map(|word| json!(word)));
    put("m:lat", about.place.map(|place| json!(place.lat)));
    put("m:lon", about.place.map(|place| json!(place.lon)));
    put("m:languages", (!about.languages.is_empty()).then(|| json!(about.languages)));
    put("m:intents", (!about.intents.is_empty()).then(|| json!(about.intents)));
    payload
}

/// The caller's attributes alone.
pub fn without_payload(mut attributes: Attributes) -> Attributes {
    attributes.retain(|name, _| !name.starts_with(PREFIX));
    attributes
}

/// Both sides' limits for whoever meets `person`, as conditions on [`payload`]. They let everybody through whom [`mutual`] accepts, and
/// some more: distances are only boxed in.
pub fn conditions(person: &Terms) -> Vec<Condition> {
    let Terms { about, seeks, .. } = person;
    let any = |attribute: &str, words: Vec<Value>| Condition::Any { attribute: attribute.to_owned(), values: words };
    let range = |attribute: &str, min, max| Condition::Range { attribute: attribute.to_owned(), min, max };
    let words = |words: &[String]| words.iter().map(|word| json!(word)).collect::<Vec<_>>();
    let mut conditions = Vec::new();
    // What the other is.
    for (attribute, wanted) in [
        ("m:gender", &seeks.genders),
        ("m:languages", &seeks.languages),
        ("m:region", &seeks.regions),
        ("m:intents", &seeks.intents),
    ] {
        if !wanted.is_empty() {
            conditions.push(any(attribute, words(wanted)));
        }
    }
    if seeks.min_age.is_some() || seeks.max_age.is_some() {
        conditions.push(range("m:age", seeks.min_age.map(f64::from), seeks.max_age.map(f64::from)));
    }
    // What the other seeks.
    let gender: Vec<String> = about.gender.iter().cloned().collect();
    let region: Vec<String> = about.region.iter().cloned().collect();
    for (attribute, is) in [
        ("m:seeks_genders", &gender),
        ("m:seeks_languages", &about.languages),
        ("m:seeks_regions", &region),
        ("m:seeks_intents", &about.intents),
    ] {
        let mut values = words(is);
        values.push(json!(ANYTHING));
        conditions.push(any(attribute, values));
    }
    let (youngest, oldest) = about.age.map_or((0, ANY_AGE), |age| (age, age));
    conditions.push(range("m:min_age", None, Some(f64::from(youngest))));
    conditions.push(range("m:max_age", Some(f64::from(oldest)), None));
    match about.place {
        None => conditions.push(Condition::Any { attribute: "m:near".to_owned(), values: vec![json!(false)] }),
        Some(place) => {
            if let Some(km) = seeks.max_km {
                conditions
                    .extend(boxed(place.lat, place.lon, km).map(|(name, min, max)| range(name, Some(min), Some(max))));
            }
        }
    }
    conditions
}

/// Kilometres of one degree of latitude; a little less than the least, so that the box is never too small.
const KM_PER_DEGREE: f64 = 110.5;

/// A box around a place that holds the circle. Without sides in the east and west where it goes over a pole or the date line.
fn boxed(lat: f64, lon: f64, km: f64) -> impl Iterator<Item = (&'static str, f64, f64)> {
    let height = km / KM_PER_DEGREE;
    // The circle is widest on the side that is nearer to the pole.
    let narrow = (lat.abs() + height).to_radians().cos();
    let width = if lat.abs() + height < 89.0 { height / narrow } else { 360.0 };
    let sides = (lon - width >= -180.0 && lon + width <= 180.0).then_some(("m:lon", lon - width, lon + width));
    [("m:lat", lat - height, lat + height)].into_iter().chain(sides)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::matching::person::Place;

    fn some_of(words: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
        proptest::sample::subsequence(words, 0..=words.len())
            .prop_map(|words| words.into_iter().map(str::to_owned).collect())
    }

    /// People of a small world, so that they often fit and often do not.
    pub(crate) fn terms() -> impl Strategy<Value = Terms> {
        let place =
            proptest::option::of((-85.0..85.0_f64, -179.9..179.9_f64).prop_map(|(lat, lon)| Place { lat, lon }));
        let near = proptest::option::of((46.5..47.5_f64, 7.0..9.0_f64).prop_map(|(lat, lon)| Place { lat, lon }));
        let about = (
            proptest::option::of(18..60_u8),
            proptest::option::of(proptest::sample::select(vec!["f".to_owned(), "m".to_owned(), "x".to_owned()])),
            prop_oneof![3 => near, 1 => place],
            proptest::option::of(proptest::sample::select(vec!["eu".to_owned(), "us".to_owned()])),
            some_of(&["de", "en", "fr"]),
            some_of(&["dating", "friends"]),
        )
            .prop_map(|(age, gender, place, region, languages, intents)| About {
                age,
                gender,
                place,
                region,
                languages,
                intents,
            });
        let limits =
            (proptest::option::of(18..40_u8), proptest::option::of(40..60_u8), proptest::option::of(1.0..9_000.0_f64));
        let seeks = (
            limits,
            some_of(&["f", "m", "x"]),
            some_of(&["de", "en", "fr"]),
            some_of(&["eu", "us"]),
            some_of(&["dating", "friends"]),
        )
            .prop_map(|((min_age, max_age, max_km), genders, languages, regions, intents)| Seeks {
                genders,
                min_age,
                max_age,
                max_km,
                languages,
                regions,
                intents,
            });
        (about, seeks).prop_map(|(about, seeks)| Terms { about, seeks, wishes: Default::default() })
    }

    proptest! {
        #[test]
        fn x3_whoever_fits_both_sides_passes_the_conditions_of_the_index(one in terms(), other in terms()) {
            let passes = conditions(&one).iter().all(|condition| condition.holds(&payload(&other)));
            if mutual(&one, &other).is_ok() {
                prop_assert!(passes, "{one:?} {other:?}");
            }
            // Without distances the two say the same.
            let flat = |terms: &Terms| { let mut terms = terms.clone(); terms.seeks.max_km = None; terms };
            let (one, other) = (flat(&one), flat(&other));
            let passes = conditions(&one).iter().all(|condition| condition.holds(&payload(&other)));
            prop_assert_eq!(mutual(&one, &other).is_ok(), passes);
        }

        #[test]
        fn x3_it_does_not_matter_who_asks(one in terms(), other in terms()) {
            prop_assert_eq!(mutual(&one, &other).is_ok(), mutual(&other, &one).is_ok());
        }
    }

    #[test]
    fn x3_each_limit_of_each_side_refuses() {
        let fits = Terms {
            about: About {
                age: Some(30),
                gender: Some("f".into()),
                place: Some(Place { lat: 46.95, lon: 7.45 }),
                region: Some("eu".into()),
                languages: vec!["de".into()],
                intents: vec!["dating".into()],
            },
            ..Terms::default()
        };
        let list = |word: &str| vec![word.to_owned()];
        let seeks = [
            (Refusal::Gender, Seeks { genders: list("m"), ..Seeks::default() }),
            (Refusal::Age, Seeks { min_age: Some(31), ..Seeks::default() }),
            (Refusal::Age, Seeks { max_age: Some(29), ..Seeks::default() }),
            (Refusal::Distance, Seeks { max_km: Some(1.0), ..Seeks::default() }),
            (Refusal::Language, Seeks { languages: list("en"), ..Seeks::default() }),
            (Refusal::Region, Seeks { regions: list("us"), ..Seeks::default() }),
            (Refusal::Intent, Seeks { intents: list("friends"), ..Seeks::default() }),
        ];
        for (refusal, seeks) in seeks {
            let mut other = Terms { seeks, ..fits.clone() };
            other.about.place = Some(Place { lat: 47.37, lon: 8.54 });
            assert_eq!(mutual(&other, &fits), Err(refusal));
            assert_eq!(mutual(&fits, &other), Err(refusal));
            // What is not known is refused too.
            assert!(accepts(&other.seeks, &other.about, &About::default()).is_err(), "{refusal:?}");
        }
        assert_eq!(mutual(&fits, &fits), Ok(()));
        assert_eq!(mutual(&Terms::default(), &Terms::default()), Ok(()));
    }

    #[test]
    fn x3_callers_see_none_of_the_payload() {
        let mut attributes = payload(&Terms::default());
        attributes.insert("city".into(), json!("Bern"));
        assert_eq!(without_payload(attributes), Attributes::from([("city".into(), json!("Bern"))]));
    }
}
