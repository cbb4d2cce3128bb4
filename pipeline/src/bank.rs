//! Banks of known pictures: what was removed once and must not come back, and what looks like it and is harmless. Pure.
//!
//! A picture is compared with every entry of its tenant's banks: 256 bits by their distance, a few tenths of a millisecond for a hundred thousand
//! entries. A hit is a signal like a model's score, so what follows is the policy's business.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    error::PipelineError,
    item::{CaseId, Envelope, ItemId},
    pdq::{Hashed, Pdq, SAME},
    review::routing::drawn,
    signal::Signal,
};

/// What a signal of a bank has in the place of a model's name.
pub const BANK: &str = "bank";
/// What the label of a bank's signal begins with: `bank.removed`.
pub const PREFIX: &str = "bank.";
/// Label of the nearest hit in any bank of bad pictures: what the built-in rules read.
pub const KNOWN: &str = "known";
/// Banks that one tenant may have.
pub const MAX_BANKS: usize = 64;
/// Entries of all banks of one tenant.
pub const MAX_ENTRIES: usize = 100_000;
/// Longest note, in bytes.
pub const MAX_NOTE_BYTES: usize = 1000;
/// Largest distance that a bank may ask for: beyond it, different pictures meet.
const MAX_DISTANCE: u32 = 64;

/// What a bank holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Pictures that violate.
    Bad,
    /// Pictures that were taken for such ones and are none: of two hits the nearer counts, and this one when both are as near.
    Good,
}

/// A bank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bank {
    /// Unique: `a-z`, `0-9`, `_`. Rules read `score["bank.NAME"]`.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub note: String,
    /// What it holds.
    pub holds: Holds,
    /// Bits in which a picture may differ from an entry.
    #[serde(default = "same")]
    pub distance: u32,
    /// The share of the pictures that it looks at, 0 to 1: for trying it out.
    #[serde(default = "whole")]
    pub share: f64,
    /// It finds nothing until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_until: Option<DateTime<Utc>>,
}

fn same() -> u32 {
    SAME
}

fn whole() -> f64 {
    1.0
}

impl Bank {
    /// Refuses what cannot work, with the member's name.
    pub fn check(&self) -> Result<(), PipelineError> {
        let wrong = |message: String| Err(PipelineError::invalid("bank_invalid", message));
        check_bank_name(&self.name)?;
        if self.note.len() > MAX_NOTE_BYTES {
            return wrong(format!("`note` has at most {MAX_NOTE_BYTES} bytes"));
        }
        if self.distance > MAX_DISTANCE {
            return wrong(format!("`distance` is 0 to {MAX_DISTANCE} bits; {SAME} is usual"));
        }
        if !(0.0..=1.0).contains(&self.share) {
            return wrong("`share` is a share between 0 and 1".into());
        }
        Ok(())
    }
}

/// Checks the name of a bank.
pub fn check_bank_name(name: &str) -> Result<(), PipelineError> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=40).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(PipelineError::invalid("bank_invalid", "the name of a bank is 1 to 40 of a-z, 0-9, `_`"))
}

/// A picture in a bank: its hash, never itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BankEntry {
    /// Of the picture.
    pub hash: Pdq,
    /// Since when it is there.
    pub at: DateTime<Utc>,
    /// Who put it there.
    pub by: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The case that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
}

/// All banks of a tenant, ready to be asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BankSet {
    version: i64,
    banks: Vec<Bank>,
    /// Bank by its place, and hash.
    entries: Vec<(u32, Pdq)>,
}

/// The nearest entry of one bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hit {
    bank: usize,
    distance: u32,
}

impl BankSet {
    /// `version` counts the changes of any of them; an entry names its bank by its place in `banks`.
    pub fn new(version: i64, banks: Vec<Bank>, entries: Vec<(u32, Pdq)>) -> Self {
        Self { version, banks, entries }
    }

    /// Counts the changes.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Is there nothing to compare with?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// One signal for each bank with a hit, and [`KNOWN`] when a bank of bad pictures has the nearest one. What has too little in it to be told from
    /// others is in no bank.
    pub fn signals(&self, seen: &Hashed, item: ItemId, now: DateTime<Utc>) -> Vec<Signal> {
        if !seen.counts() {
            return Vec::new();
        }
        let hits = self.hits(&seen.hash, item, now);
        let nearest =
            |holds| hits.iter().filter(|hit| self.banks[hit.bank].holds == holds).map(|hit| hit.distance).min();
        let known = nearest(Holds::Bad).filter(|bad| nearest(Holds::Good).is_none_or(|good| *bad < good));
        let signal = |label: String, distance| Signal {
            model: BANK.to_owned(),
            version: self.version.to_string(),
            label,
            score: Pdq::likeness(distance),
        };
        // A hit that is taken back by a good picture must not reach a rule that reads the bank itself.
        let counts = |hit: &&Hit| known.is_some() || self.banks[hit.bank].holds == Holds::Good;
        let of_banks = hits.iter().filter(counts);
        let mut signals: Vec<Signal> =
            of_banks.map(|hit| signal(format!("{PREFIX}{}", self.banks[hit.bank].name), hit.distance)).collect();
        signals.extend(known.map(|distance| signal(KNOWN.to_owned(), distance)));
        signals
    }

