//! What is remembered of a profile's picture, so that the same one is known again: its PDQ hash (see [`crate::pdq`]), no picture and no face.
//!
//! Recompressed, resized, brighter or mirrored copies differ in few bits; cropped or turned ones do not come near. Two people may use the
//! same picture of a film star: a likeness is a hint, never a proof.

use models::Pixels;

use crate::pdq::{BITS, Pdq, SAME};

/// A picture with its mirror image: what is compared with what is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What will be remembered.
    pub avatar: Pdq,
    mirrored: Pdq,
}

impl Seen {
    /// Looks at a picture; `None` when there is too little in it to know it again.
    pub fn of(pixels: &Pixels) -> Option<Self> {
        let seen = Pdq::of(pixels);
        if !seen.counts() {
            return None;
        }
        Some(Self { avatar: seen.hash, mirrored: Pdq::of(&mirror(pixels)?).hash })
    }

    /// Bits in which the remembered picture differs, when it is nearly the same.
    pub fn resembles(&self, remembered: &Pdq) -> Option<u32> {
        let distance = self.avatar.distance(remembered).min(self.mirrored.distance(remembered));
        (distance <= SAME).then_some(distance)
    }
}

/// How alike two pictures are that differ in so many bits: 1 for none, 0 for half of them, as different pictures do.
pub fn likeness(bits: u32) -> f32 {
    1.0 - 2.0 * bits as f32 / BITS as f32
}

/// Left and right exchanged.
fn mirror(pixels: &Pixels) -> Option<Pixels> {
    let (points, _) = pixels.rgb().as_chunks::<3>();
    let lines = points.chunks_exact((pixels.width() as usize).max(1));
    let mirrored = lines.flat_map(|line| line.iter().rev().flatten().copied()).collect();
    Pixels::new(pixels.width(), pixels.height(), mirrored)
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
        assert!(nearest > 2 * SAME, "different photos are {nearest} bits apart");
    }

    #[test]
    fn x7_a_plain_colour_is_like_nothing() {
        let flat = RgbImage::from_pixel(80, 80, image::Rgb([200, 30, 30]));
        assert_eq!(seen(&flat), None);
    }

    #[test]
    fn x7_likeness_is_1_for_the_same_picture_and_0_for_any_other() {
        assert!((likeness(0) - 1.0).abs() < 1e-6 && likeness(128).abs() < 1e-6);
    }
}
