//! The serving featuriser, for training: texts in, n-gram counts out, so that there is one featuriser and not two.
//!
//! `export_features counts WORD_MAX CHAR_MIN CHAR_MAX WORD_BITS CHAR_BITS`
//! `export_features score WEIGHTS`
//!
//! Input (standard input): per text, its length in bytes as a little-endian `u32`, then its UTF-8 bytes.
//! Output (standard output), all little-endian. `counts`: per text, the number of distinct buckets as `u32`, then that
//! many pairs `(bucket u32, count u32)`, ascending. `score`: per text, one `f32` per label.

use std::io::{self, BufReader, BufWriter, Read, Write};

use models::{linear::LinearModel, ngram};

fn next_text(input: &mut impl Read) -> io::Result<Option<String>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    input.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = BufWriter::new(io::stdout().lock());
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["counts", word_max, char_min, char_max, word_bits, char_bits] => {
            let settings = ngram::Settings {
                word_max: word_max.parse()?,
                char_min: char_min.parse()?,
                char_max: char_max.parse()?,
                word_bits: word_bits.parse()?,
                char_bits: char_bits.parse()?,
            };
            settings.check()?;
            let mut text = ngram::Normalised::default();
            let mut counts = ngram::Counts::default();
            while let Some(line) = next_text(&mut input)? {
                text.set(&line);
                counts.count(settings, &text);
                let mut entries = counts.entries().to_vec();
                entries.sort_unstable();
                output.write_all(&u32::try_from(entries.len())?.to_le_bytes())?;
                for (bucket, count) in entries {
                    output.write_all(&bucket.to_le_bytes())?;
                    output.write_all(&count.to_le_bytes())?;
                }
            }
        }
        ["score", weights] => {
            let model = LinearModel::load(weights.as_ref())?;
            while let Some(line) = next_text(&mut input)? {
                for score in model.score(&line, false).0 {
                    output.write_all(&score.to_le_bytes())?;
                }
            }
        }
        _ => {
            return Err(
                "usage: export_features counts WORD_MAX CHAR_MIN CHAR_MAX WORD_BITS CHAR_BITS | score WEIGHTS".into()
            );
        }
    }
    output.flush()?;
    Ok(())
}
