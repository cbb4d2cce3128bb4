//! Typed rows. A file name that ends in `.gz` is decompressed. The first damaged row stops the reading with its line: half
//! a test set would give a figure that looks right.

use std::{
    fs::File,
    io::{BufReader, Read},
    ops::Range,
    path::Path,
};

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error};

use crate::DataError;

/// Toxicity labels, in the order of [`Toxicity::labels`].
pub const TOXICITY_LABELS: [&str; 6] = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"];

/// One row of the Jigsaw sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toxicity {
    /// The comment.
    pub text: String,
    /// In the order of [`TOXICITY_LABELS`].
    pub labels: [bool; 6],
    /// Drawn without looking at its labels, so that prevalence is real: only such rows serve precision and calibration.
    pub natural: bool,
}

/// One row of a spam set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spam {
    /// The message.
    pub text: String,
    /// Spam or smishing.
    pub spam: bool,
}

/// One row of the sentence-similarity set.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Similarity {
    /// Human judgement, 0 (unrelated) to 5 (same meaning).
    pub score: f64,
    /// First sentence.
    #[serde(rename = "sentence1")]
    pub first: String,
    /// Second sentence.
    #[serde(rename = "sentence2")]
    pub second: String,
}

/// One row of the toxic-spans sets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ToxicSpans {
    /// The post, exactly as published.
    pub text: String,
    /// Toxic stretches in Unicode code points; may be none.
    #[serde(deserialize_with = "ranges")]
    pub spans: Vec<Range<usize>>,
}

/// One row of a set with a single toxic mark.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Marked {
    /// The text.
    pub text: String,
    /// Toxic or not.
    #[serde(deserialize_with = "zero_or_one")]
    pub toxic: bool,
}

#[derive(Deserialize)]
struct JigsawRow {
    comment_text: String,
    #[serde(deserialize_with = "zero_or_one")]
    toxic: bool,
    #[serde(deserialize_with = "zero_or_one")]
    severe_toxic: bool,
    #[serde(deserialize_with = "zero_or_one")]
    obscene: bool,
    #[serde(deserialize_with = "zero_or_one")]
    threat: bool,
    #[serde(deserialize_with = "zero_or_one")]
    insult: bool,
    #[serde(deserialize_with = "zero_or_one")]
    identity_hate: bool,
    /// A file of one's own need not have it.
    #[serde(default)]
    sample: Option<String>,
}

#[derive(Deserialize)]
struct SpamRow {
    text: String,
    #[serde(default)]
    spam: Option<String>,
    #[serde(default)]
    label: Option<String>,
}

/// Reads a file with the Jigsaw columns; without a `sample` column every row counts as natural.
pub fn toxicity(path: &Path) -> Result<Vec<Toxicity>, DataError> {
    rows(path, |row: JigsawRow| {
        Ok(Toxicity {
            text: row.comment_text,
            labels: [row.toxic, row.severe_toxic, row.obscene, row.threat, row.insult, row.identity_hate],
            natural: row.sample.is_none_or(|sample| sample == "natural"),
        })
    })
}

/// Reads a file with `text` and either `spam` (0 or 1) or `label` (`ham`, `spam`, `smishing`).
pub fn spam(path: &Path) -> Result<Vec<Spam>, DataError> {
    rows(path, |row: SpamRow| {
        let spam = match (row.spam.as_deref(), row.label.as_deref()) {
            (Some("1"), _) | (None, Some("spam" | "smishing")) => true,
            (Some("0"), _) | (None, Some("ham")) => false,
            _ => return Err("neither `spam` is 0 or 1, nor `label` ham, spam or smishing".into()),
        };
        Ok(Spam { text: row.text, spam })
    })
}

/// Reads a file with `score`, `sentence1`, `sentence2`.
pub fn similarity(path: &Path) -> Result<Vec<Similarity>, DataError> {
    rows(path, |row: Similarity| if row.score.is_finite() { Ok(row) } else { Err("score is not a number".into()) })
}

/// Reads a file with `spans` and `text`.
pub fn toxic_spans(path: &Path) -> Result<Vec<ToxicSpans>, DataError> {
    rows(path, |row: ToxicSpans| {
        let length = row.text.chars().count();
        match row.spans.iter().find(|span| span.start >= span.end || span.end > length) {
            Some(span) => {
                Err(format!("span {}:{} does not lie in the text's {length} characters", span.start, span.end))
            }
            None => Ok(row),
        }
    })
}

/// Reads a file with `toxic` and `text`.
pub fn marked(path: &Path) -> Result<Vec<Marked>, DataError> {
    rows(path, |row: Marked| Ok(row))
}

pub(crate) fn rows<R: DeserializeOwned, T>(
    path: &Path,
    convert: impl Fn(R) -> Result<T, String>,
) -> Result<Vec<T>, DataError> {
    let file = BufReader::new(File::open(path).map_err(|error| DataError::io(path, &error))?);
    let input: Box<dyn Read> = match path.extension() {
        Some(extension) if extension == "gz" => Box::new(MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    let mut reader = csv::Reader::from_reader(input);
    let headers = reader.headers().map_err(|error| damage(path, 1, &error))?.clone();
    let mut record = csv::StringRecord::new();
    let mut out = Vec::new();
    loop {
        let before = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => return Err(damage(path, before, &error)),
        }
        let line = record.position().map_or(before, csv::Position::line);
        let row = record.deserialize(Some(&headers)).map_err(|error| damage(path, line, &error))?;
        out.push(convert(row).map_err(|message| DataError::Row { path: path.to_owned(), line, message })?);
    }
    if out.is_empty() { Err(DataError::Empty { path: path.to_owned() }) } else { Ok(out) }
}

fn damage(path: &Path, line: u64, error: &csv::Error) -> DataError {
    // The parser's own text may quote the row; its kind is enough and shows no content.
    let message = match error.kind() {
        csv::ErrorKind::Io(error) => format!("the file does not decompress or read ({error})"),
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns where the header has {expected_len}")
        }
        csv::ErrorKind::Deserialize { err, .. } => match err.kind() {
            csv::DeserializeErrorKind::Message(message) => message.clone(),
            other => other.to_string(),
        },
        other => format!("{other:?}"),
    };
    DataError::Row { path: path.to_owned(), line, message }
}

pub(crate) fn zero_or_one<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    match u8::deserialize(value).map_err(|_| D::Error::custom("a mark is neither 0 nor 1"))? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(D::Error::custom("a mark is neither 0 nor 1")),
    }
}

fn ranges<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<Range<usize>>, D::Error> {
    let text = String::deserialize(value)?;
    text.split_ascii_whitespace()
        .map(|part| {
            let (start, end) = part.split_once(':')?;
            Some(start.parse().ok()?..end.parse().ok()?)
        })
        .collect::<Option<_>>()
        .ok_or_else(|| D::Error::custom("`spans` is not a list of start:end"))
}
