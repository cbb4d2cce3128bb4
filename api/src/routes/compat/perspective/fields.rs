//! `fields`: Google's mask for partial answers (<https://developers.google.com/workspace/gmail/api/guides/performance#partial>):
//! `a,b`, `a/b`, `a(b,c/d)`, `*`.

use std::collections::BTreeMap;

use serde_json::Value;

/// Deepest mask; answers have no more than five levels.
const MAX_DEPTH: usize = 16;
/// Longest mask, in bytes.
const MAX_BYTES: usize = 2000;

/// The members that are kept, each with the mask of what is below; an empty mask keeps all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mask(BTreeMap<String, Mask>);

impl Mask {
    /// Reads a mask; the error is the part that is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let shown = || text.chars().take(100).collect::<String>();
        if text.len() > MAX_BYTES {
            return Err(shown());
        }
        let mut rest = text;
        let mask = Self::list(&mut rest, 0).ok_or_else(shown)?;
        if rest.is_empty() { Ok(mask) } else { Err(shown()) }
    }

    /// `path , path …`
    fn list(rest: &mut &str, depth: usize) -> Option<Self> {
        let mut mask = Self::default();
        loop {
            let (name, below) = Self::path(rest, depth)?;
            mask.add(name, below);
            match rest.strip_prefix(',') {
                Some(more) => *rest = more,
                None => return Some(mask),
            }
        }
    }

    /// `name`, `name/path`, `name(list)`
    fn path(rest: &mut &str, depth: usize) -> Option<(String, Self)> {
        if depth > MAX_DEPTH {
            return None;
        }
        let end = rest.find([',', '/', '(', ')']).unwrap_or(rest.len());
        let name = rest[..end].trim();
        if name.is_empty() {
            return None;
        }
        *rest = &rest[end..];
        let below = if let Some(more) = rest.strip_prefix('/') {
            *rest = more;
            let (name, below) = Self::path(rest, depth + 1)?;
            Self(BTreeMap::from([(name, below)]))
        } else if let Some(more) = rest.strip_prefix('(') {
            *rest = more;
            let below = Self::list(rest, depth + 1)?;
            *rest = rest.strip_prefix(')')?;
            below
        } else {
            Self::default()
        };
        Some((name.to_owned(), below))
    }

    /// Both of two masks of the same member; the one that keeps everything wins.
    fn add(&mut self, name: String, below: Self) {
        match self.0.get_mut(&name) {
            None => {
                self.0.insert(name, below);
            }
            Some(known) if known.0.is_empty() || below.0.is_empty() => *known = Self::default(),
            Some(known) => below.0.into_iter().for_each(|(name, below)| known.add(name, below)),
        }
    }

    /// Drops what the mask does not keep. A list is masked member by member.
    pub(super) fn apply(&self, value: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        match value {
            Value::Array(members) => members.iter_mut().for_each(|member| self.apply(member)),
            Value::Object(members) => {
                members.retain(|name, _| self.0.contains_key(name) || self.0.contains_key("*"));
                for (name, member) in members {
                    // A member that is named keeps what its own mask says.
                    if let Some(below) = self.0.get(name).or_else(|| self.0.get("*")) {
                        below.apply(member);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn i5_a_mask_keeps_what_it_names() {
        let answer = json!({
            "attributeScores": {
                "TOXICITY": { "summaryScore": { "value": 0.5, "type": "PROBABILITY" }, "spanScores": [{ "begin": 0, "end": 3 }] },
                "INSULT": { "summaryScore": { "value": 0.25, "type": "PROBABILITY" } },
            },
            "languages": ["en"], "detectedLanguages": ["en"],
        });
        let score = |value: f32| json!({ "summaryScore": { "value": value } });
        for (mask, expected) in [
            ("languages", json!({ "languages": ["en"] })),
            ("nothing", json!({})),
            ("languages, detectedLanguages", json!({ "languages": ["en"], "detectedLanguages": ["en"] })),
            ("attributeScores/TOXICITY/summaryScore/value", json!({ "attributeScores": { "TOXICITY": score(0.5) } })),
            (
                "attributeScores(TOXICITY(summaryScore(value)))",
                json!({ "attributeScores": { "TOXICITY": score(0.5) } }),
            ),
            (
                "attributeScores/*/summaryScore/value",
                json!({ "attributeScores": { "TOXICITY": score(0.5), "INSULT": score(0.25) } }),
            ),
            (
                "attributeScores/TOXICITY/summaryScore/value,attributeScores(INSULT/summaryScore/value)",
                json!({ "attributeScores": { "TOXICITY": score(0.5), "INSULT": score(0.25) } }),
            ),
            (
                "attributeScores/TOXICITY/spanScores/end",
                json!({ "attributeScores": { "TOXICITY": { "spanScores": [{ "end": 3 }] } } }),
            ),
            ("*", answer.clone()),
            ("languages/x", json!({ "languages": ["en"] })),
            ("attributeScores/INSULT,attributeScores", json!({ "attributeScores": answer["attributeScores"] })),
        ] {
            let mut masked = answer.clone();
            Mask::parse(mask).unwrap().apply(&mut masked);
            assert_eq!(masked, expected, "{mask}");
        }
    }

    #[test]
    fn i5_what_is_no_mask_is_refused() {
        let deep = "a/".repeat(50) + "a";
        let parens = "a(".repeat(900);
        for wrong in
            ["", ",", "a,", "a/", "/a", "a(", "a()", "a(b", "a)", "a(b)c", "a,(b)", &deep, &parens, &"x".repeat(3000)]
        {
            assert!(Mask::parse(wrong).is_err(), "{wrong}");
        }
    }
}
