//! OpenAI's thirteen moderation categories, from our own signals. The table is the contract; `docs/migrate-openai.md` prints it.

use std::{collections::BTreeMap, sync::Arc};

use pipeline::{policy::Policy, signal::Signal};
use serde::{Serialize, Serializer, ser::SerializeMap};
use utoipa::{
    PartialSchema,
    openapi::{ObjectBuilder, RefOr, Schema},
};

/// Cut-off of a category whose threshold the policy does not name.
const DEFAULT_CUT: f32 = 0.5;

/// A label with the policy's threshold that is its cut-off.
type Cut = (&'static str, &'static str);

/// How a category's score comes from signals. Labels that no loaded model gives are passed over: a model with more labels answers more
/// categories, without a change here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The highest of these labels; the category holds when one of them reaches its cut-off.
    Highest(&'static [Cut]),
    /// The lower of two such, both of which must be there; the category holds when both do.
    Both(&'static [Cut], &'static [Cut]),
    /// No model of ours will tell: always 0, from no input.
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
}

const fn row(name: &'static str, text: Source, image: Source) -> Row {
    Row { name, text, image }
}

use Source::{Both, Highest, NotJudged};

/// Against people for what they are: Jigsaw's `identity_hate` is slurs and abuse, hate in ordinary words is found by `hate` alone.
const HATE: &[Cut] = &[("identity_hate", "identity_hate"), ("hate", "hate"), ("sexism", "sexism")];
const THREAT: &[Cut] = &[("threat", "threat")];

