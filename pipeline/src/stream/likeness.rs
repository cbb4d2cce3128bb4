//! Does a frame show the same as an earlier one of its participant? Pure.
//!
//! Two looks, and both must say yes. The first is a difference hash of 64 bits (Neal Krawetz, "Kind of Like That", The Hacker
//! Factor Blog, 2013): of 9 × 8 mean brightnesses, each bit tells whether one is brighter than its right neighbour. It is quick,
//! but blind where an evader would look for blindness: all pictures of one colour have the same hash, and something in a
//! corner moves few bits. So the second look compares the means themselves, in cells small enough to see a corner. Whatever
//! moves one of them by more than [`LEVELS`] is judged.

use models::Pixels;

/// Levels of 0..=255 by which a cell may differ: what sensor noise and JPEG leave of a still scene after averaging a cell.
const LEVELS: u8 = 2;
/// A cell is brighter than its neighbour when it is by more than this; noise must not decide between equal cells.
const DEAD_ZONE: u8 = 1;
/// Cells per side in which brightness is compared: 20 × 15 pixels each in a frame of 640 × 480.
const LIGHT: usize = 32;
/// Cells per side in which colour is compared.
const COLOUR: usize = 8;
/// Cells of the hash: columns and rows. Each row is a whole number of rows of the fine grid.
const HASH: (usize, usize) = (9, 8);

/// What is remembered of a frame to compare it with the next: about a kilobyte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likeness {
    size: (u32, u32),
    hash: u64,
    light: Vec<u8>,
    colour: Vec<u8>,
}

impl Likeness {
    /// Looks at a decoded frame: one pass over its pixels.
    pub fn of(pixels: &Pixels) -> Self {
        let Grids { hash, fine } = pulp::Arch::new().dispatch(Look(pixels));
        let bits = hash.chunks_exact(HASH.0).flat_map(|row| row.windows(2));
        let brighter = |pair: &[Cell]| pair[0].light() > pair[1].light().saturating_add(DEAD_ZONE);
        // Each cell of the coarse grid is a square of the fine one.
        let mut coarse = vec![Cell::default(); COLOUR * COLOUR];
        for (index, cell) in fine.iter().enumerate() {
            let (row, column) = (index / LIGHT * COLOUR / LIGHT, index % LIGHT * COLOUR / LIGHT);
            coarse[row * COLOUR + column].add(cell.sums, cell.count);
        }
        Self {
            size: (pixels.width(), pixels.height()),
            hash: bits.fold(0, |hash, pair| hash << 1 | u64::from(brighter(pair))),
            light: fine.iter().map(Cell::light).collect(),
            colour: coarse.iter().flat_map(Cell::colour).collect(),
        }
    }

    /// Hash bits in which the two differ.
    pub fn distance(&self, other: &Self) -> u32 {
        (self.hash ^ other.hash).count_ones()
    }

    /// May the scores of one stand for the other? `bits`: most hash bits that may differ.
    pub fn shows_the_same(&self, other: &Self, bits: u32) -> bool {
        let near = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= LEVELS);
        self.size == other.size
            && self.distance(other) <= bits
            && near(&self.light, &other.light)
            && near(&self.colour, &other.colour)
    }
}

/// The pixels of one part of a picture, added up.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    sums: [u64; 3],
    count: u64,
}

impl Cell {
    fn add(&mut self, sums: [u64; 3], count: u64) {
        self.sums.iter_mut().zip(sums).for_each(|(sum, more)| *sum += more);
        self.count += count;
    }

    /// Mean brightness, rounded. Weights of ITU-R BT.601, the brightness that JPEG itself keeps.
    fn light(&self) -> u8 {
        let [r, g, b] = self.sums;
        let count = 256 * self.count.max(1);
        u8::try_from((77 * r + 150 * g + 29 * b + count / 2) / count).unwrap_or(u8::MAX)
    }

    /// Mean of each channel, rounded.
    fn colour(&self) -> [u8; 3] {
        let count = self.count.max(1);
        self.sums.map(|sum| u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX))
    }
}

/// The cells of both grids, row by row. Cells of a picture smaller than the grid share pixels.
struct Grids {
    hash: Vec<Cell>,
    fine: Vec<Cell>,
}

/// Compiled for the vector units that the processor turns out to have. A closure in its place is not: it stays a function of its own.
struct Look<'a>(&'a Pixels);

impl pulp::WithSimd for Look<'_> {
    type Output = Grids;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Grids {
        Grids::of(self.0)
    }
}

