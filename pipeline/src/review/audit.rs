//! The audit: who did what, in a chain of hashes, so that nobody can change, remove or insert an entry unseen. Pure.
//!
//! Each entry's hash is the SHA-256 of the hash before it and of the entry in a fixed form; numbers run without holes. Whoever changes an entry has
//! to change every later one too. That the *newest* entries were cut off shows only against a hash that was noted elsewhere: the last one is
//! printed by `chaperone audit verify`, for that.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is before the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is to be written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditDraft {
    /// When.
    pub at: DateTime<Utc>,
    /// Who: a member of staff, `key:<name>`, or `policy`.
    pub actor: String,
    /// What was done: `case.viewed`, `case.decided`, `item.actioned`, …
    pub kind: String,
    /// To what: `case:<id>`, `item:<id>`, `user:<name>`, …
    pub subject: String,
    /// Details: policy and model versions, before and after. Never content.
    pub detail: serde_json::Value,
}

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// From 1, without holes, for each tenant.
    pub number: i64,
    /// What was done.
    #[serde(flatten)]
    pub draft: AuditDraft,
    /// The hash before.
    pub previous: String,
    /// This one's.
    pub hash: String,
}

impl AuditDraft {
    /// The next link of a tenant's chain.
    pub fn chain(self, tenant: &str, number: i64, previous: &str) -> AuditEntry {
        let hash = hash(tenant, number, &self, previous);
        AuditEntry { number, draft: self, previous: previous.to_owned(), hash }
    }
}

/// The fixed form: a version, then every field with its length before it, so that no two entries read the same. The detail is JSON with sorted
/// members, as `serde_json` writes a `Value`.
fn hash(tenant: &str, number: i64, draft: &AuditDraft, previous: &str) -> String {
    let mut digest = Sha256::new();
    let mut put = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    };
    put(b"chaperone-audit-1");
    put(previous.as_bytes());
    put(tenant.as_bytes());
    put(&number.to_le_bytes());
    put(&draft.at.timestamp_nanos_opt().unwrap_or(i64::MAX).to_le_bytes());
    for field in [&draft.actor, &draft.kind, &draft.subject] {
        put(field.as_bytes());
    }
    put(draft.detail.to_string().as_bytes());
    hex::encode(digest.finalize())
}

/// A person in the audit: a digest, because entries cannot be changed when somebody is to be forgotten.
pub fn person(tenant: &str, actor: &str) -> String {
    let mut digest = Sha256::new();
    digest.update((tenant.len() as u64).to_le_bytes());
    digest.update(tenant);
    digest.update(actor);
    format!("person:{}", hex::encode(&digest.finalize()[..16]))
}

/// Where a chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// At which entry.
    pub number: i64,
    /// What is wrong.
    pub what: String,
}

/// Follows a chain entry by entry; takes any number of them, one at a time.
#[derive(Debug, Clone)]
pub struct Verifier {
    tenant: String,
    number: i64,
    hash: String,
}

impl Verifier {
    /// From the first entry on.
    pub fn new(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), number: 0, hash: GENESIS.to_owned() }
    }

    /// The newest entry that was followed.
    pub fn head(&self) -> (i64, &str) {
        (self.number, &self.hash)
    }

    /// Is `entry` the next link?
    pub fn follow(&mut self, entry: &AuditEntry) -> Result<(), Break> {
        let wrong = |what: String| Err(Break { number: entry.number, what });
        if entry.number != self.number + 1 {
            return wrong(format!("entry {} should follow here: entries were removed or inserted", self.number + 1));
        }
        if entry.previous != self.hash {
            return wrong("it does not continue the entry before it: one of them was changed".into());
        }
        if hash(&self.tenant, entry.number, &entry.draft, &entry.previous) != entry.hash {
            return wrong("its content does not match its hash: it was changed".into());
        }
        self.number = entry.number;
        self.hash.clone_from(&entry.hash);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;

    fn chain(length: i64) -> Vec<AuditEntry> {
        let mut previous = GENESIS.to_owned();
        (1..=length)
            .map(|number| {
                let draft = AuditDraft {
                    at: DateTime::UNIX_EPOCH + TimeDelta::seconds(number),
                    actor: "mia".into(),
                    kind: "case.viewed".into(),
                    subject: format!("case:{number}"),
                    detail: json!({ "b": 1, "a": [number] }),
                };
                let entry = draft.chain("t", number, &previous);
                previous.clone_from(&entry.hash);
                entry
            })
            .collect()
    }

    fn broken_at(entries: &[AuditEntry]) -> Option<i64> {
        let mut verifier = Verifier::new("t");
        entries.iter().find_map(|entry| verifier.follow(entry).err()).map(|broken| broken.number)
    }

    #[test]
    fn c7_a_whole_chain_verifies_and_survives_json() {
        let entries = chain(5);
        assert_eq!(broken_at(&entries), None);
        let text = serde_json::to_string(&entries).unwrap();
        assert_eq!(broken_at(&serde_json::from_str::<Vec<AuditEntry>>(&text).unwrap()), None);
    }

    #[test]
    fn c7_every_change_is_seen_where_it_was_made() {
        type Change = fn(&mut Vec<AuditEntry>);
        let changes: [(&str, Change, i64); 8] = [
            ("actor", |entries| entries[2].draft.actor = "tom".into(), 3),
            ("time", |entries| entries[2].draft.at += TimeDelta::nanoseconds(1), 3),
            ("kind", |entries| entries[2].draft.kind = "case.decided".into(), 3),
            ("subject", |entries| entries[2].draft.subject = "case:9".into(), 3),
            ("detail", |entries| entries[2].draft.detail = json!({}), 3),
            ("hash", |entries| entries[2].hash = GENESIS.into(), 3),
            ("removed", |entries| drop(entries.remove(2)), 4),
            ("swapped", |entries| entries.swap(1, 2), 3),
        ];
        for (name, change, number) in changes {
            let mut entries = chain(5);
            change(&mut entries);
            assert_eq!(broken_at(&entries), Some(number), "{name}");
        }
        let mut other = Verifier::new("u");
        assert!(other.follow(&chain(1)[0]).is_err(), "another tenant's entry");
        let mut forged = chain(5);
        forged[2] = AuditDraft { actor: "tom".into(), ..forged[2].draft.clone() }.chain("t", 3, &forged[1].hash);
        assert_eq!(broken_at(&forged), Some(4), "a forged entry breaks the one after it");
    }
}
