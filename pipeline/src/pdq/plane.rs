//! From pixels to 64 × 64 cells. Pure.
//!
//! The sums are the reference's, addition by addition, so that hashes are too; what differs is which of them are made side by side, and that
//! none is made of which nothing is kept. A sum along a line waits for the one before it, so [`LANES`] lines go at once. Of the second blur only
//! the middles of cells are read: 64 of a line's columns.

use models::Pixels;

use super::{LEAST_SIDE, SIDE};

/// Pictures with more pixels are averaged down.
const DIRECT: usize = 1024 * 1024;
/// Lines that are blurred side by side: as many numbers as a vector of AVX2 holds.
const LANES: usize = 8;

/// The same column of [`LANES`] lines.
type Column = [f32; LANES];

/// The work on one picture, for `pulp::Arch::dispatch`. Its answer: 64 × 64 values, row by row; `None` when the picture is too small to have them.
pub(super) struct Cells<'a>(pub(super) &'a Pixels);

impl pulp::WithSimd for Cells<'_> {
    type Output = Option<Vec<f32>>;

    /// Inlined, all of it: what is not does not know of the processor's vector units.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
        let Plane { width, height, mut values } = Plane::brightness(self.0);
        if width < LEAST_SIDE || height < LEAST_SIDE {
            return None;
        }
        if (width, height) == (SIDE, SIDE) {
            return Some(values);
        }
        blur_lines(&mut values, width);
        let narrow = blur_columns_and_lines(&values, width, height);
        Some(blur_columns(&narrow, height))
    }
}

/// Brightnesses, row by row.
struct Plane {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Plane {
    /// Of each pixel, or of squares of pixels when there are many.
    #[inline(always)]
    fn brightness(pixels: &Pixels) -> Self {
        let (width, height) = (pixels.width() as usize, pixels.height() as usize);
        let (rgb, _) = pixels.rgb().as_chunks::<3>();
        let factor = (1..).find(|factor| (width / factor) * (height / factor) <= DIRECT).unwrap_or(1);
        if factor == 1 {
            let mut values = vec![0.0; rgb.len()];
            for (value, pixel) in values.iter_mut().zip(rgb) {
                *value = light(pixel);
            }
            return Self { width, height, values };
        }
        let (columns, rows) = (width / factor, height / factor);
        let mut values = vec![0.0_f32; columns * rows];
        for (line, cells) in rgb.chunks_exact(width).zip((0..height).map(|row| row / factor)) {
            let Some(cells) = values.get_mut(cells * columns..(cells + 1) * columns) else { break };
            for (cell, part) in cells.iter_mut().zip(line.chunks_exact(factor)) {
                *cell += part.iter().map(light).sum::<f32>();
            }
        }
        let area = (factor * factor) as f32;
        values.iter_mut().for_each(|value| *value /= area);
        Self { width: columns, height: rows, values }
    }
}

/// Brightness, by the weights of ITU-R BT.601, in the reference's order of additions.
#[inline(always)]
fn light([r, g, b]: &[u8; 3]) -> f32 {
    0.299_f32 * f32::from(*r) + 0.587 * f32::from(*g) + 0.114 * f32::from(*b)
}

/// Elements whose mean a box filter makes, along a side of so many.
#[inline(always)]
fn window(length: usize) -> usize {
    length.div_ceil(2 * SIDE)
}

/// Where the middles of the cells lie along a side.
#[inline(always)]
fn middles(length: usize) -> [usize; SIDE] {
    std::array::from_fn(|cell| ((cell as f64 + 0.5) * length as f64 / SIDE as f64) as usize)
}

/// The first blur across, in place.
#[inline(always)]
fn blur_lines(values: &mut [f32], width: usize) {
    let (mut stripe, mut means) = (vec![[0.0; LANES]; width], vec![[0.0; LANES]; width]);
    for lines in values.chunks_mut(LANES * width) {
        gather(lines, &mut stripe);
        slide(&stripe, &mut means);
        for (column, sums) in means.iter_mut().enumerate() {
            let size = size(column, width);
            for sum in sums {
                *sum /= size;
            }
        }
        scatter(&means, lines);
    }
}

/// The first blur down, and of what it leaves the second blur across: 64 columns of each line.
#[inline(always)]
fn blur_columns_and_lines(values: &[f32], width: usize, height: usize) -> Vec<f32> {
    let columns = middles(width);
    let mut narrow = vec![0.0; SIDE * height];
    let (mut stripe, mut sums) = (vec![[0.0; LANES]; width], vec![[0.0; LANES]; width]);
    let mut lines = vec![0.0; LANES * width];
    let mut falling = Falling::new(values, width);
    for narrow in narrow.chunks_mut(LANES * SIDE) {
        let lines = &mut lines[..narrow.len() / SIDE * width];
        for line in lines.chunks_exact_mut(width) {
            falling.next(line);
        }
        gather(lines, &mut stripe);
        slide(&stripe, &mut sums);
        for (cell, column) in columns.into_iter().enumerate() {
            let size = size(column, width);
            for (line, sum) in narrow.chunks_exact_mut(SIDE).zip(&sums[column]) {
                line[cell] = sum / size;
            }
        }
    }
    narrow
}

/// The second blur down, of lines of 64: a row of cells for each middle.
#[inline(always)]
fn blur_columns(narrow: &[f32], height: usize) -> Vec<f32> {
    let mut cells = Vec::with_capacity(SIDE * SIDE);
    let (mut falling, mut line, mut seen) = (Falling::new(narrow, SIDE), [0.0; SIDE], 0);
    for wanted in middles(height) {
        while seen <= wanted {
            falling.next(&mut line);
            seen += 1;
        }
        cells.extend(line);
    }
    cells
}

/// Elements of the window around one column, which is shorter at the ends.
#[inline(always)]
fn size(column: usize, length: usize) -> f32 {
    let window = window(length);
    let ahead = window / 2;
    (ahead + column + 1).min(window).min(length - 1 - column + window - ahead) as f32
}

/// Sums along [`LANES`] lines: for each column, of the window around it.
#[inline(always)]
fn slide(stripe: &[Column], out: &mut [Column]) {
    let (length, window) = (stripe.len(), window(stripe.len()));
    let ahead = window / 2;
    let mut sums = [0.0; LANES];
    for entered in &stripe[..ahead] {
        add(&mut sums, entered);
    }
    let (growing, rest) = out.split_at_mut(window - ahead);
    for (out, entered) in growing.iter_mut().zip(&stripe[ahead..window]) {
        add(&mut sums, entered);
        *out = sums;
    }
    let (steady, shrinking) = rest.split_at_mut(length - window);
    for (out, (entered, gone)) in steady.iter_mut().zip(stripe[window..].iter().zip(stripe)) {
        add(&mut sums, entered);
        take(&mut sums, gone);
        *out = sums;
    }
    for (out, gone) in shrinking.iter_mut().zip(&stripe[length - window..]) {
        take(&mut sums, gone);
        *out = sums;
    }
}

#[inline(always)]
fn add(sums: &mut [f32], values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

#[inline(always)]
fn take(sums: &mut [f32], values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum -= value;
    }
}

/// As [`slide`], downwards: all columns of a picture go at once, line by line.
struct Falling<'a> {
    width: usize,
    window: usize,
    size: usize,
    sums: Vec<f32>,
    entering: std::slice::ChunksExact<'a, f32>,
    leaving: std::slice::ChunksExact<'a, f32>,
}