impl Grids {
    /// Lines are added up column by column first, which is vector work; the sums are then cut into cells.
    #[inline(always)]
    fn of(pixels: &Pixels) -> Self {
        const FINE_ROWS: usize = LIGHT / HASH.1;
        let (stride, height) = (pixels.width() as usize * 3, pixels.height() as usize);
        let mut grids = Self { hash: Vec::new(), fine: Vec::new() };
        let (mut fine, mut coarse, mut coarse_lines) = (vec![0_u32; stride], vec![0_u32; stride], 0);
        for row in 0..LIGHT {
            let lines = range(row, LIGHT, height);
            fine.fill(0);
            for line in pixels.rgb().chunks_exact(stride).skip(lines.start).take(lines.len()) {
                // Checked addition would not be vector work. 65,535 lines, the most that a picture has, cannot overflow it.
                for (sum, value) in fine.iter_mut().zip(line) {
                    *sum = sum.wrapping_add(u32::from(*value));
                }
            }
            for (sum, more) in coarse.iter_mut().zip(&fine) {
                *sum = sum.wrapping_add(*more);
            }
            coarse_lines += lines.len();
            grids.fine.extend(cut(&fine, LIGHT, lines.len()));
            if (row + 1) % FINE_ROWS == 0 {
                grids.hash.extend(cut(&coarse, HASH.0, coarse_lines));
                coarse.fill(0);
                coarse_lines = 0;
            }
        }
        grids
    }
}

/// Sums of so many lines, column by column, as a row of cells.
fn cut(sums: &[u32], columns: usize, lines: usize) -> impl Iterator<Item = Cell> {
    let (pixels, _) = sums.as_chunks::<3>();
    (0..columns).map(move |column| {
        let part = &pixels[range(column, columns, pixels.len())];
        let mut cell = Cell { sums: [0; 3], count: (part.len() * lines) as u64 };
        part.iter().for_each(|sums| cell.add(sums.map(u64::from), 0));
        cell
    })
}

