//! What a platform sends, as items for the queue: mostly texts, some pictures, a few of them violations. For the fake backend,
//! whose answers are written in the items.

use bytes::Bytes;
use image::{ImageFormat, Rgb, RgbImage};
use pipeline::{
    Lane,
    clock::Clock,
    item::{Content, Envelope, Item, ItemId, ItemKind},
};

/// Of 100 items, so many are pictures.
const PICTURES: usize = 10;
/// Of 100 items, so many are violations.
const VIOLATIONS: usize = 5;
/// Authors, and half as many rooms.
const AUTHORS: usize = 500;

/// The items with these numbers, by lane; judging a picture takes `delay_ms` longer. Deterministic but for ids and times.
pub fn items(numbers: std::ops::Range<usize>, delay_ms: u8) -> Vec<(Lane, Item)> {
    numbers.map(|number| item(number, delay_ms)).collect()
}

fn item(number: usize, delay_ms: u8) -> (Lane, Item) {
    // Steps that share no factor with 100 spread pictures and violations over the stream.
    let (is_picture, violates) = (number * 37 % 100 < PICTURES, number * 73 % 100 < VIOLATIONS);
    let kind = if is_picture { ItemKind::Image } else { ItemKind::Text };
    let content = if is_picture {
        Content::Picture(picture(number, violates, delay_ms))
    } else if violates {
        Content::Text(format!("message {number} fake:toxic=0.97"))
    } else {
        Content::Text(format!("message {number}: see you at seven, bring the blue umbrella"))
    };
    (kind.lane(), Item { envelope: envelope(kind, number), content })
}

/// Text that ends the process that judges it.
pub fn poison(number: usize) -> (Lane, Item) {
    let kind = ItemKind::Text;
    (kind.lane(), Item { envelope: envelope(kind, number), content: Content::Text("fake:abort".into()) })
}

/// Frame `number` of a participant; its colour differs from frame to frame.
pub fn frame(call: usize, participant: usize, number: usize) -> (Lane, Item) {
    let kind = ItemKind::Frame;
    let mut envelope = envelope(kind, participant);
    envelope.conversation = None;
    envelope.call = Some(format!("call-{call}").as_str().into());
    envelope.actor = Some(format!("participant-{participant}").as_str().into());
    (kind.lane(), Item { envelope, content: Content::Picture(picture(number, false, 0)) })
}

fn envelope(kind: ItemKind, number: usize) -> Envelope {
    let (author, now) = (number % AUTHORS, Clock::system().now());
    Envelope {
        id: ItemId::new(),
        tenant: "default".into(),
        kind,
        actor: Some(format!("author-{author}").as_str().into()),
        conversation: Some(format!("room-{}", author / 2).as_str().into()),
        call: None,
        reference: Some(number.to_string()),
        message: None,
        occurred_at: now,
        received_at: now,
    }
}

/// The fake backend reads the label from red, its score from green and a delay from blue: red 3 is «Porn» of the five classes of nsfwjs.
fn picture(number: usize, violates: bool, delay_ms: u8) -> Bytes {
    let shade = u8::try_from(number % 200).unwrap_or(0);
    // The picture's own shade is everywhere but in that corner.
    let mut image = RgbImage::from_pixel(16, 16, Rgb([shade, 120, 200 - shade]));
    for (x, y) in (0..8).flat_map(|x| (0..8).map(move |y| (x, y))) {
        image.put_pixel(x, y, if violates { Rgb([3, 250, delay_ms]) } else { Rgb([2, 250, delay_ms]) });
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    // In memory, from a valid image: cannot fail.
    let written = image.write_to(&mut bytes, ImageFormat::Png);
    debug_assert!(written.is_ok(), "a PNG in memory");
    bytes.into_inner().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixture_is_what_it_says() {
        let items = items(0..1000, 0);
        let pictures = items.iter().filter(|(lane, _)| *lane == Lane::Bulk).count();
        let violating =
            items.iter().filter(|(_, item)| matches!(&item.content, Content::Text(text) if text.contains("fake:")));
        assert_eq!(pictures, 100);
        assert!((30..=60).contains(&violating.count()));
        let decoded = items.iter().find_map(|(_, item)| match &item.content {
            Content::Picture(bytes) => {
                image::ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format().ok()?.decode().ok()
            }
            Content::Text(_) => None,
        });
        assert_eq!(decoded.unwrap().to_rgb8().get_pixel(0, 0).0[1], 250);
    }
}
