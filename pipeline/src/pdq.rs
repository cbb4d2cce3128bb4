//! PDQ: 256 bits by which the same picture is known again after it was scaled, compressed or touched up. Pure.
//!
//! After Meta's reference (ThreatExchange, `pdq/cpp`; "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019): brightness, two
//! passes of a box filter in both directions down to 64 × 64, the 16 × 16 lowest frequencies of a cosine transform without the constant, and of each
//! whether it is above their median. Hashes are the reference's bit by bit (tests below), so lists that are shared elsewhere can be imported. Only what
//! is larger than a million pixels is averaged down first, which moves a few bits and saves most of the time.

mod plane;

use std::{fmt, str::FromStr, sync::LazyLock};

use models::Pixels;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::PipelineError;

/// Bits of a hash.
pub const BITS: u32 = 256;
/// Below this quality, 0 to 100, a picture has too little in it to be told from others: the reference's recommendation.
pub const LEAST_QUALITY: u8 = 50;
/// Two hashes within this distance are the same picture: the reference's recommendation.
pub const SAME: u32 = 31;
/// Smallest side that has a hash.
const LEAST_SIDE: usize = 5;
/// Cells per side of the picture that is transformed.
const SIDE: usize = 64;
/// Frequencies per side that are kept.
const KEPT: usize = 16;

/// A picture's hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pdq([u64; 4]);

/// A hash and how much it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// The hash.
    pub hash: Pdq,
    /// 0 to 100: how much there is to see.
    pub quality: u8,
}

impl Hashed {
    /// Says it enough to be compared?
    pub fn counts(&self) -> bool {
        self.quality >= LEAST_QUALITY
    }
}

impl Pdq {
    /// Bits in which the two differ.
    pub fn distance(&self, other: &Self) -> u32 {
        self.0.iter().zip(&other.0).map(|(one, other)| (one ^ other).count_ones()).sum()
    }

    /// 1 for the same hash, 0 for its opposite.
    pub fn likeness(distance: u32) -> f32 {
        1.0 - distance.min(BITS) as f32 / BITS as f32
    }

    /// As 32 bytes, for rows.
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// The inverse of [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let words: [[u8; 8]; 4] = words.try_into().ok()?;
        rest.is_empty().then(|| Self(words.map(u64::from_be_bytes)))
    }

    /// Looks at a picture.
    pub fn of(pixels: &Pixels) -> Hashed {
        // Compiled for the vector units that the processor turns out to have.
        let Some(small) = pulp::Arch::new().dispatch(plane::Cells(pixels)) else {
            return Hashed { hash: Self([0; 4]), quality: 0 };
        };
        Hashed { hash: Self::of_frequencies(&frequencies(&small)), quality: quality(&small) }
    }

    fn of_frequencies(values: &[f32; KEPT * KEPT]) -> Self {
        let mut sorted = *values;
        let (_, median, _) = sorted.select_nth_unstable_by(KEPT * KEPT / 2 - 1, f32::total_cmp);
        let mut words = [0_u64; 4];
        // The reference numbers bits from the right.
        for (index, value) in values.iter().enumerate() {
            words[3 - index / 64] |= u64::from(value > median) << (index % 64);
        }
        Self(words)
    }
}

impl fmt::Display for Pdq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

impl fmt::Debug for Pdq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Pdq {
    type Err = PipelineError;

    fn from_str(text: &str) -> Result<Self, PipelineError> {
        let bytes = hex::decode(text.trim()).ok().and_then(|bytes| Self::from_bytes(&bytes));
        bytes.ok_or_else(|| {
            let message = "a PDQ hash is 64 hexadecimal digits: send it as the tools of ThreatExchange print it";
            PipelineError::invalid("hash_invalid", message)
        })
    }
}

impl Serialize for Pdq {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pdq {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|error: PipelineError| de::Error::custom(error.to_string()))
    }
}

