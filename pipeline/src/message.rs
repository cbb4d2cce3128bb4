//! Messages of a workspace that can be found by meaning and by words: checked, and found by whom. Pure.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{
    error::PipelineError,
    index::{Attributes, Condition},
    item::{check_name, check_text},
};

/// Among those who may find a message: everybody of the tenant.
pub const EVERYBODY: &str = "*";
/// Most entries of an access list, and of each list of a search.
pub const MAX_NAMES: usize = 100;
/// Most hits of a search.
pub const MAX_HITS: usize = 100;
/// Rank that counts half as much as none above it (Cormack, Clarke and Büttcher 2009).
const FUSION: f64 = 60.0;

/// A message as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The platform's id of it.
    pub id: String,
    /// Where.
    pub conversation: String,
    /// By whom.
    pub author: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub text: String,
    /// Who may find it: people, groups, roles in the platform's words; [`EVERYBODY`] for all.
    pub access: Vec<String>,
}

impl Message {
    /// Refuses what is malformed. `most`: bytes of the text. Errors: `Invalid`; no message quotes the text.
    pub fn check(&self, most: usize) -> Result<(), PipelineError> {
        for (field, name) in [("id", &self.id), ("conversation", &self.conversation), ("author", &self.author)] {
            check_name(field, name)?;
        }
        check_text(&self.text, most)?;
        check_names("access", &self.access)?;
        if self.access.is_empty() {
            let message =
                format!("`access` names nobody who may find the message: send at least one, `{EVERYBODY}` for all");
            return Err(PipelineError::invalid("access_missing", message));
        }
        Ok(())
    }

    /// What the index keeps beside the vector.
    pub fn payload(&self) -> Attributes {
        Attributes::from([
            ("conversation".to_owned(), json!(self.conversation)),
            ("author".to_owned(), json!(self.author)),
            ("at".to_owned(), json!(seconds(self.at))),
            ("access".to_owned(), json!(self.access)),
        ])
    }
}

fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1e3
}

fn check_names(field: &str, names: &[String]) -> Result<(), PipelineError> {
    if names.len() > MAX_NAMES {
        let message = format!("`{field}` has {} members, at most {MAX_NAMES}: send fewer", names.len());
        return Err(PipelineError::invalid("list_too_long", message));
    }
    names.iter().try_for_each(|name| check_name(field, name))
}

/// By what messages are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// Meaning and words, the ranks of both together.
    #[default]
    Both,
    /// Meaning alone.
    Meaning,
    /// Words alone.
    Words,
}

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageSearch {
    /// In words.
    pub question: String,
    /// Who asks, with the groups and roles they have: only what one of them may find is found.
    pub readers: Vec<String>,
    /// In these conversations only; empty: in all.
    pub conversations: Vec<String>,
    /// By these authors only; empty: by all.
    pub authors: Vec<String>,
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Not after.
    pub until: Option<DateTime<Utc>>,
    /// How.
    pub by: By,
    /// Most hits.
    pub limit: usize,
}

impl MessageSearch {
    /// Refuses what is malformed. `most`: bytes of the question. Errors: `Invalid`.
    pub fn check(&self, most: usize) -> Result<(), PipelineError> {
        check_text(&self.question, most)?;
        for (field, names) in
            [("readers", &self.readers), ("conversations", &self.conversations), ("authors", &self.authors)]
        {
            check_names(field, names)?;
        }
        if self.readers.is_empty() {
            let message = "`readers` names nobody: say who asks, and the groups that they belong to";
            return Err(PipelineError::invalid("readers_missing", message));
        }
        if !(1..=MAX_HITS).contains(&self.limit) {
            let message = format!("`limit` is 1 to {MAX_HITS}, not {}", self.limit);
            return Err(PipelineError::invalid("limit_out_of_range", message));
        }
        Ok(())
    }

    /// Those whose entry in an access list lets the question find a message.
    pub fn admitted(&self) -> Vec<String> {
        let mut readers = self.readers.clone();
        readers.push(EVERYBODY.to_owned());
        readers.sort();
        readers.dedup();
        readers
    }

