//! Vectors as one byte for each number, and the comparison of one vector with many of them.

use rayon::prelude::*;

/// Rows that are allocated together: growing never copies what is there.
const BLOCK: usize = 4096;
/// The largest of a row's numbers becomes this.
const LEVELS: f32 = 127.0;
/// The largest of a question's numbers becomes this: sixteen times finer, and the sum stays within 32 bits up to 8,000 dimensions (at most
/// dimensions × 127 × 2047, by Cauchy and Schwarz).
const QUERY_LEVELS: f32 = 2047.0;
/// Rows that are touched before they are compared. Rows that pass a filter lie apart, so that each is a miss of the cache; asked for together,
/// the misses overlap: 11 ms for 56,000 of a million rows instead of 16 (one core, 384 dimensions, SSE2; with AVX2 7 instead of 12.5).
const TOUCHED: usize = 16;
/// Bytes of a line of the cache.
const LINE: usize = 64;
/// Rows that one task compares.
const TASK: usize = 8192;
/// A rounded product is off by a sum of rounding errors, each evenly within ±½ step: its deviation is step / √12. Two rows change places when
/// they differ by less than both errors, here six deviations of their difference (step / √12 × √2 × 6), so one in 10⁹ times.
const CONFUSED: f32 = 2.45;
/// Most rows beyond the limit that come back: of very many equals, any.
const MAX_CONFUSED: usize = 4096;

pub(super) struct Codes {
    dimensions: usize,
    blocks: Vec<Box<[i8]>>,
    /// One step of each row.
    steps: Vec<f32>,
    /// The largest of them so far.
    coarsest: f32,
}

impl Codes {
    pub(super) fn new(dimensions: usize) -> Self {
        Self { dimensions, blocks: Vec::new(), steps: Vec::new(), coarsest: 0.0 }
    }

    /// Of any length but zero: it is made a unit vector.
    pub(super) fn put(&mut self, row: u32, vector: &[f32]) {
        let (row, width) = (row as usize, self.dimensions);
        if row / BLOCK >= self.blocks.len() {
            self.blocks.resize_with(row / BLOCK + 1, || vec![0; BLOCK * width].into());
        }
        if row >= self.steps.len() {
            self.steps.resize(row + 1, 0.0);
        }
        let (steps, step) = rounded(vector, LEVELS);
        let place = row % BLOCK * width;
        for (code, steps) in self.blocks[row / BLOCK][place..place + width].iter_mut().zip(steps) {
            *code = steps as i8;
        }
        self.steps[row] = step;
        self.coarsest = self.coarsest.max(step);
    }

    #[inline(always)]
    fn row(&self, row: u32) -> &[i8] {
        let place = row as usize % BLOCK * self.dimensions;
        &self.blocks[row as usize / BLOCK][place..place + self.dimensions]
    }

    /// Of `rows`, those among which the `limit` nearest are, in no order.
    pub(super) fn nearest(&self, rows: &[u32], vector: &[f32], limit: usize) -> Vec<u32> {
        if rows.len() <= limit {
            return rows.to_vec();
        }
        let (query, step) = rounded(vector, QUERY_LEVELS);
        let query: Vec<i16> = query.map(|steps| steps as i16).collect();
        let compare = |rows| self.compare(rows, &query, step);
        let mut scored: Vec<(f32, u32)> = rows.par_chunks(TASK).flat_map_iter(compare).collect();
        let nearer = |one: &(f32, u32), other: &(f32, u32)| other.0.total_cmp(&one.0);
        let (_, last, _) = scored.select_nth_unstable_by(limit.max(1) - 1, nearer);
        let least = last.0 - CONFUSED * self.coarsest;
        let most = limit.saturating_add(MAX_CONFUSED);
        if scored.len() > most {
            scored.select_nth_unstable_by(most - 1, nearer);
            scored.truncate(most);
        }
        scored.into_iter().filter(|(score, _)| *score >= least).map(|(_, row)| row).collect()
    }

    fn compare(&self, rows: &[u32], query: &[i16], step: f32) -> Vec<(f32, u32)> {
        // Compiled for what the processor has.
        pulp::Arch::new().dispatch(Comparison { codes: self, rows, query, step })
    }
}

/// Many rows with one question.
struct Comparison<'a> {
    codes: &'a Codes,
    rows: &'a [u32],
    query: &'a [i16],
    step: f32,
}

impl pulp::WithSimd for Comparison<'_> {
    type Output = Vec<(f32, u32)>;

    /// Inlined, all of it: what is not does not know of the processor's vector units.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
        let Self { codes, rows, query, step } = self;
        let mut scored = Vec::with_capacity(rows.len());
        for rows in rows.chunks(TOUCHED) {
            let mut touched = 0;
            for row in rows {
                for line in codes.row(*row).chunks(LINE) {
                    touched ^= line[0];
                }
            }
            std::hint::black_box(touched);
            for row in rows {
                let score = product(codes.row(*row), query) as f32 * step * codes.steps[*row as usize];
                scored.push((score, *row));
            }
        }
        scored
    }
}

/// Nothing can overflow (see [`QUERY_LEVELS`]); checks would keep the compiler from using vector units.
#[inline(always)]
fn product(codes: &[i8], query: &[i16]) -> i32 {
    let products = codes.iter().zip(query).map(|(code, steps)| i32::from(*code).wrapping_mul(i32::from(*steps)));
    products.fold(0, i32::wrapping_add)
}

/// The unit vector in whole steps, of which the largest number has `levels`; and how long a step is.
fn rounded(vector: &[f32], levels: f32) -> (impl Iterator<Item = f32>, f32) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    let largest = vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = levels / largest;
    (vector.iter().map(move |value| (value * scale).round()), largest / length / levels)
}
