//! Sets of texts: of one length in tokens, and of all lengths as people write them.

use std::{path::Path, sync::Arc};

use anyhow::{Context, ensure};
use datasets::{Manifest, load};
use models::text::TextEncoder;

use super::sentences;

/// Texts in a set of one length.
const COUNT: usize = 512;

/// A named set of texts.
#[derive(Debug, Clone)]
pub struct TextSet {
    /// `sent16`, `sent64`, `mixed`.
    pub name: &'static str,
    /// In the order in which they arrive.
    pub texts: Arc<Vec<String>>,
}

/// The three sets: exactly 16 tokens, exactly 64 tokens, and messages of all lengths. `folder` may hold others as JSON lines of
/// strings: `sent16.jsonl`, `sent64.jsonl`, `sentences.jsonl`.
pub fn sets(datasets: &Path, folder: Option<&Path>, encoder: &TextEncoder) -> anyhow::Result<[TextSet; 3]> {
    let set = |name, texts: Vec<String>| TextSet { name, texts: Arc::new(texts) };
    if let Some(folder) = folder {
        let read = |name: &str| json_lines(&folder.join(name));
        let texts = [read("sent16.jsonl")?, read("sent64.jsonl")?, read("sentences.jsonl")?];
        let [short, long, mixed] = texts;
        return Ok([set("sent16", short), set("sent64", long), set("mixed", mixed)]);
    }
    let (short, long) = (exactly(datasets, encoder, 16)?, exactly(datasets, encoder, 64)?);
    Ok([set("sent16", short), set("sent64", long), set("mixed", messages(datasets)?)])
}

/// Messages and comments as they were sent, in the order of the public sets: short and long ones, repeats, some spam.
pub fn messages(datasets: &Path) -> anyhow::Result<Vec<String>> {
    let manifest = Manifest::open(datasets)?;
    let mut texts = Vec::new();
    for name in ["sms_public", "youtube_public"] {
        texts.extend(load::spam(&manifest.verify(name)?)?.into_iter().map(|row| row.text));
    }
    texts.retain(|text| !text.trim().is_empty());
    Ok(texts)
}

/// Texts of exactly so many tokens, special ones included: sentences joined, and cut at a word.
pub fn exactly(datasets: &Path, encoder: &TextEncoder, tokens: usize) -> anyhow::Result<Vec<String>> {
    let source = sentences(datasets, 1..=usize::MAX)?;
    let words: Vec<&str> = source.iter().flat_map(|sentence| sentence.split_whitespace()).collect();
    let (mut texts, mut at) = (Vec::new(), 0);
    while texts.len() < COUNT && at + tokens < words.len() {
        // Every word is at least one token: no more than so many can fit.
        for taken in (1..=tokens - 2).rev() {
            let text = words[at..at + taken].join(" ");
            match encoder.encode(&text)?.len() {
                found if found == tokens => texts.push(text),
                found if found > tokens => continue,
                _ => {}
            }
            break;
        }
        at += tokens / 2;
    }
    ensure!(texts.len() >= 64, "only {} texts of {tokens} tokens could be made", texts.len());
    Ok(texts)
}

fn json_lines(path: &Path) -> anyhow::Result<Vec<String>> {
    let file = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    file.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}
