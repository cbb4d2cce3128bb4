//! Still pictures: JPEG, PNG, WebP, GIF, BMP, TIFF.

use std::{error::Error, io};

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits as DecoderLimits, RgbImage, RgbaImage,
    metadata::Orientation,
};
use models::Pixels;

use super::jpeg;
use crate::error::PipelineError;

/// How much of a picture is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Every pixel.
    Whole,
    /// Both sides at least so many pixels, where the picture has them: large JPEGs are made smaller while they are decoded.
    AtLeast(u32),
}

impl Detail {
    /// The least that is worth having, whatever the model: likenesses of frames are made of it.
    const LEAST: u32 = 224;

    /// Enough for a model whose input has sides of `side` pixels, and for everything else that looks at a picture.
    pub fn for_side(side: u32) -> Self {
        Self::AtLeast(side.max(Self::LEAST))
    }
}

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its pixels, or fewer (see [`Detail`]).
    pub pixels: Pixels,
    /// Width and height as it was sent, turned as it is shown.
    pub size: (u32, u32),
}

impl Picture {
    /// Would decoding it again give a model with sides of `side` pixels more to see?
    pub fn lacks(&self, side: u32) -> bool {
        let (width, height) = (self.pixels.width(), self.pixels.height());
        (width, height) != self.size && width.min(height) < side
    }
}

/// How much one picture may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Encoded size, in bytes.
    pub bytes: usize,
    /// Decoded size, in pixels.
    pub pixels: u64,
}

/// Formats that are decoded.
const FORMATS: [ImageFormat; 6] =
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::Tiff];
const ACCEPTED: &str = "send JPEG, PNG, WebP, GIF, BMP or TIFF";
/// Bytes that a decoder may hold per pixel: four channels of 16 bits, and as much again for its own state.
const BYTES_PER_PIXEL: u64 = 16;
/// What a decoder may hold for any picture.
const BASE_BYTES: u64 = 16 << 20;

/// Decodes a picture to RGB, whole. As [`decode_to`].
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Pixels, PipelineError> {
    decode_to(bytes, limits, Detail::Whole).map(|picture| picture.pixels)
}

/// Decodes a picture to RGB. Errors, all `Invalid`: `picture_empty`, `picture_too_large`, `picture_unknown_format`,
/// `picture_unsupported`, `picture_too_many_pixels`, `picture_truncated`, `picture_corrupt`.
pub fn decode_to(bytes: &[u8], limits: &Limits, detail: Detail) -> Result<Picture, PipelineError> {
    check_size(bytes, limits.bytes)?;
    let format = image::guess_format(bytes).map_err(|_| {
        PipelineError::invalid("picture_unknown_format", format!("the bytes are no picture that we know: {ACCEPTED}"))
    })?;
    if !FORMATS.contains(&format) {
        let message = format!("pictures of format {format:?} are not decoded: {ACCEPTED}");
        return Err(PipelineError::invalid("picture_unsupported", message));
    }
    let whole = match format {
        ImageFormat::Jpeg => jpeg_is_whole(bytes),
        ImageFormat::WebP => webp_is_whole(bytes),
        _ => true,
    };
    if !whole {
        return Err(truncated());
    }
    let mut reader = ImageReader::with_format(io::Cursor::new(bytes), format);
    let mut budget = DecoderLimits::no_limits();
    budget.max_alloc = Some(limits.pixels.saturating_mul(BYTES_PER_PIXEL).saturating_add(BASE_BYTES));
    reader.limits(budget);
    let mut decoder = reader.into_decoder().map_err(|error| refused(&error))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.pixels {
        let message =
            format!("the picture has {width} × {height} pixels, at most {} are decoded: scale it down", limits.pixels);
        return Err(PipelineError::invalid("picture_too_many_pixels", message));
    }
    let orientation = decoder.orientation().map_err(|error| refused(&error))?;
    let turned = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let reduced = match detail {
        Detail::AtLeast(side) if format == ImageFormat::Jpeg => jpeg::reduced(bytes, (width, height), side),
        _ => None,
    };
    let mut picture = match reduced {
        Some(picture) => DynamicImage::from(picture),
        None => DynamicImage::from_decoder(decoder).map_err(|error| refused(&error))?,
    };
    picture.apply_orientation(orientation);
    let rgb = flatten(picture);
    let (shown_width, shown_height) = rgb.dimensions();
    let pixels = Pixels::new(shown_width, shown_height, rgb.into_raw())
        .ok_or_else(|| PipelineError::invalid("picture_corrupt", "the picture has no pixels: encode it anew"))?;
    Ok(Picture { pixels, size: if turned { (height, width) } else { (width, height) } })
}

