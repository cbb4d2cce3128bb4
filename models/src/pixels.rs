//! Decoded images and their way to a tensor.

/// An RGB8 image, row by row, no padding. Decoding (with its limits) happens above this crate.
#[derive(Clone, PartialEq, Eq)]
pub struct Pixels {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl std::fmt::Debug for Pixels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pixels({}x{})", self.width, self.height)
    }
}

impl Pixels {
    /// Wraps `rgb`, which must hold `width * height * 3` bytes; `None` otherwise, or when a side is 0.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let expected = (width as usize).checked_mul(height as usize)?.checked_mul(3)?;
        (expected > 0 && rgb.len() == expected).then_some(Self { width, height, rgb })
    }

    /// Pixels per row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, `R G B R G B …`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The image as the model's input: `[side, side, 3]`, values in 0..=1.
    ///
    /// Bilinear between the four nearest pixels with aligned corners: output pixel `i` of `s` samples position
    /// `i · (n − 1) / (s − 1)` of the `n` source pixels, so that the corner pixels are kept. No smoothing when the
    /// image shrinks. This is how the models' publisher resizes; a better resize gives other scores.
    pub fn to_tensor(&self, side: u32) -> Vec<f32> {
        let length = side as usize * side as usize * 3;
        // One number more than is kept, see `across`.
        let mut tensor = vec![0.0_f32; length + 1];
        let (mut columns, rows) = (samples(self.width, side), samples(self.height, side));
        // In numbers instead of pixels, of which a line has three each.
        columns.iter_mut().for_each(|column| (column.low, column.high) = (column.low * 3, column.high * 3));
        pulp::Arch::new().dispatch(Resize { image: self, columns: &columns, rows: &rows, tensor: &mut tensor });
        tensor.truncate(length);
        tensor
    }
}

/// The work of [`Pixels::to_tensor`], compiled for the vector units that the processor turns out to have; the results are the same bits
/// everywhere. A closure in its place would stay a function of its own, compiled for none.
struct Resize<'a> {
    image: &'a Pixels,
    columns: &'a [Sample],
    rows: &'a [Sample],
    tensor: &'a mut [f32],
}

impl pulp::WithSimd for Resize<'_> {
    type Output = ();

    /// First down the columns over whole lines, then across the blended line.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let stride = self.image.width as usize * 3;
        let mut blended = vec![0.0_f32; stride + 1];
        for (number, row) in self.rows.iter().enumerate() {
            let upper = &self.image.rgb[row.low * stride..][..stride];
            let lower = &self.image.rgb[row.high * stride..][..stride];
            for (out, (a, b)) in blended.iter_mut().zip(upper.iter().zip(lower)) {
                let a = f32::from(*a);
                *out = a + (f32::from(*b) - a) * row.weight;
            }
            across(&blended, self.columns, &mut self.tensor[number * self.columns.len() * 3..]);
        }
    }
}

/// Blends neighbours of one line. A pixel is read and written as four numbers, because four are one vector: the fourth is
/// the next pixel's first, which is written after it.
#[inline(always)]
fn across(line: &[f32], columns: &[Sample], out: &mut [f32]) {
    const SCALE: f32 = 1.0 / 255.0;
    for (number, column) in columns.iter().enumerate() {
        let (left, right) = (&line[column.low..][..4], &line[column.high..][..4]);
        let mut mixed = [0.0_f32; 4];
        for (channel, value) in mixed.iter_mut().enumerate() {
            *value = (left[channel] + (right[channel] - left[channel]) * column.weight) * SCALE;
        }
        out[number * 3..][..4].copy_from_slice(&mixed);
    }
}

/// Where one output row or column comes from: two neighbours and the weight of the second.
struct Sample {
    low: usize,
    high: usize,
    weight: f32,
}

fn samples(source: u32, side: u32) -> Vec<Sample> {
    let last = source.saturating_sub(1);
    let step = if side > 1 { last as f32 / (side - 1) as f32 } else { 0.0 };
    (0..side)
        .map(|i| {
            let position = step * i as f32;
            let low = (position as u32).min(last);
            Sample { low: low as usize, high: (low + 1).min(last) as usize, weight: position - low as f32 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random but fixed bytes.
    fn noise(width: u32, height: u32) -> Pixels {
        let mut seed = 0x9e37_79b9_u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        Pixels::new(width, height, (0..width * height * 3).map(|_| next()).collect()).unwrap()
    }

    /// The definition, one output value at a time, in double precision.
    fn naive(image: &Pixels, side: u32) -> Vec<f64> {
        let at = |x: u32, y: u32, c: u32| f64::from(image.rgb[((y * image.width + x) * 3 + c) as usize]) / 255.0;
        let position = |i: u32, n: u32| f64::from(i * (n - 1)) / f64::from(side - 1);
        let mut out = Vec::new();
        for y in 0..side {
            for x in 0..side {
                for c in 0..3 {
                    let (px, py) = (position(x, image.width), position(y, image.height));
                    let (x0, y0) = (px.floor() as u32, py.floor() as u32);
                    let (x1, y1) = ((x0 + 1).min(image.width - 1), (y0 + 1).min(image.height - 1));
                    let (fx, fy) = (px - px.floor(), py - py.floor());
                    let top = at(x0, y0, c) * (1.0 - fx) + at(x1, y0, c) * fx;
                    let bottom = at(x0, y1, c) * (1.0 - fx) + at(x1, y1, c) * fx;
                    out.push(top * (1.0 - fy) + bottom * fy);
                }
            }
        }
        out
    }

    #[test]
    fn resize_agrees_with_its_definition() {
        for (width, height, side) in [(640, 480, 224), (31, 57, 224), (224, 224, 224), (1, 9, 16), (300, 1, 299)] {
            let image = noise(width, height);
            let tensor = image.to_tensor(side);
            assert_eq!(tensor.len(), (side * side * 3) as usize);
            for (i, (a, b)) in tensor.iter().zip(naive(&image, side)).enumerate() {
                // Single precision puts a sample up to 1e-4 pixels off its place.
                assert!((f64::from(*a) - b).abs() < 2e-4, "{width}x{height} → {side}, value {i}: {a} against {b}");
            }
        }
    }

    #[test]
    fn corners_are_kept() {
        let image = noise(640, 480);
        let tensor = image.to_tensor(224);
        assert!((tensor[0] - f32::from(image.rgb[0]) / 255.0).abs() < 1e-7);
        let difference = tensor[tensor.len() - 1] - f32::from(image.rgb[image.rgb.len() - 1]) / 255.0;
        assert!(difference.abs() < 2e-4);
    }

    #[test]
    fn one_pixel_fills_the_tensor() {
        let tensor = Pixels::new(1, 1, vec![255, 0, 51]).unwrap().to_tensor(4);
        let near = |pixel: &[f32]| pixel.iter().zip([1.0, 0.0, 0.2]).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(tensor.len() == 4 * 4 * 3 && tensor.chunks_exact(3).all(near));
        assert_eq!(Pixels::new(3, 1, vec![9; 9]).unwrap().to_tensor(1).len(), 3);
    }

    #[test]
    fn wrong_sizes_are_refused() {
        assert!(Pixels::new(0, 4, vec![]).is_none());
        assert!(Pixels::new(2, 2, vec![0; 11]).is_none());
        assert!(Pixels::new(u32::MAX, u32::MAX, vec![0; 12]).is_none());
    }
}