    /// The nearest entry of each bank that looks at this picture.
    fn hits(&self, hash: &Pdq, item: ItemId, now: DateTime<Utc>) -> Vec<Hit> {
        let looks = |bank: &Bank| {
            bank.disabled_until.is_none_or(|until| until <= now)
                && (bank.share >= 1.0 || drawn(item.0.as_bytes(), bank.share))
        };
        // No entry within the limit of a bank that does not look.
        let mut limits: Vec<Option<u32>> = self.banks.iter().map(|bank| looks(bank).then_some(bank.distance)).collect();
        let mut nearest: Vec<Option<u32>> = vec![None; self.banks.len()];
        for (bank, known) in &self.entries {
            let bank = *bank as usize;
            let Some(limit) = limits.get_mut(bank) else { continue };
            let Some(most) = *limit else { continue };
            let distance = known.distance(hash);
            if distance <= most {
                (nearest[bank], *limit) = (Some(distance), Some(distance));
            }
        }
        let hits = nearest.into_iter().enumerate();
        hits.filter_map(|(bank, distance)| distance.map(|distance| Hit { bank, distance })).collect()
    }
}

/// A picture that was judged: by what its copies are found later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPicture {
    /// Who, where, when.
    pub envelope: Envelope,
    /// Its hash.
    pub hash: Pdq,
    /// When it was judged.
    pub at: DateTime<Utc>,
}

/// Reads a list of hashes: one a line, as CSV with the hash first and a note second, or bare; a head is passed over. The wrong lines by number, from 1.
pub fn read_list(text: &str) -> (Vec<(Pdq, String)>, Vec<usize>) {
    let (mut entries, mut wrong) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim().trim_start_matches('\u{feff}');
        let (hash, note) = line.split_once(',').unwrap_or((line, ""));
        let hash = hash.trim().trim_matches('"');
        if line.is_empty() || (index == 0 && hash.eq_ignore_ascii_case("hash")) {
            continue;
        }
        match hash.parse() {
            Ok(hash) => entries.push((hash, unquoted(note))),
            Err(_) => wrong.push(index + 1),
        }
    }
    (entries, wrong)
}

/// The first field of the rest of a line.
fn unquoted(field: &str) -> String {
    let field = field.trim();
    let note = match field.strip_prefix('"') {
        Some(quoted) => {
            let end = quoted.replace("\"\"", "\u{0}\u{0}").find('"').unwrap_or(quoted.len());
            quoted.get(..end).unwrap_or(quoted).replace("\"\"", "\"")
        }
        None => field.split(',').next().unwrap_or_default().to_owned(),
    };
    note.chars().take(MAX_NOTE_BYTES / 4).collect()
}