/// Rows 1 to 16 of the cosine transform of 64 values.
static COSINES: LazyLock<Vec<[f32; SIDE]>> = LazyLock::new(|| {
    let scale = (2.0_f32 / SIDE as f32).sqrt();
    let cosine = |row: usize, column: usize| {
        let angle = std::f64::consts::FRAC_PI_2 / SIDE as f64 * (row + 1) as f64 * (2 * column + 1) as f64;
        (f64::from(scale) * angle.cos()) as f32
    };
    (0..KEPT).map(|row| std::array::from_fn(|column| cosine(row, column))).collect()
});

fn frequencies(small: &[f32]) -> [f32; KEPT * KEPT] {
    let mut half = [[0.0_f32; SIDE]; KEPT];
    for (row, cosines) in half.iter_mut().zip(COSINES.iter()) {
        for (line, cosine) in small.chunks_exact(SIDE).zip(cosines) {
            row.iter_mut().zip(line).for_each(|(sum, value)| *sum += cosine * value);
        }
    }
    std::array::from_fn(|index| {
        let (row, cosines) = (&half[index / KEPT], &COSINES[index % KEPT]);
        row.iter().zip(cosines).fold(0.0, |sum, (value, cosine)| sum + value * cosine)
    })
}

/// How much changes between neighbours; small changes count nothing.
fn quality(small: &[f32]) -> u8 {
    let step = |one: f32, other: f32| ((one - other) * 100.0 / 255.0).trunc().abs() as u32;
    let below = small.iter().zip(&small[SIDE..]).map(|(one, other)| step(*one, *other));
    let beside = small.chunks_exact(SIDE).flat_map(|row| row.windows(2)).map(|pair| step(pair[0], pair[1]));
    let sum: u32 = below.chain(beside).sum();
    u8::try_from((sum / 90).min(100)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use image::{RgbImage, imageops};

    use super::*;

    /// A picture out of integers, so that another language can make the same one.
    fn pattern(width: u32, height: u32, seed: u32) -> Pixels {
        let picture = RgbImage::from_fn(width, height, |x, y| {
            let (u, v) = (x * 256 / width, y * 256 / height);
            let red = (u * u * (seed % 7 + 1) / 64 + v * 3) & 255;
            let green = (u * v * (seed % 5 + 2) / 32 + seed) & 255;
            let blue = (v * v / (seed % 3 + 16) + (u ^ v)) & 255;
            image::Rgb([red, green, blue].map(|value| u8::try_from(value).unwrap()))
        });
        pixels(&picture)
    }

    fn pixels(picture: &RgbImage) -> Pixels {
        Pixels::new(picture.width(), picture.height(), picture.as_raw().clone()).unwrap()
    }

    fn photo(name: &str) -> RgbImage {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/demo/frames").join(name);
        image::open(path).unwrap().to_rgb8()
    }

    /// Hashes by Meta's C++ (PyPI `pdqhash` 0.2.8) of the same patterns.
    #[test]
    fn m4_hashes_are_those_of_the_reference() {
        for (width, height, seed, expected) in [
            (640, 480, 1, "78e6f1c7e1c7c3df0f801e061e1ebc1ef01e9c3e30f863c00ff877c0ffd06100"),
            (101, 67, 2, "05ce076e1707154f3f91f81ce83ff01eba5a607ec3f88f807ff0af80ff408b00"),
            (64, 64, 3, "0a4f3d0e7b0c683fae75c875a45e407e03fec1fe07f83f00fda0ff00fea09c00"),
            (300, 40, 4, "fa2fbaaef0ac11efdde9512201ea057f25ec85fe0ff0fe00ee70ea10fa144a00"),
            (480, 640, 6, "71e661c7e3c7878f8f030e0e3e0e3c1ef01e01feffe880200ff8ffa0ffe0e000"),
            (1024, 768, 7, "878e1f0e1f1e9c3f38f8f180f03ee18e82fead8e4b3c5270fff0d660ff005200"),
        ] {
            let Hashed { hash, quality } = Pdq::of(&pattern(width, height, seed));
            assert_eq!((hash.to_string().as_str(), quality), (expected, 100), "{width} × {height}");
            assert_eq!(expected.parse::<Pdq>().unwrap(), hash);
            assert_eq!(Pdq::from_bytes(&hash.to_bytes()), Some(hash));
        }
    }

    #[test]
    fn m4_a_picture_is_known_again_and_others_are_not_taken_for_it() {
        let names = ["balloon.jpg", "bananas.jpg", "blueberries.jpg", "dinosaur.jpg", "grapefruit.jpg", "larches.jpg"];
        let photos = names.map(photo);
        let hashes = photos.each_ref().map(|photo| Pdq::of(&pixels(photo)));
        assert!(hashes.iter().all(Hashed::counts));
        for (index, one) in hashes.iter().enumerate() {
            for other in &hashes[index + 1..] {
                let distance = one.hash.distance(&other.hash);
                assert!(distance > 3 * SAME, "{distance} apart");
            }
        }
        for (photo, first) in photos.iter().zip(&hashes) {
            let mut brighter = photo.clone();
            brighter.iter_mut().for_each(|value| *value = value.saturating_add(12));
            let mut jpeg = Vec::new();
            image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 35).encode_image(photo).unwrap();
            let limits = crate::decode::Limits { bytes: jpeg.len(), pixels: 1 << 24 };
            let decoded = crate::decode::decode(&jpeg, &limits);
            let changed = [
                (
                    "half the size",
                    pixels(&imageops::resize(
                        photo,
                        photo.width() / 2,
                        photo.height() / 2,
                        imageops::FilterType::Triangle,
                    )),
                ),
                (
                    "twice the size",
                    pixels(&imageops::resize(
                        photo,
                        photo.width() * 2,
                        photo.height() * 2,
                        imageops::FilterType::Triangle,
                    )),
                ),
                ("brighter", pixels(&brighter)),
                ("compressed hard", decoded.unwrap()),
            ];
            for (change, changed) in changed {
                let distance = first.hash.distance(&Pdq::of(&changed).hash);
                assert!(distance <= SAME, "{change}: {distance}");
            }
        }
    }

    /// By the reference, of the whole picture.
    #[test]
    fn m4_large_pictures_are_averaged_first_which_moves_a_few_bits() {
        for (width, height, seed, expected) in [
            (2600, 1900, 8, "3c2efc0ef81ee07f87f8d81881fa1c7e07fa9c7e38f863c0ffe07380fb006100"),
            (1600, 1200, 9, "fc6ef07ce03c01ff3ff8c03807fa70da1ffaf0fec3f08f00ffb0bf00e9000800"),
            (4000, 3000, 2, "078e0f0e1f0e1d3f7f38f818f03ef03e82fe60fec3f80f80fff0bf80ff000800"),
        ] {
            let distance = Pdq::of(&pattern(width, height, seed)).hash.distance(&expected.parse().unwrap());
            assert!(distance <= 12, "{width} × {height}: {distance}");
        }
    }

    #[test]
    fn m4_what_shows_nothing_has_no_quality_and_no_size_is_too_odd() {
        for (width, height) in [(1, 1), (4, 400), (400, 4)] {
            assert_eq!(Pdq::of(&pattern(width, height, 1)).quality, 0);
        }
        let flat = pixels(&RgbImage::from_pixel(320, 240, image::Rgb([90, 90, 90])));
        assert!(!Pdq::of(&flat).counts());
        for (width, height) in [(5, 5), (5, 900), (63, 65), (129, 5), (3000, 6)] {
            Pdq::of(&pattern(width, height, 3));
        }
        for wrong in ["", "00", "zz", &"g".repeat(64), &"0".repeat(66)] {
            assert!(wrong.parse::<Pdq>().is_err(), "{wrong}");
        }
    }
}
