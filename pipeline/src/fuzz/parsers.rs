//! Fuzz tests of this crate's parsers of outside bytes.

use chrono::DateTime;
use lapin::BasicProperties;

use super::Session;
use crate::{
    bank::{BankEntry, read_list, write_list},
    decode::{Detail, Limits, decode_to},
    item::check_text,
    normalise::Normalised,
    notice::Notice,
    pdq::Pdq,
    policy::Policy,
};

fn texts(seeds: &[&str]) -> Vec<Vec<u8>> {
    seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect()
}

fn picture(format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let pixels =
        image::RgbImage::from_fn(24, 17, |x, y| image::Rgb([(x * 9) as u8, (y * 7) as u8, ((x ^ y) * 8) as u8]));
    pixels.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn m5_fuzz_pictures() {
    use image::ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    let seeds = [Jpeg, Png, WebP, Gif, Bmp, Tiff].map(picture).to_vec();
    let limits = Limits { bytes: 1 << 20, pixels: 1 << 20 };
    Session::new("pictures", seeds, &["IHDR", "IDAT", "IEND", "VP8 ", "VP8L", "VP8X", "GIF89a", "\u{0}\u{0}"]).run(
        |bytes| {
            // Small enough that a seed is made smaller: both decoders are met.
            match decode_to(bytes, &limits, Detail::AtLeast(2)) {
                Ok(picture) if u64::from(picture.size.0) * u64::from(picture.size.1) > limits.pixels => {
                    Err("more pixels than allowed".into())
                }
                Ok(_) => Ok(String::new()),
                // The code and what it is about; positions in it are no new behaviour.
                Err(error) => {
                    Ok(error.to_string().chars().filter(|letter| !letter.is_ascii_digit()).take(80).collect())
                }
            }
        },
    );
}

#[test]
fn t6_fuzz_folding() {
    let seeds = texts(&[
        "you f.o.o.l",
        "ｆｏｏｌ",
        "f\u{200b}oo0ll",
        "ＦＯＯL 🦀 ünï",
        "h3ll0   w0rld",
        "𝓯𝓸𝓸𝓵",
        "a\u{301}\u{301}\u{301}",
    ]);
    Session::new("folding", seeds, &["\u{200b}", "\u{202e}", "\u{fe0f}", "İ", "ß", "ﬃ", "0", "@", "．", "\u{e0041}"])
        .run(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            let folded = Normalised::new(&text);
            let _ = check_text(&text, 20_000);
            Ok((folded.text().is_empty(), folded.text().len() > text.len(), folded.text().is_ascii()))
        });
}

#[test]
fn p2_fuzz_policy_files() {
    let builtin = include_str!("../../policies/default.toml");
    let small = "name = \"p\"\n[thresholds]\na = 0.5\n[[rule]]\nname = \"r\"\nkinds = [\"text\"]\nwhen = \"score.toxic >= thresholds.a\"\naction = \"warn\"\nreason = \"x\"\n";
    let words = &[
        "[[rule]]\n",
        "[[ladder]]\n",
        "when = ",
        "\"score.toxic > 0.5\"",
        ".exists(x, x > 0)",
        "(((((",
        "? 1 : 2",
        "[1,2,3]",
        " in ",
        "\"\"\"",
        "!",
        "-9223372036854775808",
    ];
    Session::new("policy", texts(&[small, builtin]), words).run(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        Ok(match Policy::parse("fuzzed.toml", &text) {
            Ok(_) => String::new(),
            Err(error) => error.to_string().chars().filter(|letter| letter.is_alphabetic()).take(60).collect(),
        })
    });
}

#[test]
fn i1_fuzz_notices() {
    let seeds = texts(&[
        r#"{"version":1,"kind":"user.connected","tenant":"t","actor":"a","at":"2026-11-26T00:00:00Z"}"#,
        r#"{"version":1,"kind":"report.submitted","tenant":"t","reporter":"a","subject":"b","reason":"spam"}"#,
    ]);
    Session::new("notices", seeds, &["\"at\":", "null", "{}", "[]", "\"kind\":\"call.ended\"", "\"\\u0000\""]).run(
        |bytes| {
            Ok(Notice::parse(bytes).map_or_else(
                |error| error.to_string().chars().take(80).collect(),
                |notice| notice.subject().1.to_owned(),
            ))
        },
    );
}

#[test]
fn i1_fuzz_queue_messages() {
    let seeds = texts(&[
        r#"{"version":1,"tenant":"t","text":"hello"}"#,
        r#"{"version":1,"items":[{"tenant":"t","text":"hello"},{"tenant":"t","id":"01890a5d-ac96-774b-bcce-b302099a8057","text":"x"}]}"#,
        r#"[{"tenant":"t","text":"hello"}]"#,
    ]);
    let words = &[
        "\"items\":[",
        "null",
        "{}",
        "\"image\":\"AAAA\"",
        "\"occurred_at\":\"2026-11-26T00:00:00Z\"",
        "\"kind\":\"frame\"",
        "\"call\":\"c\"",
    ];
    Session::new("messages", seeds, words).run(|bytes| {
        let shape =
            crate::queue::rabbitmq::fuzz_open(bytes.to_vec(), &BasicProperties::default(), DateTime::UNIX_EPOCH);
        Ok(shape)
    });
}

#[test]
fn m4_fuzz_lists_of_hashes() {
    const HASH: &str = "78e6f1c7e1c7c3df0f801e061e1ebc1ef01e9c3e30f863c00ff877c0ffd06100";
    let seeds = texts(&[
        &format!("hash,note,by,at\n{HASH},\"a \"\"note\"\"\",\"lea\",2026-01-02T03:04:05Z\n"),
        &format!("{HASH}\n\n{HASH},bare\r\n"),
    ]);
    Session::new("hash lists", seeds, &["\"", "\"\"", ",", "\n", "hash", "\u{feff}", "=", HASH]).run(|bytes| {
        let (read, wrong) = read_list(&String::from_utf8_lossy(bytes));
        let entry = |(hash, note): &(Pdq, String)| BankEntry {
            hash: *hash,
            at: DateTime::UNIX_EPOCH,
            by: "lea".into(),
            note: note.clone(),
            case: None,
        };
        let written = write_list(&read.iter().map(entry).collect::<Vec<_>>());
        let (again, lost) = read_list(&written);
        let hashes = |list: &[(Pdq, String)]| list.iter().map(|(hash, _)| *hash).collect::<Vec<_>>();
        if hashes(&again) != hashes(&read) || !lost.is_empty() {
            return Err("what was written is read otherwise".into());
        }
        Ok((read.len().min(9), wrong.len().min(9)))
    });
}