/// In OpenAI's order.
const TABLE: [Row; 13] = [
    row("harassment", Highest(&[("insult", "insult")]), NotJudged),
    row("harassment/threatening", Highest(THREAT), NotJudged),
    row("hate", Highest(HATE), NotJudged),
    row("hate/threatening", Both(HATE, THREAT), NotJudged),
    row("illicit", Highest(&[("illicit", "illicit")]), NotJudged),
    row("illicit/violent", Highest(&[("illicit_violent", "illicit_violent")]), NotJudged),
    row("self-harm", Highest(&[("self_harm", "self_harm")]), Highest(&[("self_harm", "self_harm")])),
    row("self-harm/intent", Highest(&[("self_harm_intent", "self_harm_intent")]), NotJudged),
    row("self-harm/instructions", Highest(&[("self_harm_instructions", "self_harm_instructions")]), NotJudged),
    row(
        "sexual",
        Highest(&[("sexually_explicit", "sexually_explicit"), ("sexual_explicit", "sexual_explicit")]),
        Highest(&[("porn", "nudity"), ("hentai", "nudity"), ("sexy", "nudity")]),
    ),
    row("sexual/minors", NotJudged, NotJudged),
    row("violence", Highest(&[("threat", "threat"), ("violence", "violence")]), Highest(&[("violence", "violence")])),
    row("violence/graphic", Highest(&[("gore", "gore")]), Highest(&[("gore", "gore")])),
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

impl<T: PartialSchema> PartialSchema for PerCategory<T> {
    fn schema() -> RefOr<Schema> {
        let object = TABLE
            .iter()
            .fold(ObjectBuilder::new(), |object, row| object.property(row.name, T::schema()).required(row.name));
        object.build().into()
    }
}

/// Scores of one result, with the inputs that they come from.
#[derive(Debug, Clone)]
pub struct Categories {
    policy: Arc<Policy>,
    scores: [f32; TABLE.len()],
    holds: [bool; TABLE.len()],
    inputs: [Vec<&'static str>; TABLE.len()],
}

impl Categories {
    /// Nothing judged yet.
    pub fn new(policy: Arc<Policy>) -> Self {
        Self { policy, scores: [0.0; TABLE.len()], holds: [false; TABLE.len()], inputs: Default::default() }
    }

    /// Takes in what was found in one input; a category keeps its highest score.
    pub fn add(&mut self, modality: Modality, signals: &[Signal]) {
        let mut scores = BTreeMap::<&str, f32>::new();
        for signal in signals {
            // Of two models with one label, the higher score.
            let score = scores.entry(signal.label.as_str()).or_insert(signal.score);
            *score = score.max(signal.score);
        }
        for (index, row) in TABLE.iter().enumerate() {
            let source = match modality {
                Modality::Text => row.text,
                Modality::Image => row.image,
            };
            let Some((score, holds)) = source.judge(&scores, &self.policy) else { continue };
            self.scores[index] = self.scores[index].max(score.clamp(0.0, 1.0));
            self.holds[index] |= holds;
            let input = modality.as_str();
            if !self.inputs[index].contains(&input) {
                self.inputs[index].push(input);
                // OpenAI's order, whatever came first.
                self.inputs[index].sort_unstable_by_key(|input| *input == "image");
            }
        }
    }

    /// Does any category hold?
    pub fn flagged(&self) -> bool {
        self.holds.contains(&true)
    }

    /// Which categories hold, by the policy's thresholds.
    pub fn holds(&self) -> PerCategory<Option<bool>> {
        PerCategory(self.holds.map(Some))
    }

    /// [`Categories::holds`] as the text-only models say it: they know nothing of what is illicit.
    pub fn holds_of_text_model(&self) -> PerCategory<Option<bool>> {
        PerCategory(std::array::from_fn(|index| {
            (!TABLE[index].name.starts_with("illicit")).then_some(self.holds[index])
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

impl Source {
    /// Score, and whether it holds. `None` when the signals do not answer it.
    fn judge(self, scores: &BTreeMap<&str, f32>, policy: &Policy) -> Option<(f32, bool)> {
        let of = |(label, threshold): &Cut| {
            let score = *scores.get(label)?;
            let cut = policy.threshold(threshold).map_or(DEFAULT_CUT, |cut| cut as f32);
            Some((score, score >= cut))
        };
        let highest =
            |cuts: &[Cut]| cuts.iter().filter_map(of).reduce(|(a, holds), (b, also)| (a.max(b), holds || also));
        match self {
            Highest(cuts) => highest(cuts),
            Both(one, other) => {
                let ((a, holds), (b, also)) = (highest(one)?, highest(other)?);
                Some((a.min(b), holds && also))
            }
            NotJudged => None,
        }
    }

    /// As the documentation writes it.
    #[cfg(test)]
    fn words(self) -> String {
        let names = |cuts: &[Cut]| {
            let name = |(label, threshold): &Cut| match label == threshold {
                true => format!("`{label}`"),
                false => format!("`{label}` (cut-off `{threshold}`)"),
            };
            cuts.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        match self {
            Highest(cuts) => names(cuts),
            Both(one, other) => format!("{}, each together with {}", names(one), names(other)),
            NotJudged => "–".to_owned(),
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
        let mut categories = Categories::new(Policy::builtin());
        let signals: Vec<Signal> = signals.iter().map(|(label, score)| signal(label, *score)).collect();
        categories.add(modality, &signals);
        categories
    }

    fn json_of(per: &impl Serialize) -> Value {
        serde_json::to_value(per).unwrap()
    }

    fn held(categories: &Categories) -> Vec<String> {
        let holds = json_of(&categories.holds());
        holds
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, holds)| **holds == json!(true))
            .map(|(name, _)| name.clone())
            .collect()
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
        let text = json_of(&judged(Modality::Text, &all).scores());
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
            assert_eq!(text[name], json!(score), "{name}");
        }
        let image = judged(Modality::Image, &[("porn", 0.5), ("hentai", 0.125), ("neutral", 0.9)]);
        assert_eq!(json_of(&image.scores())["sexual"], json!(0.5));
        assert_eq!(text.as_object().unwrap().len(), 13);
    }

    #[test]
    fn i5_a_model_with_more_labels_answers_more_categories() {
        let more = judged(
            Modality::Text,
            &[("sexism", 0.75), ("identity_hate", 0.25), ("sexually_explicit", 0.625), ("gore", 0.5)],
        );
        let (scores, inputs) = (json_of(&more.scores()), json_of(&more.inputs()));
        assert_eq!(
            (&scores["hate"], &scores["sexual"], &scores["violence/graphic"]),
            (&json!(0.75), &json!(0.625), &json!(0.5))
        );
        assert_eq!(inputs["sexual"], json!(["text"]));
        assert_eq!(held(&more), ["hate", "sexual", "violence/graphic"], "by 0.5, where the policy names no threshold");
        let plain = judged(Modality::Text, &[("identity_hate", 0.02), ("hate", 0.9375), ("threat", 0.625)]);
        assert_eq!(json_of(&plain.scores())["hate/threatening"], json!(0.625));
        assert_eq!(
            held(&plain),
            ["harassment/threatening", "hate", "hate/threatening", "violence"],
            "hate in ordinary words is hate"
        );
    }

    #[test]
    fn i5_what_was_not_judged_has_no_input_and_never_holds() {
        let mut both = judged(Modality::Image, &[("porn", 0.99)]);
        both.add(Modality::Text, &[signal("insult", 0.99), signal("porn", 0.99)]);
        let inputs = json_of(&both.inputs());
        assert_eq!(inputs["sexual"], json!(["image"]));
        assert_eq!(inputs["harassment"], json!(["text"]));
        assert_eq!(inputs["self-harm"], json!([]));
        assert_eq!(held(&both), ["harassment", "sexual"]);
        assert!(!Categories::new(Policy::builtin()).flagged(), "nothing judged, nothing held");
        assert_eq!(json_of(&both.holds_of_text_model())["illicit"], Value::Null);
    }

    #[test]
    fn i5_cut_offs_are_the_policys_thresholds() {
        for (label, score, holds) in
            [("insult", 0.79, false), ("insult", 0.8, true), ("threat", 0.59, false), ("threat", 0.6, true)]
        {
            assert_eq!(judged(Modality::Text, &[(label, score)]).flagged(), holds, "{label} {score}");
        }
        // Each label of a category has its own: 0.6 is enough for hate, not for both.
        let hate = judged(Modality::Text, &[("identity_hate", 0.6), ("threat", 0.4)]);
        assert_eq!(held(&hate), ["hate"]);
    }

    #[test]
    fn i5_the_documented_table_is_the_table() {
        let guide = include_str!("../../../../docs/migrate-openai.md");
        for Row { name, text, image } in TABLE {
            let line = format!("| `{name}` | {} | {} |", text.words(), image.words());
            assert!(guide.contains(&line), "docs/migrate-openai.md lacks the row:\n{line}");
        }
    }
}
