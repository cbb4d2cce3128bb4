//! What is remembered of a profile's picture, so that the same one is known again: 256 bits of its coarse structure, no picture and no face.
//!
//! As PDQ does it (Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019): mean brightness in 64 × 64 cells,
//! the 16 × 16 lowest waves of its cosine transform but the constant, a bit for each that is above the median. Recompressed, resized, brighter or
//! mirrored copies differ in few bits; cropped or turned ones do not come near. Two people may use the same picture of a film star: a
//! likeness is a hint, never a proof.

use models::Pixels;

/// Cells per side.
const CELLS: usize = 64;
/// Waves per side.
const WAVES: usize = 16;
/// Bits that may differ: PDQ's own threshold. Different pictures are about 128 apart.
const NEAR: u32 = 31;
/// A picture whose cells deviate less than this (of 255) is a plain colour: all of those look alike.
const LEAST_DEVIATION: f32 = 6.0;

/// Bytes of an [`Avatar`].
pub const BYTES: usize = WAVES * WAVES / 8;

/// The structure of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Avatar([u8; BYTES]);

/// A picture with its mirror image: what is compared with what is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What will be remembered.
    pub avatar: Avatar,
    mirrored: Avatar,
}

impl Seen {
    /// Looks at a picture; `None` when there is too little in it to know it again.
    pub fn of(pixels: &Pixels) -> Option<Self> {
        let cells = cells(pixels);
        let mean = cells.iter().sum::<f32>() / cells.len() as f32;
        let variance = cells.iter().map(|cell| (cell - mean).powi(2)).sum::<f32>() / cells.len() as f32;
        if variance < LEAST_DEVIATION * LEAST_DEVIATION {
            return None;
        }
        let waves = waves(&cells);
        // In a mirror the waves of an odd number of halves from left to right change their sign: the first, the third, …
        let mirrored: Vec<f32> =
            waves.iter().enumerate().map(|(place, wave)| if place % WAVES % 2 == 0 { -wave } else { *wave }).collect();
        Some(Self { avatar: bits(&waves), mirrored: bits(&mirrored) })
    }

    /// Bits in which the remembered picture differs, when it is nearly the same.
    pub fn resembles(&self, remembered: &Avatar) -> Option<u32> {
        let distance = self.avatar.distance(remembered).min(self.mirrored.distance(remembered));
        (distance <= NEAR).then_some(distance)
    }
}

impl Avatar {
    /// As the store keeps it.
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// The inverse; `None` for another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    fn distance(&self, other: &Self) -> u32 {
        self.0.iter().zip(other.0).map(|(one, other)| (one ^ other).count_ones()).sum()
    }
}

/// How alike two pictures are that differ in so many bits: 1 for none, 0 for half of them.
pub fn likeness(bits: u32) -> f32 {
    1.0 - 2.0 * bits as f32 / (WAVES * WAVES) as f32
}

/// Mean brightness (ITU-R BT.601) of each cell, row by row. Cells of a picture smaller than the grid share pixels.
fn cells(pixels: &Pixels) -> Vec<f32> {
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let range = |cell: usize, length: usize| {
        let start = cell * length / CELLS;
        start..((cell + 1) * length / CELLS).max(start + 1)
    };
    let mut cells = Vec::with_capacity(CELLS * CELLS);
    for row in 0..CELLS {
        let lines = range(row, height);
        for column in 0..CELLS {
            let across = range(column, width);
            let mut sum = 0_u64;
            for line in lines.clone() {
                let line = &pixels.rgb()[(line * width + across.start) * 3..(line * width + across.end) * 3];
                let (line, _) = line.as_chunks::<3>();
                sum += line
                    .iter()
                    .map(|[r, g, b]| 77 * u64::from(*r) + 150 * u64::from(*g) + 29 * u64::from(*b))
                    .sum::<u64>();
            }
            cells.push(sum as f32 / (256 * lines.len() * across.len()) as f32);
        }
    }
    cells
}

