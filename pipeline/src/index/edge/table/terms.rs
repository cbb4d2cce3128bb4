//! Which rows have which value: a compressed bitmap for each value of each attribute, and columns of numbers for ranges.

use std::{collections::HashMap, sync::Arc};

use roaring::{MultiOps, RoaringBitmap};
use serde_json::Value;

use super::column::Column;
use crate::{
    error::PipelineError,
    index::{
        Attributes, Condition,
        values::{Values, ends},
    },
    item::TenantId,
};

/// Something that rows have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Term {
    Tenant(String),
    Text(String, String),
    Whole(String, i64),
    Flag(String, bool),
    /// The attribute is a number, whichever.
    Number(String),
}

impl Term {
    /// What equality can ask of a value; `None` for other fractions, nulls, lists and objects.
    fn equal(attribute: &str, value: &Value) -> Option<Self> {
        let attribute = attribute.to_owned();
        match value {
            Value::String(text) => Some(Self::Text(attribute, text.clone())),
            Value::Bool(flag) => Some(Self::Flag(attribute, *flag)),
            Value::Number(number) => number.as_i64().map(|whole| Self::Whole(attribute, whole)),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn equal_one_of(attribute: &str, values: Values) -> Vec<Self> {
        let Values { strings, integers, bools } = values;
        let name = || attribute.to_owned();
        let texts = strings.into_iter().map(|text| Self::Text(name(), text));
        let wholes = integers.into_iter().map(|whole| Self::Whole(name(), whole));
        texts.chain(wholes).chain(bools.into_iter().map(|flag| Self::Flag(name(), flag))).collect()
    }
}

/// A condition, checked.
pub(super) enum Wanted {
    Any(Vec<Term>),
    None(Vec<Term>),
    Range(Term, f64, f64),
}

impl Wanted {
    /// Errors: `Invalid` (`filter_value`).
    pub(super) fn parse(condition: &Condition) -> Result<Self, PipelineError> {
        Ok(match condition {
            Condition::Any { attribute, values } => {
                Self::Any(Term::equal_one_of(attribute, Values::parse_some(attribute, values)?))
            }
            Condition::None { attribute, values } => {
                Self::None(Term::equal_one_of(attribute, Values::parse(attribute, values)?))
            }
            Condition::Range { attribute, min, max } => {
                let (min, max) = ends(attribute, *min, *max)?;
                Self::Range(Term::Number(attribute.clone()), min, max)
            }
        })
    }
}

/// The rows of one term.
#[derive(Default)]
struct List {
    /// `None` while nobody has it.
    term: Option<Arc<Term>>,
    rows: RoaringBitmap,
    /// Of [`Term::Number`], the values.
    numbers: Column,
}

#[derive(Default)]
pub(super) struct Terms {
    places: HashMap<Arc<Term>, u32>,
    lists: Vec<List>,
    vacant: Vec<u32>,
    /// Places of what each row has.
    held: Vec<Box<[u32]>>,
}

impl Terms {
    /// The row has nothing yet.
    pub(super) fn put(&mut self, row: u32, tenant: &TenantId, attributes: &Attributes) {
        let mut held = vec![self.add(row, Term::Tenant(tenant.0.clone()))];
        for (attribute, value) in attributes {
            let members = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for term in members.iter().filter_map(|member| Term::equal(attribute, member)) {
                held.push(self.add(row, term));
            }
            if let Some(number) = value.as_f64() {
                let place = self.add(row, Term::Number(attribute.clone()));
                self.lists[place as usize].numbers.put(row, number);
                held.push(place);
            }
        }
        held.sort_unstable();
        held.dedup();
        if self.held.len() <= row as usize {
            self.held.resize_with(row as usize + 1, Box::default);
        }
        self.held[row as usize] = held.into();
    }

    fn add(&mut self, row: u32, term: Term) -> u32 {
        let place = if let Some(place) = self.places.get(&term) {
            *place
        } else {
            let place = self.vacant.pop().unwrap_or_else(|| {
                self.lists.push(List::default());
                u32::try_from(self.lists.len() - 1).expect("fewer values than 2^32")
            });
            let term = Arc::new(term);
            self.lists[place as usize].term = Some(Arc::clone(&term));
            self.places.insert(term, place);
            place
        };
        self.lists[place as usize].rows.insert(row);
        place
    }

    pub(super) fn remove(&mut self, row: u32) {
        for place in std::mem::take(&mut self.held[row as usize]) {
            let list = &mut self.lists[place as usize];
            list.rows.remove(row);
            if list.rows.is_empty()
                && let Some(term) = list.term.take()
            {
                list.numbers = Column::default();
                self.places.remove(&term);
                self.vacant.push(place);
            }
        }
    }

    /// Terms that somebody has.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    fn list(&self, term: &Term) -> Option<&List> {
        self.places.get(term).map(|place| &self.lists[*place as usize])
    }

    fn lists(&self, terms: &[Term]) -> Vec<&RoaringBitmap> {
        terms.iter().filter_map(|term| self.list(term)).map(|list| &list.rows).collect()
    }

    /// Rows of the tenant for which all holds, without the excluded, in their order.
    pub(super) fn matching(
        &self,
        tenant: &TenantId,
        wanted: &[Wanted],
        excluded: impl Iterator<Item = u32>,
    ) -> Vec<u32> {
        let Some(own) = self.list(&Term::Tenant(tenant.0.clone())) else { return Vec::new() };
        let mut rows = own.rows.clone();
        let mut ranges = Vec::new();
        for wanted in wanted {
            match wanted {
                Wanted::Any(terms) => match *self.lists(terms) {
                    [] => return Vec::new(),
                    [one] => rows &= one,
                    ref several => rows &= several.iter().copied().union(),
                },
                Wanted::None(terms) => self.lists(terms).into_iter().for_each(|list| rows -= list),
                Wanted::Range(term, min, max) => {
                    let Some(list) = self.list(term) else { return Vec::new() };
                    rows &= &list.rows;
                    ranges.push((&list.numbers, *min, *max));
                }
            }
        }
        excluded.for_each(|row| {
            rows.remove(row);
        });
        // Ranges last: looking at numbers row by row takes longer than bitmaps do.
        let mut rows: Vec<u32> = rows.into_iter().collect();
        for (numbers, min, max) in ranges {
            numbers.retain(&mut rows, min, max);
        }
        rows
    }
}