impl<'a> Falling<'a> {
    #[inline(always)]
    fn new(values: &'a [f32], width: usize) -> Self {
        let lines = values.chunks_exact(width);
        let window = window(lines.len());
        let (mut sums, mut entering) = (vec![0.0; width], lines.clone());
        let ahead = window / 2;
        for line in entering.by_ref().take(ahead) {
            add(&mut sums, line);
        }
        Self { width, window, size: ahead, sums, entering, leaving: lines }
    }

    /// The next line's means.
    #[inline(always)]
    fn next(&mut self, means: &mut [f32]) {
        let sums = &mut self.sums[..self.width];
        let entered = self.entering.next();
        if let Some(line) = entered {
            add(sums, line);
            self.size += 1;
        }
        if (self.size > self.window || entered.is_none())
            && let Some(line) = self.leaving.next()
        {
            take(sums, line);
            self.size -= 1;
        }
        let size = self.size as f32;
        for (mean, sum) in means.iter_mut().zip(sums) {
            *mean = *sum / size;
        }
    }
}

/// Lines, one after the other, side by side; where lines are missing, nothing changes.
#[inline(always)]
fn gather(lines: &[f32], stripe: &mut [Column]) {
    let width = stripe.len();
    if lines.len() < LANES * width {
        for (lane, line) in lines.chunks_exact(width).enumerate() {
            for (column, value) in stripe.iter_mut().zip(line) {
                column[lane] = *value;
            }
        }
        return;
    }
    let (tiles, rest) = stripe.as_chunks_mut::<LANES>();
    let done = width - rest.len();
    for (number, tile) in tiles.iter_mut().enumerate() {
        let mut square = [[0.0; LANES]; LANES];
        for (lane, part) in square.iter_mut().enumerate() {
            part.copy_from_slice(&lines[lane * width + number * LANES..][..LANES]);
        }
        for (index, column) in tile.iter_mut().enumerate() {
            for (lane, value) in column.iter_mut().enumerate() {
                *value = square[lane][index];
            }
        }
    }
    for (number, column) in rest.iter_mut().enumerate() {
        for (lane, value) in column.iter_mut().enumerate() {
            *value = lines[lane * width + done + number];
        }
    }
}

/// The inverse of [`gather`].
#[inline(always)]
fn scatter(stripe: &[Column], lines: &mut [f32]) {
    for (lane, line) in lines.chunks_exact_mut(stripe.len()).enumerate() {
        for (value, column) in line.iter_mut().zip(stripe) {
            *value = column[lane];
        }
    }
}
