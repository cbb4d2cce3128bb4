//! OpenAI's thirteen moderation categories, from our own signals. The table is the contract; `docs/migrate-openai.md` prints it.

use std::collections::BTreeMap;

use pipeline::{policy::Policy, signal::Signal};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// Cut-off of a category whose threshold the policy does not name.
const DEFAULT_CUT: f32 = 0.5;

/// How a category's score comes from signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The highest of these labels.
    Highest(&'static [&'static str]),
    /// The lowest of these labels: all of them must hold.
    All(&'static [&'static str]),
    /// We have no model for it: always 0, from no input.
    NotJudged,
}

/// One category.
struct Row {
    /// OpenAI's name.
    name: &'static str,
    /// From a text's signals.
    text: Source,
    /// From a picture's signals.
    image: Source,
    /// The policy's threshold that is its cut-off.
    threshold: &'static str,
}

const fn row(name: &'static str, text: Source, image: Source, threshold: &'static str) -> Row {
    Row { name, text, image, threshold }
}

use Source::{All, Highest, NotJudged};

/// In OpenAI's order.
const TABLE: [Row; 13] = [
    row("harassment", Highest(&["insult"]), NotJudged, "insult"),
    row("harassment/threatening", Highest(&["threat"]), NotJudged, "threat"),
    row("hate", Highest(&["identity_hate"]), NotJudged, "identity_hate"),
    row("hate/threatening", All(&["identity_hate", "threat"]), NotJudged, "identity_hate"),
    row("illicit", NotJudged, NotJudged, ""),
    row("illicit/violent", NotJudged, NotJudged, ""),
    row("self-harm", NotJudged, NotJudged, ""),
    row("self-harm/intent", NotJudged, NotJudged, ""),
    row("self-harm/instructions", NotJudged, NotJudged, ""),
    row("sexual", NotJudged, Highest(&["porn", "hentai", "sexy"]), "nudity"),
    row("sexual/minors", NotJudged, NotJudged, ""),
    row("violence", Highest(&["threat"]), NotJudged, "threat"),
    row("violence/graphic", NotJudged, NotJudged, ""),
];

/// What was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modality {
    /// A text.
    Text,
    /// A picture.
    Image,
}

impl Modality {
    fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
        }
    }
}

/// One value per category, serialised under OpenAI's names in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct PerCategory<T>([T; TABLE.len()]);

impl<T: Serialize> Serialize for PerCategory<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(TABLE.len()))?;
        for (row, value) in TABLE.iter().zip(&self.0) {
            map.serialize_entry(row.name, value)?;
        }
        map.end()
    }
}

/// Scores of one result, with the inputs that they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Categories {
    scores: [f32; TABLE.len()],
    inputs: [Vec<&'static str>; TABLE.len()],
}

impl Categories {
    /// Nothing judged yet.
    pub fn new() -> Self {
        Self { scores: [0.0; TABLE.len()], inputs: Default::default() }
    }

    /// Takes in what was found in one input; a category keeps its highest score.
    pub fn add(&mut self, modality: Modality, signals: &[Signal]) {
        let scores: BTreeMap<&str, f32> = signals.iter().map(|signal| (signal.label.as_str(), signal.score)).collect();
        for (index, row) in TABLE.iter().enumerate() {
            let source = match modality {
                Modality::Text => row.text,
                Modality::Image => row.image,
            };
            let Some(score) = source.score(&scores) else { continue };
            self.scores[index] = self.scores[index].max(score.clamp(0.0, 1.0));
            let input = modality.as_str();
            if !self.inputs[index].contains(&input) {
                self.inputs[index].push(input);
                // OpenAI's order, whatever came first.
                self.inputs[index].sort_unstable_by_key(|input| *input == "image");
            }
        }
    }

    /// Which categories hold, by the policy's thresholds.
    pub fn holds(&self, policy: &Policy) -> PerCategory<bool> {
        let cut = |row: &Row| policy.threshold(row.threshold).map_or(DEFAULT_CUT, |cut| cut as f32);
        PerCategory(std::array::from_fn(|index| {
            !self.inputs[index].is_empty() && self.scores[index] >= cut(&TABLE[index])
        }))
    }

