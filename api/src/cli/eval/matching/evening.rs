//! The dates of all evenings.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use datasets::table::Table;

/// One person's side of one date.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Date {
    /// Which evening.
    pub(super) evening: u32,
    /// Who looks.
    pub(super) viewer: u32,
    /// At whom.
    pub(super) candidate: u32,
    /// Which date of the viewer's evening it was.
    pub(super) order: u32,
    /// People could say yes to half of the others at most.
    pub(super) limited: Option<f64>,
    /// Correlation of both people's interests, as the organisers computed it.
    pub(super) alike: Option<f64>,
    /// Of the same race.
    pub(super) same_race: Option<f64>,
    /// The viewer said yes.
    pub(super) yes: bool,
    /// Both did.
    pub(super) matched: bool,
}

/// All of them.
pub(super) struct Dates {
    dates: Vec<Date>,
    places: HashMap<(u32, u32), usize>,
}

impl Dates {
    /// From the table. A row without who, whom, when or what is an error.
    pub(super) fn new(table: &Table) -> anyhow::Result<Self> {
        let mut dates = Vec::with_capacity(table.len());
        for row in 0..table.len() {
            let number = |column: &str| {
                table.get(row, column).with_context(|| format!("speed_dates, row {}: `{column}` is missing", row + 1))
            };
            let whole = |column: &str| anyhow::Ok(number(column)? as u32);
            dates.push(Date {
                evening: whole("wave")?,
                viewer: whole("iid")?,
                candidate: whole("pid")?,
                order: whole("order")?,
                limited: table.get(row, "condtn"),
                alike: table.get(row, "int_corr"),
                same_race: table.get(row, "samerace"),
                yes: number("dec")? > 0.5,
                matched: number("match")? > 0.5,
            });
        }
        let places = dates.iter().enumerate().map(|(place, date)| ((date.viewer, date.candidate), place)).collect();
        Ok(Self { dates, places })
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.dates.len()
    }

    /// In the order of the file.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Date> {
        self.dates.iter()
    }

    /// The same date seen by the other.
    pub(super) fn reverse(&self, row: usize) -> Option<usize> {
        let date = self.dates.get(row)?;
        self.places.get(&(date.candidate, date.viewer)).copied()
    }

    /// Evening → its rows.
    pub(super) fn evenings(&self) -> BTreeMap<u32, Vec<usize>> {
        let mut evenings: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (row, date) in self.dates.iter().enumerate() {
            evenings.entry(date.evening).or_default().push(row);
        }
        evenings
    }

    /// When a date is surely over for both: the two sides of a pair disagree on its place in the evening now and then.
    pub(super) fn round(&self, row: usize) -> u32 {
        let other = self.reverse(row).map_or(0, |row| self.dates[row].order);
        self.dates[row].order.max(other)
    }

    /// One of them.
    pub(super) fn date(&self, row: usize) -> &Date {
        &self.dates[row]
    }
}