/// Refuses empty and oversized pictures; cheap, also used at the door.
pub(crate) fn check_size(bytes: &[u8], most: usize) -> Result<(), PipelineError> {
    if bytes.is_empty() {
        return Err(PipelineError::invalid("picture_empty", format!("the picture has no bytes: {ACCEPTED}")));
    }
    if bytes.len() > most {
        let message = format!("the picture has {} bytes, at most {most} are accepted: scale it down", bytes.len());
        return Err(PipelineError::invalid("picture_too_large", message));
    }
    Ok(())
}

fn truncated() -> PipelineError {
    PipelineError::invalid("picture_truncated", "the picture ends too early: send all of its bytes")
}

fn refused(error: &ImageError) -> PipelineError {
    match error {
        _ if ends_early(error) => truncated(),
        ImageError::Limits(_) => PipelineError::invalid(
            "picture_too_many_pixels",
            "the picture needs more memory than one picture may take: scale it down",
        ),
        ImageError::Unsupported(what) => {
            PipelineError::invalid("picture_unsupported", format!("the picture cannot be decoded ({what}): {ACCEPTED}"))
        }
        other => PipelineError::invalid("picture_corrupt", format!("the picture is damaged ({other}): encode it anew")),
    }
}

/// Decoders wrap the end of their input in several ways.
fn ends_early(error: &ImageError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = error.source();
    }
    let words = error.to_string().to_lowercase();
    ["unexpected eof", "unexpected end", "end of file", "no more bytes", "failed to fill whole buffer"]
        .iter()
        .any(|sign| words.contains(sign))
}

/// Does the JPEG have its end marker behind its first scan? The decoder itself fills what is missing with grey and says
/// nothing: half a picture would be judged as if it were whole.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    let mut at = 2;
    while let Some(&[0xff, marker]) = bytes.get(at..at + 2) {
        match marker {
            // It is the last thing in nearly all of them.
            START_OF_SCAN => return bytes[at..].windows(2).rev().any(|pair| pair == [0xff, 0xd9]),
            // Fill bytes, and markers without a length.
            0xff => at += 1,
            0x01 | 0xd0..=0xd8 => at += 2,
            _ => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        }
    }
    // Not even a scan: let the decoder say what is wrong, unless the bytes just end.
    at < bytes.len()
}

/// Are there as many bytes as the container's header says?
fn webp_is_whole(bytes: &[u8]) -> bool {
    const HEADER: usize = 8;
    let Some(&[a, b, c, d]) = bytes.get(4..HEADER) else { return false };
    u32::from_le_bytes([a, b, c, d]) as usize <= bytes.len() - HEADER
}

