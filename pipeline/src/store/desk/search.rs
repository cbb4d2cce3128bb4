//! Words of the evidence: FTS5 in SQLite, `tsvector` in PostgreSQL.

use serde::{Deserialize, Serialize};

use super::Desk;
use crate::{
    error::PipelineError,
    item::{CaseId, EvidenceId, TenantId},
    store::{
        link::{Row, values},
        row::limit,
    },
};

/// Words of a question that are looked for at most.
const MAX_WORDS: usize = 16;
/// Words of a text that others are looked up by; the longest say most.
const TELLING_WORDS: usize = 8;
/// Shorter words are in everything.
const TELLING_LETTERS: usize = 4;
/// Characters of a found text that are shown.
const SHOWN: usize = 300;

/// A text that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// In which case.
    pub case: CaseId,
    /// Which piece of evidence.
    pub evidence: EvidenceId,
    /// About whom.
    pub subject: String,
    /// Its beginning.
    pub text: String,
}

/// The question as FTS5 reads it: every word, as it is written.
fn fts5(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect::<Vec<_>>().join(" ")
}

impl Desk {
    /// Kept texts that hold every word of `question`, newest first.
    pub async fn search(&self, tenant: &TenantId, question: &str, count: usize) -> Result<Vec<Found>, PipelineError> {
        let (tenant, question) = (tenant.clone(), question.replace('\0', " "));
        let words = question.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(MAX_WORDS);
        if words.clone().next().is_none() {
            return Err(PipelineError::invalid("search_empty", "`q` holds no word: write what to look for"));
        }
        let words: Vec<String> = words.map(ToOwned::to_owned).collect();
        let rows = self
            .read("search", move |mut link| {
                Box::pin(async move {
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    let asked = link.choose("fts5", "tsquery");
                    let asked = if asked == "fts5" { fts5(&words) } else { words.join(" ") };
                    let sql = link.choose(
                        "SELECT case_id, id, subject, body FROM evidence_words WHERE evidence_words MATCH $2 AND tenant = $1
                         ORDER BY id DESC LIMIT $3",
                        "SELECT case_id, id, subject, body FROM evidence_words
                         WHERE words @@ plainto_tsquery('simple', $2) AND tenant = $1 ORDER BY id DESC LIMIT $3",
                    );
                    link.rows(sql, values![tenant.as_str(), asked, limit(count)]).await
                })
            })
            .await?;
        rows.iter().map(found).collect()
    }

    /// Kept texts that share telling words with `text`, those that share most first: of each word's newest.
    pub async fn sharing_words(
        &self,
        tenant: &TenantId,
        text: &str,
        count: usize,
    ) -> Result<Vec<Found>, PipelineError> {
        let (tenant, words) = (tenant.clone(), telling_words(text));
        self.read("sharing_words", move |mut link| {
            Box::pin(async move {
                // Word by word: a list's end is cheap to read, ranking everything that holds a common word is not.
                let sql = link.choose(
                    "SELECT case_id, id, subject, body FROM evidence_words WHERE evidence_words MATCH $2 AND tenant = $1
                     ORDER BY rowid DESC LIMIT $3",
                    "SELECT case_id, id, subject, body FROM evidence_words
                     WHERE words @@ to_tsquery('simple', $2) AND tenant = $1 ORDER BY id DESC LIMIT $3",
                );
                let mut shared: Vec<(Found, usize)> = Vec::new();
                for word in words {
                    // Long words come first and tell most. A short one that is in every text costs a server the most and adds the least.
                    if shared.len() >= 2 * count {
                        break;
                    }
                    let asked = if link.choose("fts5", "tsquery") == "fts5" { format!("\"{word}\"") } else { word };
                    for row in link.rows(sql, values![tenant.as_str(), asked, limit(count)]).await? {
                        let one = found(&row)?;
                        match shared.iter_mut().find(|(known, _)| known.evidence == one.evidence) {
                            Some((_, times)) => *times += 1,
                            None => shared.push((one, 1)),
                        }
                    }
                }
                shared.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
                shared.truncate(count);
                Ok(shared.into_iter().map(|(found, _)| found).collect())
            })
        })
        .await
    }
}

/// The longest words of a text, each once.
fn telling_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() >= TELLING_LETTERS)
        .map(str::to_lowercase)
        .collect();
    words.sort_by(|a, b| b.chars().count().cmp(&a.chars().count()).then_with(|| a.cmp(b)));
    words.dedup();
    words.truncate(TELLING_WORDS);
    words
}

fn found(row: &Row) -> Result<Found, PipelineError> {
    Ok(Found {
        case: row.parse(0)?,
        evidence: row.parse(1)?,
        subject: row.string(2)?,
        text: row.text(3)?.chars().take(SHOWN).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_the_longest_words_tell_most() {
        assert_eq!(telling_words("You won a FREE gift card; a gift-card!"), ["card", "free", "gift"]);
        assert!(telling_words("a \" * OR").is_empty());
        assert_eq!(telling_words(&"verylong ".repeat(99)), ["verylong"]);
    }
}