    /// The same as conditions on [`Message::payload`].
    pub fn conditions(&self) -> Vec<Condition> {
        let any = |attribute: &str, names: &[String]| Condition::Any {
            attribute: attribute.to_owned(),
            values: names.iter().map(|name| json!(name)).collect(),
        };
        let mut conditions = vec![any("access", &self.admitted())];
        for (attribute, names) in [("conversation", &self.conversations), ("author", &self.authors)] {
            if !names.is_empty() {
                conditions.push(any(attribute, names));
            }
        }
        if self.since.is_some() || self.until.is_some() {
            let (min, max) = (self.since.map(seconds), self.until.map(seconds));
            conditions.push(Condition::Range { attribute: "at".to_owned(), min, max });
        }
        conditions
    }

    /// The question's words: letters and digits, at most `most` of them.
    pub fn words(&self, most: usize) -> Vec<&str> {
        self.question.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(most).collect()
    }
}

/// Two rankings as one, best first: the sum of `1 / (60 + rank)` of each that names a message (reciprocal rank fusion). It needs no
/// common scale of the two.
pub fn fuse(rankings: &[&[String]]) -> Vec<(String, f64)> {
    let mut scores: HashMap<&String, f64> = HashMap::new();
    for ranking in rankings {
        for (rank, id) in ranking.iter().enumerate() {
            *scores.entry(id).or_default() += 1.0 / (FUSION + rank as f64 + 1.0);
        }
    }
    let mut fused: Vec<(String, f64)> = scores.into_iter().map(|(id, score)| (id.clone(), score)).collect();
    fused.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            id: "m".into(),
            conversation: "c".into(),
            author: "ann".into(),
            at: DateTime::UNIX_EPOCH,
            text: "Where do we eat?".into(),
            access: vec!["team".into()],
        }
    }

    #[test]
    fn x6_what_nobody_may_find_and_who_is_nobody_are_refused() {
        assert!(message().check(100).is_ok());
        let code = |result: Result<(), PipelineError>| match result {
            Err(PipelineError::Invalid { code, .. }) => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code(Message { access: vec![], ..message() }.check(100)), "access_missing");
        assert_eq!(code(Message { access: vec!["x".into(); 101], ..message() }.check(100)), "list_too_long");
        assert_eq!(code(Message { text: " ".into(), ..message() }.check(100)), "text_empty");
        assert_eq!(code(message().check(3)), "text_too_long");
        let search =
            MessageSearch { question: "food".into(), readers: vec!["ann".into()], limit: 5, ..Default::default() };
        assert!(search.check(100).is_ok());
        assert_eq!(code(MessageSearch { readers: vec![], ..search.clone() }.check(100)), "readers_missing");
        assert_eq!(code(MessageSearch { limit: 0, ..search }.check(100)), "limit_out_of_range");
    }

    #[test]
    fn x6_the_conditions_let_through_whom_the_access_list_names() {
        let holds = |message: &Message, search: &MessageSearch| {
            let payload = message.payload();
            search.conditions().iter().all(|condition| condition.holds(&payload))
        };
        let search = |reader: &str| MessageSearch { readers: vec![reader.into()], limit: 5, ..Default::default() };
        let open = Message { access: vec![EVERYBODY.into()], ..message() };
        assert!(
            holds(&message(), &search("team")) && !holds(&message(), &search("bob")) && holds(&open, &search("bob"))
        );
        let elsewhere = MessageSearch { conversations: vec!["d".into()], ..search("team") };
        let later = MessageSearch { since: DateTime::from_timestamp(1, 0), ..search("team") };
        let by_bob = MessageSearch { authors: vec!["bob".into()], ..search("team") };
        assert!([elsewhere, later, by_bob].iter().all(|search| !holds(&message(), search)));
    }

    #[test]
    fn x6_what_both_rankings_know_comes_first() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (meaning, words) = (list(&["a", "b", "c"]), list(&["b", "d"]));
        let fused = fuse(&[&meaning, &words]);
        let order: Vec<&str> = fused.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(order, ["b", "a", "d", "c"]);
        assert!(fuse(&[]).is_empty());
    }

    #[test]
    fn x6_words_are_letters_and_digits() {
        let search = MessageSearch { question: "C3PO, où \"es-tu\"?".into(), ..Default::default() };
        assert_eq!(search.words(3), ["C3PO", "où", "es"]);
    }
}
