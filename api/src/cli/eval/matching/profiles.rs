//! What two people said of themselves before the evening.

use std::collections::HashMap;

use anyhow::Context as _;
use datasets::table::Table;

use super::{evening::Dates, fit::Row};

/// How firmly every weight is believed to be 0: profiles say little of 350 people, and there are a hundred questions.
const PRECISION: f64 = 1000.0;
/// The same of what one seeks times what the other is. Chosen on the public evenings, as all of this: each of them was predicted by models of the
/// others, and 300, 1000 and 3000 were tried.
const PRODUCT_PRECISION: f64 = 300.0;
/// Products: five qualities, and the interests.
const PRODUCTS: usize = 5 + INTERESTS.len();

/// How firmly each of `columns` weights is believed to be 0; the products come last.
pub(super) fn precisions(columns: usize) -> Vec<f64> {
    let others = columns.saturating_sub(PRODUCTS);
    (0..columns).map(|column| if column < others { PRECISION } else { PRODUCT_PRECISION }).collect()
}

/// Which sensitive answers may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sensitive {
    /// How old they are.
    pub(super) age: bool,
    /// Race, and how much race and religion matter to them.
    pub(super) race_and_religion: bool,
}

const INTERESTS: [&str; 17] = [
    "sports", "tvsports", "exercise", "dining", "museums", "art", "hiking", "gaming", "clubbing", "reading", "tv",
    "theater", "movies", "concerts", "music", "shopping", "yoga",
];
/// What a sixth of the wishes is, about.
const ORDINARY_SHARE: f64 = 16.0;
/// How people mark themselves, about.
const ORDINARY_MARK: f64 = 7.0;
const QUALITIES: [&str; 6] = ["attr", "sinc", "intel", "fun", "amb", "shar"];
/// Codes of what they study or work in. Of 14 other additions that were tried on the public evenings (career, their own and the other side's
/// supposed wishes, squares of ages, all by gender, boosted trees, …) none did better by both figures.
const FIELDS: std::ops::RangeInclusive<u8> = 1..=18;
const OWN: [&str; 10] =
    ["gender", "goal", "date_freq", "go_out", "exphappy", "attr3_1", "sinc3_1", "intel3_1", "fun3_1", "amb3_1"];

/// One row for each date.
pub(super) fn rows(people: &Table, dates: &Dates, sensitive: Sensitive) -> anyhow::Result<Vec<Row>> {
    let places: HashMap<u32, usize> =
        (0..people.len()).filter_map(|row| Some((people.get(row, "iid")? as u32, row))).collect();
    let place =
        |person: u32| places.get(&person).copied().with_context(|| format!("person {person} is not in the table"));
    dates
        .iter()
        .map(|date| {
            let viewer = Person { people, row: place(date.viewer)? };
            let candidate = Person { people, row: place(date.candidate)? };
            let mut row = viewer.alone(sensitive);
            row.extend(candidate.alone(sensitive));
            row.extend(viewer.with(&candidate, sensitive));
            row.extend([date.alike, date.limited]);
            if sensitive.race_and_religion {
                let matters = |person: &Person<'_>| Some(date.same_race? * person.get("imprace")?);
                row.extend([date.same_race, matters(&viewer), matters(&candidate)]);
            }
            row.extend(viewer.times(&candidate));
            Ok(row)
        })
        .collect()
}

struct Person<'a> {
    people: &'a Table,
    row: usize,
}

impl Person<'_> {
    fn get(&self, column: &str) -> Option<f64> {
        self.people.get(self.row, column)
    }

    /// What somebody looks for, as shares of 100: some evenings gave marks from 1 to 10 instead.
    fn seeks(&self) -> [Option<f64>; 6] {
        let points = QUALITIES.map(|quality| self.get(&format!("{quality}1_1")));
        let sum: f64 = points.iter().flatten().sum();
        points.map(|points| points.filter(|_| sum > 0.0).map(|points| points / sum * 100.0))
    }

    fn alone(&self, sensitive: Sensitive) -> Row {
        let mut row: Row = OWN.iter().chain(&INTERESTS).map(|column| self.get(column)).collect();
        row.extend(self.seeks());
        row.extend([1.0, 2.0, 3.0, 4.0].map(|goal| self.get("goal").map(|own| f64::from(u8::from(own == goal)))));
        let field = self.get("field_cd");
        row.extend(FIELDS.map(|code| field.map(|own| f64::from(u8::from(own == f64::from(code))))));
        let interests: Vec<f64> = INTERESTS.iter().filter_map(|interest| self.get(interest)).collect();
        row.push((!interests.is_empty()).then(|| interests.iter().sum::<f64>() / interests.len() as f64));
        if sensitive.age {
            row.push(self.get("age"));
        }
        if sensitive.race_and_religion {
            row.extend([self.get("imprace"), self.get("imprelig")]);
            row.extend([2.0, 3.0, 4.0].map(|race| self.get("race").map(|own| f64::from(u8::from(own == race)))));
        }
        row
    }

    /// What the one seeks times what the other is: wishes by marks for themselves, and interest by interest. An ordinary answer is 0.
    fn times(&self, other: &Self) -> Row {
        let marks = QUALITIES.map(|quality| other.get(&format!("{quality}3_1")));
        let wishes = self.seeks().into_iter().zip(marks).take(5);
        let wishes = wishes.map(|(share, mark)| Some((share? - ORDINARY_SHARE) * (mark? - ORDINARY_MARK)));
        let interests =
            INTERESTS.iter().map(|interest| Some((self.get(interest)? - 5.0) * (other.get(interest)? - 5.0)));
        wishes.chain(interests).collect()
    }

    fn with(&self, other: &Self, sensitive: Sensitive) -> Row {
        let both = |column: &str| self.get(column).zip(other.get(column));
        let same = |column: &str| both(column).map(|(a, b)| f64::from(u8::from(a == b)));
        let gaps: Vec<f64> =
            INTERESTS.iter().filter_map(|interest| both(interest)).map(|(a, b)| (a - b).abs()).collect();
        let gap = (!gaps.is_empty()).then(|| gaps.iter().sum::<f64>() / gaps.len() as f64);
        let mut row = vec![fit(self, other), fit(other, self), same("field_cd"), same("career_c"), same("goal"), gap];
        if sensitive.age {
            let years = both("age").map(|(own, theirs)| theirs - own);
            row.extend([years, years.map(f64::abs)]);
        }
        row
    }
}

/// How far the other's marks for themselves are what somebody looks for.
fn fit(seeker: &Person<'_>, other: &Person<'_>) -> Option<f64> {
    let marks = QUALITIES.map(|quality| other.get(&format!("{quality}3_1")));
    // What nobody said is taken as even shares and an ordinary mark.
    let terms = seeker.seeks().into_iter().zip(marks).take(5);
    let sum =
        terms.map(|(share, mark)| share.unwrap_or(ORDINARY_SHARE) * (mark.unwrap_or(ORDINARY_MARK) - ORDINARY_MARK));
    Some(sum.sum::<f64>() / 100.0)
}
