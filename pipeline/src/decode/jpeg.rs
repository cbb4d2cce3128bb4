//! JPEG at a half, a quarter or an eighth of its size. The format holds blocks of 8 × 8 frequencies; leaving the high ones out gives the mean of
//! neighbouring pixels for less work than all pixels take, and a photo of 12 megapixels never needs the 36 MB that it is.
//!
//! libjpeg-turbo does this (what browsers show pictures with, too). Whatever it refuses or warns of goes to the decoder of whole pictures,
//! which has the last word and the words for it: this one is a short cut, never a judge.

use image::RgbImage;
use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor};

/// The sizes for which libjpeg-turbo has vector code, smallest first, with their divisors.
const SCALES: [(u32, ScalingFactor); 3] =
    [(8, ScalingFactor::ONE_EIGHTH), (4, ScalingFactor::ONE_QUARTER), (2, ScalingFactor::ONE_HALF)];
/// Passes over a progressive picture. Encoders make 10 or so; each of them costs as much as the picture is large.
const MOST_SCANS: u32 = 64;

/// The picture, made smaller while it is decoded, with both sides at least `side`. `None`: it has to be decoded whole.
pub(super) fn reduced(bytes: &[u8], (width, height): (u32, u32), side: u32) -> Option<RgbImage> {
    let (_, scale) = SCALES.into_iter().find(|(divisor, _)| width.min(height) / divisor >= side)?;
    let mut decoder = Decompressor::new().ok()?;
    decoder.set_scan_limit(MOST_SCANS).ok()?;
    let header = decoder.read_header(bytes).ok()?;
    if (header.width, header.height) != (width as usize, height as usize) || header.is_lossless {
        return None;
    }
    decoder.set_scaling_factor(scale).ok()?;
    let header = header.scaled(scale);
    let mut picture = RgbImage::new(u32::try_from(header.width).ok()?, u32::try_from(header.height).ok()?);
    let output = Image {
        pixels: &mut *picture,
        width: header.width,
        pitch: header.width.checked_mul(3)?,
        height: header.height,
        format: PixelFormat::RGB,
    };
    decoder.decompress(bytes, output).ok()?;
    Some(picture)
}
