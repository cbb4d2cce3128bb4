//! The weight file. Little-endian, written by `models/training/train.py`, read here and nowhere else.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `CHAPLIN\0` |
//! | 2 | format version, `u16` |
//! | 5 | `word_max`, `char_min`, `char_max`, `word_bits`, `char_bits`, one `u8` each |
//! | 1 | number of labels L, 1 to 16 |
//! | 4 | size of one step of the idf table, `f32` |
//! | 8 | softening of the word block and of the character block, `f32` both |
//! | 1 + n each | L labels: length, UTF-8 bytes |
//! | 8 each | L times: bias and scale, `f32` both, calibration folded in |
//! | B | idf in steps, `u8`, one per bucket |
//! | B × L | weights, `i8`, all labels of a bucket side by side; weight = sign(q) · (q / 127)² · scale |
//!
//! The file ends there: a missing or an extra byte is an error.

use std::{path::Path, sync::Arc};

use super::{FORMAT_VERSION, LinearModel, MAX_LABELS};
use crate::{ModelError, ngram::Settings};

const MAGIC: &[u8; 8] = b"CHAPLIN\0";

/// Reads `path`. The error says what is wrong and at which byte.
pub(super) fn load(path: &Path) -> Result<LinearModel, ModelError> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ModelError::MissingFile { path: path.to_owned() },
        _ => ModelError::Io { context: format!("reading {}", path.display()), message: error.to_string() },
    })?;
    parse(&bytes).map_err(|message| ModelError::Backend {
        backend: "linear",
        message: format!(
            "{}: {message}: the file is damaged or of another version; restore it from git, or train it again",
            path.display()
        ),
    })
}

/// Parses a whole file.
pub(super) fn parse(bytes: &[u8]) -> Result<LinearModel, String> {
    let mut input = Reader { bytes, at: 0 };
    if input.take(MAGIC.len())? != MAGIC {
        return Err("not a linear weight file (wrong first bytes)".into());
    }
    let version = u16::from_le_bytes(input.array()?);
    if version != FORMAT_VERSION {
        return Err(format!("format version {version}, this build reads {FORMAT_VERSION}"));
    }
    let [word_max, char_min, char_max, word_bits, char_bits, labels] = input.array()?;
    let settings = Settings { word_max, char_min, char_max, word_bits, char_bits };
    settings.check()?;
    let count = usize::from(labels);
    if !(1..=MAX_LABELS).contains(&count) {
        return Err(format!("{count} labels; 1 to {MAX_LABELS} are possible"));
    }
    let idf_step = input.number("idf step")?;
    if idf_step <= 0.0 {
        return Err(format!("idf step {idf_step} is not positive"));
    }
    let soften = [input.number("softening")?, input.number("softening")?];
    if soften.iter().any(|number| *number < 0.0) {
        return Err(format!("softening {soften:?} is negative"));
    }
    let mut labels: Vec<Arc<str>> = Vec::with_capacity(count);
    for _ in 0..count {
        let [length] = input.array()?;
        let at = input.at;
        let name = std::str::from_utf8(input.take(usize::from(length))?)
            .map_err(|_| format!("byte {at}: a label is not UTF-8"))?;
        if name.is_empty() || labels.iter().any(|other| **other == *name) {
            return Err(format!("byte {at}: label `{name}` is empty or twice there"));
        }
        labels.push(name.into());
    }
    let (mut bias, mut scale) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for _ in 0..count {
        bias.push(input.number("bias")?);
        scale.push(input.number("scale")?);
    }
    let idf = input.take(settings.buckets())?.to_vec();
    let weights = input.take(settings.buckets() * count)?.iter().map(|byte| i8::from_le_bytes([*byte])).collect();
    match bytes.len() - input.at {
        0 => Ok(LinearModel { settings, labels, bias, scale, idf_step, soften, idf, weights }),
        extra => Err(format!("{extra} bytes too many at the end")),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or_else(|| {
            format!("ends too early: {count} bytes wanted at byte {}, {} are left", self.at, rest.len())
        })?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn number(&mut self, what: &str) -> Result<f32, String> {
        let at = self.at;
        let number = f32::from_le_bytes(self.array()?);
        if number.is_finite() { Ok(number) } else { Err(format!("byte {at}: {what} is {number}")) }
    }
}

#[cfg(test)]
pub(super) fn encode(model: &LinearModel) -> Vec<u8> {
    let s = model.settings;
    let mut out = MAGIC.to_vec();
    out.extend(FORMAT_VERSION.to_le_bytes());
    out.extend([s.word_max, s.char_min, s.char_max, s.word_bits, s.char_bits, model.labels.len() as u8]);
    for number in [model.idf_step, model.soften[0], model.soften[1]] {
        out.extend(number.to_le_bytes());
    }
    for label in &model.labels {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    for (bias, scale) in model.bias.iter().zip(&model.scale) {
        out.extend(bias.to_le_bytes());
        out.extend(scale.to_le_bytes());
    }
    out.extend(&model.idf);
    out.extend(model.weights.iter().map(|weight| weight.to_le_bytes()[0]));
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::linear::tests::tiny;

    #[test]
    fn a_written_file_reads_back() {
        let model = tiny();
        let again = parse(&encode(&model)).unwrap();
        assert_eq!(encode(&again), encode(&model));
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = encode(&tiny());
        for length in (0..bytes.len()).step_by(997).chain([bytes.len() - 1]) {
            assert!(parse(&bytes[..length]).is_err(), "{length} bytes were accepted");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(parse(&longer).unwrap_err().contains("too many"));
    }

    #[test]
    fn a_hostile_header_is_an_error() {
        for (what, at, value) in [
            ("magic", 0, b'X'),
            ("version", 8, 9),
            ("word_max", 10, 3),
            ("char_min", 11, 0),
            ("char_max", 12, 200),
            ("word_bits", 13, 63),
            ("char_bits", 14, 255),
            ("labels", 15, 0),
            ("labels", 15, 255),
            ("idf step", 19, 0xff),
            ("softening", 23, 0xff),
            ("label length", 28, 255),
        ] {
            let mut bytes = encode(&tiny());
            bytes[at] = value;
            assert!(parse(&bytes).is_err(), "{what} = {value} was accepted");
        }
    }

    #[test]
    fn a_missing_file_says_so() {
        let error = load(Path::new("no/such/weights.bin")).unwrap_err();
        assert!(matches!(error, ModelError::MissingFile { .. }));
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(at in 0usize..200, value: u8, cut in 0usize..400) {
            let mut bytes = encode(&tiny());
            bytes[at] = value;
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            if let Ok(model) = parse(&bytes) {
                let (scores, _) = model.score("you are an idiot", true);
                prop_assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
            }
        }
    }
}
