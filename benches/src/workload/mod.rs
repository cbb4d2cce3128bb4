//! What is sent: real sentences of a given length, real photos as call frames.

pub mod texts;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use datasets::{Manifest, load};
use image::{ExtendedColorType, ImageEncoder, RgbImage, codecs::jpeg::JpegEncoder, imageops::FilterType};

/// Width and height of a benchmark frame.
pub const FRAME: (u32, u32) = (640, 480);

/// Distinct sentences of the open STS-B development set with `words` words, which MiniLM's tokenizer makes about
/// `words × 1.15 + 3` tokens of.
pub fn sentences(datasets: &Path, words: std::ops::RangeInclusive<usize>) -> anyhow::Result<Vec<String>> {
    let path = Manifest::open(datasets)?.verify("stsb_dev_open")?;
    let mut sentences: Vec<String> = load::similarity(&path)?
        .into_iter()
        .flat_map(|pair| [pair.first, pair.second])
        .filter(|sentence| words.contains(&sentence.split_whitespace().count()))
        .collect();
    sentences.sort();
    sentences.dedup();
    ensure!(sentences.len() >= 64, "only {} sentences of this length in {}", sentences.len(), path.display());
    Ok(sentences)
}

/// `count` JPEG frames of 640 × 480, quality 85, made of the photos in `folder`. Sensor-like noise is added, because a clean
/// downscaled photo compresses to half of what a camera sends and would flatter the decoder.
pub fn frames(folder: &Path, count: usize) -> anyhow::Result<Vec<Vec<u8>>> {
    let photos = photos(folder, FRAME)?;
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    (0..count).map(|index| noise.jpeg(photos[index % photos.len()].clone(), 85)).collect()
}

/// `each` JPEG frames of 320 × 240 for each of `participants` cameras, quality 80. A camera looks at one photo and pans a little from
/// frame to frame; every `still`th one does not move. All have a sensor's noise.
pub fn cameras(folder: &Path, participants: usize, each: usize, still: usize) -> anyhow::Result<Vec<Vec<Vec<u8>>>> {
    let photos = photos(folder, (400, 300))?;
    let mut noise = Noise(0xD1B5_4A32_D192_ED03);
    (0..participants)
        .map(|participant| {
            let photo = &photos[participant % photos.len()];
            let mut frames = Vec::with_capacity(each);
            for number in 0..each {
                let step = if participant % still == 0 { 0 } else { u32::try_from(number * 7)? };
                // Participants who share a photo look at other parts of it.
                let (x, y) = ((u32::try_from(participant)? * 3 + step) % 80, (u32::try_from(participant)? + step) % 60);
                let view = image::imageops::crop_imm(photo, x, y, 320, 240).to_image();
                frames.push(noise.jpeg(view, 80)?);
            }
            Ok(frames)
        })
        .collect()
}

/// How many photos are in `folder`.
pub fn count(folder: &Path) -> anyhow::Result<usize> {
    files(folder).map(|files| files.len())
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| format!("opening {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "jpg"))
        .collect();
    files.sort();
    ensure!(!files.is_empty(), "no .jpg in {}", folder.display());
    Ok(files)
}

/// The photos in `folder`, scaled.
fn photos(folder: &Path, (width, height): (u32, u32)) -> anyhow::Result<Vec<RgbImage>> {
    let mut photos = Vec::new();
    for path in &files(folder)? {
        let photo = image::ImageReader::open(path)?.decode().with_context(|| path.display().to_string())?;
        photos.push(photo.resize_exact(width, height, FilterType::Triangle).to_rgb8());
    }
    Ok(photos)
}

/// Small repeatable noise, xorshift64 (Marsaglia 2003).
struct Noise(u64);

impl Noise {
    /// `picture` with noise, as JPEG.
    fn jpeg(&mut self, mut picture: RgbImage, quality: u8) -> anyhow::Result<Vec<u8>> {
        for channel in picture.iter_mut() {
            *channel = channel.saturating_add_signed(self.next());
        }
        let mut jpeg = Vec::new();
        let (width, height) = picture.dimensions();
        JpegEncoder::new_with_quality(&mut jpeg, quality).write_image(
            picture.as_raw(),
            width,
            height,
            ExtendedColorType::Rgb8,
        )?;
        Ok(jpeg)
    }

    /// −4..=4, triangular.
    fn next(&mut self) -> i8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let (a, b) = (((self.0 >> 20) % 5) as i8, ((self.0 >> 40) % 5) as i8);
        a - b
    }
}