/// The pixels of one cell along a side of `length` pixels.
fn range(cell: usize, cells: usize, length: usize) -> std::ops::Range<usize> {
    let start = cell * length / cells;
    start..((cell + 1) * length / cells).max(start + 1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use image::{RgbImage, imageops};

    use super::*;

    const BITS: u32 = 2;

    fn likeness(picture: &RgbImage) -> Likeness {
        Likeness::of(&Pixels::new(picture.width(), picture.height(), picture.as_raw().clone()).unwrap())
    }

    /// As a camera would send it: 640 × 480, as JPEG.
    #[expect(clippy::disallowed_methods, reason = "our own bytes")]
    fn sent(picture: &RgbImage) -> RgbImage {
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 80).encode_image(picture).unwrap();
        image::load_from_memory(&jpeg).unwrap().to_rgb8()
    }

    fn photos() -> Vec<(String, RgbImage)> {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets");
        let folders = ["photos", "demo/frames"].map(|folder| std::fs::read_dir(data.join(folder)).unwrap());
        let mut files: Vec<_> = folders.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
        files.sort();
        // Some photos are in both folders.
        let mut seen = std::collections::HashSet::new();
        files.retain(|path| seen.insert(std::fs::read(path).unwrap()));
        let load = |path: &std::path::PathBuf| {
            let photo = image::open(path).unwrap().to_rgb8();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, imageops::resize(&photo, 640, 480, imageops::FilterType::Triangle))
        };
        let photos: Vec<_> = files.iter().map(load).collect();
        assert!(photos.len() >= 25, "{}", photos.len());
        photos
    }

    /// Noise of a sensor, −4..=4 per channel.
    fn noisy(picture: &RgbImage, mut seed: u64) -> RgbImage {
        let mut noisy = picture.clone();
        for value in noisy.iter_mut() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let noise = i8::try_from((seed >> 33) % 9).unwrap() - 4;
            *value = value.saturating_add_signed(noise);
        }
        noisy
    }

    #[test]
    fn f5_different_photos_are_never_taken_for_the_same() {
        let photos: Vec<_> = photos().into_iter().map(|(name, photo)| (name, likeness(&photo))).collect();
        let (mut wrong, mut nearest, mut pairs) = (Vec::new(), u32::MAX, 0);
        for (index, (name, first)) in photos.iter().enumerate() {
            for (other, second) in &photos[index + 1..] {
                pairs += 1;
                nearest = nearest.min(first.distance(second));
                if first.shows_the_same(second, BITS) {
                    wrong.push((name, other));
                }
            }
        }
        println!("false reuse: {} of {pairs} pairs; nearest hashes {nearest} bits apart", wrong.len());
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn f5_a_still_scene_with_sensor_noise_is_the_same() {
        let photos = photos();
        let mut same = 0;
        for (seed, (_, photo)) in (1..).zip(&photos) {
            let first = likeness(&sent(&noisy(photo, seed)));
            let second = likeness(&sent(&noisy(photo, seed + 1000)));
            same += usize::from(first.shows_the_same(&second, BITS));
        }
        println!("still scenes found the same: {same} of {}", photos.len());
        assert!(same * 10 >= photos.len() * 9, "{same} of {}", photos.len());
    }

    #[test]
    fn f5_a_picture_that_differs_visibly_is_judged() {
        let photos = photos();
        for (index, (name, photo)) in photos.iter().enumerate() {
            let other = &photos[(index + 1) % photos.len()].1;
            let first = likeness(&sent(photo));
            let mut changes = Vec::new();
            // Another picture shown in a part of the frame, down to a tenth of its width, anywhere.
            for (part, x, y) in [(2, 0, 0), (4, 300, 200), (6, 500, 50), (10, 570, 430), (10, 3, 7)] {
                let mut pasted = photo.clone();
                let small = imageops::resize(other, 640 / part, 480 / part, imageops::FilterType::Triangle);
                imageops::overlay(&mut pasted, &small, x, y);
                changes.push((format!("1/{part} at {x},{y}"), pasted));
            }
            changes.push(("brighter by 4".into(), {
                let mut brighter = photo.clone();
                brighter.iter_mut().for_each(|value| *value = value.saturating_add(4));
                brighter
            }));
            changes.push(("mirrored".into(), imageops::flip_horizontal(photo)));
            changes.push(("moved by 8 pixels".into(), {
                let mut moved = photo.clone();
                imageops::overlay(&mut moved, photo, 8, 0);
                moved
            }));
            for (change, changed) in changes {
                let second = likeness(&sent(&changed));
                assert!(
                    !first.shows_the_same(&second, 64),
                    "{name}, {change}: the hash is {} bits away",
                    first.distance(&second)
                );
            }
        }
    }

    #[test]
    fn f5_one_colour_has_one_hash_and_still_is_not_another_colour() {
        let flat = |r, g, b| likeness(&RgbImage::from_pixel(64, 64, image::Rgb([r, g, b])));
        let black = flat(0, 0, 0);
        assert_eq!(black.distance(&flat(255, 255, 255)), 0);
        for (other, same) in
            [(flat(0, 0, 0), true), (flat(2, 2, 2), true), (flat(3, 3, 3), false), (flat(0, 0, 9), false)]
        {
            assert_eq!(black.shows_the_same(&other, BITS), same, "{other:?}");
        }
        let wide = likeness(&RgbImage::from_pixel(128, 64, image::Rgb([0, 0, 0])));
        assert!(!black.shows_the_same(&wide, 64), "another size is another picture");
    }

    /// The definition: one cell at a time, one pixel at a time.
    #[test]
    fn f5_both_grids_are_what_they_are_defined_to_be() {
        let (width, height) = (101, 67);
        let picture = noisy(&RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, (y * 2) as u8, 90])), 5);
        let pixels = Pixels::new(width, height, picture.as_raw().clone()).unwrap();
        let grids = Grids::of(&pixels);
        for (cells, columns, rows) in [(&grids.fine, LIGHT, LIGHT), (&grids.hash, HASH.0, HASH.1)] {
            assert_eq!(cells.len(), columns * rows);
            for (index, cell) in cells.iter().enumerate() {
                let mut expected = Cell::default();
                for y in range(index / columns, rows, height as usize) {
                    for x in range(index % columns, columns, width as usize) {
                        expected.add(picture.get_pixel(x as u32, y as u32).0.map(u64::from), 1);
                    }
                }
                assert_eq!((cell.sums, cell.count), (expected.sums, expected.count), "cell {index} of {columns}");
            }
        }
    }

    #[test]
    fn pictures_smaller_than_the_grid_have_means() {
        for (width, height) in [(1, 1), (1, 500), (500, 1), (5, 7), (31, 33)] {
            let likeness = likeness(&RgbImage::from_pixel(width, height, image::Rgb([9, 9, 9])));
            assert!(likeness.light.iter().chain(&likeness.colour).all(|mean| *mean == 9), "{width} × {height}");
        }
    }
}
