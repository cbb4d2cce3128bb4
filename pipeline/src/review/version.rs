//! What a message said, when: its author may have edited it since. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::case::{Evidence, Exhibit, ItemExhibit};

/// Messages of one case whose versions are shown.
const MAX_MESSAGES: usize = 20;

/// A message of the platform. Its id alone could be somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageName {
    /// Whose words.
    pub actor: String,
    /// The platform's id.
    pub message: String,
}

/// A message with what it said over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageHistory {
    /// Which.
    #[serde(flatten)]
    pub name: MessageName,
    /// Its versions as each was judged, oldest first.
    pub versions: Vec<Exhibit>,
}

/// The messages that a case's evidence shows, in order, each once.
pub fn named_in(evidence: &[Evidence]) -> Vec<MessageName> {
    let mut names: Vec<MessageName> = Vec::new();
    for piece in evidence {
        let Some(Exhibit::Item(item)) = &piece.exhibit else { continue };
        let (Some(actor), Some(message)) = (&item.envelope.actor, &item.envelope.message) else { continue };
        let name = MessageName { actor: actor.to_string(), message: message.clone() };
        if names.len() < MAX_MESSAGES && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Of versions in the order of time, the one that stood at `at`: the last that was written by then, or the first when all are later (clocks differ).
pub fn standing_at(versions: &[ItemExhibit], at: DateTime<Utc>) -> Option<&ItemExhibit> {
    versions.iter().rev().find(|version| version.envelope.occurred_at <= at).or_else(|| versions.first())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::item::{Envelope, EvidenceId, ItemId, ItemKind};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn version(message: Option<&str>, second: i64) -> ItemExhibit {
        let envelope = Envelope {
            id: ItemId::new(),
            tenant: "t".into(),
            kind: ItemKind::Text,
            actor: Some("ann".into()),
            conversation: None,
            call: None,
            reference: None,
            message: message.map(ToOwned::to_owned),
            occurred_at: at(second),
            received_at: at(second),
        };
        ItemExhibit {
            envelope,
            content_sha256: "00".into(),
            text: Some(format!("words of second {second}")),
            spans: vec![],
            before: vec![],
            signals: vec![],
            reasons: vec![],
            actions: vec![],
            policy: "p@1".into(),
            thresholds: Default::default(),
            media: vec![],
        }
    }

    #[test]
    fn c5_a_report_is_about_the_version_that_stood_when_it_was_made() {
        let versions = [version(Some("m"), 10), version(Some("m"), 20), version(Some("m"), 30)];
        for (second, expected) in [(5, 0), (10, 0), (19, 0), (20, 1), (29, 1), (31, 2)] {
            let found = standing_at(&versions, at(second)).unwrap();
            assert_eq!(found.envelope.id, versions[expected].envelope.id, "{second}");
        }
        assert_eq!(standing_at(&[], at(1)), None);
    }

    #[test]
    fn c5_a_cases_messages_are_named_once_each() {
        let piece = |exhibit| Evidence { id: EvidenceId::new(), at: at(0), exhibit };
        let item = |message| piece(Some(Exhibit::Item(Box::new(version(message, 1)))));
        let evidence = [item(Some("m-1")), item(None), piece(None), item(Some("m-2")), item(Some("m-1"))];
        let names: Vec<String> = named_in(&evidence).into_iter().map(|name| name.message).collect();
        assert_eq!(names, ["m-1", "m-2"]);
    }
}