/// The lowest waves of a cosine transform, the constant left out: from 1 to [`WAVES`] each way.
fn waves(cells: &[f32]) -> Vec<f32> {
    let wave = |wave: usize, cell: usize| {
        (std::f32::consts::PI * (wave + 1) as f32 * (cell as f32 + 0.5) / CELLS as f32).cos()
    };
    let table: Vec<f32> = (0..WAVES * CELLS).map(|place| wave(place / CELLS, place % CELLS)).collect();
    let product = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
    // Across each line first, then down the columns.
    let across: Vec<f32> = (0..WAVES * CELLS)
        .map(|place| product(&table[place / CELLS * CELLS..][..CELLS], &cells[place % CELLS * CELLS..][..CELLS]))
        .collect();
    (0..WAVES * WAVES)
        .map(|place| product(&table[place / WAVES * CELLS..][..CELLS], &across[place % WAVES * CELLS..][..CELLS]))
        .collect()
}

/// A bit for each wave above the median.
fn bits(waves: &[f32]) -> Avatar {
    let mut sorted = waves.to_vec();
    sorted.sort_by(f32::total_cmp);
    let median = f32::midpoint(sorted[sorted.len() / 2 - 1], sorted[sorted.len() / 2]);
    let mut bytes = [0; BYTES];
    for (place, wave) in waves.iter().enumerate() {
        bytes[place / 8] |= u8::from(*wave > median) << (place % 8);
    }
    Avatar(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use image::{RgbImage, imageops};

    use super::*;

    fn seen(picture: &RgbImage) -> Option<Seen> {
        Seen::of(&Pixels::new(picture.width(), picture.height(), picture.as_raw().clone()).unwrap())
    }

    #[expect(clippy::disallowed_methods, reason = "our own bytes")]
    fn recompressed(picture: &RgbImage) -> RgbImage {
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 40).encode_image(picture).unwrap();
        image::load_from_memory(&jpeg).unwrap().to_rgb8()
    }

    /// Twelve photos, half as large as they come: enough to tell them apart, and quick.
    fn photos() -> Vec<RgbImage> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/photos");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
        files.sort();
        let load = |path: &std::path::PathBuf| imageops::thumbnail(&image::open(path).unwrap().to_rgb8(), 320, 240);
        let photos: Vec<_> = files.iter().take(12).map(load).collect();
        assert_eq!(photos.len(), 12);
        photos
    }

    #[test]
    fn x7_copies_of_a_picture_are_known_again_and_others_are_not() {
        let photos = photos();
        let first: Vec<Seen> = photos.iter().map(|photo| seen(photo).expect("a photo has structure")).collect();
        for (photo, known) in photos.iter().zip(&first) {
            let mut brighter = photo.clone();
            brighter.iter_mut().for_each(|value| *value = value.saturating_add(15));
            let copies = [
                recompressed(photo),
                imageops::thumbnail(photo, 96, 72),
                brighter,
                imageops::flip_horizontal(photo),
                recompressed(&imageops::flip_horizontal(photo)),
            ];
            for (place, copy) in copies.iter().enumerate() {
                assert!(seen(copy).unwrap().resembles(&known.avatar).is_some(), "copy {place}");
            }
        }
        let mut nearest = u32::MAX;
        for (place, one) in first.iter().enumerate() {
            for other in &first[place + 1..] {
                assert_eq!(one.resembles(&other.avatar), None);
                nearest = nearest.min(one.avatar.distance(&other.avatar)).min(one.mirrored.distance(&other.avatar));
            }
        }
        assert!(nearest > 2 * NEAR, "different photos are {nearest} bits apart");
    }

    #[test]
    fn x7_a_plain_colour_is_like_nothing_and_small_pictures_are_looked_at() {
        let flat = RgbImage::from_pixel(80, 80, image::Rgb([200, 30, 30]));
        assert_eq!(seen(&flat), None);
        let small = RgbImage::from_fn(7, 5, |x, y| image::Rgb([(x * 36) as u8, (y * 50) as u8, 0]));
        assert!(seen(&small).is_some());
    }

    #[test]
    fn x7_what_is_remembered_comes_back() {
        let photo = &photos()[0];
        let avatar = seen(photo).unwrap().avatar;
        assert_eq!(Avatar::from_bytes(&avatar.to_bytes()), Some(avatar));
        assert_eq!(Avatar::from_bytes(&[1, 2]), None);
        assert!((likeness(0) - 1.0).abs() < 1e-6 && likeness(128).abs() < 1e-6);
    }
}