/// The same list as [`read_list`] reads it. No spreadsheet calculates with a note.
pub fn write_list<'a>(entries: impl IntoIterator<Item = &'a BankEntry>) -> String {
    let mut text = "hash,note,by,at\n".to_owned();
    for entry in entries {
        let safe = entry.note.trim_start_matches(['=', '+', '-', '@', '\t']).replace(['\n', '\r'], " ");
        let (by, at) = (entry.by.replace(['"', ','], " "), entry.at.to_rfc3339());
        text.push_str(&format!("{},\"{}\",\"{by}\",{at}\n", entry.hash, safe.replace('"', "\"\"")));
    }
    text
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn bank(name: &str, holds: Holds) -> Bank {
        Bank { name: name.into(), note: String::new(), holds, distance: SAME, share: 1.0, disabled_until: None }
    }

    /// A hash whose first `bits` bits are set.
    fn hash(bits: usize) -> Pdq {
        let digits: String =
            (0..64).map(|digit| ['0', '1', '3', '7', 'f'][(bits.saturating_sub(digit * 4)).min(4)]).collect();
        digits.parse().unwrap()
    }

    fn seen(bits: usize) -> Hashed {
        Hashed { hash: hash(bits), quality: 100 }
    }

    fn labels(set: &BankSet, seen: &Hashed) -> Vec<(String, u32)> {
        let found = set.signals(seen, ItemId::new(), DateTime::UNIX_EPOCH);
        found.into_iter().map(|signal| (signal.label, ((1.0 - signal.score) * 256.0).round() as u32)).collect()
    }

    #[test]
    fn m4_a_known_picture_is_a_signal_by_its_nearest_entry() {
        let banks = vec![bank("removed", Holds::Bad), bank("shared", Holds::Bad)];
        let set = BankSet::new(7, banks, vec![(0, hash(0)), (0, hash(20)), (1, hash(100))]);
        assert_eq!(labels(&set, &seen(25)), [("bank.removed".into(), 5), ("known".into(), 5)]);
        assert_eq!(labels(&set, &seen(0)), [("bank.removed".into(), 0), ("known".into(), 0)]);
        assert!(labels(&set, &seen(60)).is_empty(), "40 bits away from both");
        assert!(labels(&set, &Hashed { quality: 49, ..seen(0) }).is_empty(), "too little in it");
        assert_eq!(set.signals(&seen(0), ItemId::new(), DateTime::UNIX_EPOCH)[0].version, "7");
    }

    #[test]
    fn m4_a_good_picture_takes_a_hit_back_when_it_is_nearer() {
        let banks = vec![bank("removed", Holds::Bad), bank("harmless", Holds::Good)];
        let set = BankSet::new(1, banks, vec![(0, hash(0)), (1, hash(10))]);
        assert_eq!(labels(&set, &seen(10)), [("bank.harmless".into(), 0)]);
        assert_eq!(labels(&set, &seen(5)), [("bank.harmless".into(), 5)], "both as near: the good one counts");
        let nearer = labels(&set, &seen(2));
        assert_eq!(nearer, [("bank.removed".into(), 2), ("bank.harmless".into(), 8), ("known".into(), 2)]);
    }

    #[test]
    fn m4_a_bank_looks_at_its_share_and_not_while_it_is_off() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let set = |bank: Bank| BankSet::new(1, vec![bank], vec![(0, hash(0))]);
        let found = |set: &BankSet| {
            (0..1000_u128).filter(|n| !set.signals(&seen(0), ItemId(uuid::Uuid::from_u128(*n)), now).is_empty()).count()
        };
        let off = Bank { disabled_until: Some(now + TimeDelta::seconds(1)), ..bank("a", Holds::Bad) };
        assert_eq!(found(&set(off.clone())), 0);
        assert_eq!(found(&set(Bank { disabled_until: Some(now), ..off })), 1000);
        let half = found(&set(Bank { share: 0.5, ..bank("a", Holds::Bad) }));
        assert!((400..600).contains(&half), "{half}");
        assert_eq!(found(&set(Bank { share: 0.0, ..bank("a", Holds::Bad) })), 0);
    }

    #[test]
    fn m4_banks_are_checked() {
        for (bank, good) in [
            (bank("removed_2", Holds::Bad), true),
            (bank("", Holds::Bad), false),
            (bank("Removed", Holds::Bad), false),
            (bank("a.b", Holds::Bad), false),
            (Bank { distance: 65, ..bank("a", Holds::Bad) }, false),
            (Bank { share: 1.1, ..bank("a", Holds::Bad) }, false),
            (Bank { share: f64::NAN, ..bank("a", Holds::Bad) }, false),
            (Bank { note: "x".repeat(1001), ..bank("a", Holds::Bad) }, false),
        ] {
            assert_eq!(bank.check().is_ok(), good, "{bank:?}");
        }
    }

    #[test]
    fn m4_lists_are_written_and_read() {
        let one = |bits, note: &str| BankEntry {
            hash: hash(bits),
            at: DateTime::UNIX_EPOCH,
            by: "lea".into(),
            note: note.into(),
            case: None,
        };
        let entries = [one(3, "from \"them\", again"), one(9, "=cmd()"), one(20, "")];
        let text = write_list(&entries);
        assert!(!text.contains("\"=") && text.starts_with("hash,note,by,at\n"), "{text}");
        let (read, wrong) = read_list(&text);
        assert!(wrong.is_empty());
        let notes: Vec<(Pdq, &str)> = read.iter().map(|(hash, note)| (*hash, note.as_str())).collect();
        assert_eq!(notes, [(hash(3), "from \"them\", again"), (hash(9), "cmd()"), (hash(20), "")]);
        let bare = format!("\u{feff}{}\n\nnonsense\n{},a note,more\n", hash(1), hash(2));
        let (read, wrong) = read_list(&bare);
        assert_eq!((read.len(), wrong), (2, vec![3]));
        assert_eq!(read[1].1, "a note");
    }
}
