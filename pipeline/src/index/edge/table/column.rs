//! Numbers by row.

/// Rows that are allocated together: an attribute that few points have takes little.
const BLOCK: usize = 1024;

/// The numbers of one attribute. Who has none is not known here: ask only for rows that were put.
#[derive(Default)]
pub(super) struct Column {
    blocks: Vec<Option<Box<[f64; BLOCK]>>>,
}

impl Column {
    pub(super) fn put(&mut self, row: u32, value: f64) {
        let (block, place) = (row as usize / BLOCK, row as usize % BLOCK);
        if block >= self.blocks.len() {
            self.blocks.resize_with(block + 1, || None);
        }
        self.blocks[block].get_or_insert_with(|| Box::new([f64::NAN; BLOCK]))[place] = value;
    }

    /// Keeps the rows whose number is in the range, both ends included. Without a branch for each row: which of them pass cannot be guessed.
    pub(super) fn retain(&self, rows: &mut Vec<u32>, min: f64, max: f64) {
        let mut kept = 0;
        for place in 0..rows.len() {
            let row = rows[place];
            let number = self.get(row);
            rows[kept] = row;
            kept += usize::from((min <= number) & (number <= max));
        }
        rows.truncate(kept);
    }

    /// NaN for a row that was never put.
    #[inline]
    fn get(&self, row: u32) -> f64 {
        let block = self.blocks.get(row as usize / BLOCK).and_then(Option::as_deref);
        block.map_or(f64::NAN, |values| values[row as usize % BLOCK])
    }
}