    /// The raw scores.
    pub fn scores(&self) -> PerCategory<f32> {
        PerCategory(self.scores)
    }

    /// Which inputs each score comes from; none for what we cannot judge.
    pub fn inputs(&self) -> PerCategory<Vec<&'static str>> {
        PerCategory(self.inputs.clone())
    }
}

impl PerCategory<bool> {
    /// Does any category hold?
    pub fn any(&self) -> bool {
        self.0.contains(&true)
    }
}

impl Source {
    /// `None` when the signals do not answer it.
    fn score(self, scores: &BTreeMap<&str, f32>) -> Option<f32> {
        match self {
            Highest(labels) => labels.iter().filter_map(|label| scores.get(label).copied()).reduce(f32::max),
            All(labels) => {
                let scores: Option<Vec<f32>> = labels.iter().map(|label| scores.get(label).copied()).collect();
                scores?.into_iter().reduce(f32::min)
            }
            NotJudged => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn signal(label: &str, score: f32) -> Signal {
        Signal { model: "m".into(), version: "1".into(), label: label.into(), score }
    }

    fn judged(modality: Modality, signals: &[(&str, f32)]) -> Categories {
        let mut categories = Categories::new();
        let signals: Vec<Signal> = signals.iter().map(|(label, score)| signal(label, *score)).collect();
        categories.add(modality, &signals);
        categories
    }

    fn value(json: &Value, name: &str) -> Value {
        json[name].clone()
    }

    #[test]
    fn i5_every_category_comes_from_the_signals_that_the_table_names() {
        let all = [
            ("toxic", 0.9),
            ("insult", 0.25),
            ("threat", 0.5),
            ("identity_hate", 0.75),
            ("obscene", 1.0),
            ("spam", 1.0),
        ];
        let text = serde_json::to_value(judged(Modality::Text, &all).scores()).unwrap();
        for (name, score) in [
            ("harassment", 0.25),
            ("harassment/threatening", 0.5),
            ("hate", 0.75),
            ("hate/threatening", 0.5),
            ("violence", 0.5),
            ("sexual", 0.0),
            ("self-harm", 0.0),
            ("sexual/minors", 0.0),
            ("illicit/violent", 0.0),
            ("violence/graphic", 0.0),
        ] {
            assert_eq!(value(&text, name), json!(score), "{name}");
        }
        let image = judged(Modality::Image, &[("porn", 0.5), ("hentai", 0.125), ("neutral", 0.9)]);
        assert_eq!(value(&serde_json::to_value(image.scores()).unwrap(), "sexual"), json!(0.5));
        assert_eq!(text.as_object().unwrap().len(), 13);
    }

    #[test]
    fn i5_what_was_not_judged_has_no_input_and_never_holds() {
        let policy = Policy::builtin();
        let both = {
            let mut both = judged(Modality::Image, &[("porn", 0.99)]);
            both.add(Modality::Text, &[signal("insult", 0.99), signal("porn", 0.99)]);
            both
        };
        let inputs = serde_json::to_value(both.inputs()).unwrap();
        assert_eq!(value(&inputs, "sexual"), json!(["image"]));
        assert_eq!(value(&inputs, "harassment"), json!(["text"]));
        assert_eq!(value(&inputs, "self-harm"), json!([]));
        let holds = serde_json::to_value(both.holds(&policy)).unwrap();
        let held: Vec<&String> = holds
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, holds)| **holds == json!(true))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(held, ["harassment", "sexual"]);
        assert!(!Categories::new().holds(&policy).any(), "nothing judged, nothing held");
    }

    #[test]
    fn i5_cut_offs_are_the_policys_thresholds() {
        let policy = Policy::builtin();
        for (score, holds) in [(0.79, false), (0.8, true)] {
            assert_eq!(judged(Modality::Text, &[("insult", score)]).holds(&policy).any(), holds, "{score}");
        }
    }
}
