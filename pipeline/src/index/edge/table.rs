//! What an embedded index knows of its points in memory, so that a question with a narrow filter is answered exactly: who passes is read off
//! lists of rows by value, and everybody who passes is compared, by one byte for each number. Whoever comes near is compared again with
//! whole vectors, elsewhere. Pure: no disk, no clock.
//!
//! A graph finds a part of the nearest, fewer the narrower the filter is, because it walks over those who do not pass. Comparing with all who
//! pass is exact and takes less time as long as they are not very many.

mod codes;
mod column;
mod terms;

use std::collections::HashMap;

use uuid::Uuid;

use self::{
    codes::Codes,
    terms::{Terms, Wanted},
};
use crate::{
    error::PipelineError,
    index::{Attributes, Query, point},
    item::TenantId,
};

/// Points of all tenants: each has a row.
pub(super) struct Table {
    rows: HashMap<Uuid, u32>,
    /// The point of each row; of a vacant row, the last that was there.
    points: Vec<Uuid>,
    vacant: Vec<u32>,
    terms: Terms,
    codes: Codes,
}

impl Table {
    pub(super) fn new(dimensions: usize) -> Self {
        Self {
            rows: HashMap::new(),
            points: Vec::new(),
            vacant: Vec::new(),
            terms: Terms::default(),
            codes: Codes::new(dimensions),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn contains(&self, number: Uuid) -> bool {
        self.rows.contains_key(&number)
    }

    /// Writes a point; one that is there is replaced. The vector is finite and not zero.
    pub(super) fn put(&mut self, number: Uuid, tenant: &TenantId, vector: &[f32], attributes: &Attributes) {
        self.remove(number);
        let row = self.vacant.pop().unwrap_or_else(|| {
            self.points.push(Uuid::nil());
            u32::try_from(self.points.len() - 1).expect("fewer points than 2^32")
        });
        self.points[row as usize] = number;
        self.rows.insert(number, row);
        self.terms.put(row, tenant, attributes);
        self.codes.put(row, vector);
    }

    pub(super) fn remove(&mut self, number: Uuid) {
        if let Some(row) = self.rows.remove(&number) {
            self.terms.remove(row);
            self.vacant.push(row);
        }
    }

    /// Rows of the tenant that pass the filter and are not excluded, in their order. Errors: `Invalid` (`filter_value`).
    pub(super) fn matching(&self, query: &Query) -> Result<Vec<u32>, PipelineError> {
        let wanted = query.filter.iter().map(Wanted::parse).collect::<Result<Vec<_>, _>>()?;
        let excluded = query.exclude.iter().map(|id| point::number(&query.tenant, id));
        let excluded = excluded.filter_map(|number| self.rows.get(&number).copied());
        Ok(self.terms.matching(&query.tenant, &wanted, excluded))
    }

    /// Of these rows, points among which the `limit` nearest are, and few more; in no order. `limit` is at least 1.
    pub(super) fn nearest(&self, rows: &[u32], vector: &[f32], limit: usize) -> Vec<Uuid> {
        self.codes.nearest(rows, vector, limit).into_iter().map(|row| self.points[row as usize]).collect()
    }
}

#[cfg(test)]
mod tests;
