//! The content of the demo, compiled in: `datasets/demo`.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

const CONVERSATION: &str = include_str!("../../../../datasets/demo/conversation.jsonl");
const PROFILES: &str = include_str!("../../../../datasets/demo/profiles.jsonl");
const CALL: &str = include_str!("../../../../datasets/demo/call.toml");

macro_rules! photos {
    ($($name:literal),*) => {
        [$(($name, include_bytes!(concat!("../../../../datasets/demo/frames/", $name)))),*]
    };
}

/// The rule that the demo adds to the default policy.
pub(super) const HOUSE_RULE: &str = include_str!("../../../../datasets/demo/house_rule.toml");

const PHOTOS: [(&str, &[u8]); 11] = photos![
    "balloon.jpg",
    "bananas.jpg",
    "bananas-cartoon.jpg",
    "blueberries.jpg",
    "blueberries-cartoon.jpg",
    "dinosaur.jpg",
    "dinosaur-cartoon.jpg",
    "grapefruit.jpg",
    "larches.jpg",
    "melons.jpg",
    "park-avenue.jpg"
];

/// One chat message.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) conversation: String,
    pub(super) actor: String,
    pub(super) text: String,
}

/// One person to be matched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) interests: Vec<String>,
    pub(super) bio: String,
    pub(super) attributes: serde_json::Map<String, serde_json::Value>,
}

/// Who shows what when.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallScript {
    pub(super) participants: Vec<String>,
    pub(super) frames: Vec<FrameScript>,
}

/// One picture of a camera.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FrameScript {
    /// After the start of the call.
    pub(super) at_ms: u64,
    pub(super) actor: String,
    pub(super) file: String,
    /// Harmless, but known to be suspected by the small model.
    #[serde(default)]
    pub(super) misjudged: bool,
    /// Against the demo's own rule.
    #[serde(default)]
    pub(super) forbidden: bool,
}

impl FrameScript {
    /// The JPEG. [`Bundle::load`] has checked that it is there.
    pub(super) fn photo(&self) -> &'static [u8] {
        photo(&self.file).unwrap_or_default()
    }
}

fn photo(name: &str) -> Option<&'static [u8]> {
    PHOTOS.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// Everything that the demo shows.
#[derive(Debug, Clone)]
pub(super) struct Bundle {
    pub(super) lines: Vec<Line>,
    pub(super) people: Vec<Person>,
    pub(super) call: CallScript,
}

impl Bundle {
    pub(super) fn load() -> Result<Self> {
        let bundle = Self {
            lines: jsonl(CONVERSATION).context("conversation.jsonl")?,
            people: jsonl(PROFILES).context("profiles.jsonl")?,
            call: toml::from_str(CALL).context("call.toml")?,
        };
        for frame in &bundle.call.frames {
            ensure!(photo(&frame.file).is_some(), "call.toml names {}, which is not bundled", frame.file);
        }
        Ok(bundle)
    }

    pub(super) fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.id == id)
    }
}

fn jsonl<T: for<'de> Deserialize<'de>>(text: &str) -> Result<Vec<T>> {
    let line = |(number, line)| serde_json::from_str(line).with_context(|| format!("line {number}"));
    (1..).zip(text.lines()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_bundle_is_whole() {
        let bundle = Bundle::load().unwrap();
        assert_eq!((bundle.lines.len(), bundle.people.len()), (60, 40));
        let conversations: BTreeSet<&str> = bundle.lines.iter().map(|line| line.conversation.as_str()).collect();
        assert_eq!(conversations.len(), 3);
        let names: BTreeSet<&str> = bundle.people.iter().map(|person| person.id.as_str()).collect();
        assert_eq!(names.len(), 40, "profile ids are unique");
        for frame in &bundle.call.frames {
            assert!(bundle.call.participants.contains(&frame.actor), "{} is in the call", frame.actor);
            assert!(frame.photo().starts_with(&[0xff, 0xd8]), "{} is a JPEG", frame.file);
        }
    }

    #[test]
    fn the_call_tells_the_story_of_the_ladder() {
        let bundle = Bundle::load().unwrap();
        assert_eq!(bundle.call.frames.iter().filter(|frame| frame.misjudged).count(), 3);
        let forbidden: Vec<&FrameScript> = bundle.call.frames.iter().filter(|frame| frame.forbidden).collect();
        assert_eq!(forbidden.len(), 3);
        let actors: BTreeSet<&str> = forbidden.iter().map(|frame| frame.actor.as_str()).collect();
        assert_eq!(actors.len(), 1, "one camera climbs the ladder");
        assert!(forbidden[2].at_ms - forbidden[0].at_ms < 30_000, "inside the window of 30 s");
    }

    #[test]
    fn the_house_rule_fits_the_default_policy() {
        let text = format!("{}{HOUSE_RULE}", pipeline::policy::BUILTIN);
        pipeline::policy::Policy::parse("demo.toml", &text).unwrap();
    }
}