/// RGB, with transparency laid over white: what a viewer would see, and what a hidden layer must not escape.
fn flatten(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let rgba: RgbaImage = picture.into_rgba8();
    let (width, height) = rgba.dimensions();
    let over_white = |channel: u8, alpha: u8| {
        let (channel, alpha) = (u16::from(channel), u16::from(alpha));
        // At most 255 × 255 + 127: fits, and divides to at most 255.
        ((channel * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    let pixels = rgba.pixels().flat_map(|pixel| {
        let [red, green, blue, alpha] = pixel.0;
        [over_white(red, alpha), over_white(green, alpha), over_white(blue, alpha)]
    });
    RgbImage::from_raw(width, height, pixels.collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use image::{ColorType, ExtendedColorType, Rgb, Rgba, codecs::gif::GifEncoder};

    use super::*;
    use crate::Kind;

    const LIMITS: Limits = Limits { bytes: 1 << 20, pixels: 1_000_000 };

    fn photo(width: u32, height: u32) -> DynamicImage {
        let pixel = |x: u32, y: u32| Rgb([(x * 7 % 256) as u8, (y * 5 % 256) as u8, ((x * y) % 256) as u8]);
        DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, pixel))
    }

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn code(result: Result<Pixels, PipelineError>) -> &'static str {
        match result {
            Err(PipelineError::Invalid { code, message }) => {
                assert!(message.contains(':') || message.contains(';'), "says what to do: {message}");
                code
            }
            other => panic!("not refused: {other:?}"),
        }
    }

    /// A PNG that is nothing but its header.
    fn png_header(width: u32, height: u32) -> Vec<u8> {
        let mut chunk = b"IHDR".to_vec();
        chunk.extend(width.to_be_bytes());
        chunk.extend(height.to_be_bytes());
        chunk.extend([8, 2, 0, 0, 0]);
        let crc = chunk.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        });
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
        bytes.extend(chunk);
        bytes.extend((!crc).to_be_bytes());
        // A data chunk that promises bytes, so that only the dimensions can be what is refused.
        bytes.extend(b"\0\0\x10\0IDAT");
        bytes.extend([0x78; 64]);
        bytes
    }

    #[test]
    fn m5_every_format_is_told_by_its_bytes_and_decoded() {
        let picture = photo(40, 30);
        for format in FORMATS {
            let pixels = decode(&encoded(&picture, format), &LIMITS).unwrap();
            assert_eq!((pixels.width(), pixels.height()), (40, 30), "{format:?}");
            if !matches!(format, ImageFormat::Jpeg | ImageFormat::Gif) {
                assert_eq!(pixels.rgb(), picture.as_bytes(), "{format:?}");
            }
        }
    }

    #[test]
    fn m5_one_pixel_is_a_picture() {
        for format in FORMATS {
            let pixels = decode(&encoded(&photo(1, 1), format), &LIMITS).unwrap();
            assert_eq!((pixels.width(), pixels.height()), (1, 1), "{format:?}");
        }
    }

    #[test]
    fn m5_truncated_pictures_are_refused_in_every_format() {
        let picture = photo(120, 90);
        for format in FORMATS {
            let whole = encoded(&picture, format);
            for part in [whole.len() / 2, whole.len() * 3 / 4, whole.len() * 9 / 10] {
                let code = code(decode(&whole[..part], &LIMITS));
                assert_eq!(code, "picture_truncated", "{format:?} cut to {part} of {}", whole.len());
            }
        }
    }

    #[test]
    fn m5_any_cut_is_refused_without_panic() {
        for format in FORMATS {
            let whole = encoded(&photo(24, 24), format);
            for part in 1..whole.len() * 9 / 10 {
                let refused = decode(&whole[..part], &LIMITS);
                assert!(matches!(&refused, Err(error) if error.kind() == Kind::Invalid), "{format:?} {part}");
            }
        }
    }

    #[test]
    fn m5_a_bomb_is_refused_from_its_header() {
        let bomb = png_header(30_000, 30_000);
        assert!(bomb.len() < 200);
        assert_eq!(code(decode(&bomb, &Limits { pixels: 50_000_000, ..LIMITS })), "picture_too_many_pixels");
        assert_eq!(code(decode(&png_header(u32::MAX >> 1, u32::MAX >> 1), &LIMITS)), "picture_too_many_pixels");
        let mut jpeg = encoded(&photo(16, 16), ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
        assert_eq!(code(decode(&jpeg, &LIMITS)), "picture_too_many_pixels");
    }

    #[test]
    fn m5_pixels_and_bytes_are_limited() {
        let bytes = encoded(&photo(100, 100), ImageFormat::Png);
        assert_eq!(code(decode(&bytes, &Limits { pixels: 9_999, ..LIMITS })), "picture_too_many_pixels");
        decode(&bytes, &Limits { pixels: 10_000, ..LIMITS }).unwrap();
        assert_eq!(code(decode(&bytes, &Limits { bytes: bytes.len() - 1, ..LIMITS })), "picture_too_large");
    }

    #[test]
    fn m5_what_is_no_picture_is_refused() {
        assert_eq!(code(decode(b"", &LIMITS)), "picture_empty");
        assert_eq!(code(decode(b"just some words", &LIMITS)), "picture_unknown_format");
        assert_eq!(code(decode(b"<svg xmlns='http://www.w3.org/2000/svg'/>", &LIMITS)), "picture_unknown_format");
        assert_eq!(code(decode(b"8BPS\0\x01 a format of an editor", &LIMITS)), "picture_unknown_format");
        assert_eq!(code(decode(b"qoif\0\0\0\x01\0\0\0\x01\x03\0 not decoded here", &LIMITS)), "picture_unsupported");
        let mut damaged = encoded(&photo(50, 50), ImageFormat::Png);
        let middle = damaged.len() / 2;
        damaged[middle..middle + 20].fill(0);
        assert_eq!(code(decode(&damaged, &LIMITS)), "picture_corrupt");
    }

    #[test]
    fn m5_of_an_animation_the_first_frame_is_decoded() {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new(&mut bytes);
        for colour in [[255, 0, 0, 255], [0, 0, 255, 255]] {
            encoder.encode_frame(image::Frame::new(RgbaImage::from_pixel(8, 8, Rgba(colour)))).unwrap();
        }
        drop(encoder);
        let pixels = decode(&bytes, &LIMITS).unwrap();
        assert_eq!(&pixels.rgb()[..3], [255, 0, 0]);
    }

    #[test]
    fn transparency_is_laid_over_white() {
        let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(2, 1, Rgba([200, 0, 0, 0])));
        assert_eq!(decode(&encoded(&clear, ImageFormat::Png), &LIMITS).unwrap().rgb(), [255; 6]);
        let half = DynamicImage::ImageRgba8(RgbaImage::from_pixel(1, 1, Rgba([0, 0, 0, 128])));
        assert_eq!(decode(&encoded(&half, ImageFormat::Png), &LIMITS).unwrap().rgb(), [127; 3]);
        assert_eq!(half.color(), ColorType::Rgba8);
        assert_eq!(ExtendedColorType::from(half.color()), ExtendedColorType::Rgba8);
    }

    /// The JPEG, to be turned a quarter clockwise for display.
    fn turned(plain: &[u8]) -> Vec<u8> {
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let mut turned = plain[..2].to_vec();
        turned.extend([0xff, 0xe1]);
        turned.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
        turned.extend(exif);
        turned.extend(&plain[2..]);
        turned
    }

    #[test]
    fn exif_orientation_is_applied() {
        // Left half white, right half black.
        let picture = DynamicImage::ImageRgb8(RgbImage::from_fn(32, 16, |x, _| Rgb([if x < 16 { 255 } else { 0 }; 3])));
        let pixels = decode(&turned(&encoded(&picture, ImageFormat::Jpeg)), &LIMITS).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (16, 32));
        assert!(pixels.rgb()[0] > 200 && pixels.rgb()[pixels.rgb().len() - 1] < 50);
    }

    /// A picture as cameras see things: smooth, with edges.
    fn scene(width: u32, height: u32) -> DynamicImage {
        let wave = |at: u32, of: u32, turns: f32| ((at as f32 / of as f32 * turns).sin() * 90.0 + 128.0) as u8;
        let pixel = |x: u32, y: u32| {
            let inside = (x * 3 / width + y * 3 / height) % 2 * 60;
            Rgb([wave(x, width, 9.0).saturating_add(inside as u8), wave(y, height, 7.0), wave(x + y, width, 5.0)])
        };
        DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, pixel))
    }

    #[test]
    fn i6_a_large_jpeg_is_made_smaller_while_it_is_decoded() {
        for (size, side, expected) in [
            ((640, 480), 224, (320, 240)),
            ((640, 480), 241, (640, 480)),
            ((1000, 1800), 224, (250, 450)),
            ((2001, 1801), 224, (251, 226)),
            ((448, 448), 224, (224, 224)),
            ((447, 900), 224, (447, 900)),
        ] {
            let picture = scene(size.0, size.1);
            let jpeg = encoded(&picture, ImageFormat::Jpeg);
            let limits = Limits { bytes: jpeg.len(), pixels: 1 << 24 };
            let seen = decode_to(&jpeg, &limits, Detail::AtLeast(side)).unwrap();
            assert_eq!((seen.pixels.width(), seen.pixels.height()), expected, "{size:?} to {side}");
            assert_eq!(seen.size, size);
            assert_eq!(seen.lacks(299), expected != size && expected.0.min(expected.1) < 299);
            // The same picture: no pixel far from what the means of the whole are.
            let small = picture.resize_exact(expected.0, expected.1, image::imageops::FilterType::Triangle).into_rgb8();
            let apart =
                small.as_raw().iter().zip(seen.pixels.rgb()).map(|(one, other)| u64::from(one.abs_diff(*other)));
            assert!(apart.sum::<u64>() / (small.as_raw().len() as u64) < 4, "{size:?}");
        }
        let png = encoded(&scene(900, 900), ImageFormat::Png);
        let limits = Limits { bytes: png.len(), pixels: 1 << 24 };
        assert_eq!(decode_to(&png, &limits, Detail::for_side(1)).unwrap().pixels.width(), 900, "only JPEG can");
    }

    #[test]
    fn i6_a_smaller_jpeg_is_turned_and_refused_like_a_whole_one() {
        let jpeg = encoded(&scene(640, 480), ImageFormat::Jpeg);
        let limits = Limits { bytes: jpeg.len() + 100, pixels: 1 << 24 };
        let detail = Detail::for_side(64);
        let seen = decode_to(&turned(&jpeg), &limits, detail).unwrap();
        assert_eq!(((seen.pixels.width(), seen.pixels.height()), seen.size), ((240, 320), (480, 640)));
        let grey = encoded(&DynamicImage::ImageLuma8(scene(640, 480).into_luma8()), ImageFormat::Jpeg);
        let seen = decode_to(&grey, &limits, detail).unwrap();
        assert!(seen.pixels.width() == 320 && seen.pixels.rgb().chunks(3).all(|pixel| pixel[0] == pixel[2]));
        for part in [jpeg.len() / 3, jpeg.len() / 2, jpeg.len() - 40] {
            let cut = decode_to(&jpeg[..part], &limits, detail).map(|picture| picture.pixels);
            assert_eq!(code(cut), "picture_truncated");
        }
        let few = Limits { pixels: 640 * 480 - 1, ..limits };
        assert_eq!(code(decode_to(&jpeg, &few, detail).map(|picture| picture.pixels)), "picture_too_many_pixels");
        // Damaged inside: what the decoder of whole pictures says of it stands.
        let mut damaged = jpeg.clone();
        let middle = jpeg.len() / 2;
        damaged[middle..middle + 60].fill(0xff);
        let whole = decode(&damaged, &limits).map(|_| ()).map_err(|error| error.to_string());
        let small = decode_to(&damaged, &limits, detail).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(small, whole);
    }

    #[tokio::test]
    async fn m5_the_pool_answers_and_refuses() {
        let bytes = encoded(&photo(9, 7), ImageFormat::Jpeg).into();
        let picture = super::super::decode_on_pool(bytes, LIMITS, Detail::Whole).await.unwrap();
        assert_eq!(picture.size, (9, 7));
        let refused = super::super::decode_on_pool(bytes::Bytes::new(), LIMITS, Detail::Whole).await;
        assert_eq!(code(refused.map(|picture| picture.pixels)), "picture_empty");
    }
}
